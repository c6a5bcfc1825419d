"""Makes all kinds of writes to a journal, and dies at one of them: BASE_URL JOURNAL DIRECTORY WHEN NUMBER LOG.

A write is a transaction of the database, or the creation or deletion of a file beside it. WHEN is `before`, `within` or
`after`, and NUMBER the number of the write, or the name of a step in it. LOG gets the steps in which the process died.
Prints `done` if it does not die.
"""

import asyncio
import contextlib
import functools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kling_async import Budget, ImageToVideo, KlingClient, KlingError, Polling, Retry, TaskFailed
from kling_async import TextToVideo as Text
from kling_async.journal import files, local
from kling_async.journal.owners import Owner
from kling_async.journal.sql_budgets import SqlBudgets
from kling_async.journal.sqlite import SqliteStore

PICTURE = (Path(__file__).parents[2] / "examples" / "images" / "cat.png").read_bytes()
KINDS = ["aim", "accepted", "closed", "ended", "enter", "in_doubt", "intend", "leave", "let_go"]
KINDS += ["saved", "saving", "take", "take_left"]
BASE_URL, JOURNAL, DIRECTORY, WHEN, NUMBER, LOG = sys.argv[1:]
TOGETHER = SqliteStore.together
written = 0
under_way: list[str] = []


def die() -> None:
    """Logs the steps under way, and dies as in a power cut."""
    with Path(LOG).open("a") as log:
        log.write(f"{WHEN} {' '.join(under_way)}\n")
    os.kill(os.getpid(), signal.SIGKILL)


def its_turn() -> bool:
    """Counts writes, and returns whether this is the one to die at."""
    global written  # noqa: PLW0603  (counted for the whole process)
    written += 1
    return str(written) == NUMBER


@contextlib.contextmanager
def cut(store: SqliteStore) -> Iterator[None]:
    """Replaces `SqliteStore.together`; dies before, within or after the transaction if it is its turn."""
    turn = its_turn()
    under_way.clear()
    if turn and WHEN == "before":
        die()
    with TOGETHER(store):
        yield
        if WHEN == "within" and (turn or NUMBER in under_way):
            die()
    if WHEN == "after" and (turn or NUMBER in under_way):
        die()


def noted(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps a step of the store, and records its name when it runs."""

    @functools.wraps(method)
    def with_note(*words: Any, **more: Any) -> Any:
        under_way.append(name)
        return method(*words, **more)

    return with_note


def beside(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps a function that writes beside the database; dies in it if it is its turn."""

    @functools.wraps(work)
    def with_cut(*words: Any, **more: Any) -> Any:
        turn = its_turn() or name == NUMBER
        if turn:
            under_way[:] = [name]
        if turn and WHEN == "before":
            die()
        if turn and WHEN == "within" and name == "keep":
            half(*words)
        result = work(*words, **more)
        if turn:
            die()
        return result

    return with_cut


def half(directory: Path, parts: Any, marks: Any) -> None:
    """Writes half of the bytes, and dies."""
    (directory / marks[0]["kept"]).write_bytes(parts[0].data[: len(parts[0].data) // 2])
    die()


def arm() -> None:
    """Patches the writes."""
    SqliteStore.together = cut  # type: ignore[assignment, method-assign]  # replaced
    for name in KINDS:
        holder = SqliteStore if hasattr(SqliteStore, name) else SqlBudgets
        setattr(holder, name, noted(name, getattr(holder, name)))
    files.keep = beside("keep", files.keep)
    files.forget = beside("forget", files.forget)
    local.Owner = functools.wraps(Owner)(beside("lock", Owner))  # type: ignore[assignment, attr-defined]  # replaced
    Owner.release = beside("unlock", Owner.release)  # type: ignore[method-assign]  # replaced


async def again(client: KlingClient) -> None:
    """Makes a task that fails, and then another attempt."""
    request = ImageToVideo(PICTURE, prompt="forbidden")
    for attempt in (1, 2):
        made = [entry async for entry in client.journal.entries(key="again")]
        handle = await client.submit(request, key="again", again="failed" if len(made) < attempt else None)
        with contextlib.suppress(TaskFailed):
            await handle


async def main() -> None:
    """Recovers, and makes the missing tasks."""
    arm()
    async with KlingClient(
        base_url=BASE_URL,
        api_key="api-key-kling-emulator",
        journal=JOURNAL,
        budget=Budget(units=1000),
        polling=Polling(first=0.02, maximum=0.05),
        retry=Retry(first=0.02, settle=0.05, budget=0.2),
    ) as client:
        async for handle in client.recover():
            with contextlib.suppress(TaskFailed):
                await handle.save() if handle.save_to else await handle
        cat = ImageToVideo(PICTURE, prompt="a cat")
        await client.submit(cat, key="cat", save_to=f"{DIRECTORY}/elsewhere/")
        await client.generate(cat, f"{DIRECTORY}/", key="cat")
        with contextlib.suppress(KlingError):
            await client.submit(ImageToVideo(PICTURE, prompt="refused"), key="refused")
        await again(client)
        for _ in range(20):
            with contextlib.suppress(KlingError):
                await client.generate(Text("lost"), f"{DIRECTORY}/", key="lost")
                break


asyncio.run(main())
sys.stdout.write(f"done {written}\n")
