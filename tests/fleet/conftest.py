import asyncio
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
from psycopg.rows import DictRow, dict_row

from kling_async import TextToVideo
from kling_async.fleet import Fleet
from tests.postgres import Cluster

Connection = psycopg.AsyncConnection[DictRow]


def request(prompt: str = "the cat turns its head") -> TextToVideo:
    """A request without files."""
    return TextToVideo(prompt=prompt)


@pytest.fixture(scope="session")
def fleet_template(shared_cluster: Cluster) -> str:
    """A database with a fleet, whose only queue is an account of 5 tasks at once; nobody uses it."""
    name = shared_cluster.create()
    asyncio.run(Fleet.init(shared_cluster.dsn(name), limit=5))
    return name


@pytest.fixture
def dsn(shared_cluster: Cluster, fleet_template: str) -> Iterator[str]:
    """One of the test's own."""
    name = shared_cluster.create(fleet_template)
    yield shared_cluster.dsn(name)
    shared_cluster.drop(name)


@pytest.fixture
async def fleet(dsn: str) -> AsyncIterator[Fleet]:
    """That fleet."""
    async with Fleet(dsn) as opened:
        yield opened


@pytest.fixture
async def worker(dsn: str) -> AsyncIterator[Connection]:
    """A connection for what a worker does."""
    connection = await connected(dsn)
    yield connection
    await connection.close()


async def connected(dsn: str) -> Connection:
    """A connection of a worker."""
    return await psycopg.AsyncConnection.connect(dsn, autocommit=True, row_factory=dict_row)


async def begin(worker: Connection, key: str) -> bool:
    """What a worker writes directly before it sends a job; whether it may."""
    cursor = await worker.execute(
        "UPDATE kling_fleet.jobs SET begun_at = coalesce(begun_at, now()) WHERE key = %s AND outcome IS NULL", [key]
    )
    return cursor.rowcount == 1


async def one(worker: Connection, query: str, *values: object) -> DictRow:
    """The only row of an answer."""
    cursor = await worker.execute(query.encode(), values)
    (row,) = await cursor.fetchall()
    return row


async def settled(*tasks: "asyncio.Task[object]") -> None:
    """Lets tasks run until they wait for something of the outside world."""
    for _ in range(5):
        await asyncio.sleep(0.01)
    assert not any(task.done() for task in tasks)
