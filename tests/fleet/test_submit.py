"""Submitting jobs: each key once, all or none, with the checks of a client."""

import asyncio
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg
import pytest

from kling_async import (
    FleetError,
    GenerateImages,
    ImageToVideo,
    InvalidBatch,
    InvalidRequest,
    KeyConflict,
    KlingClient,
    TextToVideo,
)
from kling_async.emulator import Emulator
from kling_async.fleet import Fleet, JobState, NewJob, engine, kept, worker_rows
from kling_async.fleet.database import Database
from kling_async.fleet.statements import FINISH
from kling_async.fleet.worker_rows import Rows
from kling_async.journal.postgres.journal import PostgresJournal

from .conftest import Connection, begin, connected, one, request

CAT = Path(__file__).parents[2] / "examples" / "images" / "cat.png"


async def test_an_equal_submit_gives_the_same_job(fleet: Fleet, worker: Connection) -> None:
    """Submitting the same request under a known key adds nothing, whatever the other options."""
    first = await fleet.submit(request(), key="cat", save_to="{key}.mp4", priority=3)
    again = await fleet.submit(request(), key="cat", save_to="elsewhere/", priority=5)
    assert again == first
    assert (first.state, first.key, first.save_to, first.priority) == (JobState.QUEUED, "cat", "{key}.mp4", 3)
    found = await one(worker, "SELECT count(*) AS jobs FROM kling_fleet.pgqueuer")
    assert found["jobs"] == 1


async def test_another_request_under_a_key_is_a_conflict(fleet: Fleet) -> None:
    """Another request under a used key is refused with the differences, and changes nothing."""
    first = await fleet.submit(request(), key="cat")
    with pytest.raises(KeyConflict, match="'cat' belongs to another request") as caught:
        await fleet.submit(request("another"), key="cat")
    assert [each.member for each in caught.value.differences] == ["prompt"]
    assert await fleet.status("cat") == first


async def test_two_submitters_of_one_key_make_one_job(dsn: str, worker: Connection) -> None:
    """If many submit the same jobs concurrently, in any order, there is one job for each key."""
    jobs = [NewJob(request(str(number)), f"key {number}") for number in range(40)]

    async def submit(backwards: bool) -> list[Any]:  # noqa: FBT001  (local to the test)
        async with Fleet(dsn) as fleet:
            return await fleet.submit_all(jobs[::-1] if backwards else jobs)

    both = await asyncio.gather(*(submit(bool(number % 2)) for number in range(4)))
    assert all({job.key for job in each} == {job.key for job in jobs} for each in both)
    found = await one(
        worker, "SELECT (SELECT count(*) FROM kling_fleet.jobs) AS jobs, count(*) AS seats FROM kling_fleet.pgqueuer"
    )
    assert found == {"jobs": 40, "seats": 40}


async def test_a_thousand_are_submitted_together_or_not_at_all(fleet: Fleet, worker: Connection) -> None:
    """One conflict among a thousand jobs rejects all of them; without it all are added in order."""
    await fleet.submit(request("mine"), key="key 500")
    jobs = [NewJob(request(str(number)), f"key {number}") for number in range(1000)]
    with pytest.raises(KeyConflict, match="'key 500' belongs to another"):
        await fleet.submit_all(jobs)
    assert await one(worker, "SELECT count(*) AS jobs FROM kling_fleet.jobs") == {"jobs": 1}
    assert await one(worker, "SELECT count(*) AS jobs FROM kling_fleet.pgqueuer") == {"jobs": 1}
    del jobs[500]
    there = await fleet.submit_all(jobs)
    assert [job.key for job in there] == [job.key for job in jobs]
    cursor = await worker.execute("SELECT key FROM kling_fleet.jobs ORDER BY seat")
    assert [row["key"] for row in await cursor.fetchall()] == ["key 500", *(job.key for job in jobs)]


