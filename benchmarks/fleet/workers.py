"""Measures the memory of a whole worker, by the number of queued jobs."""

import asyncio
import re
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from kling_async import TextToVideo
from kling_async.emulator import Emulator
from kling_async.fleet import Fleet, NewJob
from kling_async.fleet.database import Database
from tests.postgres import Cluster

QUEUED: Final = (1_000, 100_000)
SUBMITTED: Final = 1_000
"""Jobs that are submitted; further ones are copies of them, which saves minutes."""
SLOTS: Final = 300
DONE: Final = 350
"""Ended tasks after which the worker's memory is read; by then all slots have been in use."""
SPEED: Final = 10.0
COPIES: Final = """
WITH made AS (
    INSERT INTO kling_fleet.jobs (queue, key, key_sha256, endpoint, request, known, files, line, entrypoint, kind,
        typical_seconds, is_file, priority)
    SELECT queue, key || '-' || copy, sha256(convert_to(key || '-' || copy, 'UTF8')), endpoint, request, known, files,
        line, entrypoint, kind, typical_seconds, is_file, priority
    FROM kling_fleet.jobs, generate_series(1, %s) copy RETURNING id, entrypoint, priority)
INSERT INTO kling_fleet.pgqueuer (priority, entrypoint, payload, execute_after, status)
SELECT priority, entrypoint, convert_to(id || chr(10), 'UTF8'), now(), 'queued' FROM made
"""
WORKER: Final = """
import asyncio, sys
from kling_async.fleet.worker import Worker
asyncio.run(Worker(sys.argv[1], out=sys.argv[2], base_url=sys.argv[3], keys={"default": sys.argv[4]}, grace=0.0).run())
"""


def measure() -> dict[str, Any]:
    """Returns the peak bytes of a worker with an account of 300 slots, by the number of queued jobs."""
    cluster = Cluster()
    try:
        cluster.start()
        peaks = {str(queued): asyncio.run(_peak(cluster.dsn(cluster.create()), queued)) for queued in QUEUED}
        return {"slots": SLOTS, "peaks": peaks}
    finally:
        cluster.remove()


async def _peak(dsn: str, queued: int) -> int:
    await Fleet.init(dsn, limit=SLOTS)
    emulator = Emulator(render=False, speed=SPEED, concurrency=SLOTS)
    with tempfile.TemporaryDirectory() as out:
        async with Fleet(dsn) as fleet, emulator:
            await fleet.submit_all([NewJob(TextToVideo(f"cat {each}"), f"cat-{each}") for each in range(SUBMITTED)])
            async with await Database(dsn).connect() as connection:
                await connection.execute(COPIES, [queued // SUBMITTED - 1])
            command = (sys.executable, "-c", WORKER, dsn, out, emulator.base_url, emulator.api_key)
            worker = await asyncio.create_subprocess_exec(*command)
            try:
                while await _ended(dsn) < DONE:  # noqa: ASYNC110  (another process, without events)
                    await asyncio.sleep(1)
                return peak(worker.pid)
            finally:
                worker.terminate()
                await worker.wait()


async def _ended(dsn: str) -> int:
    async with await Database(dsn).connect() as connection:
        found = await connection.execute("SELECT count(*) AS n FROM kling_fleet.jobs WHERE ended_at IS NOT NULL")
        return int((await found.fetchone() or {})["n"])


def peak(process: int) -> int:
    """Returns the peak resident memory of a process in bytes."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{process}/status").read_text("ascii"))
    assert found
    return 1024 * int(found[1])
