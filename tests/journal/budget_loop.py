"""Makes as many clips as a budget of 60 units allows: BASE_URL JOURNAL NAME COUNT."""

import asyncio
import contextlib
import sys

from kling_async import Budget, BudgetExceeded, KlingClient, Polling, Retry, TextToVideo


async def make(client: KlingClient, key: str, number: int) -> None:
    """Makes one clip of 1.5 or 2.5 units, unless the budget does not allow it."""
    request = TextToVideo(f"a cat, number {number}", mode="pro" if number % 3 else "std")
    with contextlib.suppress(BudgetExceeded):
        await (await client.submit(request, key=f"{key}-{number}"))


async def main(base_url: str, journal: str, name: str, count: str) -> None:
    """Recovers the unfinished work of other processes, and makes as many clips as fit."""
    client = KlingClient(
        base_url=base_url,
        api_key="api-key-kling-emulator",
        journal=journal,
        budget=Budget(units=60),
        concurrency=50,
        polling=Polling(first=0.1, maximum=0.2),
        retry=Retry(first=0.05, settle=0.2),
    )
    async with client:
        sys.stdout.write("begins\n")
        sys.stdout.flush()
        async for handle in client.recover():
            await handle
        await asyncio.gather(*(make(client, name, number) for number in range(int(count))))


asyncio.run(main(*sys.argv[1:]))
