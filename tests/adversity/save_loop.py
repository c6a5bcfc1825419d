"""Saves videos to a directory, like a job that is restarted after a crash: BASE_URL DIRECTORY REFERENCE..."""

import asyncio
import sys
from pathlib import Path

from kling_async import KlingClient, Retry, TargetExists


async def save(client: KlingClient, reference: str, target: Path) -> None:
    """Saves one video, unless an earlier process has saved it."""
    try:
        await client.attach(reference).save(target)
    except TargetExists:
        return


async def main(base_url: str, directory: str, *references: str) -> None:
    """Saves all videos."""
    async with KlingClient(
        base_url=base_url, api_key="api-key-kling-emulator", retry=Retry(first=0.01), downloads=2
    ) as client:
        sys.stdout.write("begins\n")
        sys.stdout.flush()
        saving = [save(client, each, Path(directory, each.partition(":")[2] + ".mp4")) for each in references]
        await asyncio.gather(*saving)


asyncio.run(main(*sys.argv[1:]))
