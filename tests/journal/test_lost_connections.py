"""A journal in Postgres whose connections break, whose server dies, and whose clients are stopped in a transaction."""

import asyncio
import threading
import time
from collections.abc import Callable

import psycopg
import pytest

from kling_async import EntryState, JournalError, PostgresJournal
from kling_async.io.postgres import SESSION
from kling_async.journal import writer
from kling_async.journal.client_journal import ClientJournal
from kling_async.journal.postgres import database
from kling_async.journal.postgres.address import Address
from kling_async.journal.postgres.store import PostgresStore
from kling_async.journal.record import Record
from kling_async.journal.store import Interrupted, Store
from tests.journal.test_leases import WORK
from tests.postgres import Cluster, Relay


def put(name: str) -> Callable[[Store], None]:
    """Returns a step that writes a fact, which cannot be written twice."""

    def work(store: Store) -> None:
        assert isinstance(store, PostgresStore)
        store.run("INSERT INTO facts VALUES (?, ?)", name, name)

    return work


def facts(dsn: str) -> set[str]:
    """Returns the stored facts."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT name FROM kling_journal_default.facts").fetchall()
    return {row[0] for row in rows} - {"id", "version", "oldest_reader"}


def unreachable(*_: object) -> None:
    """Simulates a server that cannot be reached."""
    raise psycopg.OperationalError("no way")


@pytest.mark.parametrize("arrives", [True, False])
def test_a_commit_that_is_not_answered(postgres: str, *, arrives: bool) -> None:
    """The outcome of a lost commit is determined: nothing is done twice or lost, and waiters get no error."""

    async def run() -> None:
        with Relay(postgres) as relay:
            journal = ClientJournal(PostgresJournal(relay.dsn), time.time)
            await journal.open()
            relay.lose(b"; COMMIT", arrives=arrives)
            journal.enqueue(put("enqueued"))
            await journal.do(put("waited"))
            await journal.do(put("later"))
            await journal.close()
        assert facts(postgres) == {"enqueued", "waited", "later"}

    asyncio.run(run())


def test_a_statement_that_is_not_answered(postgres: str) -> None:
    """A step whose connection breaks in the middle is committed once, by the next try."""

    async def run() -> None:
        with Relay(postgres) as relay:
            journal = ClientJournal(PostgresJournal(relay.dsn), time.time)
            await journal.open()
            for arrives in (True, False):
                relay.lose(b"INSERT INTO facts", arrives=arrives)
                await journal.do(put(f"{arrives}"))
            relay.reset()
            assert await journal.look(lambda store: store.intents()) == []
            await journal.close()
        assert facts(postgres) == {"True", "False"}

    asyncio.run(run())


def test_a_commit_with_unknown_outcome_for_long(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiters get an error; a step without a waiter is committed once, as soon as the server answers."""
    monkeypatch.setattr(writer, "_PATIENCE_SECONDS", 0.2)

    async def run() -> None:
        with Relay(postgres) as relay:
            journal = ClientJournal(PostgresJournal(relay.dsn), time.time)
            await journal.open()
            relay.lose(b"; COMMIT", arrives=True)
            journal.enqueue(put("enqueued"))
            with monkeypatch.context() as patch:
                patch.setattr(database, "connect", unreachable)
                with pytest.raises(Interrupted) as caught:
                    await journal.do(put("waited"))
            assert caught.value.attempt is not None
            await journal.do(put("later"))
            await journal.close()
        assert facts(postgres) == {"enqueued", "waited", "later"}

    asyncio.run(run())


def test_a_server_that_is_killed_and_comes_back(own_cluster: Cluster) -> None:
    """Waiters wait for a server that restarts; after that a client works as before."""

    async def run() -> None:
        dsn = own_cluster.dsn(own_cluster.create())
        journal = ClientJournal(PostgresJournal(dsn), time.time)
        await journal.open()
        await journal.do(put("before"))
        await asyncio.to_thread(own_cluster.kill)
        journal.enqueue(put("enqueued"))
        waiting = asyncio.ensure_future(journal.do(put("meanwhile")))
        looking = asyncio.ensure_future(journal.look(lambda store: store.intents()))
        await asyncio.to_thread(own_cluster.start)
        await waiting
        assert await looking == []
        await journal.do(put("after"))
        await journal.close()
        assert facts(dsn) == {"before", "enqueued", "meanwhile", "after"}

    asyncio.run(run())


