"""runwayml, with its default transport, or its optional one for aiohttp."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import runwayml
from runwayml.lib import polling

from benchmarks.clients.files import download
from benchmarks.clients.options import DOWNLOADS, IMAGE, PROMPT, Detected, Generate, Options


def httpx(options: Options) -> AbstractAsyncContextManager[Generate]:
    """Opens the client with its default transport."""
    return _opened(options, runwayml.DefaultAsyncHttpxClient())


def aiohttp(options: Options) -> AbstractAsyncContextManager[Generate]:
    """Opens the client with `DefaultAioHttpClient`."""
    return _opened(options, runwayml.DefaultAioHttpClient())


@contextlib.asynccontextmanager
async def _opened(options: Options, http: Any) -> AsyncIterator[Generate]:
    if options.beat is not None:  # there is no parameter for it; the jitter stays in proportion
        polling.POLL_JITTER *= options.beat / polling.POLL_TIME
        polling.POLL_TIME = options.beat
    places = asyncio.Semaphore(DOWNLOADS)
    async with runwayml.AsyncRunwayML(
        api_key="benchmark", base_url=f"{options.url}/runway", http_client=http
    ) as client:

        async def generate(path: Path, detected: Detected) -> None:
            task = await client.image_to_video.create(
                model="gen4_turbo", prompt_image=IMAGE, prompt_text=PROMPT, ratio="1280:720", duration=5
            )
            finished = await task.wait_for_task_output()
            detected(finished.id)
            async with places:
                await download(http, finished.output[0], path)

        yield generate
