"""Workers of a fleet, on a real Postgres and the emulator, whose ledger is checked."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pytest

from kling_async import Budget, GenerateImages, ImageToVideo, Polling, TextToVideo
from kling_async.emulator import Emulator, Fault
from kling_async.fleet import Fleet, JobState, NewJob, worker, worker_account, worker_rows, worker_saving
from kling_async.fleet.database import Connection
from kling_async.fleet.worker_rows import Rows
from kling_async.fleet.worker_values import QueueState
from tests.fleet.workers import KEYS, QuickWorker, clips, ended, one, until, working
from tests.postgres import Relay

CAT = Path(__file__).parents[2] / "examples" / "images" / "cat.png"


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """The account: tasks take a moment, and four may run at once."""
    async with Emulator(render=False, speed=250, concurrency=4) as emulator:
        yield emulator


@pytest.fixture
async def fleet(postgres: str) -> AsyncIterator[Fleet]:
    """A fleet without jobs, with a limit of four."""
    await Fleet.init(postgres, limit=4)
    async with Fleet(postgres) as fleet:
        yield fleet


def held(dsn: str) -> list[tuple[str, str]]:
    """The engine's rows: entrypoints and statuses."""
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT entrypoint, status::text FROM kling_fleet.pgqueuer").fetchall()


async def test_from_a_job_to_its_file(postgres: str, fleet: Fleet, emulator: Emulator, tmp_path: Path) -> None:
    """Each job is paid once and completely saved at its target, and the engine is empty."""
    jobs = clips(6)
    async with working(postgres, emulator, tmp_path, count=2):
        await fleet.submit_all(jobs)
        done = await ended(fleet, jobs)
    assert {job.state for job in done} == {JobState.SAVED}
    assert emulator.ledger.created == emulator.ledger.paid == 6
    assert {path.name for path in tmp_path.iterdir()} == {f"clip-{number}.mp4" for number in range(6)}
    assert held(postgres) == []


async def test_a_connection_that_breaks_at_the_start(
    postgres: str, fleet: Fleet, emulator: Emulator, tmp_path: Path
) -> None:
    """A worker whose connection breaks while it opens the database tries again."""
    with Relay(postgres) as relay:
        relay.lose(b"current_setting", arrives=True)
        async with working(relay.dsn, emulator, tmp_path):
            await fleet.submit(TextToVideo("a cat"), key="cat")
            assert (await fleet.wait("cat")).state is JobState.SAVED


async def test_the_place_of_a_file(postgres: str, fleet: Fleet, emulator: Emulator, tmp_path: Path) -> None:
    """The job's template is resolved below the worker's directory, and folders are created."""
    async with working(postgres, emulator, tmp_path):
        await fleet.submit(TextToVideo("a cat"), key="Köln 1", save_to="{date}/{key}-{task_id}.mp4")
        job = await fleet.wait("Köln 1")
    assert job.entry is not None
    (path,) = tmp_path.rglob("*.mp4")
    assert path.parent.name == f"{job.submitted_at:%Y-%m-%d}"
    assert path.name.endswith(f"-{job.entry.task_id}.mp4")
    assert [str(path)] == [file.path for file in job.entry.files]


async def test_the_folder_of_a_file(postgres: str, fleet: Fleet, emulator: Emulator, tmp_path: Path) -> None:
    """A template that ends in a slash is a folder, where files are named by the key."""
    async with working(postgres, emulator, tmp_path):
        await fleet.submit(TextToVideo("a cat"), key="cat", save_to="clips/")
        assert (await fleet.wait("cat")).state is JobState.SAVED
    assert (tmp_path / "clips" / "cat.mp4").is_file()


