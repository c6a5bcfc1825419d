"""Connections of a fleet, as Postgres sees them."""

import psycopg
import pytest

from kling_async import FleetError
from kling_async.fleet.database import Connection, Database
from kling_async.fleet.fleet import Fleet
from kling_async.fleet.worker_database import Line
from kling_async.io.postgres import SESSION


async def test_claims_are_not_compiled(postgres: str) -> None:
    """Postgres would compile the engine's long statement anew for each claim, whenever it expects many rows."""
    async with await Database(postgres).connect() as connection:
        found = await (await connection.execute("SHOW jit")).fetchone()
    assert found == {"jit": "off"}


async def test_a_pooler_that_gives_connections_to_others(postgres: str) -> None:
    """In a session that has become another client's nothing is done: what was prepared there is not ours."""

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
    """Sets it for all connections that are made from now on."""
    with psycopg.connect(dsn, autocommit=True, options="-c default_transaction_read_only=off") as connection:
        setting = f"SET default_transaction_read_only TO {value}"
        connection.execute(f"ALTER DATABASE {dsn.rpartition('/')[2]} {setting}".encode())


class Promoted(Database):
    """A database that is read-only, as while one server takes another's place, until somebody connects again."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self._dsn = dsn
        self._connections = 0
        read_only(dsn, "on")

    async def connect(self) -> Connection:
        """To the other server from the third one on."""
        self._connections += 1
        if self._connections == 3:
            read_only(self._dsn, "off")
        return await super().connect()


async def drained(connection: Connection) -> int:
    """Writes something; how many rows."""
    cursor = await connection.execute("UPDATE kling_fleet.queues SET draining = TRUE")
    return cursor.rowcount


async def test_a_worker_waits_for_the_next_server(own_dsn: str) -> None:
    """A server that takes no writes is away like one that does not answer: the next connection can lead to another."""
    line = Line(Promoted(own_dsn).connect, 10.0)
    assert await line.surely(drained) == 1
    await line.close()


async def test_who_submits_waits_for_the_next_server(own_dsn: str) -> None:
    """The same with what a client asks for; where there is no other server in time, it is told why."""
    async with Promoted(own_dsn) as database:
        assert await database.step(drained) == 1
    read_only(own_dsn, "on")
    async with Database(own_dsn, patience=0.0) as hasty:
        with pytest.raises(FleetError, match="failed: cannot execute UPDATE in a read-only transaction"):
            await hasty.step(drained)
