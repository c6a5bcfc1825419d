"""One process submits and exits; a later one saves the video.

    python examples/resume.py submit examples/images/cat.png jobs.txt
    python examples/resume.py save jobs.txt out/

Only the reference needs to be stored.
"""

import asyncio
import sys
from pathlib import Path

from kling_async import KlingClient


async def submit(image: str, jobs: str) -> None:
    """Submits a clip and stores its reference."""
    async with KlingClient() as kling:
        handle = await kling.image_to_video(image=image, prompt="the cat blinks")
    with Path(jobs).open("a") as file:
        file.write(handle.reference + "\n")
    print("submitted:", handle.reference)


async def save(jobs: str, directory: str) -> None:
    """Waits for each stored clip and saves it."""
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
