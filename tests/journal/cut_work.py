"""Makes one clip and dies at one write of the journal: BASE_URL JOURNAL DIRECTORY WHEN NUMBER; prints `done` if not."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from kling_async import ImageToVideo, KlingClient, Polling, Retry
from kling_async.journal.sqlite import SqliteStore

IMAGE = Path(__file__).parents[2] / "examples" / "images" / "cat.png"
BASE_URL, JOURNAL, DIRECTORY, WHEN, NUMBER = sys.argv[1:]
TOGETHER = SqliteStore.together
written = 0


def die() -> None:
    """As a power cut does."""
    os.kill(os.getpid(), signal.SIGKILL)


@contextlib.contextmanager
def cut(store: SqliteStore) -> Iterator[None]:
    """One write, with a cut before it, before its commit, or after that."""
    global written  # noqa: PLW0603  (counted for the whole process)
    written += 1
    its_turn = written == int(NUMBER)
    if its_turn and WHEN == "before":
        die()
    with TOGETHER(store):
        yield
        if its_turn and WHEN == "within":
            die()
    if its_turn and WHEN == "after":
        die()


async def main() -> None:
    """Recovers, and makes what is missing."""
    SqliteStore.together = cut  # type: ignore[assignment, method-assign]  # by name
    async with KlingClient(
        base_url=BASE_URL,
        api_key="api-key-kling-emulator",
        journal=JOURNAL,
        polling=Polling(first=0.05, maximum=0.1),
        retry=Retry(first=0.05, settle=0.1),
    ) as client:
        async for handle in client.recover():
            await handle.save()
        await client.generate(ImageToVideo(IMAGE.read_bytes(), prompt="a cat"), f"{DIRECTORY}/", key="cat")


asyncio.run(main())
sys.stdout.write(f"done {written}\n")
