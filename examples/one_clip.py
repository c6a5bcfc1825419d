"""One image becomes one video on disk.

    python examples/one_clip.py examples/images/cat.png cat.mp4

Credentials come from KLING_API_KEY, or KLING_ACCESS_KEY and KLING_SECRET_KEY. Without a key, run `kling-async
emulator` in another shell and paste the lines it prints here.
"""

import asyncio
import sys

from kling_async import KlingClient


async def main(image: str, target: str) -> None:
    """Submits, tells each status, saves."""
    async with KlingClient() as kling:
        handle = await kling.image_to_video(image=image, prompt="the cat turns its head", mode="pro", duration=5)
        print("accepted:", handle.reference)
        async for task in handle.updates():
            print("status:", task.status)
        print("saved:", await handle.save(target))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