async def test_several_conflicts_are_reported_together(fleet: Fleet) -> None:
    """The error contains the differences of the first one, and the number of others."""
    await fleet.submit_all([NewJob(request("a"), "a"), NewJob(request("b"), "b"), NewJob(request("c"), "c")])
    with pytest.raises(KeyConflict, match="and 1 more such keys; nothing was submitted"):
        await fleet.submit_all([NewJob(request("a"), "a"), NewJob(request("x"), "b"), NewJob(request("y"), "c")])


async def test_a_key_twice_in_one_call(fleet: Fleet) -> None:
    """The same job twice counts once; two different requests under one key are refused before any query."""
    twice = await fleet.submit_all([NewJob(request(), "cat"), NewJob(request(), "cat")])
    assert twice[0] == twice[1]
    with pytest.raises(InvalidBatch, match=r"\(dog\): key: is given to two different requests"):
        await fleet.submit_all([NewJob(request(), "dog"), NewJob(request("another"), "dog")])


async def test_jobs_of_one_place(fleet: Fleet) -> None:
    """Jobs of which only one could be saved are refused together; unique targets and folders are allowed."""
    with pytest.raises(InvalidBatch, match=r"'{date}.mp4' is the place of 2 jobs, .* put {key} or {task_id}") as caught:
        await fleet.submit_all([NewJob(request(), key, save_to="{date}.mp4") for key in ("a", "b", "a")])
    assert [each.id for each in caught.value.problems] == ["a"]
    for number, template in enumerate(["clips/", "{key}.mp4", "{date}/{task_id}.mp4", None]):
        await fleet.submit_all([NewJob(request(), f"{number} {key}", save_to=template) for key in ("a", "b")])
    await fleet.submit_all([NewJob(request(), "alone", save_to="alone.mp4")])


async def test_all_problems_are_reported_at_once(fleet: Fleet, worker: Connection) -> None:
    """Problems of request, files and options are reported together, and nothing is submitted."""
    with pytest.raises(InvalidRequest) as caught:
        await fleet.submit(
            ImageToVideo(image="missing.png", prompt="x" * 3000, external_task_id="mine"),
            key="",
            save_to="/etc/{key}",
            priority=2**40,
            not_before=datetime(2026, 1, 1),  # noqa: DTZ001  (the mistake under test)
        )
    assert {each.field for each in caught.value.problems} == {
        "image", "prompt", "key", "save_to", "priority", "not_before",
    }  # fmt: skip
    with pytest.raises(InvalidBatch) as batch:
        await fleet.submit_all([NewJob(request(), "fine"), NewJob(request(""), "none"), NewJob(request(), "x" * 1001)])
    assert {each.problem.field for each in batch.value.problems} == {"prompt", "key"}
    assert await one(worker, "SELECT count(*) AS jobs FROM kling_fleet.jobs") == {"jobs": 0}


@pytest.mark.parametrize("key", [None, 3, b"x", "", "a\0b", "half \ud800", "x" * 1001])
async def test_invalid_keys(fleet: Fleet, key: Any) -> None:
    """Keys that a database cannot store are refused with a correction."""
    with pytest.raises(InvalidRequest, match="key: must be text of 1 to 1000 letters"):
        await fleet.submit(request(), key=key)
    assert await fleet.status(key) is None


HOSTILE = ["'; DROP TABLE kling_fleet.jobs; --", '"', "%s %(x)s", "{key}", "\uf8ff", "\n", "../..", "😀" * 1000, " "]


@pytest.mark.parametrize("text", HOSTILE)
async def test_strange_keys_and_texts(fleet: Fleet, text: str) -> None:
    """Any text is possible as key and prompt, without being interpreted."""
    job = await fleet.submit(request(text[:200] + "\0" * 3), key=text)
    assert await fleet.status(text) == job
    assert (await fleet.submit(request(text[:200] + "\0" * 3), key=text)).key == text
    with pytest.raises(KeyConflict):
        await fleet.submit(request("another"), key=text)
    assert await fleet.cancel(text)


