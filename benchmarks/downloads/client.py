"""Downloads videos in a separate process: save|discard BASE_URL DIRECTORY STREAMS FILES; prints JSON.

Needs nothing but `kling_async`. `save` downloads as a user would; all tasks are known to be done before the clock runs.
`discard` reads the same files with plain aiohttp and keeps nothing: it shows the least lag of a loop that reads them.
"""

import asyncio
import json
import resource
import sys
import time
from pathlib import Path

import aiohttp

from kling_async import KlingClient

TICK = 0.002
"""Seconds of a sleep; what it takes longer is the lag of the event loop."""


def cpu() -> float:
    """Returns the CPU seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def watch(lags: list[float]) -> None:
    """Records by how much each short sleep was late."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(TICK)
        lags.append(time.perf_counter() - began - TICK)


async def save(base_url: str, directory: Path, streams: int, files: int) -> dict[str, float]:
    """Saves `files` files, `streams` at once."""
    async with KlingClient(base_url=base_url, api_key="api-key-kling-benchmark", downloads=streams) as client:
        handles = [client.attach(f"image2video:{number}") for number in range(files)]
        for handle in handles:
            await handle
        lags: list[float] = []
        watching = asyncio.create_task(watch(lags))
        began, worked = time.perf_counter(), cpu()
        if streams == 1:
            paths = [await handle.save(directory) for handle in handles]
        else:
            paths = list(await asyncio.gather(*(handle.save(directory) for handle in handles)))
        seconds, worked = time.perf_counter() - began, cpu() - worked
        watching.cancel()
        size = sum(path.stat().st_size for path in paths)
        return {"seconds": seconds, "cpu": worked, "lag": max(lags), "bytes": size}


async def discard(base_url: str, _: Path, streams: int, files: int) -> dict[str, float]:
    """Reads `files` files, `streams` at once, piece by piece as they arrive."""
    places = asyncio.Semaphore(streams)
    async with aiohttp.ClientSession(base_url) as session:

        async def read(number: int) -> int:
            size = 0
            async with places, session.get(f"/{number}.mp4") as response:
                response.raise_for_status()
                async for chunk in response.content.iter_any():
                    size += len(chunk)
            return size

        lags: list[float] = []
        watching = asyncio.create_task(watch(lags))
        began, worked = time.perf_counter(), cpu()
        sizes = await asyncio.gather(*(read(number) for number in range(files)))
        seconds, worked = time.perf_counter() - began, cpu() - worked
        watching.cancel()
        return {"seconds": seconds, "cpu": worked, "lag": max(lags), "bytes": sum(sizes)}


if __name__ == "__main__":
    what, base_url, directory, streams, files = sys.argv[1:]
    client = {"save": save, "discard": discard}[what]
    print(json.dumps(asyncio.run(client(base_url, Path(directory), int(streams), int(files)))))
