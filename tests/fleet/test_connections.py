"""Connections of a fleet, as Postgres sees them."""

from kling_async.fleet.database import Database


async def test_claims_are_not_compiled(postgres: str) -> None:
    """Postgres would compile the engine's long statement anew for each claim, whenever it expects many rows."""
    async with await Database(postgres).connect() as connection:
        found = await (await connection.execute("SHOW jit")).fetchone()
    assert found == {"jit": "off"}
