"""Measures journals of very different sizes: opening, bytes per entry, and submitting keys that are saved already."""

import asyncio
import hashlib
import json
import sqlite3
import tempfile
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from kling_async import Estimate, ImageToVideo, KlingClient
from kling_async.journal.contents import FILE, kept, known_members, restored
from kling_async.journal.entry import Entry, SavedFile
from kling_async.journal.names import external_task_id
from kling_async.journal.sqlite import SqliteStore
from kling_async.journal.store import Work
from kling_async.protocol.tasks import Task, TaskStatus
from kling_async.protocol.wire.codec import to_wire

SIZES: Final = (1_000, 1_000_000)
WEIGHED: Final = 100_000
UNFINISHED: Final = 10
OPENINGS: Final = 15
KEYS: Final = 500
TOGETHER: Final = 500
_PICTURES: Final = "/home/user/shop/pictures/2026/autumn"
_VIDEOS: Final = "/home/user/shop/videos/2026/autumn"
_UNITS: Final = Decimal("1.5")
_PROMPT: Final = "slow camera push in on product {number}, soft light, shallow depth of field"


def measure(
    *, sizes: tuple[int, int] = SIZES, weighed: int = WEIGHED, openings: int = OPENINGS, keys: int = KEYS
) -> dict[str, Any]:
    """Fills a journal of each size, then opens them in turn.

    Returns:
        By size: the seconds of each opening, and the seconds per known key when keys are submitted one after the other
        and all at once. By pictures given as path and as address: the bytes of the file and of the requests.
    """
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        weights = {
            kind: fill(Path(directory) / f"{kind}.sqlite", weighed, by_path=kind == "path")
            for kind in ("path", "address")
        }
        for size in sizes:
            fill(Path(directory) / f"{size}.sqlite", size)
            found[str(size)] = {"openings": []}
        for number in range(openings):
            for size in sizes[:: 1 if number % 2 else -1]:
                seconds = asyncio.run(opened(Path(directory) / f"{size}.sqlite"))
                found[str(size)]["openings"].append(seconds)
        for size in sizes:
            found[str(size)]["keys"] = asyncio.run(resubmitted(Path(directory) / f"{size}.sqlite", size, keys))
    return {"sizes": found, "unfinished": UNFINISHED, "weights": weights}


def fill(path: Path, count: int, *, by_path: bool = False) -> dict[str, int]:
    """Makes a journal of `count` entries, all saved but the last ones; returns the bytes of the file and the requests.

    Many are under way at once, as in a batch: first all their intents are written, then their other steps.
    """
    store = SqliteStore(path)
    store.open()
    _hurry(store)
    kept_text = given = 0
    for first in range(0, count, TOGETHER):
        numbers = range(first, min(count, first + TOGETHER))
        with store.together():
            owner = store.enter("gone", "", "")
            entries = [_intended(store, owner, number, by_path=by_path) for number in numbers]
            for entry in entries:
                _ended(store, entry)
            for number, entry in zip(numbers, entries, strict=True):
                if number < count - UNFINISHED:
                    _saved(store, entry)
            store.leave(owner)
        kept_text += sum(len(_text(entry.request)) for entry in entries)
        given += sum(len(_text(restored(entry.request, lambda mark: mark["path"]))) for entry in entries)
    store.close()
    return {"entries": count, "bytes": path.stat().st_size, "kept": kept_text, "given": given}


def _hurry(store: SqliteStore) -> None:
    """Turns off syncs, which filling a journal does not need."""
    connection: sqlite3.Connection | None = store._connection  # noqa: SLF001  (no option of the journal)
    assert connection is not None
    connection.execute("PRAGMA synchronous = OFF")


def request(number: int) -> ImageToVideo:
    """Returns a request like those of a shop."""
    return ImageToVideo(f"https://example.org/{number}.jpg", prompt=_PROMPT.format(number=number))


def _intended(store: SqliteStore, owner: int, number: int, *, by_path: bool) -> Entry:
    made, key = request(number), f"product-{number:07}"
    members = kept(to_wire(made), [])
    if by_path:
        digest = hashlib.sha256(key.encode()).hexdigest()
        members["image"] = {FILE: {"path": f"{_PICTURES}/{key}.jpg", "sha256": digest, "kind": "Image"}}
    work = Work(
        key=key,
        endpoint="image2video",
        external_task_id=external_task_id(store.id, key, 1),
        request=members,
        known=known_members(ImageToVideo),
        line=made.model_name,
        slots=1,
        save_to=f"{_VIDEOS}/{key}.mp4",
        estimate=Estimate(units=_UNITS, usd=Decimal("0.21")),
    )
    entry = store.intend(work, owner, datetime.now(UTC))
    assert entry is not None
    return entry


def _text(members: Any) -> bytes:
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()


def _ended(store: SqliteStore, entry: Entry) -> None:
    now = datetime.now(UTC)
    task = Task(
        task_id=str(867283741759110000 + entry.id),
        status=TaskStatus.SUCCEED,
        endpoint="image2video",
        final_unit_deduction=_UNITS,
    )
    store.accepted(entry.id, task, now)
    store.ended(entry.id, task, now, finished=False)


def _saved(store: SqliteStore, entry: Entry) -> None:
    video = entry.save_to or ""
    store.saving(entry.id, video)
    file = SavedFile(video, 1_392_094, hashlib.sha256(video.encode()).hexdigest())
    store.saved(entry.id, [file], datetime.now(UTC))


async def opened(path: Path) -> float:
    """Opens a journal as a client does, and recovers unfinished entries; returns the seconds until that is done."""
    began = time.perf_counter()
    async with KlingClient(api_key="benchmark", journal=path) as kling:
        left = [handle async for handle in kling.recover()]
        seconds = time.perf_counter() - began
    assert len(left) == UNFINISHED
    return seconds


async def resubmitted(path: Path, size: int, count: int) -> dict[str, float]:
    """Submits keys that are saved already, spread over the journal; returns the seconds for each key."""
    numbers = [index * (size - UNFINISHED) // count for index in range(count)]
    async with KlingClient(api_key="benchmark", journal=path) as kling:
        began = time.perf_counter()
        for number in numbers:
            _ = await kling.submit(request(number), key=f"product-{number:07}")
        between = time.perf_counter()
        await asyncio.gather(*(kling.submit(request(number), key=f"product-{number:07}") for number in numbers))
        return {"in turn": (between - began) / count, "at once": (time.perf_counter() - between) / count}
