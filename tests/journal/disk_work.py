"""Works on a disk that is full for a while: BASE_URL JOURNAL DIRECTORY LIMIT; prints the results as JSON.

LIMIT is `tmpfs`, where the journal's disk is small and is filled, or `size`, where the process may not let files grow.
"""

import asyncio
import contextlib
import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path

from kling_async import ImageToVideo, KlingClient, KlingError, Polling, TextToVideo

BASE_URL, JOURNAL, DIRECTORY, LIMIT = sys.argv[1:]
PICTURE = (Path(__file__).parents[2] / "examples" / "images" / "cat.png").read_bytes()
FILLER = Path(JOURNAL).with_name("filler")
LONG = "a cat, " * 300


def fill() -> Callable[[], object]:
    """Fills the disk; returns a function that frees it."""
    if LIMIT == "size":
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        size = Path(f"{JOURNAL}-wal").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with FILLER.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1024))
    return FILLER.unlink


def client() -> KlingClient:
    """Creates a client with the journal."""
    return KlingClient(
        base_url=BASE_URL,
        api_key="api-key-kling-emulator",
        journal=JOURNAL,
        concurrency=50,
        polling=Polling(first=0.05, maximum=0.1),
    )


async def error_of(working: object) -> str:
    """Awaits and returns the text of the error that is raised; "" without one."""
    try:
        await working  # type: ignore[misc]  # any awaitable
    except KlingError as error:
        return f"{type(error).__name__}: {error}"
    return ""


async def main() -> None:
    """Works before, while and after the disk is full."""
    async with client() as first:
        running = await first.submit(TextToVideo(LONG), key="before")
        free = fill()
        while_full = [await error_of(first.submit(TextToVideo(LONG), key=f"while-{number}")) for number in range(30)]
        sent = [f"while-{number}" for number, error in enumerate(while_full) if not error]
        kept = await error_of(first.submit(ImageToVideo(PICTURE), key="kept"))
        left = [path.name for path in Path(f"{JOURNAL}.files").iterdir() if "owner" not in path.name]
        async with contextlib.AsyncExitStack() as stack:
            opening = await error_of(stack.enter_async_context(client()))
        video = await error_of(running.save(f"{DIRECTORY}/"))
        free()
        after = await asyncio.gather(
            *(
                error_of(first.generate(TextToVideo(LONG), f"{DIRECTORY}/", key=f"while-{number}"))
                for number in range(30)
            ),
            error_of(first.generate(TextToVideo(LONG), f"{DIRECTORY}/", key="before")),
            error_of(first.generate(ImageToVideo(PICTURE), f"{DIRECTORY}/", key="kept")),
        )
        await asyncio.sleep(1.2)  # failed writes are retried
    entries = {entry.key: entry.state async for entry in first.journal.entries()}
    seen = {"while": while_full, "sent": sent, "kept": kept, "left": left, "opening": opening, "video": video}
    sys.stdout.write(json.dumps(seen | {"after": after, "entries": entries}))


asyncio.run(main())
