"""The writer thread: a failing step fails alone, and forks are safe."""

import asyncio
import logging
import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import pytest

from kling_async import Journal, JournalError, KlingClient, TextToVideo
from kling_async.emulator import Emulator
from kling_async.journal import writer
from kling_async.journal.sqlite import SqliteStore
from kling_async.journal.store import Store
from tests.shell.conftest import ClientMaker

Put = Callable[[Store], str]
MISTAKES: list[Callable[[Any], object]] = [
    lambda _: 1 // 0,
    lambda store: store.run("INSERT INTO facts VALUES ('id', 'twice')"),
    lambda store: store.run("INSERT INTO facts VALUES (?, ?)", "number", 2**80),
    lambda store: store.run("INSERT INTO facts VALUES (?, ?)", "letter", "\ud800"),
]


def put(name: str) -> Put:
    """Returns a step that writes a fact."""

    def work(store: Store) -> str:
        assert isinstance(store, SqliteStore)
        store.run("INSERT INTO facts VALUES (?, ?)", name, name)
        return name

    return work


def facts(path: Path) -> set[str]:
    """Returns the facts in the file."""
    with closing(sqlite3.connect(path)) as connection:
        return {row[0] for row in connection.execute("SELECT name FROM facts")} - {"id", "opened_at"}


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_step_that_can_never_be_written(
    path: Path, caplog: pytest.LogCaptureFixture, mistake: Callable[[Any], object]
) -> None:
    """It is logged once and dropped; all steps before and after it are written."""
    journal = Journal(path)
    await journal.writer.enter()
    journal.writer.enqueue(put("before"))
    journal.writer.enqueue(mistake)
    behind, waited = journal.writer.begin(put("behind")), journal.writer.begin(put("waited"))
    assert (await behind, await waited) == ("behind", "waited")
    assert await journal.writer.do(put("later")) == "later"
    await journal.writer.leave()
    assert facts(path) == {"before", "behind", "waited", "later"}
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "is left out" in caplog.text


async def test_a_failed_step_is_retried_while_others_only_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed step is retried, however often the journal is read meanwhile."""
    journal, together, failing = Journal(path), SqliteStore.together, [JournalError("the disk is full")]

    def fails_once(store: SqliteStore) -> AbstractContextManager[None]:
        if failing:
            raise failing.pop()
        return together(store)

    def names(store: Store) -> set[str]:
        assert isinstance(store, SqliteStore)
        return {row[0] for row in store.run("SELECT name FROM facts")}

    await journal.writer.enter()
    monkeypatch.setattr(writer, "_LATER_SECONDS", 0.1)
    monkeypatch.setattr(SqliteStore, "together", fails_once)
    journal.writer.enqueue(put("note"), at_once=True)
    async with asyncio.timeout(20):
        while "note" not in await journal.writer.begin(names, only_reads=True):
            pass
    await journal.writer.leave()
    assert not failing


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_only_the_failing_step_gets_the_error(path: Path, mistake: Callable[[Any], object]) -> None:
    """A waiter for a step that fails through its own fault gets the error, the rest of the batch does not."""
    journal = Journal(path)
    await journal.writer.enter()
    works = [put("a"), mistake, put("b"), mistake, put("c")]
    found = await asyncio.gather(*map(journal.writer.begin, works), return_exceptions=True)
    await journal.writer.leave()
    assert [type(each) for each in found] == [str, JournalError, str, JournalError, str]
    assert facts(path) == {"a", "b", "c"}


async def test_an_error_that_is_raised_is_not_logged(
    make_client: ClientMaker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A journal that cannot be opened raises an error, and the log does not repeat it."""
    (tmp_path / "text").write_bytes(b"no database" * 1000)
    with pytest.raises(JournalError):
        await make_client(journal=tmp_path / "text").submit(TextToVideo("a cat"))
    assert not caplog.records


def in_child(work: Callable[[], object]) -> int:
    """Calls `work` in a forked child; returns the child's exit code."""
    child = os.fork()
    if not child:
        try:
            asyncio._set_running_loop(None)
            work()
        except BaseException:  # noqa: BLE001  (reported by the exit code)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


async def written(journal: Journal, *names: str) -> None:
    """Writes as a separate user of the writer."""
    await journal.writer.enter()
    for name in names:
        await journal.writer.do(put(name))
    await journal.writer.leave()


def test_a_fork_while_a_journal_is_open(path: Path) -> None:
    """Parent and child can both use the open journal, and their writes stay, whichever closes first."""

    async def run() -> None:
        journal = Journal(path)
        await journal.writer.enter()
        await journal.writer.do(put("before"))
        (come, go), (ready, say) = os.pipe(), os.pipe()

        def work() -> None:
            async def both() -> None:
                await journal.writer.enter()
                await journal.writer.do(put("child"))
                os.write(say, b"x")
                await asyncio.to_thread(os.read, come, 1)  # until the parent has closed it
                await journal.writer.do(put("child, later"))
                await journal.writer.leave()

            asyncio.run(both())

        waiting = asyncio.get_running_loop().run_in_executor(None, in_child, work)
        await asyncio.to_thread(os.read, ready, 1)
        await journal.writer.do(put("parent"))
        await journal.writer.leave()
        os.write(go, b"x")
        assert await waiting == 0
        assert facts(path) == {"before", "child", "parent", "child, later"}
        for each in (come, go, ready, say):
            os.close(each)

    asyncio.run(run())


def test_a_client_that_is_closed_in_a_forked_child(path: Path) -> None:
    """A child that closes or drops its parent's client takes nothing from the parent."""

    async def run() -> None:
        async with Emulator(render=False, speed=400) as emulator:
            async with KlingClient(base_url=emulator.base_url, api_key=emulator.api_key, journal=path) as client:
                handle = await client.submit(TextToVideo("a cat"), key="cat")

                def work() -> None:
                    assert client._works is not None
                    asyncio.run(client._works.journal.close())
                    asyncio.run(written(Journal(path), "child"))

                assert in_child(work) == 0
                assert (await client.submit(TextToVideo("a cat"), key="cat")).reference == handle.reference
                assert len(list(path.with_name("clips.sqlite.files").glob("owner-*"))) == 1
            assert facts(path) == {"child"}
            assert emulator.ledger.created == 1

    asyncio.run(run())


def test_two_loops_share_a_journal_object(path: Path) -> None:
    """Two threads with a loop each use one `Journal` at the same time."""
    journal = Journal(path)
    wanted = {f"{letter}{number}" for letter in "ab" for number in range(50)}

    def run(letter: str) -> None:
        asyncio.run(written(journal, *(f"{letter}{number}" for number in range(50))))

    threads = [threading.Thread(target=run, args=(letter,)) for letter in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert facts(path) == wanted
