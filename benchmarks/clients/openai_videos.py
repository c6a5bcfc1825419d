"""openai, with its `create_and_poll` and its own download."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import openai

from benchmarks.clients.files import save
from benchmarks.clients.options import DOWNLOADS, PROMPT, Detected, Generate, Options

FRAME = ("cat.png", b"\x89PNG\r\n\x1a\n", "image/png")
"""openai only accepts uploads; the server does not decode them."""


@contextlib.asynccontextmanager
async def opened(options: Options) -> AsyncIterator[Generate]:
    """Opens a client with its default transport."""
    places = asyncio.Semaphore(DOWNLOADS)
    interval = {} if options.beat is None else {"poll_interval_ms": round(1000 * options.beat)}
    async with openai.AsyncOpenAI(api_key="benchmark", base_url=f"{options.url}/openai") as client:
        content = client.videos.with_streaming_response.download_content

        async def generate(path: Path, detected: Detected) -> None:
            video = await client.videos.create_and_poll(
                prompt=PROMPT, input_reference=FRAME, model="sora-2", seconds="4", **interval
            )
            detected(video.id)
            async with places, content(video.id) as response:
                await save(response.iter_bytes(), path, int(response.headers["Content-Length"]))

        yield generate
