"""The floor: a minimal loop written by hand with aiohttp for just this work, with single polls or with the list."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import aiohttp

from benchmarks.clients.files import save
from benchmarks.clients.options import BEAT, DOWNLOADS, IMAGE, PROMPT, Begin, Detected, Generate, Options

TASKS: Final = "/v1/videos/image2video"
PAGE: Final = 500


@contextlib.asynccontextmanager
async def single(options: Options) -> AsyncIterator[Generate]:
    """Polls with one GET per task and interval."""
    places = asyncio.Semaphore(DOWNLOADS)
    async with _session(options) as session:

        async def generate(path: Path, detected: Detected) -> None:
            task_id = await _create(session)
            task = await _end(session, task_id, options)
            detected(task_id)
            async with places:
                await _download(session, task, path)

        yield generate


@contextlib.asynccontextmanager
async def waiting(options: Options) -> AsyncIterator[Begin]:
    """As `single`, without the files: one asyncio task for each task."""
    async with _session(options) as session:

        async def begin() -> tuple[str, asyncio.Future[Any]]:
            task_id = await _create(session)
            return task_id, asyncio.ensure_future(_end(session, task_id, options))

        yield begin


@contextlib.asynccontextmanager
async def listing(options: Options) -> AsyncIterator[Generate]:
    """Polls with as many pages of the list per interval as all tasks need."""
    places = asyncio.Semaphore(DOWNLOADS)
    async with _session(options) as session, _listing(session, options) as begin:

        async def generate(path: Path, detected: Detected) -> None:
            task_id, end = await begin()
            task = await end
            detected(task_id)
            async with places:
                await _download(session, task, path)

        yield generate


@contextlib.asynccontextmanager
async def waiting_listing(options: Options) -> AsyncIterator[Begin]:
    """As `listing`, without the files."""
    async with _session(options) as session, _listing(session, options) as begin:
        yield begin


@contextlib.asynccontextmanager
async def _listing(session: aiohttp.ClientSession, options: Options) -> AsyncIterator[Begin]:
    waiting: dict[str, asyncio.Future[Any]] = {}

    async def begin() -> tuple[str, asyncio.Future[Any]]:
        task_id = await _create(session)
        waiting[task_id] = asyncio.get_running_loop().create_future()
        return task_id, waiting[task_id]

    async def look() -> None:
        while True:
            await asyncio.sleep(options.beat or BEAT)
            for number in range(1, math.ceil(options.count / PAGE) + 1):
                if not waiting:
                    break
                for task in await _data(session.get(TASKS, params={"pageNum": number, "pageSize": PAGE})):
                    if task["task_id"] in waiting and _finished(task):
                        waiting.pop(task["task_id"]).set_result(task)

    looking = asyncio.create_task(look())
    yield begin
    looking.cancel()


def _session(options: Options) -> aiohttp.ClientSession:
    headers = {"Authorization": "Bearer benchmark"}
    return aiohttp.ClientSession(options.url, headers=headers)


async def _create(session: aiohttp.ClientSession) -> str:
    body = {"model_name": "kling-v2-6", "image": IMAGE, "prompt": PROMPT, "duration": "5"}
    task = await _data(session.post(TASKS, json=body))
    return str(task["task_id"])


async def _data(call: "contextlib.AbstractAsyncContextManager[aiohttp.ClientResponse]") -> Any:
    async with call as response:
        response.raise_for_status()
        body = await response.json()
    if body["code"] != 0:
        raise RuntimeError(body["message"])
    return body["data"]


async def _end(session: aiohttp.ClientSession, task_id: str, options: Options) -> Any:
    while True:
        await asyncio.sleep(options.beat or BEAT)
        task = await _data(session.get(f"{TASKS}/{task_id}"))
        if _finished(task):
            return task


def _finished(task: dict[str, Any]) -> bool:
    if task["task_status"] == "failed":
        raise RuntimeError(task["task_status_msg"])
    return bool(task["task_status"] == "succeed")


async def _download(session: aiohttp.ClientSession, task: dict[str, Any], path: Path) -> None:
    async with session.get(task["task_result"]["videos"][0]["url"]) as response:
        response.raise_for_status()
        await save(response.content.iter_any(), path, int(response.headers["Content-Length"]))
