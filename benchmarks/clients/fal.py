"""fal-client, over TLS, since it supports nothing else."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import fal_client
import httpx

from benchmarks.clients.files import download
from benchmarks.clients.options import DOWNLOADS, IMAGE, PROMPT, Detected, Generate, Options


@contextlib.asynccontextmanager
async def opened(options: Options) -> AsyncIterator[Generate]:
    """Opens the client. Tasks are submitted and awaited in two calls, since the handle's id is needed."""
    places = asyncio.Semaphore(DOWNLOADS)
    client = fal_client.AsyncClient(key="benchmark")
    interval = {} if options.beat is None else {"interval": options.beat}
    async with httpx.AsyncClient() as http:

        async def generate(path: Path, detected: Detected) -> None:
            handle = await client.submit("bench/video", {"image_url": IMAGE, "prompt": PROMPT})
            result = await handle.get(**interval)
            detected(handle.request_id)
            async with places:
                await download(http, result["video"]["url"], path)

        yield generate
