"""Jobs that exceed the rest of the budget wait, and cheaper ones continue."""

import uuid
from collections.abc import Callable
from decimal import Decimal

import pytest

from kling_async import Budget, TextToVideo
from kling_async.fleet import Fleet, NewJob
from kling_async.fleet.worker_account import TRIAL_SECONDS, AccountRows
from kling_async.fleet.worker_values import Row
from kling_async.protocol.catalog import endpoint_named

from .conftest import Connection, one

CHEAP = TextToVideo("a cat", duration="5")
DEAR = TextToVideo("a dog", duration="10")
UNKNOWN = TextToVideo("a boat", model_name="kling-v99")


def price(request: TextToVideo, unit: str) -> Decimal:
    """List price."""
    endpoint = endpoint_named("text2video")
    assert endpoint is not None
    estimate = endpoint.estimate(request)
    amount = estimate.units if unit == "units" else estimate.usd
    assert amount is not None
    return amount


@pytest.fixture
def rows() -> AccountRows:
    """The rows of a session."""
    return AccountRows("default", uuid.uuid4())


async def tried(rows: AccountRows, worker: Connection, left: Decimal) -> Row:
    """Handles the next job as one that exceeds the rest of the budget."""
    state = await rows.state(worker)
    assert state is not None
    await rows.claim(worker, state.lines, 30.0, saves=0, new=True, most=1)
    (row,) = await rows.look(worker, [])
    assert isinstance(row, Row)
    async with worker.transaction():
        await rows.over_budget(worker, row, left, "too little left")
    return row


async def waiting(worker: Connection) -> dict[str, int]:
    """The delay of each job in minutes."""
    cursor = await worker.execute(
        "SELECT key, round(extract(epoch FROM greatest(execute_after - updated, '0')) / 60)::int AS minutes "
        "FROM kling_fleet.jobs JOIN kling_fleet.pgqueuer engine ON engine.id = seat"
    )
    return {row["key"]: row["minutes"] for row in await cursor.fetchall()}


async def paused(worker: Connection) -> str | None:
    """The reason why the queue is paused."""
    reason: str | None = (await one(worker, "SELECT paused_reason FROM kling_fleet.queues"))["paused_reason"]
    return reason


@pytest.mark.parametrize("unit", ["units", "usd"])
@pytest.mark.parametrize(("second", "fits"), [(CHEAP, True), (DEAR, False)])
async def test_prices_are_those_of_the_unit(
    dsn: str, fleet: Fleet, worker: Connection, rows: AccountRows, *, unit: str, second: TextToVideo, fits: bool
) -> None:
    """The queue waits only if no other job fits, in units as well as in dollars, whose amounts differ."""
    left = (price(CHEAP, unit) + price(DEAR, unit)) / 2
    budgets: dict[str, Callable[[], Budget]] = {"units": lambda: Budget(units=9), "usd": lambda: Budget(usd=9)}
    await Fleet.init(dsn, limit=5, budget=budgets[unit]())
    await fleet.submit_all([NewJob(DEAR, "dear", priority=1), NewJob(second, "second")])
    assert (await tried(rows, worker, left)).key == "dear"
    assert await paused(worker) == (None if fits else "too little left")


@pytest.mark.parametrize(("assume", "fits"), [("1", True), ("3", False), (None, True)])
async def test_an_unknown_price_is_what_is_assumed(
    dsn: str, fleet: Fleet, worker: Connection, rows: AccountRows, assume: str | None, *, fits: bool
) -> None:
    """A job without a price fits if the assumed price does; without an assumed one it is refused in its turn."""
    await Fleet.init(dsn, limit=5, budget=Budget(units=9, assume=assume))
    await fleet.submit_all([NewJob(DEAR, "dear", priority=1), NewJob(UNKNOWN, "unknown")])
    await worker.execute("UPDATE kling_fleet.jobs SET estimate_units = NULL, estimate_usd = NULL WHERE key = 'unknown'")
    await tried(rows, worker, Decimal(2))
    assert await paused(worker) == (None if fits else "too little left")


async def test_all_jobs_over_budget_are_delayed(dsn: str, fleet: Fleet, worker: Connection, rows: AccountRows) -> None:
    """One attempt suffices to delay all jobs that do not fit, longer each time; the next job tried is a cheap one."""
    await Fleet.init(dsn, limit=5, budget=Budget(units=9))
    dear = [NewJob(DEAR, f"dear {number}", priority=1) for number in range(30)]
    await fleet.submit_all([*dear, NewJob(CHEAP, "cheap")])
    left = price(CHEAP, "units")
    for minutes in (1, 2, 4, 8, 16, 16):
        await tried(rows, worker, left)
        assert await waiting(worker) == {job.key: minutes for job in dear} | {"cheap": 0}
        await worker.execute("UPDATE kling_fleet.pgqueuer SET execute_after = now()")
    assert TRIAL_SECONDS == 60


async def test_what_is_taken_or_has_its_time_stays(
    dsn: str, fleet: Fleet, worker: Connection, rows: AccountRows
) -> None:
    """Jobs claimed by other sessions and jobs with a later start time are not touched."""
    await Fleet.init(dsn, limit=5, budget=Budget(units=9))
    await fleet.submit_all([NewJob(DEAR, key, priority=1) for key in ("taken", "timed", "mine")])
    await fleet.submit(CHEAP, key="cheap")
    await worker.execute(
        "UPDATE kling_fleet.pgqueuer SET execute_after = now() + interval '1 day' FROM kling_fleet.jobs "
        "WHERE pgqueuer.id = seat AND key = 'timed'"
    )
    others = AccountRows("default", uuid.uuid4())
    state = await others.state(worker)
    assert state is not None
    await others.claim(worker, state.lines, 30.0, saves=0, new=True, most=1)
    (taken,) = await others.look(worker, [])
    await tried(rows, worker, price(CHEAP, "units"))
    assert await waiting(worker) == {"taken": 0, "timed": 1440, "mine": 1, "cheap": 0}
    assert await others.look(worker, []) == [taken]


async def test_a_pause_ends_where_one_fits(dsn: str, fleet: Fleet, worker: Connection, rows: AccountRows) -> None:
    """A cheap job submitted while the queue waits is tried right after the next one that does not fit."""
    await Fleet.init(dsn, limit=5, budget=Budget(units=9))
    await fleet.submit_all([NewJob(DEAR, f"dear {number}", priority=1) for number in range(3)])
    left = price(CHEAP, "units")
    await tried(rows, worker, left)
    assert await paused(worker) == "too little left"
    await fleet.submit(CHEAP, key="cheap")
    assert not await rows.may_try(worker)
    await tried(rows, worker, left)
    assert await rows.may_try(worker)
    assert (await tried(rows, worker, left)).key == "cheap"
