"""Clips of a list of prompts, into a folder: `python batch.py jobs.jsonl out`."""

import asyncio
import os
import sys

from kling_async import Batch, KlingClient, Polling, RowResult


async def run(jobs: str, out: str, kling: KlingClient) -> list[RowResult]:
    """Makes what is not there yet.

    Args:
        jobs: a file of JSONL.
        out: where results and the report go.
        kling: whose account pays.
    """
    return [row async for row in Batch(jobs, out=out).run(kling)]


async def main() -> None:
    """Runs it, with the credentials of the environment, and with the seconds after which it first asks."""
    first = float(os.environ.get("FIRST_SECONDS", "60"))
    async with KlingClient(polling=Polling(first=first)) as kling:
        for row in await run(sys.argv[1], sys.argv[2], kling):
            print(row.id, row.status.value, *row.files)


if __name__ == "__main__":
    asyncio.run(main())
