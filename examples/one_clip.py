"""Turns one image into a video file.

    python examples/one_clip.py examples/images/cat.png cat.mp4

Credentials come from KLING_API_KEY, or KLING_ACCESS_KEY and KLING_SECRET_KEY. Without a key, run `kling-async
emulator` in another shell and paste the lines it prints here. A second run pays nothing: it reports an existing file.
"""

import asyncio
import sys

from kling_async import ImageToVideo, KlingClient, KlingError, estimate


async def main(image: str, target: str) -> None:
    """Prints the price, then checks, pays, waits and saves."""
    request = ImageToVideo(image=image, prompt="the cat turns its head", mode="pro", duration=5)
    print("costs about", estimate(request).usd, "USD")
    async with KlingClient() as kling:
        try:
            print("saved:", await kling.generate(request, target))
        except KlingError as error:
            sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case [image, target]:
            asyncio.run(main(image, target))
        case _:
            sys.exit(__doc__)
