"""One process submits and ends; another one, later, saves the video.

    python examples/resume.py submit examples/images/cat.png jobs.txt
    python examples/resume.py save jobs.txt out/

A reference is all that needs to be kept.
"""

import asyncio
import sys
from pathlib import Path

from kling_async import KlingClient


async def submit(image: str, jobs: str) -> None:
    """Pays for a clip and notes its reference."""
    async with KlingClient() as kling:
        handle = await kling.image_to_video(image=image, prompt="the cat blinks")
    with Path(jobs).open("a") as file:
        file.write(handle.reference + "\n")
    print("submitted:", handle.reference)


async def save(jobs: str, directory: str) -> None:
    """Waits for every noted clip and saves it."""
    references = Path(jobs).read_text().split()
    async with KlingClient() as kling:
        paths = await asyncio.gather(*(kling.attach(reference).save(directory) for reference in references))
    print("saved:", *paths)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["submit", image, jobs]:
            asyncio.run(submit(image, jobs))
        case ["save", jobs, directory]:
            asyncio.run(save(jobs, directory))
        case _:
            sys.exit(__doc__)