async def test_a_limit_is_learned_once_for_all(postgres: str, fleet: Fleet, tmp_path: Path) -> None:
    """All workers learn from the account's refusals; refused jobs wait unsent, and none is lost."""
    begun, stands_still, jobs = time.time(), asyncio.Event(), clips(4)
    stands_still.set()

    def clock() -> float:
        return begun if stands_still.is_set() else time.time()

    async with Emulator(render=False, speed=250, concurrency=2, clock=clock) as emulator:
        await fleet.submit_all(jobs)
        async with working(postgres, emulator, tmp_path, count=2):
            await until(postgres, "SELECT coalesce(min(refused_above) = 2, FALSE) FROM kling_fleet.lines")
            await until(postgres, "SELECT count(*) = 2 FROM kling_fleet.jobs WHERE begun_at IS NULL")
            # Two, and a third if the first create was sent again before the second response.
            assert emulator.ledger.refused[1303] in {2, 3}
            stands_still.clear()
            done = await ended(fleet, jobs)
    assert {job.state for job in done} == {JobState.SAVED}
    assert (emulator.ledger.created, emulator.ledger.peak()) == (4, 2)


async def test_cancelled(postgres: str, fleet: Fleet, emulator: Emulator, tmp_path: Path) -> None:
    """A job cancelled before it was sent is never sent."""
    jobs = clips(2)
    await fleet.submit_all(jobs)
    assert await fleet.cancel("clip-1")
    async with working(postgres, emulator, tmp_path):
        done = await ended(fleet, jobs)
    assert [job.state for job in done] == [JobState.SAVED, JobState.CANCELLED]
    assert emulator.ledger.created == 1


async def test_refused_and_failed(postgres: str, fleet: Fleet, emulator: Emulator, tmp_path: Path) -> None:
    """A job that the service refuses or cannot generate ends with its message; the seat is freed, others continue."""
    await fleet.submit(TextToVideo("a refused cat"), key="refused")
    await fleet.submit(TextToVideo("a forbidden cat"), key="failed")
    await fleet.submit(TextToVideo("a cat"), key="made")
    async with working(postgres, emulator, tmp_path):
        refused, failed, made = [await fleet.wait(key) for key in ("refused", "failed", "made")]
    assert [job.state for job in (refused, failed, made)] == [JobState.REFUSED, JobState.FAILED, JobState.SAVED]
    assert "content safety" in refused.error
    assert "risk control" in failed.error
    assert [status for _, status in held(postgres)] == ["failed"]  # kept for inspection
    assert emulator.ledger.created == 2