async def test_a_model_with_a_strange_name(fleet: Fleet) -> None:
    """A line with any name of a model has a valid entrypoint."""
    job = await fleet.submit(TextToVideo(prompt="x", model_name="kling-v2-5-turbo"), key="cat")
    assert job.line == "kling-v2-5-turbo"
    metrics = await fleet.metrics()
    assert [line.line for line in metrics.queues[0].lines] == ["kling-v2-5-turbo"]


async def test_what_takes_several_slots_is_refused(fleet: Fleet) -> None:
    """Each job takes exactly one seat; the error contains the reason."""
    with pytest.raises(InvalidRequest, match="takes 3 slots of the account; a fleet sends what takes one"):
        await fleet.submit(GenerateImages(prompt="a cat", n=3), key="cats")
    assert (await fleet.submit(GenerateImages(prompt="a cat", n=1), key="cat")).state is JobState.QUEUED


async def test_an_unknown_queue(dsn: str) -> None:
    """The error lists the existing queues, and explains how to create one."""
    async with Fleet(dsn, "other") as fleet:
        with pytest.raises(
            FleetError, match=r"no queue 'other' \(it has default\); `kling-async fleet init --queue other"
        ):
            await fleet.submit(request(), key="cat")


async def test_keys_are_separate_for_each_queue(dsn: str, fleet: Fleet) -> None:
    """The same key in two accounts names two jobs."""
    await Fleet.init(dsn, limit=3, queue="other", credentials="second")
    async with Fleet(dsn, "other") as other:
        await fleet.submit(request("one"), key="cat")
        await other.submit(request("two"), key="cat")
        assert await other.cancel("cat")
    job = await fleet.status("cat")
    assert job is not None
    assert job.state is JobState.QUEUED


async def test_when_a_job_may_be_sent(fleet: Fleet, worker: Connection) -> None:
    """The engine hands out a job only when it is due, whatever the time zone; one in the past is due at once."""
    now = datetime.now(timezone(timedelta(hours=5)))
    await fleet.submit(request("1"), key="later", not_before=now + timedelta(days=1))
    await fleet.submit(request("2"), key="past", not_before=datetime(1970, 1, 1, tzinfo=UTC))
    cursor = await worker.execute(
        "SELECT key, extract(epoch FROM execute_after - now())::float8 AS waits FROM kling_fleet.jobs "
        "JOIN kling_fleet.pgqueuer ON pgqueuer.id = seat ORDER BY waits"
    )
    rows = await cursor.fetchall()
    assert [row["key"] for row in rows] == ["past", "later"]
    assert rows[0]["waits"] <= 0
    assert 80_000 < rows[1]["waits"] < 90_000
    job = await fleet.status("later")
    assert job is not None
    assert job.not_before == now + timedelta(days=1)


