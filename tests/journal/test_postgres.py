"""A journal in Postgres: addresses, names, untrusted texts, and tables of other versions."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import attrs
import psycopg
import pytest

from kling_async import ConfigurationError, Journal, JournalError, KlingClient, PostgresJournal
from kling_async.journal.client_journal import ClientJournal, journal_of
from kling_async.journal.postgres import database, schema, texts
from kling_async.journal.postgres.address import Address
from kling_async.journal.postgres.schema import Migration
from kling_async.journal.postgres.store import PostgresStore
from kling_async.protocol.tasks import Task, TaskStatus
from tests.journal.test_leases import NOW, TASK, WORK, intended, now_of, opened

HARD = "a cat \0 \ud800 \uf8ff \uf8ff0000 ' \\ % %s ? \U0001f600"


@pytest.mark.parametrize("text", [HARD, "", "\0", "\udcff", "\uf8ff", "\uf8fff8ff"])
def test_every_text_comes_back(text: str) -> None:
    """Characters that Postgres cannot store are escaped, and two texts never become one."""
    written = texts.written(text)
    assert isinstance(written, str)
    assert "\0" not in written
    assert written.encode("utf-8") is not None
    assert texts.read(written) == text


async def test_untrusted_texts(postgres: str, tmp_path: Path) -> None:
    """NUL, lone surrogates and quotes in untrusted text are returned unchanged, and break no step."""
    journal = await opened(postgres)
    path = str(tmp_path / "\udcff%s")
    work = attrs.evolve(WORK, key=HARD, request={"prompt": HARD}, save_to=path, trace=HARD)
    entry = await intended(journal, work)
    hard_task = Task(task_id=HARD, status=TaskStatus.FAILED, endpoint="text2video", status_msg=HARD)
    await journal.do(lambda store: store.accepted(entry.id, hard_task, NOW))
    await journal.do(lambda store: store.ended(entry.id, hard_task, NOW, finished=True))
    found = await now_of(journal, entry)
    assert (found.key, found.request, found.task_id, found.trace) == (HARD, {"prompt": HARD}, HARD, HARD)
    assert found.save_to == path
    assert found.error.startswith("a cat \0")
    assert await journal.do(lambda store: store.tasks_of_others(0, [HARD, "2"])) == {HARD}
    last = await journal.do(lambda store: store.last(HARD))
    assert last == found
    await journal.close()


def test_invalid_addresses() -> None:
    """An invalid connection string, name or lease is refused, without the password in the error."""
    for dsn in (
        "postgresql://me:secret@[host/x",
        "postgresql://me:a@se/cret@host/x",
        "postgresql://me:a/secret@host/x",
    ):
        with pytest.raises(ConfigurationError, match="dsn cannot be read") as caught:
            PostgresJournal(dsn)
        assert not any(word in repr(caught.value) for word in ("secret", "cret@", "se/"))
    for name in ("", "A", "1a", "a-b", "a" * 42, 'a"; DROP SCHEMA x', None):
        with pytest.raises(ConfigurationError, match="name of a journal"):
            PostgresJournal("postgresql://host/x", name=name)  # type: ignore[arg-type]  # the mistake under test
    for lease in (0.1, 1e9, float("nan"), "30"):
        with pytest.raises(ConfigurationError, match="lease must be"):
            PostgresJournal("postgresql://host/x", lease=lease)  # type: ignore[arg-type]  # as above


def test_addresses_are_shown_without_secrets() -> None:
    """Neither the password nor the user is in a `repr`, however the address is given."""
    for dsn in ("postgresql://me:s3cret@db.example/clips", "host=db.example dbname=clips user=me password=s3cret"):
        shown = repr(PostgresJournal(dsn))
        assert shown == "PostgresJournal('postgresql://db.example/clips (default)')"
    assert isinstance(journal_of("postgres://db.example/clips"), PostgresJournal)
    assert isinstance(journal_of("clips.sqlite"), Journal)


async def test_a_database_that_is_not_there(postgres: str) -> None:
    """The error comes at once, and names what is missing."""
    dsn = postgres.rpartition("/")[0] + "/nowhere"
    with pytest.raises(JournalError, match='database "nowhere" does not exist'):
        await ClientJournal(PostgresJournal(dsn), time.time).open()


async def test_a_user_without_the_right_to_create_it(postgres: str) -> None:
    """The error names the schema to create."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS guest")
        connection.execute("CREATE ROLE guest LOGIN")
    with pytest.raises(JournalError, match="schema kling_journal_default"):
        await ClientJournal(PostgresJournal(postgres.replace("postgres@", "guest@")), time.time).open()


