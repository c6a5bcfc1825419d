"""Owners of entries, within one process."""

import asyncio
import gc
import os
import threading
import time
from pathlib import Path

import pytest

from kling_async import Estimate, Journal
from kling_async.journal import owners
from kling_async.journal.client_journal import ClientJournal
from kling_async.journal.owners import Owner
from kling_async.journal.store import Work

WORK = Work(
    key="cat",
    endpoint="text2video",
    external_task_id="ka-1",
    request={},
    known=None,
    line="",
    slots=1,
    save_to=None,
    estimate=Estimate(units=None, usd=None),
)


async def with_work(path: Path) -> ClientJournal:
    """Returns a client's journal that has unfinished work."""
    journal = ClientJournal(Journal(path), time.time)
    await journal.open()
    owner, now = journal.owner, journal.now()
    await journal.do(lambda store: store.intend(WORK, owner, now))
    return journal


async def taken(path: Path) -> list[str | None]:
    """Returns the keys that another client can take."""
    other = ClientJournal(Journal(path), time.time)
    await other.open()
    found = [entry.key for entry in await other.take_left()]
    await other.close()
    return found


def threads(expected: int) -> int:
    """Returns the number of writer threads, after those that end have had time to."""
    ends_at = time.monotonic() + 10
    while True:
        found = sum(thread.name == "kling_async-journal" for thread in threading.enumerate())
        if found == expected or time.monotonic() > ends_at:
            return found
        time.sleep(0.01)


def test_a_loop_that_is_closed_owns_nothing(path: Path) -> None:
    """The work of a client whose loop is closed can be taken, that of a client on a running loop cannot."""

    async def both() -> ClientJournal:
        journal = await with_work(path)
        assert await taken(path) == []
        return journal

    left = asyncio.run(both())
    assert asyncio.run(taken(path)) == ["cat"]
    assert left.owner


def test_a_client_that_was_never_closed(path: Path) -> None:
    """A client collected without being closed owns nothing, and its thread ends."""

    async def run() -> None:
        await with_work(path)
        gc.collect()
        assert await taken(path) == ["cat"]

    asyncio.run(run())
    assert threads(0) == 0


def test_clients_share_one_journal_object(path: Path) -> None:
    """Clients with the same `Journal` share a writer thread, and each owns its own work."""

    async def run() -> None:
        journal = Journal(path)
        both = [ClientJournal(journal, time.time) for _ in range(2)]
        for each in both:
            await each.open()
        assert threads(1) == 1
        assert both[0].owner != both[1].owner
        owner, now = both[0].owner, both[0].now()
        await both[0].do(lambda store: store.intend(WORK, owner, now))
        assert await both[1].take_left() == []
        await both[0].close()
        assert [entry.key for entry in await both[1].take_left()] == ["cat"]
        await both[1].close()
        assert threads(0) == 0

    asyncio.run(run())


def test_locks_without_an_owner_are_cleared_away(path: Path) -> None:
    """The lock file of a process killed before it was an owner is deleted by the next one; a held lock stays."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        (directory := path.with_name("clips.sqlite.files")).mkdir()
        (directory / "owner-dead.lock").touch()
        held = Owner(directory, loop)
        other = ClientJournal(Journal(path), time.time)
        await other.open()
        assert len(list(directory.iterdir())) == 2
        held.release()
        await other.close()
        assert list(directory.iterdir()) == []

    asyncio.run(run())


def test_a_lock_that_is_taken_for_a_dead_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An owner whose file is deleted before it is locked creates another one."""
    path.mkdir()
    real = os.open
    went: list[Path] = []

    def opened(name: Path, *words: int) -> int:
        descriptor = real(name, *words)
        if not went:
            went.append(name)
            name.unlink()
        return descriptor

    async def run() -> None:
        monkeypatch.setattr(os, "open", opened)
        owner = Owner(path, asyncio.get_running_loop())
        monkeypatch.undo()
        assert [each.name for each in path.iterdir()] == [f"owner-{owner.name}.lock"]
        assert went != [path / f"owner-{owner.name}.lock"]
        owner.release()

    asyncio.run(run())


def test_containers_of_one_machine(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers have different machine ids but share the boot id: locks work between them."""

    async def run() -> None:
        journal = await with_work(path)
        owner = journal.owner
        row = await journal.do(lambda store: store.owner(owner))
        assert row is not None
        monkeypatch.setattr(owners, "machine", lambda: "another container")
        monkeypatch.setattr(owners, "_owners_here", {})  # and another process
        assert await taken(path) == []
        await journal.close()
        assert await taken(path) == ["cat"]

    asyncio.run(run())
