"""Ends of jobs: gapless numbers in the order of visibility, notifications, and cancelling while beginning."""

import asyncio
import itertools
from typing import Any

import pytest

from kling_async import FleetError
from kling_async.fleet import Fleet, JobState, NewJob
from kling_async.fleet.finish_watcher import FinishWatcher
from kling_async.fleet.statements import FINISH

from .conftest import Connection, begin, connected, one, request, settled


async def finish(worker: Connection, key: str, outcome: str = "saved", error: str = "") -> int | None:
    """Writes the end of a job as a worker; returns its number, or None if it had one."""
    row = await one(worker, "SELECT id FROM kling_fleet.jobs WHERE key = %s", key)
    cursor = await worker.execute(FINISH, {"id": row["id"], "outcome": outcome, "error": error})
    found = await cursor.fetchone()
    return None if found is None else int(found["finished"])


async def begun(fleet: Fleet, worker: Connection, *keys: str) -> None:
    """Submits jobs and marks them as begun."""
    await fleet.submit_all([NewJob(request(key), key) for key in keys])
    for key in keys:
        assert await begin(worker, key)


async def test_a_job_is_finished_once(fleet: Fleet, worker: Connection) -> None:
    """Finishing a job a second time changes nothing and uses no number."""
    await begun(fleet, worker, "a", "b")
    assert await finish(worker, "a") == 1
    assert await finish(worker, "a", "lost") is None
    assert await finish(worker, "b", "failed", "it failed") == 2
    a, b = await fleet.wait("a"), await fleet.wait("b")
    assert (a.state, a.number, b.state, b.error) == (JobState.SAVED, 1, JobState.FAILED, "it failed")


async def test_ends_are_seen_in_the_order_of_their_numbers(dsn: str, fleet: Fleet, worker: Connection) -> None:
    """With concurrent finishers, some rolling back, a reader that resumes after the last seen number misses none."""
    keys = [f"key {number}" for number in range(60)]
    await begun(fleet, worker, *keys)
    left = iter(keys)

    async def finisher(number: int) -> None:
        connection = await connected(dsn)
        for count, key in enumerate(left):
            if count % 3 == number % 3:  # its transaction is rolled back
                async with connection.transaction(force_rollback=True):
                    await finish(connection, key)
            async with connection.transaction():
                await finish(connection, key)
                await asyncio.sleep(0.001 * (number % 2))
        await connection.close()

    async def reader() -> list[int]:
        seen: list[int] = []
        async with Fleet(dsn) as reading:
            while len(seen) < len(keys):  # a reader that dies after a few jobs each time, and restarts
                async for job in reading.finished(after=seen[-1] if seen else 0):
                    assert job.number is not None
                    seen.append(job.number)
                    if len(seen) % 7 == 0 or len(seen) == len(keys):
                        break
        return seen

    seen, *_ = await asyncio.gather(reader(), *(finisher(number) for number in range(4)))
    assert seen == [*range(1, 61)]


async def test_a_number_waits_for_the_one_before_it(dsn: str, fleet: Fleet, worker: Connection) -> None:
    """While one end is uncommitted, no later one is visible."""
    await begun(fleet, worker, "a", "b")
    other = await connected(dsn)
    async with worker.transaction():
        await finish(worker, "a")
        second = asyncio.create_task(finish(other, "b"))
        await asyncio.sleep(0.1)
        assert not second.done()
    assert await second == 2
    await other.close()