async def test_journals_of_one_database_are_separate(postgres: str) -> None:
    """Each name has its own tables and ids: unfinished work in one is never taken by the other."""
    one = ClientJournal(PostgresJournal(postgres, name="one"), time.time)
    two = ClientJournal(PostgresJournal(postgres, name="two"), time.time)
    await one.open()
    await two.open()
    await intended(one)
    await one.close()
    assert await two.take_left() == []
    assert one.id != two.id
    await two.close()


async def test_two_versions_side_by_side(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that adds a column migrates the tables; the older version continues, and can be opened again."""
    old = await opened(postgres)
    entry = await intended(old)
    more = Migration(("ALTER TABLE entries ADD COLUMN colour TEXT",), oldest_reader=1)
    with monkeypatch.context() as newer:
        newer.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, more))
        new = await opened(postgres)
        await new.do(lambda store: store.accepted(entry.id, TASK, NOW))
    assert (await now_of(old, entry)).task_id == "1"
    another = await opened(postgres)
    assert another.id == old.id == new.id
    assert (await intended(another, attrs.evolve(WORK, key="dog"))).id != entry.id
    for each in (old, new, another):
        await each.close()


async def test_a_version_that_is_too_old(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables that this version does not support are not changed, and the error contains the remedy."""
    breaking = Migration(("ALTER TABLE entries RENAME COLUMN trace TO traced",), oldest_reader=2)
    with monkeypatch.context() as newer:
        newer.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, breaking))
        await (await opened(postgres)).close()
    with pytest.raises(JournalError, match="update kling_async"):
        await opened(postgres)


def test_many_clients_that_create_it_at_once(postgres: str) -> None:
    """Of concurrent clients one creates the journal, and all have the same."""

    async def run() -> None:
        journals = [ClientJournal(PostgresJournal(postgres), time.time) for _ in range(8)]
        await asyncio.gather(*(journal.open() for journal in journals))
        assert len({journal.id for journal in journals}) == 1
        assert len({journal.owner for journal in journals}) == 8
        await asyncio.gather(*(journal.close() for journal in journals))

    asyncio.run(run())
    with psycopg.connect(postgres) as connection:
        assert connection.execute("SELECT count(*) FROM kling_journal_default.connections").fetchone() == (0,)


def test_waiters_are_woken(postgres: str) -> None:
    """A write that other clients wait for wakes them at once, without a check; also after a lost connection."""

    async def run() -> None:
        first, second = await opened(postgres), await opened(postgres)
        entry = await intended(first)
        async with asyncio.timeout(60):
            while not second.others.count:  # noqa: ASYNC110  (listening begins in another thread)
                await asyncio.sleep(0.01)
            for _ in range(2):
                seen = second.others.count
                await first.do(lambda store: store.add_callback(entry.id, b"{}", signed=True))
                assert await second.others.wait(seen, 60) > seen
                with psycopg.connect(postgres, autocommit=True) as connection:
                    others = "FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
                    connection.execute(f"SELECT pg_terminate_backend(pid) {others}".encode())
                await second.others.wait(seen + 1, 60)  # it listens again, and notifies
        for each in (first, second):
            await each.close()

    asyncio.run(run())


def test_a_database_in_another_encoding() -> None:
    """A database that cannot store all texts is refused before anything is paid."""
    assert database.lock_of("kling_journal_a") != database.lock_of("kling_journal_b")
    assert -(2**63) <= database.lock_of("kling_journal_a") < 2**63


def test_without_the_extra(tmp_path: Path) -> None:
    """psycopg is imported for a journal in Postgres only; the error names the extra to install."""
    (tmp_path / "psycopg").mkdir()
    (tmp_path / "psycopg" / "__init__.py").write_text("raise ImportError('no psycopg')")
    script = (
        "import sys; import kling_async; sys.path.insert(0, sys.argv[1]);"
        "kling_async.KlingClient(api_key='k', journal=sys.argv[1] + '/clips.sqlite');"
        "assert 'psycopg' not in sys.modules, 'imported';"
        "kling_async.KlingClient(api_key='k', journal='postgresql://host/x')"
    )
    ran = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False)
    assert "ConfigurationError" in ran.stderr
    assert "pip install 'kling-async[fleet]'" in ran.stderr


def test_a_closed_store() -> None:
    """A closed store raises an error, and does not hang."""
    store = PostgresStore(Address.of("postgresql://host/x", "default"), 30.0)
    with pytest.raises(JournalError, match="is closed"):
        store.owners(unfinished=True)


async def test_another_journal_of_a_client(postgres: str) -> None:
    """A client has one journal: the same one again is accepted, another name is not."""
    client = KlingClient(api_key="k", journal=PostgresJournal(postgres))
    client.use_journal(postgres)
    with pytest.raises(ConfigurationError, match="another journal"):
        client.use_journal(PostgresJournal(postgres, name="other"))
    await client.close()
