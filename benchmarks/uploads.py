"""Measures uploads of many large images at once: memory above idle, and the longest stall of the event loop.

    python benchmarks/uploads.py 200

Runs an emulator in another process, submits the same 9 MB picture 200 times at once, and prints one JSON object:
`memory_mb` (peak resident memory above that of the idle client), `stall_ms` (the longest time for which the loop was
blocked), `accepted`.
"""

import asyncio
import json
import re
import resource
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

from kling_async import KlingClient, Polling

BYTES = 9 * 2**20
TICK = 0.005


def large_png(path: Path) -> None:
    """Writes a valid PNG of 9 MB: plain rows, filled up with a text chunk."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1280, 720, 8, 2, 0, 0, 0)
    pixels = zlib.compress((b"\0" + b"\x40\x80\xc0" * 1280) * 720)
    filling = chunk(b"tEXt", b"Comment\0" + b"kling " * (BYTES // 6 - 2000))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + filling + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def resident() -> int:
    """Returns the resident memory of this process in bytes (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def watch(done: asyncio.Event) -> tuple[float, int]:
    """Returns the largest lag of a short sleep in seconds, and the peak resident memory in bytes."""
    loop = asyncio.get_running_loop()
    stall, peak = 0.0, 0
    while not done.is_set():
        began = loop.time()
        await asyncio.sleep(TICK)
        stall = max(stall, loop.time() - began - TICK)
        peak = max(peak, resident())
    return stall, peak


async def measure(base_url: str, api_key: str, image: Path, count: int) -> dict[str, float]:
    """Submits all images, and measures this process."""
    async with KlingClient(
        base_url=base_url, api_key=api_key, concurrency=count + 1, polling=Polling(first=600, maximum=600)
    ) as client:
        await client.get_task(f"image2video:{await first_task(client)}")
        idle = resident()
        done = asyncio.Event()
        watching = asyncio.create_task(watch(done))
        handles = await asyncio.gather(*(client.image_to_video(image) for _ in range(count)))
        done.set()
        stall, peak = await watching
        return {
            "accepted": len({handle.task_id for handle in handles}),
            "memory_mb": round((peak - idle) / 2**20, 1),
            "stall_ms": round(1000 * stall, 1),
        }


async def first_task(client: KlingClient) -> str:
    """Submits a small picture, so that one-time costs are paid before the measurement."""
    handle = await client.image_to_video(Path(__file__).parents[1] / "examples" / "images" / "cat.png")
    return str(handle.task_id)


def main(count: int) -> None:
    """Starts the emulator, measures, prints."""
    command = [sys.executable, "-m", "kling_async.cli", "emulator", "--port", "0", "--concurrency", str(count + 1)]
    with (
        tempfile.TemporaryDirectory() as directory,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as emulator,
    ):
        image = Path(directory) / "large.png"
        large_png(image)
        found: dict[str, str] = {}
        assert emulator.stdout is not None
        for line in emulator.stdout:
            if match := re.search(r"(KLING_\w+)=(\S+)", line):
                found[match[1]] = match[2].strip("'\"")
            if {"KLING_BASE_URL", "KLING_API_KEY"} <= set(found):
                break
        print(json.dumps(asyncio.run(measure(found["KLING_BASE_URL"], found["KLING_API_KEY"], image, count))))
        emulator.terminate()


if __name__ == "__main__":
    main(int(sys.argv[1]))
