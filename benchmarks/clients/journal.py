"""`kling_async` with a journal, and the same work without."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

from benchmarks.clients.options import DOWNLOADS, IMAGE, PROMPT, Begin, Detected, Generate, Options
from kling_async import ImageToVideo, KlingClient, Polling, TaskHandle

JOURNAL: Final = "journal.sqlite"

_numbers: Final = itertools.count()
"""Numbers of the keys: each is used once per process."""


@contextlib.asynccontextmanager
async def saving(options: Options) -> AsyncIterator[Generate]:
    """Without a journal."""
    async with _client(options) as kling:
        yield _generate(kling, keyed=False)


@contextlib.asynccontextmanager
async def saving_kept(options: Options) -> AsyncIterator[Generate]:
    """The same with a journal, a key and a target for each task."""
    async with _client(options, Path(options.out) / JOURNAL) as kling:
        yield _generate(kling, keyed=True)


@contextlib.asynccontextmanager
async def waiting(options: Options) -> AsyncIterator[Begin]:
    """Without a journal and without files."""
    async with _client(options) as kling:
        yield _begin(kling, keyed=False)


@contextlib.asynccontextmanager
async def waiting_kept(options: Options) -> AsyncIterator[Begin]:
    """The same with a journal, a key and a target for each task."""
    async with _client(options, Path(options.out) / JOURNAL) as kling:
        yield _begin(kling, keyed=True)


def _generate(kling: KlingClient, *, keyed: bool) -> Generate:
    async def generate(path: Path, detected: Detected) -> None:
        handle = await _submitted(kling, path, keyed=keyed)
        task = await handle
        detected(task.task_id)
        await handle.save(path)

    return generate


def _begin(kling: KlingClient, *, keyed: bool) -> Begin:
    async def begin() -> tuple[str, asyncio.Future[Any]]:
        handle = await _submitted(kling, Path("/videos/clip.mp4"), keyed=keyed)
        return handle.reference.partition(":")[2], asyncio.ensure_future(handle.wait())

    return begin


async def _submitted(kling: KlingClient, path: Path, *, keyed: bool) -> TaskHandle:
    request = ImageToVideo(IMAGE, prompt=PROMPT)
    if keyed:
        return await kling.submit(request, key=f"clip-{next(_numbers)}", save_to=path)
    return await kling.submit(request)


def _client(options: Options, journal: Path | None = None) -> KlingClient:
    polling = None if options.beat is None else Polling(first=options.beat, factor=1, maximum=options.beat)
    return KlingClient(
        api_key="benchmark",
        base_url=options.url,
        concurrency=max(options.count, options.warm_up),
        downloads=DOWNLOADS,
        polling=polling,
        journal=journal,
    )
