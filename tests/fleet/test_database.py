"""The database of a fleet: its errors, waiting for an unavailable server, and versions."""

import asyncio
import logging
import time
from pathlib import Path

import psycopg
import pytest
from pgqueuer.queries import Queries

from kling_async import Budget, ConfigurationError, FleetError, KlingError
from kling_async.fleet import Fleet, JobState, NewJob, database, queues, schema
from kling_async.fleet.database import Database, install, version_of
from kling_async.journal.client_journal import ClientJournal
from kling_async.journal.postgres.journal import PostgresJournal
from tests.postgres import Cluster, Relay

from .conftest import Connection, connected, one, request, settled

SECRET = "s3cret"


@pytest.mark.parametrize(
    "dsn",
    [
        "", " ", None, 3, b"postgresql://h/d", Path("x"), "nonsense",
        f"postgresql://kling:{SECRET}@more@host/kling",
        f"postgresql://kling:{SECRET}/more@host/kling",
        f"postgresql://kling:more%{SECRET}@host/kling",
        f"postgresql://kling:more@host:{SECRET}/kling",
        f"password={SECRET} more host=x",
    ],
)  # fmt: skip
async def test_invalid_addresses(dsn: str) -> None:
    """Invalid addresses are refused with a correction, without repeating anything that may be a password."""
    with pytest.raises(ConfigurationError, match="postgresql://user:password@host/database") as caught:
        Fleet(dsn)
    assert SECRET not in str(caught.value)
    assert "more" not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


async def test_a_server_that_is_not_there(caplog: pytest.LogCaptureFixture) -> None:
    """The error names the server, the reason and what to check; never the password."""
    caplog.set_level(logging.DEBUG)
    fleet = Fleet(f"postgresql://kling:{SECRET}@127.0.0.1:1/clips")
    with pytest.raises(
        FleetError, match=r"clips on 127.0.0.1:1 cannot be reached: Connection refused; see that"
    ) as caught:
        await fleet.__aenter__()
    assert SECRET not in f"{caught.value!r} {caught.value} {fleet!r} {vars(fleet)['_database']!r} {caplog.text}"
    with pytest.raises(FleetError, match="cannot be reached"):
        await Fleet.init(f"postgresql://kling:{SECRET}@127.0.0.1:1/clips", limit=1)


async def test_a_database_that_is_not_there(postgres: str) -> None:
    """The error contains the server's message."""
    with pytest.raises(FleetError, match='cannot be reached: database "nothing" does not exist'):
        await Fleet(f"{postgres.rpartition('/')[0]}/nothing").__aenter__()


async def test_a_database_without_a_fleet(postgres: str) -> None:
    """The error explains how to create a fleet; looking for one creates nothing."""
    with pytest.raises(
        FleetError, match=r"there is no fleet in test_\d+ on .*; `kling-async fleet init --limit N` makes one"
    ):
        await Fleet(postgres).__aenter__()
    worker = await connected(postgres)
    assert await one(worker, "SELECT count(*) AS found FROM pg_namespace WHERE nspname LIKE 'kling%%'") == {"found": 0}
    await worker.close()


async def test_a_user_without_permissions(postgres: str) -> None:
    """The error states which permissions are missing."""
    worker = await connected(postgres)
    await worker.execute("DROP ROLE IF EXISTS nobody_much")
    await worker.execute("CREATE ROLE nobody_much LOGIN")
    try:
        with pytest.raises(FleetError, match=r"permission denied .*its user must be allowed to create"):
            await Fleet.init(postgres.replace("postgres@", "nobody_much@"), limit=1)
    finally:
        await worker.execute("DROP ROLE nobody_much")
        await worker.close()


