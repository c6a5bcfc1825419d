"""Metrics of a fleet, with all numbers checked by hand."""

from decimal import Decimal

from kling_async import Budget, KlingClient
from kling_async.emulator import Emulator
from kling_async.fleet import Fleet, JobState, NewJob
from kling_async.fleet.statements import FINISH
from kling_async.journal.postgres.journal import PostgresJournal

from .conftest import Connection, begin, one, request


async def test_counts_and_slots(fleet: Fleet, worker: Connection) -> None:
    """Each job counts in its state, each picked seat as used, and a learned limit as the number of slots."""
    await fleet.submit_all([NewJob(request(key), key) for key in ("queued", "sending", "refused", "cancelled")])
    await fleet.cancel("cancelled")
    for key in ("sending", "refused"):
        await begin(worker, key)
    row = await one(worker, "SELECT id, seat FROM kling_fleet.jobs WHERE key = 'refused'")
    await worker.execute(FINISH, {"id": row["id"], "outcome": "refused", "error": "no"})
    await worker.execute("UPDATE kling_fleet.pgqueuer SET status = 'failed' WHERE id = %s", [row["seat"]])
    await worker.execute(
        "UPDATE kling_fleet.pgqueuer SET status = 'picked' WHERE id = "
        "(SELECT seat FROM kling_fleet.jobs WHERE key = 'sending')"
    )
    await worker.execute("UPDATE kling_fleet.lines SET refused_above = 3")
    await worker.execute("UPDATE kling_fleet.pgqueuer SET execute_after = now() - interval '50 seconds', "
                         "created = now() - interval '100 seconds' WHERE status = 'queued'")  # fmt: skip
    (queue,) = (await fleet.metrics()).queues
    assert queue.states == {
        JobState.QUEUED: 1, JobState.SENDING: 1, JobState.REFUSED: 1, JobState.CANCELLED: 1,
    }  # fmt: skip
    (line,) = queue.lines
    assert (line.line, line.slots, line.used, line.queued) == ("kling-v2-6", 3, 1, 1)
    assert queue.lag is not None
    assert 50 <= queue.lag < 90
    assert (queue.units, len(queue.money), queue.spending) == (Decimal(0), 0, None)


async def test_a_job_that_is_not_due_is_no_lag(fleet: Fleet, worker: Connection) -> None:
    """A job that is not due yet is not waiting for a slot."""
    await fleet.submit(request(), key="later")
    await worker.execute("UPDATE kling_fleet.pgqueuer SET execute_after = now() + interval '1 hour'")
    assert (await fleet.metrics()).queues[0].lag is None


async def test_states_and_money_of_what_was_sent(dsn: str, fleet: Fleet, worker: Connection) -> None:
    """State and cost of a sent job come from the journal; the budget is that of the queue."""
    await Fleet.init(dsn, limit=5, budget=Budget(units=60))
    await fleet.submit_all([NewJob(request(key), key) for key in ("one", "two")])
    for key in ("one", "two"):
        await begin(worker, key)
    budget = Budget(units=60, name="default")
    async with Emulator(speed=1) as emulator:
        journal = PostgresJournal(dsn)
        async with KlingClient(
            api_key=emulator.api_key, base_url=emulator.base_url, journal=journal, budget=budget
        ) as kling:
            for key in ("one", "two"):
                await kling.submit(request(key), key=key)
            await journal.last_of(["one"])  # after all queued writes
            (queue,) = (await fleet.metrics()).queues
            assert queue.states == {JobState.GENERATING: 2}
            assert queue.spending is not None
            assert (queue.spending.reserved, queue.spending.left) == (Decimal(3), Decimal(57))
    await worker.execute("UPDATE kling_journal_default.entries SET state = 'ended', status = 'succeed', units = '1.5' "
                         "WHERE key = 'one'")  # fmt: skip
    await worker.execute("UPDATE kling_journal_default.entries SET state = 'ended', status = 'failed', quota = '0.21', "
                         "currency = 'USD' WHERE key = 'two'")  # fmt: skip
    (queue,) = (await fleet.metrics()).queues
    assert queue.states == {JobState.SAVING: 1, JobState.FAILED: 1}
    assert (queue.units, queue.money) == (Decimal("1.5"), {"USD": Decimal("0.21")})
    job = await fleet.status("one")
    assert job is not None
    assert job.state is JobState.SAVING
    assert job.cost is not None
    assert job.cost.units == Decimal("1.5")
    assert job.reference is not None
    assert job.reference.startswith("text2video:")


async def test_workers(fleet: Fleet, worker: Connection) -> None:
    """Each worker has its queues and the time since its last heartbeat."""
    await worker.execute(
        "INSERT INTO kling_fleet.workers (id, name, version, queues, seen_at) VALUES "
        "(gen_random_uuid(), 'b:2', '1.0', '{default}', now()), "
        "(gen_random_uuid(), 'a:1', '0.9', '{default,other}', now() - interval '100 seconds')"
    )
    first, second = (await fleet.metrics()).workers
    assert (first.name, first.version, first.queues, first.jobs, first.draining) == (
        "a:1", "0.9", ("default", "other"), 0, False,
    )  # fmt: skip
    assert 100 <= first.seen < 160
    assert second.name == "b:2"
