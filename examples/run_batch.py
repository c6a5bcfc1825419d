"""A batch in a program that may be killed and started again; all runs together stay within one budget.

python examples/run_batch.py JOBS OUT/ UNITS

JOBS may also be CSV or a folder of pictures; each request is recorded in OUT/journal.sqlite before it is sent.
"""

import asyncio
import sys

from kling_async import Batch, Budget, KlingClient


async def main(jobs: str, out: str, units: str) -> None:
    """Generates the missing rows; `report.html` shows all."""
    async with KlingClient(budget=Budget(units=units)) as kling:
        async for done in Batch(jobs, out=out).run(kling):
            print(done.id, done.status, *(path.name for path in done.files), done.error)


if __name__ == "__main__":
    match sys.argv[1:]:
        case [jobs, out, units]:
            asyncio.run(main(jobs, out, units))
        case _:
            sys.exit(__doc__)