async def test_the_fleet_has_to_be_open(dsn: str) -> None:
    """Calls before and after fail with an explanation; so do waits that are pending at the close."""
    fleet = Fleet(dsn)
    with pytest.raises(FleetError, match="use it in `async with"):
        await fleet.status("cat")
    async with fleet:
        await fleet.submit(request(), key="cat")
        waiting = asyncio.create_task(fleet.wait("cat"))
        await settled(waiting)
    with pytest.raises(FleetError, match="the fleet was closed"):
        await waiting
    with pytest.raises(FleetError, match="use it in `async with"):
        await fleet.submit(request(), key="cat")


async def test_init_again_changes_what_is_given(dsn: str) -> None:
    """The last limit counts; other settings, above all the budget and being drained, stay unchanged."""
    await Fleet.init(dsn, limit=7, credentials="second", budget=Budget(usd="8.40", per="day", assume=1))
    async with Fleet(dsn) as fleet:
        await fleet.drain()
        assert (await fleet.metrics()).queues[0].draining
        await Fleet.init(dsn, limit=9)
        queue = (await fleet.metrics()).queues[0]
    assert (queue.limit, queue.credentials, queue.draining) == (9, "second", True)
    assert queue.spending is not None
    assert (queue.spending.unit, str(queue.spending.limit)) == ("usd", "8.40")


async def test_a_budget_is_that_of_the_last_init(dsn: str, worker: Connection) -> None:
    """New terms apply at once to all workers, even running ones; a worker with older terms does not restore them.

    A budget in another unit would start from zero, and is refused.
    """
    await Fleet.init(dsn, limit=5, budget=Budget(units=1000))
    before = (await queues.all_of(worker, "default"))[0].budget
    await Fleet.init(dsn, limit=5, budget=Budget(units=1, per="day"))
    with pytest.raises(ConfigurationError, match="is 1 units per 1 day"):
        await ClientJournal.of(PostgresJournal(dsn), time.time, before).open()
    journal = ClientJournal.of(PostgresJournal(dsn), time.time, (await queues.all_of(worker, "default"))[0].budget)
    await journal.open()
    await journal.close()
    known = "SELECT unit, allowed, per FROM kling_journal_default.budgets"
    assert await one(worker, known) == {"unit": "units", "allowed": "1", "per": 86_400_000_000}
    with pytest.raises(ConfigurationError, match="counts units in this journal, not usd"):
        await Fleet.init(dsn, limit=9, budget=Budget(usd=1))
    assert await one(worker, "SELECT tasks_most FROM kling_fleet.queues") == {"tasks_most": 5}


@pytest.mark.parametrize("limit", [0, -1, 100_001, True, 2.5, "5", None])
async def test_invalid_limits(dsn: str, limit: int) -> None:
    """A limit is an integer."""
    with pytest.raises(ConfigurationError, match="limit must be"):
        await Fleet.init(dsn, limit=limit)


