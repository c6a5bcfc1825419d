"""When a worker claims, which is its most expensive query."""

import uuid

import pytest
from pgqueuer.queries import Queries

from kling_async.fleet import Fleet, NewJob
from kling_async.fleet.worker_rows import Rows
from kling_async.fleet.worker_values import Row
from tests.fleet.conftest import Connection, request


@pytest.fixture
def claims(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The entrypoints of each claim, in order."""
    found, dequeue = list[list[str]](), Queries.dequeue

    async def counted(self: Queries, most: int, entrypoints: dict[str, object], *arguments: object) -> object:
        found.append([*entrypoints])
        return await dequeue(self, most, entrypoints, *arguments)  # type: ignore[arg-type]  # passed on unchanged

    monkeypatch.setattr(Queries, "dequeue", counted)
    return found


async def claim(worker: Connection, rows: Rows) -> int:
    """Claims like a session."""
    state = await rows.state(worker)
    assert state is not None
    return await rows.claim(worker, state.lines, 30.0, saves=4, new=True, most=100)


async def test_nothing_is_claimed_where_nothing_is(worker: Connection, fleet: Fleet, claims: list[list[str]]) -> None:
    """Nothing is claimed without waiting jobs or without free seats; an abandoned job is claimed regardless."""
    rows = Rows("default", uuid.uuid4())
    assert await claim(worker, rows) == 0
    await fleet.submit_all([NewJob(request(), key=f"clip {number}") for number in range(7)])
    assert claims == []
    assert await claim(worker, rows) == 5
    assert await claim(worker, Rows("default", uuid.uuid4())) == 0
    assert len(claims) == 1
    await worker.execute(
        "UPDATE kling_fleet.pgqueuer SET heartbeat = now() - interval '1 hour' WHERE status = 'picked'"
    )
    assert await claim(worker, Rows("default", uuid.uuid4())) == 5


async def test_a_value_that_cannot_be_read(worker: Connection, fleet: Fleet) -> None:
    """One job with a timestamp that Python cannot represent, as written by hand, does not block others."""
    await fleet.submit_all([NewJob(request(), key="odd"), NewJob(request(), key="plain")])
    await worker.execute("UPDATE kling_fleet.jobs SET not_before = '-infinity' WHERE key = 'odd'")
    rows = Rows("default", uuid.uuid4())
    assert await claim(worker, rows) == 2
    assert {row.key for row in await rows.look(worker, []) if isinstance(row, Row)} == {"odd", "plain"}
