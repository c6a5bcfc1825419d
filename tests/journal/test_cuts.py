"""Each write of the journal is cut off: before it, before its commit, and after it."""

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kling_async import Entry, EntryState, Journal, TaskStatus, TextToVideo
from kling_async.emulator import Call, Emulator, Fault
from kling_async.journal.sqlite import SqliteStore
from tests.journal.test_budget_processes import given_out
from tests.shell.conftest import ClientMaker

ROOT = Path(__file__).parents[2]
PLACES = ("before", "within", "after")
KINDS = {"enter", "leave", "intend", "accepted", "closed", "in_doubt", "ended", "saving", "saved", "aim"}
"""Of writes, as far as a run that nothing disturbs has them all."""
BESIDE = {"keep", "forget", "lock"}
"""What is written beside it. How many writes there are differs from run to run, so that the very last,
`unlock`, may be missed by its number; it is cut by its name."""
STEP = int(os.environ.get("KLING_ASYNC_CUTS", "12"))
"""One of so many writes is cut by its number, of each place another one; 1 cuts all of them."""


async def run(base_url: str, directory: Path, when: str, number: int | str) -> str:
    """Runs the script; returns its output, which is empty if it died."""
    places = [str(directory / name) for name in ("clips.sqlite", "out")]
    script, log = str(Path(__file__).with_name("cut_work.py")), str(directory.with_suffix(".log"))
    command = [sys.executable, script, base_url, *places, when, str(number), log]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=environment)
    return (await process.communicate())[0].decode()


def lose(emulator: Emulator) -> None:
    """Loses the response to one create of its endpoint; for a while no query can show whether it worked."""

    def text(call: Call) -> bool:
        return call.endpoint == "text2video"

    emulator.faults.add(Fault.reset(after_effect=True), on="create", when=text, times=1)
    emulator.faults.add(Fault.reset(), on="query", when=text, times=20)


async def entries_of(path: Path) -> list[Entry]:
    """Returns all entries of a journal."""
    return [each async for each in Journal(path).entries()]


async def cut(place: Path, when: str, number: int | str) -> bool:
    """Cuts one write, by number or name, in a new journal, and runs again; returns whether there was such a write."""
    place.mkdir()
    async with Emulator(render=False, speed=5000) as emulator:
        lose(emulator)
        died = not await run(emulator.base_url, place, when, number)
        if died:
            assert await run(emulator.base_url, place, "never", 0)
        assert emulator.ledger.created == 4
        charged = emulator.ledger.charged
    entries = await entries_of(place / "clips.sqlite")
    assert sorted(entry.key or "" for entry in entries) == ["again", "again", "cat", "lost", "refused"]
    assert {entry.state for entry in entries if entry.key in {"cat", "lost"}} == {EntryState.SAVED}
    assert {entry.status for entry in entries if entry.key == "again"} == {TaskStatus.FAILED}
    # A create refused when it is sent again may have been accepted the first time.
    assert {entry.state for entry in entries if entry.key == "refused"} <= {EntryState.REFUSED, EntryState.INTENT}
    assert sum(entry.units or 0 for entry in entries) <= charged
    going_on = sum(entry.state in {EntryState.INTENT, EntryState.ACCEPTED} for entry in entries)
    assert given_out(place / "clips.sqlite") == (1.5 * going_on, sum(entry.units or 0 for entry in entries))
    assert {path.name for path in (place / "out").iterdir()} - {"elsewhere"} == {"cat.mp4", "lost.mp4"}
    left = [path.suffix for path in (place / "clips.sqlite.files").iterdir()]
    assert left.count(".lock") <= 1  # the lock file of the dead process, whose work has another owner
    assert left.count("") == sum(entry.state is EntryState.INTENT for entry in entries)
    return died


async def each_write(directory: Path, when: str) -> set[str]:
    """Cuts the writes one by one; returns their names, as far as they are known before the write."""
    number, tried = 1 + 2 * PLACES.index(when) % STEP, 0
    while await cut(directory / f"{number}", when, number):
        number += STEP
        tried += 1
    lines = "".join(path.read_text() for path in directory.glob("*.log")).splitlines()
    assert len(lines) == tried > len(KINDS) / STEP
    return {kind for line in lines for kind in line.split()[1:]}


@pytest.mark.slow
@pytest.mark.many
@pytest.mark.parametrize("when", PLACES)
def test_each_write_is_cut(tmp_path: Path, when: str) -> None:
    """Wherever a write is cut, the next run pays for nothing twice, and in the end all files and entries are there."""
    kinds = asyncio.run(each_write(tmp_path, when))
    assert STEP > 1 or kinds >= BESIDE


@pytest.mark.slow
@pytest.mark.parametrize("when", ["within", "after"])
@pytest.mark.parametrize("kind", sorted({*KINDS, *BESIDE, "unlock"}))
def test_each_kind_of_write_is_cut(tmp_path: Path, when: str, kind: str) -> None:
    """The same for the first write of each kind, whose number differs between runs."""
    assert asyncio.run(cut(tmp_path / "place", when, kind))


def test_one_write_is_cut(tmp_path: Path) -> None:
    """The same for one write, that of an intent."""
    assert asyncio.run(cut(tmp_path / "place", "after", "intend"))


async def test_what_a_power_cut_leaves(make_client: ClientMaker, path: Path, tmp_path: Path) -> None:
    """Wherever the write-ahead log is truncated, the journal opens with a prefix of what was written."""
    client = make_client(journal=path)
    seen = []
    for number in range(4):
        handle = await client.submit(TextToVideo("a cat"), key=f"{number}", save_to=tmp_path / f"{number}.mp4")
        await handle.save()
        await client.submit(TextToVideo("a cat"), key=f"{number}")
    wal = path.with_name(f"{path.name}-wal").read_bytes()
    rank = list(EntryState)
    for size in [*range(0, len(wal), 1777), len(wal)]:
        copy = tmp_path / f"{size}" / path.name
        copy.parent.mkdir()
        shutil.copy(path, copy)
        copy.with_name(f"{path.name}-wal").write_bytes(wal[:size])
        seen.append([rank.index(entry.state) for entry in await entries_of(copy)])
    assert seen == sorted(seen, key=lambda states: (len(states), states))
    assert seen[0] == []
    assert seen[-1] == [rank.index(EntryState.SAVED)] * 4


@pytest.mark.parametrize("cut_after", [False, True])
async def test_a_migration_that_is_cut(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, cut_after: bool
) -> None:
    """A journal whose migration is cut off is either unchanged or completely migrated."""
    old = Path(__file__).with_name("version-1.sqlite")
    shutil.copy(old, path)
    copy = tmp_path / "cut" / path.name
    together = SqliteStore.together

    def keep() -> None:
        copy.parent.mkdir()
        for name in (path.name, f"{path.name}-wal"):
            shutil.copy(path.with_name(name), copy.with_name(name))

    @contextlib.contextmanager
    def cut(store: SqliteStore) -> Iterator[None]:
        with together(store):
            yield
            if not cut_after:
                keep()
        if cut_after:
            keep()

    monkeypatch.setattr(SqliteStore, "together", cut)
    store = SqliteStore(path)
    store.open()
    monkeypatch.undo()
    store.close()
    assert await entries_of(copy) == await entries_of(path) != []
