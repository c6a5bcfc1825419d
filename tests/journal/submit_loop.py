"""Makes clips under keys, like a job that is killed and restarted: BASE_URL JOURNAL DIRECTORY COUNT."""

import asyncio
import sys

from kling_async import KlingClient, Polling, Retry, TextToVideo


async def main(base_url: str, journal: str, directory: str, count: str) -> None:
    """Makes all missing clips."""
    async with KlingClient(
        base_url=base_url,
        api_key="api-key-kling-emulator",
        journal=journal,
        concurrency=8,
        polling=Polling(first=0.1, maximum=0.2),
        retry=Retry(first=0.05, settle=0.2),
    ) as client:
        sys.stdout.write("begins\n")
        sys.stdout.flush()
        making = [
            client.generate(TextToVideo(f"a cat, number {number}"), f"{directory}/", key=f"clip-{number}")
            for number in range(int(count))
        ]
        await asyncio.gather(*making)


asyncio.run(main(*sys.argv[1:]))
