import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Final

import psycopg
import pytest
from psycopg.rows import DictRow, dict_row

from kling_async import TextToVideo
from kling_async.fleet import Fleet
from tests.postgres import Cluster

Connection = psycopg.AsyncConnection[DictRow]

ALONE: Final = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
EMPTY: Final = """
    DO $$
    DECLARE known record;
    BEGIN
        FOR known IN SELECT nspname FROM pg_namespace
            WHERE nspname LIKE 'kling_journal_%' AND nspname <> 'kling_journal_default'
        LOOP
            EXECUTE format('DROP SCHEMA %I CASCADE', known.nspname);
        END LOOP;
        DELETE FROM kling_fleet.jobs;
        FOR known IN SELECT table_schema, table_name FROM information_schema.tables
            WHERE table_schema IN ('kling_fleet', 'kling_journal_default') AND table_name NOT IN ('facts', 'queues')
        LOOP
            EXECUTE format('DELETE FROM %I.%I', known.table_schema, known.table_name);
        END LOOP;
        DELETE FROM kling_fleet.queues;
        INSERT INTO kling_fleet.queues (name, credentials, tasks_most) VALUES ('default', 'default', 5);
    END $$
"""
"""All tables that tests write to, except configuration; deleting a few rows is faster than truncating tables."""


def request(prompt: str = "the cat turns its head") -> TextToVideo:
    """A request without files."""
    return TextToVideo(prompt=prompt)


@pytest.fixture(scope="session")
def fleet_template(shared_cluster: Cluster) -> str:
    """A database with a fleet whose only queue allows 5 concurrent tasks; no test writes to it."""
    name = shared_cluster.create()
    asyncio.run(Fleet.init(shared_cluster.dsn(name), limit=5))
    return name


@pytest.fixture
def own_dsn(shared_cluster: Cluster, fleet_template: str) -> Iterator[str]:
    """A copy of it for one test alone, which may change its tables."""
    name = shared_cluster.create(fleet_template)
    yield shared_cluster.dsn(name)
    shared_cluster.drop(name)


@pytest.fixture(scope="session")
def fleet_database(shared_cluster: Cluster, fleet_template: str) -> str:
    """A copy of it that tests share one after the other, as creating a database takes longer than most tests."""
    return shared_cluster.dsn(shared_cluster.create(fleet_template))


@pytest.fixture
def dsn(fleet_database: str) -> str:
    """The shared copy, emptied."""
    with psycopg.connect(fleet_database, autocommit=True) as connection:
        connection.execute(ALONE)
        connection.execute(EMPTY)
    return fleet_database


@pytest.fixture
async def fleet(dsn: str) -> AsyncIterator[Fleet]:
    """A fleet in that database."""
    async with Fleet(dsn) as opened:
        yield opened


@pytest.fixture
async def worker(dsn: str) -> AsyncIterator[Connection]:
    """A connection with the settings of a worker."""
    connection = await connected(dsn)
    yield connection
    await connection.close()


async def connected(dsn: str) -> Connection:
    """A worker's connection."""
    return await Connection.connect(dsn, autocommit=True, row_factory=dict_row)


async def begin(worker: Connection, key: str) -> bool:
    """Does what a worker writes before it sends a job; returns whether it may send it."""
    cursor = await worker.execute(
        "UPDATE kling_fleet.jobs SET begun_at = coalesce(begun_at, now()) WHERE key = %s AND outcome IS NULL", [key]
    )
    return cursor.rowcount == 1


async def one(worker: Connection, query: str, *values: object) -> DictRow:
    """Returns the only row of a query."""
    cursor = await worker.execute(query.encode(), values)
    (row,) = await cursor.fetchall()
    return row


async def settled(*tasks: "asyncio.Task[object]") -> None:
    """Runs tasks until they wait for I/O."""
    for _ in range(5):
        await asyncio.sleep(0.01)
    assert not any(task.done() for task in tasks)
