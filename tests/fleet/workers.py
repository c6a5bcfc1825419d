"""Workers for tests: fast ones, in this process or in separate ones; the account is an emulator."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import psycopg

from kling_async import Polling, Retry, TextToVideo
from kling_async.emulator import Emulator
from kling_async.fleet import Fleet, Job, NewJob
from kling_async.fleet.worker import Worker

KEYS = {"default": "api-key-kling-emulator"}


class QuickWorker(Worker):
    """A worker for tasks of a second."""

    _options: ClassVar[Mapping[str, Any]] = {
        "polling": Polling(first=0.2, factor=1.0, maximum=0.2),
        "retry": Retry(first=0.05, settle=0.2, budget=2.0),
    }


def clips(count: int, prompt: str = "a cat, number {}") -> list[NewJob]:
    """Jobs for some clips."""
    return [NewJob(TextToVideo(prompt.format(number)), f"clip-{number}") for number in range(count)]


@contextlib.asynccontextmanager
async def working(
    dsn: str,
    emulator: Emulator,
    out: Path,
    *,
    count: int = 1,
    heartbeat: float = 2.0,
    grace: float = 5.0,
    kind: type[Worker] = QuickWorker,
) -> AsyncIterator[list[Worker]]:
    """Runs workers in this process, and ends them afterwards."""
    workers = [
        kind(dsn, out=out, keys=KEYS, grace=grace, heartbeat=heartbeat, base_url=emulator.base_url)
        for _ in range(count)
    ]
    running = [asyncio.create_task(worker.run()) for worker in workers]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.stop()
        await asyncio.gather(*running)


async def ended(fleet: Fleet, jobs: Iterable[NewJob]) -> list[Job]:
    """Waits until all jobs are finished."""
    return [await fleet.wait(job.key) for job in jobs]


async def started(dsn: str, emulator: Emulator, out: Path, **options: Any) -> asyncio.subprocess.Process:
    """Starts a worker in a separate process; see `work.py`."""
    script = Path(__file__).with_name("work.py")
    given = {"dsn": dsn, "base_url": emulator.base_url, "out": str(out), **options}
    return await asyncio.create_subprocess_exec(sys.executable, script, json.dumps(given))


def one(dsn: str, query: str) -> object:
    """Returns a value from the database."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


async def until(dsn: str, query: str) -> None:
    """Waits until a query returns a true value."""
    while not one(dsn, query):  # noqa: ASYNC110  (a database has no events)
        await asyncio.sleep(0.05)