async def test_a_waiter_is_woken(fleet: Fleet, worker: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """An end wakes waiters at once, however rare the regular queries."""
    monkeypatch.setattr(fleet._finish_watcher, "_look_seconds", 1000.0)
    await begun(fleet, worker, "a", "b")
    waiting = [asyncio.create_task(fleet.wait(key)) for key in ("a", "a", "b")]
    await settled(*waiting)
    await finish(worker, "a")
    first, second = await asyncio.gather(*waiting[:2])
    assert first == second
    assert first.state is JobState.SAVED
    await settled(waiting[2])
    await finish(worker, "b")
    assert (await waiting[2]).number == 2


async def test_a_waiter_sees_an_end_without_a_notification(
    fleet: Fleet, worker: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything works without notifications, with more delay."""

    async def deaf(_: FinishWatcher) -> None:
        await asyncio.sleep(1000)

    monkeypatch.setattr(FinishWatcher, "_listen", deaf)
    monkeypatch.setattr(fleet._finish_watcher, "_look_seconds", 0.05)
    await begun(fleet, worker, "a")
    waiting = asyncio.create_task(fleet.wait("a"))
    await settled(waiting)
    await finish(worker, "a")
    assert (await waiting).state is JobState.SAVED


async def test_an_end_between_the_look_and_the_wait_is_not_missed(
    fleet: Fleet, worker: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notification during a query counts: the next query follows at once."""
    monkeypatch.setattr(fleet._finish_watcher, "_look_seconds", 1000.0)
    await begun(fleet, worker, "a")
    look, ends = fleet._finish_watcher._look, itertools.count()

    async def looked() -> set[bytes]:
        found = await look()
        if next(ends) == 0:
            change = fleet._finish_watcher.next_change
            await finish(worker, "a")
            await change.wait()
        return found

    monkeypatch.setattr(fleet._finish_watcher, "_look", looked)
    assert (await fleet.wait("a")).state is JobState.SAVED


async def test_many_waiters_cause_one_query(fleet: Fleet, worker: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """One notification causes one query, not one for each waiter."""
    keys = [f"key {number}" for number in range(50)]
    await begun(fleet, worker, *keys)
    looks: list[int] = []
    look = fleet._finish_watcher._look

    async def counted() -> set[bytes]:
        looks.append(1)
        return await look()

    monkeypatch.setattr(fleet._finish_watcher, "_look", counted)
    waiting = [asyncio.create_task(fleet.wait(key)) for key in keys]
    while len(fleet._finish_watcher._waiters) < len(keys):  # noqa: ASYNC110  (there is no event for it)
        await asyncio.sleep(0.01)
    await settled(*waiting)
    looks.clear()
    async with worker.transaction():
        for key in keys:
            await finish(worker, key)
    await asyncio.gather(*waiting)
    assert len(looks) < 10


async def test_a_wait_that_is_given_up(fleet: Fleet, worker: Connection) -> None:
    """A cancelled wait is forgotten; others continue."""
    await begun(fleet, worker, "a")
    one_, other = (asyncio.create_task(fleet.wait("a")) for _ in range(2))
    await settled(one_, other)
    one_.cancel()
    await asyncio.gather(one_, return_exceptions=True)
    await finish(worker, "a")
    assert (await other).number == 1
    assert fleet._finish_watcher._waiters == {}


async def test_closing_ends_all_waits(fleet: Fleet, dsn: str, worker: Connection) -> None:
    """Each wait raises its own error once the fleet is closed, whichever job it is for."""
    await begun(fleet, worker, "a", "b")
    async with Fleet(dsn) as closing:
        waiting = [asyncio.create_task(closing.wait(key)) for key in ("a", "a", "b")]
        await settled(*waiting)
    errors = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 10)
    assert all(isinstance(error, FleetError) for error in errors)
    assert len({id(error) for error in errors}) == len(waiting)


async def test_an_unknown_job(fleet: Fleet) -> None:
    """Waiting for a job that was never submitted fails, and so does cancelling it."""
    assert await fleet.status("cat") is None
    with pytest.raises(FleetError, match="has no job 'cat'; submit it first"):
        await fleet.wait("cat")
    with pytest.raises(FleetError, match="has no job 'cat'"):
        await fleet.cancel("cat")


async def test_cancelling(fleet: Fleet, worker: Connection) -> None:
    """A job that was not begun is cancelled and removed from the engine; one that was begun is not."""
    await fleet.submit_all([NewJob(request(key), key) for key in ("a", "b")])
    assert await begin(worker, "b")
    assert await fleet.cancel("a")
    assert await fleet.cancel("a")
    assert not await fleet.cancel("b")
    assert not await begin(worker, "a")
    cancelled = await fleet.wait("a")
    assert (cancelled.state, cancelled.number) == (JobState.CANCELLED, 1)
    assert await one(worker, "SELECT key FROM kling_fleet.jobs JOIN kling_fleet.pgqueuer ON pgqueuer.id = seat") == {
        "key": "b"
    }
    again = await fleet.submit(request("a"), key="a")
    assert (again.state, again.number) == (JobState.QUEUED, None)
    assert await begin(worker, "a")


async def test_cancelled_against_begun(dsn: str, fleet: Fleet, worker: Connection) -> None:
    """If a begin and a cancel coincide, exactly one succeeds, and both callers get the outcome."""
    keys = [f"key {number}" for number in range(50)]
    await fleet.submit_all([NewJob(request(key), key) for key in keys])

    async def beginning() -> dict[str, bool]:
        return {key: await begin(worker, key) for key in keys}

    async def cancelling(other: Fleet) -> dict[str, bool]:
        return {key: await other.cancel(key) for key in reversed(keys)}

    async with Fleet(dsn) as other:
        may, cancelled = await asyncio.gather(beginning(), cancelling(other))
    assert [may[key] for key in keys] == [not cancelled[key] for key in keys]
    assert {*may.values()} == {True, False}


async def test_a_cancel_that_waits_for_a_begin(dsn: str, fleet: Fleet, worker: Connection) -> None:
    """If a worker is just beginning the job, the cancel waits for the outcome."""
    await fleet.submit(request(), key="a")
    async with Fleet(dsn) as other:
        async with worker.transaction():
            assert await begin(worker, "a")
            cancelling: asyncio.Task[Any] = asyncio.create_task(other.cancel("a"))
            await settled(cancelling)
        assert not await cancelling
