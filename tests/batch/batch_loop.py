"""Runs a batch as a program that is killed and restarted: BASE_URL JOBS OUT [BUDGET]."""

import asyncio
import sys
from collections import Counter
from unittest import mock

from kling_async import Batch, Budget, KlingClient, Polling, Retry
from kling_async.io import submission
from kling_async.protocol import endpoint

# The emulator shows tasks at once. The default of two minutes of lookups before a resend would take real time.
mock.patch.object(submission, "RESENT_AFTER", 0.2).start()
mock.patch.object(endpoint, "SHOWN_WITHIN", 0.2).start()


async def main(base_url: str, jobs: str, out: str, units: str = "") -> None:
    """Generates everything that is missing, and prints the results of the rows."""
    async with KlingClient(
        base_url=base_url,
        api_key="api-key-kling-emulator",
        concurrency=8,
        budget=Budget(units=units) if units else None,
        polling=Polling(first=0.1, maximum=0.2),
        retry=Retry(first=0.05, settle=0.2),
    ) as client:
        sys.stdout.write("begins\n")
        sys.stdout.flush()
        counts: Counter[str] = Counter()
        async for done in Batch(jobs, out=out).run(client):
            counts[done.status] += 1
        sys.stdout.write(f"{dict(counts)}\n")


asyncio.run(main(*sys.argv[1:]))