def test_a_server_that_stays_away(own_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the server stays away, waiters get an error with its address and no password; nothing hangs."""
    monkeypatch.setattr(writer, "_PATIENCE_SECONDS", 0.2)

    async def run() -> None:
        dsn = own_cluster.dsn(own_cluster.create()).replace("postgres@", "postgres:secret@")
        journal = ClientJournal(PostgresJournal(dsn), time.time)
        await journal.open()
        await asyncio.to_thread(own_cluster.kill)
        with pytest.raises(JournalError, match="cannot be reached") as caught:
            await journal.do(put("meanwhile"))
        assert "secret" not in f"{caught.value!r} {journal.journal!r}"
        await journal.close()

    asyncio.run(run())


def test_a_server_that_does_not_answer(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent connection is given up, and the step is run on another one."""
    monkeypatch.setattr(database, "ANSWER_SECONDS", 0.5)

    async def run() -> None:
        with Relay(postgres) as relay:
            journal = ClientJournal(PostgresJournal(relay.dsn, lease=3.0), time.time)
            await journal.open()
            relay.cut()
            waiting = asyncio.ensure_future(journal.do(put("waited")))
            await asyncio.sleep(0.7)
            assert not waiting.done()
            relay.mend()
            await waiting
            await journal.close()
        assert facts(postgres) == {"waited"}

    asyncio.run(run())


def test_a_client_that_is_stopped_within_a_step(postgres: str) -> None:
    """The server ends its transaction after a third of its lease: other clients are not blocked, and it retries."""
    address = Address.of(postgres, "default")
    stopped, other = PostgresStore(address, 0.5), PostgresStore(address, 30.0)
    for store in (stopped, other):
        store.open()
    begun, go_on = threading.Event(), threading.Event()
    errors: list[BaseException] = []

    def stop() -> None:
        try:
            with stopped.together():
                put("stopped")(stopped)
                begun.set()
                go_on.wait()
        except JournalError as error:
            errors.append(error)

    thread = threading.Thread(target=stop)
    thread.start()
    begun.wait()
    with other.together():
        put("other")(other)
    go_on.set()
    thread.join()
    assert [type(error) for error in errors] == [Interrupted]
    stopped.open()
    assert stopped.took_effect() is None
    with stopped.together():
        put("stopped")(stopped)
    for store in (stopped, other):
        store.close()
    assert facts(postgres) == {"other", "stopped"}


def test_steps_are_taken_one_after_the_other(postgres: str) -> None:
    """What one client reads within a transaction, no other client changes before it is committed."""
    address = Address.of(postgres, "default")
    stores = [PostgresStore(address, 30.0) for _ in range(3)]
    for store in stores:
        store.open()
    with stores[0].together():
        put("0")(stores[0])

    def count(store: PostgresStore) -> None:
        for _ in range(10):
            with store.together():
                (before,) = store.run("SELECT value FROM facts WHERE name = '0'").fetchone()
                store.run("UPDATE facts SET value = ? WHERE name = '0'", str(int(before) + 1))

    threads = [threading.Thread(target=count, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stores[0].run("SELECT value FROM facts WHERE name = '0'").fetchone() == ("30",)
    for store in stores:
        store.close()


def test_an_intent_with_unknown_outcome_for_long(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A create not sent because the outcome of its intent was unknown is refused once that is known."""
    monkeypatch.setattr(writer, "_PATIENCE_SECONDS", 0.2)

    async def run() -> None:
        with Relay(postgres) as relay:
            journal = ClientJournal(PostgresJournal(relay.dsn), time.time)
            await journal.open()
            relay.lose(b"; COMMIT", arrives=True)
            record = Record(journal, work=WORK, is_file=True, external_task_id="ka-1")
            with monkeypatch.context() as patch:
                patch.setattr(database, "connect", unreachable)
                with pytest.raises(JournalError):
                    await record.intend(None)
            await journal.do(lambda _: None)
            assert [entry.state async for entry in journal.journal.entries()] == [EntryState.REFUSED]
            await journal.close()

    asyncio.run(run())


@pytest.mark.parametrize("pooled", ["other", "none"])
async def test_a_pooler_that_gives_connections_to_others(postgres: str, pooled: str) -> None:
    """A step or read in a session with another client's settings, or none, neither changes nor returns anything."""
    journal, other = PostgresJournal(postgres, name="a"), PostgresJournal(postgres, name="b")
    mine, foreign = ClientJournal(journal, time.time), ClientJournal(other, time.time)
    await foreign.open()
    await mine.open()
    settings = f"SET search_path TO kling_journal_b; SET {SESSION} TO 'another'" if pooled == "other" else "DISCARD ALL"

    def spoil(store: Store) -> None:
        assert isinstance(store, PostgresStore)
        store._open_connection().execute(settings.encode())

    await mine.look(spoil)
    now = mine.now()
    with pytest.raises(JournalError, match="a pooler in transaction mode"):
        await mine.do(lambda store: store.intend(WORK, 1, now))
    with pytest.raises(JournalError, match="a pooler in transaction mode"):
        await mine.look(lambda store: store.last("cat"))
    with psycopg.connect(postgres) as connection:
        for name in "ab":
            assert not connection.execute(f"SELECT FROM kling_journal_{name}.entries".encode()).fetchall()
    await foreign.close()
    await mine.close()
