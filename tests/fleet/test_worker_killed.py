"""Workers that die, are suspended or disconnected: their work continues, and nothing is paid twice."""

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import psycopg
import pytest

from kling_async.emulator import Emulator, Fault
from kling_async.fleet import Fleet, JobState
from kling_async.journal.files import are_whole
from tests.fleet.workers import clips, ended, started, until, working
from tests.postgres import Cluster, Relay
from tests.repeatable import same_draws

KILLS = int(os.environ.get("KLING_ASYNC_KILLS", "5"))
"""Number of rounds; more in a dedicated run."""
HEARTBEAT = 1.5
ACCEPTED = "SELECT count(*) >= {} FROM kling_journal_default.entries WHERE state = 'accepted'"


async def all_saved(fleet: Fleet, emulator: Emulator, count: int) -> None:
    """Each job was paid once and is complete; the account's limit was never exceeded."""
    jobs = await ended(fleet, clips(count))
    assert {job.state for job in jobs} == {JobState.SAVED}
    assert emulator.ledger.created == count
    assert emulator.ledger.refused[1303] == 0
    for job in jobs:
        assert job.entry is not None
        assert are_whole(job.entry.files)


@pytest.mark.slow
async def test_one_killed_for_good_and_one_stopped(postgres: str, tmp_path: Path) -> None:
    """Two workers continue the work of a third; one suspended for longer than its heartbeat pays for nothing."""
    await Fleet.init(postgres, limit=4)
    async with Emulator(render=False, speed=100, concurrency=4) as emulator, Fleet(postgres) as fleet:
        await fleet.submit_all(clips(12))
        options = {"heartbeat": HEARTBEAT, "grace": 1.0}
        gone, slow, good = [await started(postgres, emulator, tmp_path, **options) for _ in range(3)]
        try:
            await until(postgres, ACCEPTED.format(1))
            gone.kill()
            slow.send_signal(signal.SIGSTOP)
            await asyncio.sleep(1.5 * HEARTBEAT)
            slow.send_signal(signal.SIGCONT)
            await all_saved(fleet, emulator, 12)
        finally:
            for each in (slow, good):
                each.terminate()
        assert [await each.wait() for each in (slow, good)] == [0, 0]


@pytest.mark.slow
async def test_cut_off_from_the_database(own_cluster: Cluster, tmp_path: Path) -> None:
    """A worker that reaches the service but not the database starts nothing; others continue, and it resumes later."""
    dsn = own_cluster.dsn(own_cluster.create())
    await Fleet.init(dsn, limit=2)
    async with Emulator(render=False, speed=60, concurrency=2) as emulator, Fleet(dsn) as fleet:
        with Relay(dsn) as relay:
            await fleet.submit_all(clips(4))
            async with working(relay.dsn, emulator, tmp_path, heartbeat=1.0, grace=0):
                await until(dsn, ACCEPTED.format(2))
                relay.cut()
                await asyncio.sleep(4.0)  # its tasks end, which would free its seats
                assert emulator.ledger.created == 2
                async with working(dsn, emulator, tmp_path, heartbeat=1.0):
                    await all_saved(fleet, emulator, 4)
                relay.mend()


@pytest.mark.slow
async def test_killed_at_random_moments(own_cluster: Cluster, tmp_path: Path) -> None:
    """However often workers and Postgres die, and responses are lost, each job is paid once and completed."""
    rng, faults = same_draws(16), same_draws(17)
    dsn, count = own_cluster.dsn(own_cluster.create()), 4 * KILLS
    await Fleet.init(dsn, limit=6)
    async with Emulator(render=False, speed=100, concurrency=6) as emulator, Fleet(dsn) as fleet:
        for on in ("create", "query", "list"):
            emulator.faults.add(lambda _: lost(faults), on=on)
        await fleet.submit_all(clips(count))
        options = {"heartbeat": HEARTBEAT, "grace": 1.0}
        workers = [await started(dsn, emulator, tmp_path, **options) for _ in range(3)]
        try:
            for _ in range(KILLS):
                await asyncio.sleep(rng.random() * 2)
                await killed(rng, workers, own_cluster, lambda: started(dsn, emulator, tmp_path, **options))
            await all_saved(fleet, emulator, count)
        finally:
            for each in workers:
                each.terminate()
        assert [await each.wait() for each in workers] == [0, 0, 0]
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT count(*) FROM kling_fleet.pgqueuer").fetchone() == (0,)


def lost(rng: random.Random) -> Fault | None:
    """Loses one response in ten, before or after its effect."""
    return Fault.reset(after_effect=rng.random() < 0.5) if rng.random() < 0.1 else None


async def killed(
    rng: random.Random,
    workers: list[asyncio.subprocess.Process],
    cluster: Cluster,
    start: Callable[[], Awaitable[asyncio.subprocess.Process]],
) -> None:
    """Kills a worker, which is restarted, or the server; or suspends a worker for longer than its heartbeat."""
    number, what = rng.randrange(3), rng.random()
    if what < 0.3:
        await asyncio.to_thread(cluster.kill)
        await asyncio.to_thread(cluster.start)
    elif what < 0.5:
        workers[number].send_signal(signal.SIGSTOP)
        await asyncio.sleep(1.5 * HEARTBEAT)
        workers[number].send_signal(signal.SIGCONT)
    else:
        workers[number].kill()
        await workers[number].wait()
        workers[number] = await start()
