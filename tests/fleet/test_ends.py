"""Ends of jobs: numbered without gaps in the order in which they are seen, heard of, and cancelled against begun."""

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
    """What a worker writes at the end of a job; its number, if it had none."""
    row = await one(worker, "SELECT id FROM kling_fleet.jobs WHERE key = %s", key)
    cursor = await worker.execute(FINISH, {"id": row["id"], "outcome": outcome, "error": error})
    found = await cursor.fetchone()
    return None if found is None else int(found["finished"])


async def begun(fleet: Fleet, worker: Connection, *keys: str) -> None:
    """Jobs that may have been sent."""
    await fleet.submit_all([NewJob(request(key), key) for key in keys])
    for key in keys:
        assert await begin(worker, key)


async def test_a_job_is_finished_once(fleet: Fleet, worker: Connection) -> None:
    """Whoever sees the end second changes nothing, and takes no number."""
    await begun(fleet, worker, "a", "b")
    assert await finish(worker, "a") == 1
    assert await finish(worker, "a", "lost") is None
    assert await finish(worker, "b", "failed", "it failed") == 2
    a, b = await fleet.wait("a"), await fleet.wait("b")
    assert (a.state, a.number, b.state, b.error) == (JobState.SAVED, 1, JobState.FAILED, "it failed")


async def test_ends_are_seen_in_the_order_of_their_numbers(dsn: str, fleet: Fleet, worker: Connection) -> None:
    """Concurrent finishers, some of which give up: who goes on after the last number that he saw misses none."""
    keys = [f"key {number}" for number in range(60)]
    await begun(fleet, worker, *keys)
    left = iter(keys)

    async def finisher(number: int) -> None:
        connection = await connected(dsn)
        for count, key in enumerate(left):
            if count % 3 == number % 3:  # its transaction does not come to its end
                async with connection.transaction(force_rollback=True):
                    await finish(connection, key)
            async with connection.transaction():
                await finish(connection, key)
                await asyncio.sleep(0.001 * (number % 2))
        await connection.close()

    async def reader() -> list[int]:
        seen: list[int] = []
        async with Fleet(dsn) as reading:
            while len(seen) < len(keys):  # one that dies after each few, and begins again
                async for job in reading.finished(after=seen[-1] if seen else 0):
                    assert job.number is not None
                    seen.append(job.number)
                    if len(seen) % 7 == 0 or len(seen) == len(keys):
                        break
        return seen

    seen, *_ = await asyncio.gather(reader(), *(finisher(number) for number in range(4)))
    assert seen == [*range(1, 61)]


async def test_a_number_waits_for_the_one_before_it(dsn: str, fleet: Fleet, worker: Connection) -> None:
    """As long as it is open how one end comes out, no later one is seen."""
    await begun(fleet, worker, "a", "b")
    other = await connected(dsn)
    async with worker.transaction():
        await finish(worker, "a")
        second = asyncio.create_task(finish(other, "b"))
        await asyncio.sleep(0.1)
        assert not second.done()
    assert await second == 2
    await other.close()


async def test_who_waits_is_woken(fleet: Fleet, worker: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """An end is heard of at once, however rarely one looks."""
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


async def test_who_waits_sees_an_end_that_nobody_told(
    fleet: Fleet, worker: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without notifications everything works, only later."""

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
    """What is told while one looks counts: the next look comes at once."""
    monkeypatch.setattr(fleet._finish_watcher, "_look_seconds", 1000.0)
    await begun(fleet, worker, "a")
    look, ends = fleet._finish_watcher._look, itertools.count()

    async def looked() -> set[bytes]:
        found = await look()
        if next(ends) == 0:
            heard = fleet._finish_watcher.next_change
            await finish(worker, "a")
            await heard.wait()
        return found

    monkeypatch.setattr(fleet._finish_watcher, "_look", looked)
    assert (await fleet.wait("a")).state is JobState.SAVED


async def test_many_who_wait_look_once(fleet: Fleet, worker: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """A piece of news costs one question, not one for each who waits."""
    keys = [f"key {number}" for number in range(50)]
    await begun(fleet, worker, *keys)
    looks: list[int] = []
    look = fleet._finish_watcher._look

    async def counted() -> set[bytes]:
        looks.append(1)
        return await look()

    monkeypatch.setattr(fleet._finish_watcher, "_look", counted)
    waiting = [asyncio.create_task(fleet.wait(key)) for key in keys]
    while fleet._finish_watcher._awaited.total() < len(keys):  # noqa: ASYNC110  (nobody says so)
        await asyncio.sleep(0.01)
    await settled(*waiting)
    looks.clear()
    async with worker.transaction():
        for key in keys:
            await finish(worker, key)
    await asyncio.gather(*waiting)
    assert len(looks) < 10


async def test_a_wait_that_is_given_up(fleet: Fleet, worker: Connection) -> None:
    """Who gives up is forgotten; others go on."""
    await begun(fleet, worker, "a")
    one_, other = (asyncio.create_task(fleet.wait("a")) for _ in range(2))
    await settled(one_, other)
    one_.cancel()
    await asyncio.gather(one_, return_exceptions=True)
    await finish(worker, "a")
    assert (await other).number == 1
    assert fleet._finish_watcher._awaited.total() == 0


async def test_an_unknown_job(fleet: Fleet) -> None:
    """Nobody waits for what was never submitted, and nobody cancels it."""
    assert await fleet.status("cat") is None
    with pytest.raises(FleetError, match="has no job 'cat'; submit it first"):
        await fleet.wait("cat")
    with pytest.raises(FleetError, match="has no job 'cat'"):
        await fleet.cancel("cat")


async def test_cancelling(fleet: Fleet, worker: Connection) -> None:
    """What was not begun is cancelled, and the engine has it no more; what was begun is not."""
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
    """Of both at the same moment exactly one comes true, and both know which."""
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
    """Where a worker is just about to begin, the cancel waits for how that comes out."""
    await fleet.submit(request(), key="a")
    async with Fleet(dsn) as other:
        async with worker.transaction():
            assert await begin(worker, "a")
            cancelling: asyncio.Task[Any] = asyncio.create_task(other.cancel("a"))
            await settled(cancelling)
        assert not await cancelling
