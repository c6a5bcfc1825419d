"""Connections of a fleet, as Postgres sees them."""

import pytest

from kling_async import FleetError
from kling_async.fleet.database import Connection, Database
from kling_async.fleet.fleet import Fleet
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
