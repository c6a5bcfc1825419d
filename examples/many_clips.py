"""Many images become many videos; the client keeps to the account's limit.

    python examples/many_clips.py out/ examples/images/*.*

One clip that fails does not stop the others.
"""

import asyncio
import sys
from pathlib import Path

from kling_async import KlingClient, KlingError


async def one(kling: KlingClient, image: str, directory: str) -> Path:
    """From image to file; waits in line where the account is full."""
    handle = await kling.image_to_video(image=image, prompt="slow push in")
    return await handle.save(directory)


async def main(directory: str, *images: str) -> None:
    """All at once."""
    async with KlingClient(concurrency=5) as kling:
        outcomes = await asyncio.gather(*(one(kling, image, directory) for image in images), return_exceptions=True)
    for image, outcome in zip(images, outcomes, strict=True):
        print(image, "->", outcome)
        if isinstance(outcome, BaseException) and not isinstance(outcome, KlingError):
            raise outcome


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
