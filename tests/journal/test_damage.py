"""A damaged, foreign or truncated journal is reported before anything is paid, on opening and in use."""

import asyncio
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kling_async import EntryState, ExternalTaskIdConflict, JournalError, KlingError, TextToVideo
from kling_async.emulator import Emulator
from kling_async.journal.sqlite import SqliteStore
from tests.repeatable import same_draws
from tests.shell.conftest import ClientMaker

ENTRIES = 40
PAGE = 4096


def wal_of(path: Path) -> Path:
    """Returns the path of the write-ahead log."""
    return path.with_name(f"{path.name}-wal")


async def filled(make_client: ClientMaker, path: Path, prompt: str = "a cat") -> None:
    """Fills a journal with many entries, and closes it."""
    async with make_client(journal=path, concurrency=100) as client:
        for number in range(ENTRIES):
            await client.submit(TextToVideo(f"{prompt}, {number}. " * 20), key=f"{number}")


def overwrite(path: Path, start: int, content: bytes) -> None:
    """Overwrites some bytes."""
    with path.open("r+b") as file:
        file.seek(start)
        file.write(content)


async def worked(make_client: ClientMaker, path: Path, prompt: str = "a cat") -> list[str]:
    """Submits all keys again, and a new one; returns the errors."""
    errors = []
    client = make_client(journal=path, concurrency=100)
    for number in range(ENTRIES + 1):
        try:
            await client.submit(TextToVideo(f"{prompt}, {number}. " * 20), key=f"{number}")
        except JournalError as error:
            errors.append(str(error))
    return errors


@pytest.mark.parametrize("seed", range(4))
async def test_pages_that_are_overwritten(make_client: ClientMaker, emulator: Emulator, path: Path, seed: int) -> None:
    """If pages in the middle are overwritten, everything that reads them reports it; nothing is paid twice."""
    draws = same_draws(f"damage {seed}")
    await filled(make_client, path)
    for page in draws.sample(range(1, path.stat().st_size // PAGE), 5):
        overwrite(path, page * PAGE, draws.choice([bytes(PAGE), draws.randbytes(PAGE)]))
    errors = await worked(make_client, path)
    assert errors
    assert all("damaged" in error for error in errors)
    assert emulator.ledger.created in {ENTRIES, ENTRIES + 1}


async def test_text_that_is_overwritten(make_client: ClientMaker, emulator: Emulator, path: Path) -> None:
    """If the text of entries is overwritten, which SQLite cannot detect, it is reported as damage or a conflict."""
    await filled(make_client, path)
    content = path.read_bytes()
    at = [start for start in range(len(content)) if content.startswith(b'{"prompt"', start)]
    assert len(at) == ENTRIES
    for start in at[::2]:
        overwrite(path, start, b"\xff\xfe{{")
    errors = []
    async with make_client(journal=path) as client:
        for number in range(ENTRIES):
            try:
                await client.submit(TextToVideo(f"a cat, {number}. " * 20), key=f"{number}")
            except JournalError as error:
                errors.append(str(error))
        await client.submit(TextToVideo("a dog"), key="new")
    assert len(errors) == len(at[::2])
    assert all("damaged" in error for error in errors)
    assert emulator.ledger.created == ENTRIES + 1


async def test_damage_while_it_is_used(make_client: ClientMaker, emulator: Emulator, path: Path) -> None:
    """A journal damaged while a client uses it is reported by what reads the damage, and nothing more is paid."""
    await filled(make_client, path)
    async with make_client(journal=path) as client:
        await client.submit(TextToVideo("a cat, 0. " * 20), key="0")
        for page in range(1, path.stat().st_size // PAGE):
            overwrite(path, page * PAGE, bytes(PAGE))
        errors = []
        for number in range(ENTRIES):
            try:
                await client.submit(TextToVideo(f"a dog, {number}. " * 20), key=f"dog-{number}")
            except JournalError as error:
                errors.append(str(error))
    assert len(errors) > ENTRIES - 5  # a page or two may be cached
    assert all("damaged" in error for error in errors)
    assert emulator.ledger.created == ENTRIES + ENTRIES - len(errors)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
async def test_a_file_that_is_torn(make_client: ClientMaker, emulator: Emulator, path: Path, share: float) -> None:
    """A truncated journal is reported, and nothing is paid twice."""
    await filled(make_client, path)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(int(size * share))
    errors = await worked(make_client, path)
    assert errors
    assert all("damaged" in error for error in errors)
    assert emulator.ledger.created in {ENTRIES, ENTRIES + 1}


def garbage(wal: Path, _: Path) -> None:
    """Replaces the log by random bytes."""
    wal.write_bytes(random.Random(1).randbytes(50_000))  # noqa: S311  (no secret)


def foreign(wal: Path, other: Path) -> None:
    """Replaces the log by that of another journal."""
    shutil.copy(wal_of(other), wal)


@pytest.mark.parametrize("replace", [garbage, foreign])
async def test_a_log_of_something_else(
    make_client: ClientMaker, emulator: Emulator, path: Path, replace: Callable[[Path, Path], None]
) -> None:
    """A foreign log is reported or ignored; nothing is paid twice."""
    other = path.with_name("other.sqlite")
    await filled(make_client, path)
    client = make_client(journal=other, concurrency=100)
    for number in range(ENTRIES):
        await client.submit(TextToVideo(f"a dog, {number}. " * 20), key=f"{number}")
    replace(wal_of(path), other)
    created = emulator.ledger.created
    try:
        errors = await worked(make_client, path)
    except KlingError as error:
        errors = [str(error)]
    assert emulator.ledger.created <= created + 1, errors


async def test_a_log_that_is_missing(make_client: ClientMaker, emulator: Emulator, path: Path) -> None:
    """A file copied without its log gives the same ids for its keys: existing tasks are named, or adopted."""
    client = make_client(journal=path)
    handles = [await client.submit(TextToVideo("a cat"), key=f"{number}") for number in range(3)]
    copy = path.with_name("copy.sqlite")
    shutil.copy(path, copy)
    await asyncio.sleep(5)
    async with make_client(journal=copy) as second:
        assert [entry async for entry in second.journal.entries()] == []
        for number, handle in enumerate(handles):
            for _ in range(2):
                with pytest.raises(ExternalTaskIdConflict, match="was the journal copied") as raised:
                    await second.submit(TextToVideo("a dog"), key=f"{number}")
                assert raised.value.reference == handle.reference
        again = [await second.submit(TextToVideo("a cat"), key=f"{number}", if_exists="adopt") for number in range(3)]
        assert {entry.state async for entry in second.journal.entries()} == {EntryState.ACCEPTED}
    assert [handle.task_id for handle in again] == [handle.task_id for handle in handles]
    assert emulator.ledger.created == 3


def test_the_tables_are_in_the_file_itself(path: Path) -> None:
    """A new journal's file is complete without its log."""
    store = SqliteStore(path)
    store.open()
    copy = path.with_name("copy.sqlite")
    shutil.copy(path, copy)
    other = SqliteStore(copy)
    other.open()
    assert other.id == store.id
    other.close()
    store.close()