@pytest.mark.parametrize(
    "moment",
    [
        datetime.min.replace(tzinfo=UTC),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
        datetime(1969, 12, 31, 23, 59, tzinfo=UTC),
        datetime(9001, 1, 1, tzinfo=UTC),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-12))),
    ],
)
async def test_invalid_times(fleet: Fleet, worker: Connection, moment: datetime) -> None:
    """A time outside the years 1970 to 9000 is refused before anything is written."""
    with pytest.raises(InvalidRequest, match="not_before: must be in the years 1970 to 9000"):
        await fleet.submit(request(), key="cat", not_before=moment)
    assert await one(worker, "SELECT count(*) AS jobs FROM kling_fleet.jobs") == {"jobs": 0}


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Kiritimati"])
async def test_a_database_with_another_time_zone(own_dsn: str, zone: str) -> None:
    """Times at both limits are returned as given, whatever the database's time zone."""
    moments = [datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 12, 31, 23, tzinfo=UTC)]
    with psycopg.connect(own_dsn, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {own_dsn.rpartition('/')[2]} SET TimeZone TO '{zone}'".encode())
    async with Database(own_dsn) as database:
        given = await database.step(lambda connection: connection.execute("SELECT '0001-01-01 00:00+00'::timestamptz"))
        assert await given.fetchone() == {"timestamptz": datetime.min.replace(tzinfo=UTC)}
    async with Fleet(own_dsn) as fleet:
        for moment in moments:
            assert (await fleet.submit(request(), key=str(moment), not_before=moment)).not_before == moment


async def test_a_refused_job_is_queued_again(fleet: Fleet, worker: Connection) -> None:
    """An equal submit, or another request, queues a refused job again; its old engine job is deleted."""
    await fleet.submit(request(), key="cat")
    await begin(worker, "cat")
    row = await one(worker, "SELECT id, seat FROM kling_fleet.jobs")
    await worker.execute("UPDATE kling_fleet.pgqueuer SET status = 'failed'")
    await worker.execute(FINISH, {"id": row["id"], "outcome": "refused", "error": "no"})
    refused = await fleet.wait("cat")
    assert (refused.state, refused.error, refused.number) == (JobState.REFUSED, "no", 1)
    again = await fleet.submit(request("a better one"), key="cat", priority=7)
    assert (again.state, again.error, again.number, again.priority) == (JobState.QUEUED, "", None, 7)
    after = await one(
        worker, "SELECT pgqueuer.id, status, pgqueuer.priority, seat FROM kling_fleet.pgqueuer, kling_fleet.jobs"
    )
    assert after["id"] == after["seat"] != row["seat"]
    assert (after["status"], after["priority"]) == ("queued", 7)


async def test_a_key_that_the_journal_has(dsn: str, fleet: Fleet) -> None:
    """A key used by a client in the queue's journal belongs to that request; only the same request may be submitted."""
    async with Emulator(speed=2000) as emulator:
        journal = PostgresJournal(dsn)
        async with KlingClient(api_key=emulator.api_key, base_url=emulator.base_url, journal=journal) as kling:
            handle = await kling.submit(request("one\0"), key="cat\uf8ff")
        with pytest.raises(KeyConflict, match="prompt: 'one") as caught:
            await fleet.submit(request("another"), key="cat\uf8ff")
        assert caught.value.reference == handle.reference
        assert await fleet.status("cat\uf8ff") is None
        job = await fleet.submit(request("one\0"), key="cat\uf8ff")
        assert job.entry is not None
        assert job.state is JobState.QUEUED


async def test_a_failed_job_stays_failed(fleet: Fleet, worker: Connection) -> None:
    """An equal submit does not repeat a task that was paid for and failed."""
    await fleet.submit(request(), key="cat")
    await begin(worker, "cat")
    row = await one(worker, "SELECT id FROM kling_fleet.jobs")
    await worker.execute(FINISH, {"id": row["id"], "outcome": "failed", "error": "it failed"})
    assert (await fleet.submit(request(), key="cat")).state is JobState.FAILED


async def test_what_was_not_saved_is_saved_again(fleet: Fleet, worker: Connection) -> None:
    """An equal submit queues its save with the new target and priority, and generates nothing again."""
    await fleet.submit(request(), key="cat")
    await begin(worker, "cat")
    row = await one(worker, "SELECT id FROM kling_fleet.jobs")
    await worker.execute("DELETE FROM kling_fleet.pgqueuer")
    await worker.execute("UPDATE kling_fleet.jobs SET seat = NULL, ended_at = now()")
    await worker.execute(FINISH, {"id": row["id"], "outcome": "save_failed", "error": "disk full"})
    job = await fleet.submit(request(), key="cat", save_to="other.mp4", priority=3)
    assert (job.number, job.error, job.save_to, job.priority) == (None, "", "other.mp4", 3)
    found = await one(
        worker,
        "SELECT engine.entrypoint, payload, engine.id = save AS ours FROM kling_fleet.pgqueuer engine, "
        "kling_fleet.jobs",
    )
    assert found == {"entrypoint": "default/save", "payload": f"{row['id']}\n".encode(), "ours": True}


# ------------------------------------------------------------------------------------------------------- files


async def files_of(worker: Connection) -> tuple[int, int]:
    """The number of stored files, and of their holders."""
    row = await one(
        worker,
        "SELECT (SELECT count(*) FROM kling_journal_default.kept) AS files, "
        "(SELECT count(*) FROM kling_journal_default.kept_for) AS held",
    )
    return row["files"], row["held"]


async def test_an_impossible_target(fleet: Fleet) -> None:
    """An impossible target is refused before anything is paid, as with a client; a key counts by its safe file name."""
    with pytest.raises(InvalidRequest, match="save_to: makes a name that is too long for a disk"):
        await fleet.submit(request(), key="k" * 90, save_to="{key}" * 3)
    assert await fleet.status("k" * 90) is None
    assert (await fleet.submit(request(), key="k" * 1000, save_to="{key}{key}")).state is JobState.QUEUED


async def test_files_go_into_the_database(fleet: Fleet, worker: Connection) -> None:
    """The contents of a file are stored once, however they were given; equal contents are equal requests."""
    await fleet.submit(ImageToVideo(image=CAT, prompt="x"), key="by path")
    await fleet.submit(ImageToVideo(image=CAT.read_bytes(), prompt="x"), key="as bytes")
    await fleet.submit(ImageToVideo(image=CAT.read_bytes(), prompt="x"), key="by path")
    assert await files_of(worker) == (1, 2)
    row = await one(worker, "SELECT data FROM kling_journal_default.kept")
    assert row["data"] == CAT.read_bytes()


async def test_files_of_a_refused_submit_are_not_left(fleet: Fleet, worker: Connection, tmp_path: Path) -> None:
    """If nothing was submitted, no file stays, except those that other jobs need."""
    await fleet.submit(ImageToVideo(image=CAT, prompt="x"), key="cat")
    other = tmp_path / "other.png"
    other.write_bytes(CAT.read_bytes() + b"more")
    with pytest.raises(KeyConflict, match=r"image: .cat.png \(SHA-256 .*other.png"):
        await fleet.submit(ImageToVideo(image=other, prompt="x"), key="cat")
    assert await files_of(worker) == (1, 1)


async def test_files_are_swept_once_no_job_needs_them(fleet: Fleet, worker: Connection) -> None:
    """A finished job needs no files, a queued one does; workers delete those not needed."""
    await fleet.submit(ImageToVideo(image=CAT, prompt="x"), key="one")
    await fleet.submit(ImageToVideo(image=CAT, prompt="x"), key="two")
    await fleet.cancel("one")
    rows = Rows("default", uuid.uuid4())
    await rows.tidy(worker)
    assert await files_of(worker) == (1, 1)
    await fleet.cancel("two")
    await rows.tidy(worker)
    assert await files_of(worker) == (0, 0)


async def test_what_is_old_is_forgotten_bit_by_bit(
    fleet: Fleet, worker: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much there is to delete, a step deletes only a part and reports that there is more, to let others run."""
    for name, value in {"_FORGOTTEN_AT_ONCE": 5, "_SWEPT_AT_MOST": 3}.items():
        monkeypatch.setattr(worker_rows, name, value)
    monkeypatch.setattr(kept, "SWEPT", 2)
    swept: list[int] = []
    sweep = kept.sweep

    async def counted(connection: Connection, queue: str, holders: Sequence[str]) -> None:
        swept.append(len(holders))
        await sweep(connection, queue, holders)

    monkeypatch.setattr(kept, "sweep", counted)
    for key in "abcd":
        await fleet.submit(ImageToVideo(image=CAT.read_bytes() + key.encode(), prompt="x"), key=key)
        await fleet.cancel(key)
    await worker.execute(
        "INSERT INTO kling_fleet.pgqueuer_log (created, job_id, status, priority, entrypoint) "
        "SELECT now() - interval '2 days', number, 'successful', 0, 'default/x' FROM generate_series(1, 11) number"
    )
    rows = Rows("default", uuid.uuid4())
    assert await rows.tidy(worker)
    assert (swept, await files_of(worker)) == ([2, 1], (1, 1))
    assert await rows.tidy(worker)  # rows of the engine's log
    assert not await rows.tidy(worker)
    assert await files_of(worker) == (0, 0)
    old = "SELECT count(*) AS old FROM kling_fleet.pgqueuer_log WHERE created < now() - interval '1 day'"
    assert await one(worker, old) == {"old": 0}


async def test_a_step_that_takes_long_leaves_the_rest(
    fleet: Fleet, worker: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deletions may be large: after some seconds the step stops, so that others can run."""
    monkeypatch.setattr(worker_rows, "_TIDY_SECONDS", -1.0)
    await fleet.submit(ImageToVideo(image=CAT, prompt="x"), key="cat")
    await fleet.cancel("cat")
    assert await Rows("default", uuid.uuid4()).tidy(worker)
    assert await files_of(worker) == (1, 1)


async def test_files_that_are_swept_while_they_are_submitted_are_brought_again(
    dsn: str, worker: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep between storing a file and adding its job deletes the file; the job is added only with it."""
    looked: list[bool] = []
    are_held = kept.are_held

    async def swept_before(*arguments: Any) -> bool:
        if not looked:
            async with worker.transaction():
                await kept.sweep(worker, "default", await kept.swept(worker, "default", 9))
        looked.append(await are_held(*arguments))
        return looked[-1]

    monkeypatch.setattr(kept, "are_held", swept_before)
    async with Fleet(dsn) as fleet:
        await fleet.submit(ImageToVideo(image=CAT, prompt="x"), key="cat")
    assert looked == [False, True]
    assert await files_of(worker) == (1, 1)


async def test_a_sweep_waits_for_pending_submits(dsn: str, fleet: Fleet, worker: Connection) -> None:
    """A job added after checking that its file is stored keeps the file: the sweep sees the job."""
    await fleet.submit(ImageToVideo(image=CAT, prompt="x"), key="cat")
    await fleet.cancel("cat")
    held = await one(worker, "SELECT holder, sha256 FROM kling_journal_default.kept_for")
    other = await connected(dsn)
    try:
        async with worker.transaction():
            assert await kept.are_held(worker, "default", {held["holder"]: [held["sha256"]]})

            async def sweep() -> None:
                async with other.transaction():
                    await kept.sweep(other, "default", [held["holder"]])

            sweeping = asyncio.create_task(sweep())
            await asyncio.sleep(0.1)
            assert not sweeping.done()
            await worker.execute("UPDATE kling_fleet.jobs SET finished = NULL, outcome = NULL")
        await sweeping
    finally:
        await other.close()
    assert await files_of(worker) == (1, 1)


# ------------------------------------------------------------------------------------------------- the engine


async def test_the_environment_does_not_name_the_tables(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PgQueuer reads table names from environment variables, some with generic names; the fleet ignores them."""
    for name in ("PREFIX", "CHANNEL", "FUNCTION", "QUEUE_TABLE", "PGQUEUER_SCHEMA", "PGQUEUER_DURABILITY"):
        monkeypatch.setenv(name, "volatile" if "DURABILITY" in name else "other")
    assert engine.settings() == engine.SETTINGS
    await Fleet.init(postgres, limit=1)
    worker = await connected(postgres)
    cursor = await worker.execute(
        "SELECT DISTINCT nspname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace "
        "WHERE relname LIKE '%pgqueuer%'"
    )
    assert await cursor.fetchall() == [{"nspname": "kling_fleet"}]
    await worker.close()
