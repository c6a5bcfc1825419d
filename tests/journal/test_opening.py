"""An unusable journal raises an error before anything is paid."""

import contextlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kling_async import ConfigurationError, Journal, JournalError, TextToVideo
from kling_async.emulator import Emulator
from kling_async.journal import files, owners, schema, sqlite_file
from kling_async.journal.sqlite import SqliteStore
from tests.shell.conftest import ClientMaker

CAT = TextToVideo("a cat")


def run(path: Path, *statements: str) -> None:
    """Runs statements on the file."""
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def other_database(path: Path) -> None:
    """A database of something else."""
    run(path, "CREATE TABLE things (name TEXT)")


def newer(path: Path) -> None:
    """A journal of a later version."""
    store = SqliteStore(path)
    store.open()
    store.close()
    run(path, "PRAGMA user_version = 99")


def text(path: Path) -> None:
    """A file that is no database."""
    path.write_bytes(b"no database" * 1000)


def damaged(path: Path) -> None:
    """A journal whose middle is overwritten."""
    store = SqliteStore(path)
    store.open()
    store.close()
    content = bytearray(path.read_bytes())
    content[100:] = bytes(len(content) - 100)
    path.write_bytes(content)


def directory(path: Path) -> None:
    """A directory in place of the file."""
    path.mkdir()


def pipe(path: Path) -> None:
    """A named pipe in place of the file, whose permissions must not be changed, as those of a device."""
    os.mkfifo(path)
    path.chmod(0o666)


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (other_database, "a database of something else"),
        (newer, "newer version"),
        (text, "no journal, or damaged"),
        (damaged, "damaged"),
        (directory, "cannot be opened"),
        (pipe, "no regular file; choose another"),
    ],
)
async def test_a_file_that_cannot_be_used(
    make_client: ClientMaker, emulator: Emulator, path: Path, prepare: object, message: str
) -> None:
    """A file that is no journal, damaged or too new is refused when the client opens it, and left unchanged."""
    assert callable(prepare)
    prepare(path)
    before = path.read_bytes() if path.is_file() else b"", path.stat().st_mode
    with pytest.raises(JournalError, match=message):
        await make_client(journal=path).submit(CAT)
    with pytest.raises(JournalError, match=message):
        await make_client(journal=path).__aenter__()
    assert emulator.ledger.created == 0
    assert before == (path.read_bytes() if path.is_file() else b"", path.stat().st_mode)


async def test_no_directory(make_client: ClientMaker, tmp_path: Path) -> None:
    """The error for a missing directory names it."""
    with pytest.raises(JournalError, match="No such file or directory"):
        await make_client(journal=tmp_path / "nowhere" / "clips.sqlite").submit(CAT)


async def test_a_network_file_system(make_client: ClientMaker, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal is refused on a file system where locks do not work."""
    monkeypatch.setattr(files, "file_system", lambda *_: "nfs4")
    with pytest.raises(JournalError, match=r"network file system \(nfs4\)"):
        await make_client(journal=path).submit(CAT)


async def test_locked_by_something_else(
    make_client: ClientMaker, emulator: Emulator, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another program holds the lock, nothing is sent; afterwards everything works."""
    monkeypatch.setattr(sqlite_file, "LOCK_SECONDS", 0.05)
    client = make_client(journal=path)
    await client.submit(CAT)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(JournalError, match="locked by something else"):
            await client.submit(CAT)
    await client.submit(CAT)
    assert emulator.ledger.created == 2


async def test_a_full_disk(
    make_client: ClientMaker, emulator: Emulator, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A create whose intent cannot be written is not sent; other writes are made later."""
    pages = 0
    together = SqliteStore.together

    def limited(self: SqliteStore) -> object:
        if self._connection is not None:
            self._connection.execute(f"PRAGMA max_page_count = {pages or 2**30}")
        return together(self)

    monkeypatch.setattr(SqliteStore, "together", limited)
    long = TextToVideo("a cat " * 400)
    async with make_client(journal=path) as client:
        await client.submit(long, key="before")
        pages = 1
        with contextlib.suppress(JournalError):
            for number in range(40):
                await client.submit(long, key=f"while-{number}")
        created = emulator.ledger.created
        with pytest.raises(JournalError, match="the disk is full"):
            await client.submit(long, key="full")
        assert emulator.ledger.created == created < 40
        pages = 0
        await client.submit(long, key="after")
        assert emulator.ledger.created == created + 1
        assert len([entry async for entry in client.journal.entries(state=None)]) == created + 1


async def test_another_machine(make_client: ClientMaker, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unfinished work of another machine is taken over only if the file was moved on purpose."""
    for what in ("machine", "boot"):
        monkeypatch.setattr(owners, what, lambda: "another one")
    first = make_client(journal=path)
    handle = await first.submit(CAT, key="cat")
    monkeypatch.undo()
    with pytest.raises(JournalError, match="moved=True"):
        await make_client(journal=path).submit(CAT)
    second = make_client(journal=Journal(path, moved=True))
    assert [each.reference async for each in second.recover()] == [handle.reference]


@pytest.mark.parametrize("given", [5, "", "a\0b", "directory/"])
def test_invalid_paths(given: object) -> None:
    """A value that cannot be a file's path is refused by the constructor."""
    with pytest.raises(ConfigurationError):
        Journal(given)  # type: ignore[arg-type]  # the mistake under test


async def test_wider_permissions_are_narrowed(make_client: ClientMaker, path: Path) -> None:
    """A file that others can read becomes readable by its owner only."""
    newer_store = SqliteStore(path)
    newer_store.open()
    newer_store.close()
    path.chmod(0o644)
    await make_client(journal=path).submit(CAT)
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_directory_is_no_journal(tmp_path: Path) -> None:
    """The error for a directory states that it is one."""
    with pytest.raises(JournalError, match="it is a directory; name a file in it"):
        await anext(Journal(tmp_path).entries())


@pytest.mark.parametrize("after", range(4))
def test_a_journal_that_another_process_makes_meanwhile(path: Path, after: int) -> None:
    """A process that opens it while another creates it accepts it as a journal, at every point."""

    class Slow(sqlite3.Connection):
        """A process that is delayed after its first read, its second, ..."""

        def execute(self, *statement: Any) -> sqlite3.Cursor:
            nonlocal after
            if after == 0:
                other = SqliteStore(path)
                other.open()
                other.close()
            after -= 1
            return super().execute(*statement)

    file = sqlite_file.SqliteFile(path)
    with closing(sqlite3.connect(path, factory=Slow, isolation_level=None)) as connection:
        assert file._version(connection) in {0, len(schema.MIGRATIONS)}
