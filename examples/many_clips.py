"""Turns many images into videos; the client respects the account's limit.

    python examples/many_clips.py out/ examples/images/*.*

A failed clip does not stop the others, and a second run only generates the missing ones.
"""

import asyncio
import sys
from pathlib import Path

from kling_async import ImageToVideo, KlingClient, KlingError


async def one(kling: KlingClient, image: str, directory: Path) -> Path:
    """Generates one clip, waiting for a slot if the account is full; `generate` has options such as `strict=False`."""
    request = ImageToVideo(image=image, prompt="slow push in")
    return await kling.generate(request, directory / f"{Path(image).name}.mp4")


async def main(directory: str, *images: str) -> None:
    """Generates all clips concurrently."""
    Path(directory).mkdir(parents=True, exist_ok=True)
    async with KlingClient(concurrency=5) as kling:
        making = (one(kling, image, Path(directory)) for image in images)
        outcomes = await asyncio.gather(*making, return_exceptions=True)
    for image, outcome in zip(images, outcomes, strict=True):
        print(image, "->", outcome)
        if isinstance(outcome, BaseException) and not isinstance(outcome, KlingError):
            raise outcome


if __name__ == "__main__":
    match sys.argv[1:]:
        case [directory, *images] if images:
            asyncio.run(main(directory, *images))
        case _:
            sys.exit(__doc__)
