"""Connections of a fleet and their settings in Postgres."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psycopg
import pytest

from kling_async import FleetError
from kling_async.fleet import JobState, NewJob
from kling_async.fleet import worker as worker_module
from kling_async.fleet.database import Connection, Database
from kling_async.fleet.fleet import Fleet
from kling_async.fleet.worker import Worker
from kling_async.fleet.worker_database import WorkerDatabase
from kling_async.io.postgres import SESSION
from tests.fleet.conftest import request
from tests.postgres import Relay


async def test_claims_are_not_compiled(postgres: str) -> None:
    """Without the setting, Postgres would compile the engine's long statement at each claim if it expects many rows."""
    async with await Database(postgres).connect() as connection:
        found = await (await connection.execute("SHOW jit")).fetchone()
    assert found == {"jit": "off"}


async def test_a_pooler_that_gives_connections_to_others(postgres: str) -> None:
    """A session taken over by another client is refused, as its prepared statements belong to that client."""

    async def spoil(connection: Connection) -> None:
        await connection.execute(f"SET {SESSION} TO 'another'".encode())

    async def never(_: Connection) -> None:
        pytest.fail("it was done in another's session")

    await Fleet.init(postgres, limit=1)
    async with Database(postgres) as database:
        await database.step(spoil)
        with pytest.raises(FleetError, match="a pooler in transaction mode"):
            await database.step(never)


def read_only(dsn: str, value: str) -> None:
    """Makes all new connections read-only or writable."""
    with psycopg.connect(dsn, autocommit=True, options="-c default_transaction_read_only=off") as connection:
        setting = f"SET default_transaction_read_only TO {value}"
        connection.execute(f"ALTER DATABASE {dsn.rpartition('/')[2]} {setting}".encode())


class Promoted(Database):
    """A database that is read-only, as during a failover, until a later connection."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self._dsn = dsn
        self._connections = 0
        read_only(dsn, "on")

    async def connect(self) -> Connection:
        """Connects; makes the database writable from the third connection on."""
        self._connections += 1
        if self._connections == 3:
            read_only(self._dsn, "off")
        return await super().connect()


async def drained(connection: Connection) -> int:
    """Writes something; returns the number of rows."""
    cursor = await connection.execute("UPDATE kling_fleet.queues SET draining = TRUE")
    return cursor.rowcount


async def test_a_worker_waits_for_the_next_server(own_dsn: str) -> None:
    """A read-only server counts as unavailable: the next connection may reach its successor."""
    line = WorkerDatabase(Promoted(own_dsn).connect, 10.0)
    assert await line.until_committed(drained) == 1
    await line.close()


async def test_a_client_waits_for_the_next_server(own_dsn: str) -> None:
    """The same for a client's calls; if no successor appears in time, the error contains the reason."""
    async with Promoted(own_dsn) as database:
        assert await database.step(drained) == 1
    read_only(own_dsn, "on")
    async with Database(own_dsn, patience=0.0) as hasty:
        with pytest.raises(FleetError, match="failed: cannot execute UPDATE in a read-only transaction"):
            await hasty.step(drained)


# ------------------------------------------------------------------------------------- settings of the database

HABITS: Final = {
    "timezone": "'Asia/Kathmandu'",
    "datestyle": "'German'",
    "intervalstyle": "'sql_standard'",
    "bytea_output": "'escape'",
    "standard_conforming_strings": "off",
    "default_transaction_isolation": "'serializable'",
    "search_path": "'nowhere'",
}


async def test_a_database_with_other_defaults(own_dsn: str) -> None:
    """Whatever the database's time zone, date format and escaping, jobs keep their keys and times."""
    with psycopg.connect(own_dsn, autocommit=True) as connection:
        for name, value in HABITS.items():
            connection.execute(f"ALTER DATABASE {own_dsn.rpartition('/')[2]} SET {name} TO {value}".encode())
    due = datetime(2100, 1, 2, 3, 4, tzinfo=UTC)
    keys = [f"cat-{number}" for number in range(20)]  # digests with all kinds of bytes
    given = [NewJob(request(), key, not_before=due) for key in keys]
    async with Fleet(own_dsn) as fleet:
        await fleet.submit_all(given)
        found = await fleet.submit_all(given)
        assert [(job.key, job.not_before) for job in found] == [(key, due) for key in keys]
        assert await fleet.cancel("cat-7")
        assert (await fleet.wait("cat-7")).finished_at is not None
        assert (await fleet.metrics()).queues[0].states == {JobState.QUEUED: 19, JobState.CANCELLED: 1}


# --------------------------------------------------------------------------------- a server that does not answer


async def test_a_frozen_server(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frozen server closes no connections, but counts as lost after a timeout."""
    with Relay(dsn) as relay:
        async with Fleet(relay.dsn) as fleet:
            monkeypatch.setattr(fleet._database, "_patience", 0.0)
            assert fleet._database._connection is not None
            monkeypatch.setattr(fleet._database._connection, "answer_seconds", 0.1)
            relay.cut()
            with pytest.raises(FleetError, match="cannot be reached: it does not answer"):
                await fleet.status("cat")
            relay.mend()
            assert await fleet.status("cat") is None


async def test_a_listening_connection_has_no_timeout(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listening connection stays open, however long no notification arrives."""
    async with await Database(dsn).connect() as connection:
        await connection.execute("LISTEN kling_fleet")
        monkeypatch.setattr(connection, "answer_seconds", 0.0)
        assert [notification async for notification in connection.notifies(timeout=0.3)] == []
        assert not connection.closed


async def test_a_worker_ends_while_the_server_is_frozen(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pending query does not keep the worker from ending."""
    monkeypatch.setattr(worker_module, "_LOOK_SECONDS", 0.01)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DELETE FROM kling_fleet.queues")
    with Relay(dsn) as relay:
        working = Worker(relay.dsn, out=tmp_path, keys={})
        monkeypatch.setattr(working._database, "_answer", 0.2)
        monkeypatch.setattr(working._database, "_patience", 0.0)
        running = asyncio.create_task(working.run())
        while working._database.closed:  # noqa: ASYNC110  (there is no event for it)
            await asyncio.sleep(0.01)
        relay.cut()
        while not working._database._turn.locked():  # noqa: ASYNC110  (as above)
            await asyncio.sleep(0)
        working.stop()
        await asyncio.wait_for(running, 60)
