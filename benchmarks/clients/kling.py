"""`kling_async`, as its README uses it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from benchmarks.clients.options import DOWNLOADS, IMAGE, PROMPT, Begin, Detected, Generate, Options
from kling_async import KlingClient, Polling


@contextlib.asynccontextmanager
async def opened(options: Options) -> AsyncIterator[Generate]:
    """Opens a client with slots for all tasks, and enough downloads at once that they are no bottleneck."""
    async with _client(options) as kling:

        async def generate(path: Path, detected: Detected) -> None:
            handle = await kling.image_to_video(image=IMAGE, prompt=PROMPT)
            task = await handle
            detected(task.task_id)
            await handle.save(path)

        yield generate


@contextlib.asynccontextmanager
async def waiting(options: Options) -> AsyncIterator[Begin]:
    """As `opened`, without the files: a handle and a waiter for each task."""
    async with _client(options) as kling:

        async def begin() -> tuple[str, asyncio.Future[Any]]:
            handle = await kling.image_to_video(image=IMAGE, prompt=PROMPT)
            return handle.reference.partition(":")[2], asyncio.ensure_future(handle.wait())

        yield begin


def _client(options: Options) -> KlingClient:
    polling = None if options.beat is None else Polling(first=options.beat, factor=1, maximum=options.beat)
    return KlingClient(
        api_key="benchmark",
        base_url=options.url,
        concurrency=max(options.count, options.warm_up),
        downloads=DOWNLOADS,
        polling=polling,
    )