async def test_an_account_that_accepts_nothing(
    postgres: str, fleet: Fleet, emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queue whose account is in arrears waits and shows the reason; it resumes after the payment."""
    monkeypatch.setattr(worker_account, "TRIAL_SECONDS", 0.5)
    emulator.faults.add(Fault.error(1101), on="create")
    jobs = clips(3)
    await fleet.submit_all(jobs)
    async with working(postgres, emulator, tmp_path):
        await until(postgres, "SELECT paused_reason LIKE '%arrears%' FROM kling_fleet.queues")
        emulator.faults.clear()
        done = await ended(fleet, jobs)
    assert {job.state for job in done} == {JobState.SAVED}
    assert one(postgres, "SELECT paused_reason IS NULL FROM kling_fleet.queues")
    assert emulator.ledger.created == 3


async def test_an_empty_pack_stops_its_line_alone(
    postgres: str, fleet: Fleet, emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs paid from an exhausted pack wait and show the reason; jobs of other lines continue."""
    monkeypatch.setattr(worker_account, "TRIAL_SECONDS", 0.5)
    emulator.faults.add(Fault.error(1102), on="create", when=lambda call: call.endpoint == "text2video")
    await fleet.submit(TextToVideo("a cat"), key="video", priority=1)
    await fleet.submit(GenerateImages("a cat"), key="picture")
    async with working(postgres, emulator, tmp_path):
        assert (await fleet.wait("picture")).state is JobState.SAVED
        await until(postgres, "SELECT count(*) = 1 FROM kling_fleet.lines WHERE waits_for LIKE '%resource pack%'")
        assert one(postgres, "SELECT paused_reason IS NULL FROM kling_fleet.queues")
        emulator.faults.clear()
        assert (await fleet.wait("video")).state is JobState.SAVED
    assert one(postgres, "SELECT count(*) FROM kling_fleet.lines WHERE waits_for IS NOT NULL") == 0


async def test_a_job_over_budget(postgres: str, emulator: Emulator, tmp_path: Path) -> None:
    """A job that exceeds the rest of the budget blocks no other one, whatever its priority."""
    await Fleet.init(postgres, limit=1, budget=Budget(units=4))
    async with Fleet(postgres) as fleet, working(postgres, emulator, tmp_path):
        await fleet.submit(TextToVideo("a cat", model_name="kling-v2-master", duration="10"), key="dear", priority=1)
        await fleet.submit_all(clips(2))
        assert {job.state for job in await ended(fleet, clips(2))} == {JobState.SAVED}
        dear = await fleet.status("dear")
    assert dear is not None
    assert dear.state is JobState.QUEUED
    assert emulator.ledger.created == 2


async def test_a_failed_claim_is_logged(
    postgres: str,
    fleet: Fleet,
    emulator: Emulator,
    tmp_path: Path,
    *,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker that cannot claim jobs, though the database is available, logs the reason, and resumes later."""
    state, failures = Rows.state, [psycopg.DataError("timestamp too small"), psycopg.OperationalError("it was cut off")]

    async def failing(self: Rows, connection: Connection) -> QueueState | None:
        if failures:
            raise failures.pop()
        return await state(self, connection)

    monkeypatch.setattr(Rows, "state", failing)
    await fleet.submit(TextToVideo("a cat"), key="cat")
    async with working(postgres, emulator, tmp_path):
        assert (await fleet.wait("cat")).state is JobState.SAVED
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert [each for each in warnings if "jobs" in each or "claim" in each] == [
        "no jobs can be taken: timestamp too small"
    ]


async def test_a_key_that_is_refused(postgres: str, fleet: Fleet, emulator: Emulator, tmp_path: Path) -> None:
    """A worker whose key the account refuses releases its jobs, which other workers take at once."""
    wrong = QuickWorker(postgres, out=tmp_path, keys={"default": "api-key-wrong"}, base_url=emulator.base_url)
    running = asyncio.create_task(wrong.run())
    jobs = clips(3)
    await fleet.submit_all(jobs)
    await until(postgres, "SELECT count(*) = 0 FROM kling_fleet.workers WHERE started_at < now()")
    async with working(postgres, emulator, tmp_path):
        assert {job.state for job in await ended(fleet, jobs)} == {JobState.SAVED}
    assert one(postgres, "SELECT paused_reason IS NULL FROM kling_fleet.queues")
    wrong.stop()
    await running


async def test_handed_over(postgres: str, fleet: Fleet, emulator: Emulator, tmp_path: Path) -> None:
    """Jobs of an ended worker are available at once, long before its heartbeat expires."""
    jobs = clips(4)
    await fleet.submit_all(jobs)
    async with working(postgres, emulator, tmp_path, heartbeat=3600, grace=0):
        await until(postgres, "SELECT count(*) = 4 FROM kling_journal_default.entries WHERE state = 'accepted'")
    assert one(postgres, "SELECT count(*) FROM kling_fleet.workers") == 0
    async with working(postgres, emulator, tmp_path, heartbeat=3600):
        done = await ended(fleet, jobs)
    assert {job.state for job in done} == {JobState.SAVED}
    assert emulator.ledger.created == 4


async def test_drained(postgres: str, fleet: Fleet, emulator: Emulator, tmp_path: Path) -> None:
    """A drained queue starts nothing new, finishes what runs, and can be resumed."""
    await fleet.submit(TextToVideo("a cat"), key="first")
    async with working(postgres, emulator, tmp_path, heartbeat=0.6):
        await until(postgres, "SELECT count(*) = 1 FROM kling_journal_default.entries WHERE state = 'accepted'")
        await fleet.drain()
        await fleet.submit(TextToVideo("a dog"), key="second")
        assert (await fleet.wait("first")).state is JobState.SAVED
        assert emulator.ledger.created == 1
        await fleet.drain(on=False)
        assert (await fleet.wait("second")).state is JobState.SAVED


async def test_a_worker_tidies_until_all_is_tidy(
    postgres: str, fleet: Fleet, emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work left by one step is continued without waiting for the next hour."""
    monkeypatch.setattr(worker_rows, "_SWEPT_AT_MOST", 1)
    for key in "abc":
        await fleet.submit(ImageToVideo(CAT.read_bytes() + key.encode(), prompt="x"), key=key)
        await fleet.cancel(key)
    async with working(postgres, emulator, tmp_path, heartbeat=0.5):
        await until(postgres, "SELECT count(*) = 0 FROM kling_journal_default.kept")


async def test_a_place_that_is_taken(
    postgres: str, fleet: Fleet, emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job whose target is another file is reported; submitting it again saves it without paying again."""
    monkeypatch.setattr(worker_saving, "ATTEMPTS", 1)
    (tmp_path / "cat.mp4").write_text("mine")
    job = NewJob(TextToVideo("a cat"), "cat", save_to="cat.mp4")
    async with working(postgres, emulator, tmp_path):
        await fleet.submit_all([job])
        failed = await fleet.wait("cat")
        assert failed.state is JobState.SAVE_FAILED
        assert "cat.mp4" in failed.error
        (tmp_path / "cat.mp4").unlink()
        await fleet.submit_all([job])
        assert (await fleet.wait("cat")).state is JobState.SAVED
    assert emulator.ledger.created == 1


async def test_queues_without_a_key(postgres: str, fleet: Fleet, emulator: Emulator, tmp_path: Path) -> None:
    """A worker ignores a queue without credentials, and logs the name of the missing variable."""
    await Fleet.init(postgres, limit=1, queue="other", credentials="theirs")
    async with Fleet(postgres, "other") as other:
        await other.submit(TextToVideo("a cat"), key="other")
        await fleet.submit(TextToVideo("a cat"), key="ours")
        async with working(postgres, emulator, tmp_path):
            assert (await fleet.wait("ours")).state is JobState.SAVED
        job = await other.status("other")
    assert job is not None
    assert job.state is JobState.QUEUED


class PatientWorker(QuickWorker):
    """A worker that polls only when a task has surely ended."""

    _options: ClassVar[Mapping[str, Any]] = {"polling": Polling(first=6.0, maximum=6.0)}


@pytest.mark.slow
async def test_only_one_polls(postgres: str, fleet: Fleet, emulator: Emulator, tmp_path: Path) -> None:
    """With any number of workers, only one polls for a task, and none requests the result again to save it."""
    jobs = clips(4)
    async with working(postgres, emulator, tmp_path, count=3, kind=PatientWorker):
        await fleet.submit_all(jobs)
        done = await ended(fleet, jobs)
    assert {job.state for job in done} == {JobState.SAVED}
    assert emulator.ledger.requests["query"] + emulator.ledger.requests["list"] <= len(jobs)


async def test_a_job_of_a_newer_version(postgres: str, fleet: Fleet, emulator: Emulator, tmp_path: Path) -> None:
    """A worker leaves a job whose endpoint only a newer version supports to others."""
    await fleet.submit(TextToVideo("a cat"), key="newer")
    one(postgres, "UPDATE kling_fleet.jobs SET endpoint = 'none yet' RETURNING id")
    async with working(postgres, emulator, tmp_path):
        await until(postgres, "SELECT bool_and(attempts > 0) FROM kling_fleet.pgqueuer")
    job = await fleet.status("newer")
    assert job is not None
    assert (job.state, job.error) == (JobState.QUEUED, "")


@pytest.mark.usefixtures("fleet")
async def test_cancelled_while_it_ends(
    postgres: str, emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs of a worker whose end is cancelled are available to others at once."""
    leave, leaves = worker_account.AccountRows.leave, asyncio.Event()

    async def left(rows: worker_account.AccountRows, connection: Any) -> None:
        leaves.set()
        await leave(rows, connection)

    monkeypatch.setattr(worker_account.AccountRows, "leave", left)
    worker = QuickWorker(postgres, out=tmp_path, keys=KEYS, base_url=emulator.base_url)
    running = asyncio.create_task(worker.run())
    await until(postgres, "SELECT count(*) = 1 FROM kling_fleet.workers")
    running.cancel()
    await leaves.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert one(postgres, "SELECT count(*) FROM kling_fleet.workers") == 0


async def test_jobs_that_cannot_be_read(
    postgres: str, fleet: Fleet, emulator: Emulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They are requeued unsent, with a warning that names them; all others run in the seats that they had."""
    jobs = clips(7)
    await fleet.submit_all(jobs)
    with psycopg.connect(postgres) as connection:
        connection.execute("UPDATE kling_fleet.jobs SET estimate_units = 'abc' WHERE key = 'clip-0'")
        connection.execute("UPDATE kling_fleet.jobs SET request = '{' WHERE key = 'clip-1'")
        for key, payload in (("clip-2", b"v2:1"), ("clip-3", b"\xff\x00"), ("clip-4", b"99999999")):
            connection.execute(
                "UPDATE kling_fleet.pgqueuer SET payload = %s WHERE id = "
                "(SELECT seat FROM kling_fleet.jobs WHERE key = %s)",
                [payload, key],
            )
    async with working(postgres, emulator, tmp_path):
        done = await ended(fleet, jobs[5:])
        aside = "SELECT count(*) = 5 FROM kling_fleet.pgqueuer WHERE status = 'queued' AND execute_after > now()"
        await until(postgres, aside)
    assert {job.state for job in done} == {JobState.SAVED}
    assert emulator.ledger.created == 2
    warnings = [each.getMessage() for each in caplog.records if "cannot read it" in each.getMessage()]
    assert [sum(f"'clip-{number}'" in each for each in warnings) for number in range(7)] == [1, 1, 1, 1, 1, 0, 0]


async def test_a_key_of_another_account(
    postgres: str,
    fleet: Fleet,
    emulator: Emulator,
    tmp_path: Path,
    *,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A worker sends nothing to another account than the other workers until that is requested; keys are not stored."""
    monkeypatch.setattr(worker, "_REFUSED_SECONDS", 0.2)
    async with working(postgres, emulator, tmp_path):
        await fleet.submit(TextToVideo("a cat"), key="first")
        assert (await fleet.wait("first")).state is JobState.SAVED
    keys = {"default": "api-key-of-another-account"}
    async with Emulator(render=False, speed=250, api_key=keys["default"]) as another:
        other = QuickWorker(postgres, out=tmp_path, keys=keys, base_url=another.base_url)
        running = asyncio.create_task(other.run())
        await fleet.submit(TextToVideo("a dog"), key="second")
        while "KLING_API_KEY is not the key that this queue works with" not in caplog.text:
            assert another.ledger.created == 0
            await asyncio.sleep(0.05)
        assert another.ledger.created == 0
        await Fleet.init(postgres, limit=4, new_key=True)
        assert (await fleet.wait("second")).state is JobState.SAVED
        assert another.ledger.created == 1
        other.stop()
        await running
    kept = one(postgres, "SELECT key_proof FROM kling_fleet.queues")
    assert isinstance(kept, bytes)
    assert len(kept) == 16 + 64
    assert keys["default"].encode() not in kept
