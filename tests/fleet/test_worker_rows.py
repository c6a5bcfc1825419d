"""What sessions write about jobs: only about their own, not about those that others have taken over."""

import uuid
from collections.abc import AsyncIterator

import pytest

from kling_async import TextToVideo
from kling_async.fleet import Fleet, JobState
from kling_async.fleet.database import Connection, Database
from kling_async.fleet.worker_account import AccountRows
from kling_async.fleet.worker_values import Row
from tests.fleet.workers import one

HOUR = 3600.0


@pytest.fixture
async def connection(postgres: str) -> AsyncIterator[Connection]:
    """A connection to a fleet with a limit of 1 and two jobs."""
    await Fleet.init(postgres, limit=1)
    async with Fleet(postgres) as fleet:
        for key in ("first", "second"):
            await fleet.submit(TextToVideo("a cat"), key=key)
    connection = await Database(postgres).connect()
    yield connection
    await connection.close()


def session() -> AccountRows:
    """The rows of a worker's session."""
    return AccountRows("default", uuid.uuid4())


async def claimed(rows: AccountRows, connection: Connection, *, heartbeat: float = HOUR) -> list[Row]:
    """Returns the jobs that a session claims."""
    state = await rows.state(connection)
    assert state is not None
    await rows.claim(connection, state.lines, heartbeat, saves=4, new=True, most=20)
    return [row for row in await rows.look(connection, []) if isinstance(row, Row)]


async def test_a_seat_is_held_until_the_end(postgres: str, connection: Connection) -> None:
    """The only seat belongs to one job until its task has ended; then the other gets it, and the first gets saved."""
    mine, others = session(), session()
    (row,) = await claimed(mine, connection)
    assert await claimed(others, connection) == []
    for _ in range(2):  # a step with an unknown outcome is repeated
        async with connection.transaction():
            await mine.made(connection, row, {"raw": {}})
    found = await claimed(others, connection)
    jobs = {each.key: (each.saves, each.result) for each in found}
    assert jobs == {"first": (True, {"raw": {}}), "second": (False, None)}
    assert one(postgres, "SELECT count(*) FROM kling_fleet.pgqueuer") == 2


async def test_what_was_left_keeps_its_seat(postgres: str, connection: Connection) -> None:
    """The jobs of an ended session are available at once, in the same seats, and no others are."""
    mine, others = session(), session()
    await mine.enter(connection, "mine", "1")
    (row,) = await claimed(mine, connection)
    await mine.leave(connection)
    (taken,) = await claimed(others, connection)
    assert taken == row
    assert one(postgres, "SELECT slot FROM kling_fleet.pgqueuer WHERE status = 'picked'") == 0
    assert one(postgres, "SELECT count(*) FROM kling_fleet.workers") == 0


async def test_jobs_of_other_sessions_are_not_changed(connection: Connection) -> None:
    """A session whose job was taken over can neither begin, requeue or hand it over, nor mark it as refused."""
    slow, others = session(), session()
    (row,) = await claimed(slow, connection)
    (taken,) = await claimed(others, connection, heartbeat=0.0)
    assert taken == row
    assert not await slow.begin(connection, row)
    await slow.back(connection, row, 0.0)
    await slow.give(connection, row, slow.me)
    await slow.full(connection, row)
    await slow.finish(connection, row, JobState.REFUSED, "said too late")
    await slow.beat(connection)
    await slow.leave(connection)
    assert await others.look(connection, []) == [row]
    assert await others.begin(connection, row)
    state = await others.state(connection)
    assert state is not None
    assert not state.lines[0].is_limited


async def test_an_end_in_the_journal_counts_in_any_session(postgres: str, connection: Connection) -> None:
    """An end is recorded by whichever session sees it first, even an outdated one, and only once."""
    slow, others = session(), session()
    (row,) = await claimed(slow, connection)
    await claimed(others, connection, heartbeat=0.0)
    await slow.finish(connection, row, JobState.FAILED, "risk control")
    await others.finish(connection, row, JobState.LOST, "said too late")
    assert one(postgres, "SELECT outcome || ': ' || error FROM kling_fleet.jobs WHERE key = 'first'") == (
        "failed: risk control"
    )
    assert [each.key for each in await claimed(others, connection)] == ["second"]


async def test_cancelled_or_begun(postgres: str, connection: Connection) -> None:
    """A job that a session has begun cannot be cancelled; a requeued one can, and then no session begins it."""
    rows = session()
    (row,) = await claimed(rows, connection)
    async with Fleet(postgres) as fleet:
        assert await rows.begin(connection, row)
        assert not await fleet.cancel("first")
        await rows.back(connection, row, 0.0)
        (row,) = await claimed(rows, connection)
        assert await fleet.cancel("first")
    assert not await rows.begin(connection, row)
    await rows.drop(connection, row)
    assert [each.key for each in await claimed(rows, connection)] == ["second"]


async def test_one_session_follows(connection: Connection) -> None:
    """Only one session becomes the follower; a successor must name its predecessor."""
    first, second = session(), session()
    assert await first.follow(connection, 1, None)
    assert not await second.follow(connection, 2, None)
    assert await second.follow(connection, 2, 1)
    await first.resign(connection)
    follower = await first.follower(connection)
    assert follower is not None
    assert (follower.session, follower.owner) == (second.me, 2)
