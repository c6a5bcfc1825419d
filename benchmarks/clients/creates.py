"""One client process that makes many tasks at once with a journal, and waits until all are on disk.

    python -m benchmarks.clients.creates '{"url": ..., "count": 500, "journal": ..., "bytes": false}'

Prints a line of JSON: when the creates began and when the last of their entries was on disk, in seconds since 1970.
"""

import asyncio
import json
import sys
import time
import zlib
from typing import Any

from benchmarks.clients.options import IMAGE, PROMPT
from kling_async import EntryState, ImageToVideo, KlingClient

PICTURE_BYTES = 100_000


async def measure(options: dict[str, Any]) -> dict[str, float]:
    """Makes all tasks at once."""
    count = options["count"]
    image = IMAGE if not options["bytes"] else _picture()
    async with KlingClient(
        api_key="benchmark", base_url=options["url"], concurrency=count, journal=options["journal"]
    ) as kling:
        began = time.time()
        await asyncio.gather(
            *(kling.submit(ImageToVideo(image, prompt=PROMPT), key=f"clip-{number}") for number in range(count))
        )
        on_disk = [entry async for entry in kling.journal.entries(state=EntryState.ACCEPTED)]
        ended = time.time()
    assert len(on_disk) == count
    return {"began": began, "ended": ended}


def _picture() -> bytes:
    """Returns a PNG; the server does not decode it."""
    header = (640).to_bytes(4, "big") + (480).to_bytes(4, "big") + b"\x08\x02\x00\x00\x00"
    chunks = [(b"IHDR", header), (b"IDAT", bytes(PICTURE_BYTES)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big") for kind, data in chunks
    )


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(json.loads(sys.argv[1])))))