async def test_no_secret_is_kept(dsn: str, worker: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database contains only the name of the credentials, and nothing of the database's address."""
    monkeypatch.setenv("KLING_API_KEY", "the-api-key")
    secret = dsn.replace("postgres@", f"postgres:{SECRET}@")
    await Fleet.init(secret, limit=3, queue="other")
    async with Fleet(secret, "other") as fleet:
        await fleet.submit(request(), key="cat")
        assert SECRET not in f"{await fleet.metrics()!r} {await fleet.status('cat')!r} {fleet!r}"
    cursor = await worker.execute(
        "SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) AS name FROM information_schema.tables "
        "WHERE table_schema LIKE 'kling%%'"
    )
    for row in await cursor.fetchall():
        text = await one(worker, f"SELECT string_agg(t::text, ' ') AS text FROM {row['name']} t")  # noqa: S608  (a table's name)
        assert "the-api-key" not in str(text)
        assert SECRET not in str(text)


# ---------------------------------------------------------------------------------------------- servers that go


async def test_a_server_that_is_killed_and_comes_back(own_cluster: Cluster) -> None:
    """Calls wait for the server; submitted jobs are there exactly once."""
    dsn = own_cluster.dsn(own_cluster.create())
    await Fleet.init(dsn, limit=5)
    async with Fleet(dsn) as fleet:
        first = await fleet.submit(request(), key="before")
        waiting = asyncio.create_task(fleet.wait("before"))
        await settled(waiting)
        own_cluster.kill()
        submitting = asyncio.create_task(fleet.submit(request(), key="meanwhile"))
        await settled(submitting, waiting)
        own_cluster.start()
        assert (await submitting).state is JobState.QUEUED
        assert await fleet.status("before") == first
        assert await fleet.cancel("before")
        assert (await waiting).state is JobState.CANCELLED


async def test_a_server_that_does_not_come_back(own_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls wait as long as configured, then fail."""
    dsn = own_cluster.dsn(own_cluster.create())
    await Fleet.init(dsn, limit=5)
    async with Fleet(dsn) as fleet:
        monkeypatch.setattr(fleet._database, "_patience", 0.0)
        own_cluster.kill()
        with pytest.raises(FleetError, match="cannot be reached"):
            await fleet.submit(request(), key="cat")


@pytest.mark.parametrize("arrives", [False, True])
async def test_a_commit_whose_response_is_lost(dsn: str, worker: Connection, *, arrives: bool) -> None:
    """The jobs are there exactly once, whether the commit arrived or not."""
    with Relay(dsn) as relay:
        async with Fleet(relay.dsn) as fleet:
            relay.lose(b"COMMIT", arrives=arrives)
            jobs = await fleet.submit_all([NewJob(request(key), key) for key in ("a", "b")])
    assert [job.state for job in jobs] == [JobState.QUEUED] * 2
    found = await one(
        worker, "SELECT (SELECT count(*) FROM kling_fleet.jobs) AS jobs, count(*) AS seats FROM kling_fleet.pgqueuer"
    )
    assert found == {"jobs": 2, "seats": 2}


async def test_a_client_suspended_within_a_step_does_not_block_others(
    dsn: str, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database ends an idle transaction, so that the queue can assign numbers again."""
    monkeypatch.setattr(database, "_IDLE_SECONDS", 1)
    await fleet.submit_all([NewJob(request(key), key) for key in ("a", "b")])
    stopped = await Database(dsn).connect()
    await stopped.execute("BEGIN; UPDATE kling_fleet.queues SET finished = finished")
    assert await fleet.cancel("a")
    with pytest.raises(psycopg.Error):
        await stopped.execute("COMMIT")
    await stopped.close()


# ----------------------------------------------------------------------------------------------------- versions


async def test_an_older_fleet_is_brought_forward(own_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer version migrates the tables, even if several start at once; the older one continues to work with them."""
    fleet = Fleet(own_dsn)
    await fleet.__aenter__()
    await fleet.submit(request("before"), key="before")
    later = (*schema.MIGRATIONS, ("ALTER TABLE jobs ADD COLUMN later TEXT NOT NULL DEFAULT 'x'",))
    with monkeypatch.context() as newer:
        newer.setattr(schema, "MIGRATIONS", later)
        newer.setattr(schema, "VERSION", len(later))

        async def open_one() -> None:
            async with Fleet(own_dsn) as each:
                assert await each.status("before") is not None

        await asyncio.gather(*(open_one() for _ in range(3)))
    worker = await connected(own_dsn)
    assert await version_of(worker) == (len(later), 1)
    assert await one(worker, "SELECT later FROM kling_fleet.jobs") == {"later": "x"}
    await worker.close()
    await fleet.submit(request("after"), key="after")
    await fleet.__aexit__()
    async with Fleet(own_dsn) as old:
        assert {(await old.status(key)) is None for key in ("before", "after")} == {False}


async def test_a_fleet_that_is_too_new(own_dsn: str) -> None:
    """A version that is incompatible with the tables reports that and changes nothing."""
    worker = await connected(own_dsn)
    await worker.execute("UPDATE kling_fleet.facts SET value = '99'")
    with pytest.raises(FleetError, match=r"of version 99, .*pip install -U 'kling-async\[fleet\]'"):
        await Fleet(own_dsn).__aenter__()
    with pytest.raises(FleetError, match="of version 99"):
        await Fleet.init(own_dsn, limit=3)
    assert await one(worker, "SELECT tasks_most FROM kling_fleet.queues") == {"tasks_most": 5}
    await worker.close()


@pytest.mark.parametrize(
    "change", ["DELETE FROM", "UPDATE kling_fleet.facts SET value = 'x' WHERE name = 'version' --"]
)
async def test_a_fleet_without_a_version(own_dsn: str, change: str) -> None:
    """Whatever happened to the table, all calls are refused with instructions."""
    worker = await connected(own_dsn)
    await worker.execute(f"{change} kling_fleet.facts".encode())
    for attempt in (Fleet(own_dsn).__aenter__(), Fleet.init(own_dsn, limit=3)):
        with pytest.raises(FleetError, match=r"does not say of which version .* from a backup"):
            await attempt
    await worker.close()


async def test_the_engine_of_a_fleet_that_is_too_new_is_left_alone(
    own_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older version checks the fleet's version before it migrates PgQueuer's tables to its own."""
    worker = await connected(own_dsn)
    await worker.execute("UPDATE kling_fleet.facts SET value = '99'")
    await worker.close()
    upgraded: list[bool] = []

    async def upgrade(_: Queries) -> None:
        upgraded.append(True)

    monkeypatch.setattr(Queries, "upgrade", upgrade)
    with pytest.raises(FleetError, match="of version 99"):
        await Fleet.init(own_dsn, limit=3)
    assert not upgraded


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_a_database_that_cannot_keep_all_letters(postgres: str, encoding: str) -> None:
    """This is reported before anything is created, together with the command for a suitable database."""
    worker = await connected(postgres)
    name = f"letters_{encoding.lower()}"
    await worker.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'".encode())
    there = f"{postgres.rpartition('/')[0]}/{name}"
    try:
        with pytest.raises(FleetError, match=rf"{name} cannot keep all letters: .* ENCODING 'UTF8' TEMPLATE template0"):
            await Fleet.init(there, limit=3)
        with pytest.raises(FleetError, match="there is no fleet"):
            await Fleet(there).__aenter__()
    finally:
        await worker.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
        await worker.close()


async def test_a_queue_whose_name_is_misspelt(dsn: str) -> None:
    """The error is about the queue and not the fleet, for reads as for submits."""
    async with Fleet(dsn, "defualt") as fleet:
        for reading in (fleet.status("cat"), fleet.wait("cat"), fleet.cancel("cat"), anext(fleet.finished())):
            with pytest.raises(
                FleetError, match=r"no queue 'defualt' in .* `kling-async fleet status` shows the queue"
            ):
                await reading


async def test_two_queues_of_one_account(dsn: str, caplog: pytest.LogCaptureFixture) -> None:
    """A warning states that each of them uses the account's full limit."""
    await Fleet.init(dsn, limit=5, queue="second", credentials="theirs")
    assert not caplog.records
    await Fleet.init(dsn, limit=5, queue="third")
    (record,) = caplog.records
    assert "the queue third has the credentials of default, default" in record.getMessage()


async def test_an_installation_that_was_broken_off(postgres: str) -> None:
    """A later installation completes it, even several at once."""
    worker = await connected(postgres)
    await install(worker)
    await worker.execute(
        "DROP TABLE kling_fleet.facts, kling_fleet.queues, kling_fleet.lines, kling_fleet.jobs, kling_fleet.workers"
    )
    await worker.close()
    await asyncio.gather(*(Fleet.init(postgres, limit=5) for _ in range(3)))
    async with Fleet(postgres) as fleet:
        assert (await fleet.submit(request(), key="cat")).state is JobState.QUEUED


def test_all_errors_are_of_the_tree() -> None:
    """One `except` clause catches all of them."""
    assert issubclass(FleetError, KlingError)
