"""lumaai, with the polling loop of its README, since it has none built in."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import lumaai

from benchmarks.clients.files import download
from benchmarks.clients.options import BEAT, DOWNLOADS, IMAGE, PROMPT, Detected, Generate, Options


@contextlib.asynccontextmanager
async def opened(options: Options) -> AsyncIterator[Generate]:
    """Opens a client with its default transport."""
    places = asyncio.Semaphore(DOWNLOADS)
    http = lumaai.DefaultAsyncHttpxClient()
    async with lumaai.AsyncLumaAI(auth_token="benchmark", base_url=f"{options.url}/luma", http_client=http) as client:

        async def generate(path: Path, detected: Detected) -> None:
            keyframes = {"frame0": {"type": "image", "url": IMAGE}}
            task = await client.generations.video.create(model="ray-2", prompt=PROMPT, keyframes=keyframes)
            while task.state != "completed":
                if task.state == "failed":
                    raise RuntimeError(task.failure_reason)
                await asyncio.sleep(options.beat or BEAT)
                task = await client.generations.get(task.id)
            detected(task.id)
            async with places:
                await download(http, task.assets.video, path)

        yield generate
