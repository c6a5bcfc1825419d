"""Makes clips of a list of prompts in a folder: `python batch.py jobs.jsonl out`."""

import asyncio
import os
import sys

from kling_async import Batch, KlingClient, Polling, RowResult


async def run(jobs: str, out: str, kling: KlingClient) -> list[RowResult]:
    """Makes the clips that are not there yet.

    Args:
        jobs: path of a JSONL file.
        out: directory of results and the report.
        kling: the client to use.
    """
    return [row async for row in Batch(jobs, out=out).run(kling)]


async def main() -> None:
    """Runs the batch; credentials and the delay of the first poll come from the environment."""
    first = float(os.environ.get("FIRST_SECONDS", "60"))
    async with KlingClient(polling=Polling(first=first)) as kling:
        for row in await run(sys.argv[1], sys.argv[2], kling):
            print(row.id, row.status.value, *row.files)


if __name__ == "__main__":
    asyncio.run(main())
