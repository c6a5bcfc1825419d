"""`kling_async`, as its README uses it."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks.clients.options import DOWNLOADS, IMAGE, PROMPT, Detected, Generate, Options
from kling_async import KlingClient, Polling


@contextlib.asynccontextmanager
async def opened(options: Options) -> AsyncIterator[Generate]:
    """With room for all tasks, and enough downloads at once not to be held up by them."""
    polling = None if options.beat is None else Polling(first=options.beat, factor=1, maximum=options.beat)
    async with KlingClient(
        api_key="benchmark",
        base_url=options.url,
        concurrency=max(options.count, options.warm_up),
        downloads=DOWNLOADS,
        polling=polling,
    ) as kling:

        async def generate(path: Path, detected: Detected) -> None:
            handle = await kling.image_to_video(image=IMAGE, prompt=PROMPT)
            task = await handle
            detected(task.task_id)
            await handle.save(path)

        yield generate
