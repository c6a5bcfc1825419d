"""A process that claims jobs of a fleet: it reads commands as lines of JSON, and answers in JSON."""

import asyncio
import json
import resource
import sys
import time
import uuid
from collections import deque
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from pgqueuer.ports.repository import EntrypointExecutionParameter as Seats
from pgqueuer.types import QueueEntrypoint, QueueManagerId

from kling_async.fleet import engine
from kling_async.fleet.database import Connection, Database
from kling_async.fleet.schema import CHANNEL

HEARTBEAT: Final = timedelta(minutes=10)
"""Long enough that no job counts as abandoned during a measurement."""
AT_ONCE: Final = 20
"""Maximum number of jobs of one claim."""
SEATS: Final = "SELECT count(*) FROM kling_fleet.pgqueuer WHERE queue_manager_id IS NOT NULL AND entrypoint = %s"
BEAT: Final = "UPDATE kling_fleet.pgqueuer SET heartbeat = now() WHERE id = %s"


class Claimer:
    """Uses the engine as one worker does.

    Args:
        connection: not shared with others.
    """

    def __init__(self, connection: Connection) -> None:
        self._queries = engine.queries(connection)
        self._connection = connection
        self._me = QueueManagerId(uuid.uuid4())
        self._held: deque[Any] = deque()

    async def fill(self, limits: dict[str, int], count: int) -> None:
        """Claims jobs until it holds `count`."""
        while len(self._held) < count:
            await self._claim(limits, count - len(self._held))

    async def run(self, limits: dict[str, int], freed: int, seconds: float, most: int) -> dict[str, Any]:
        """Frees seats and claims them again, in turn; returns the times, and the number of jobs of each claim.

        Args:
            limits: seats of each entrypoint.
            freed: seats freed before each claim; 0 for claims that find none.
            seconds: after which it ends.
            most: claimed jobs after which it ends earlier.
        """
        claims, ends, taken = list[float](), list[float](), list[int]()
        began = time.perf_counter()
        until = began + seconds
        while (now := time.perf_counter()) < until and sum(taken) < most:
            for _ in range(min(freed, len(self._held))):
                await self._end(self._held.popleft())
                ends.append(time.perf_counter() - now)
                now = time.perf_counter()
            taken.append(await self._claim(limits, AT_ONCE))
            claims.append(time.perf_counter() - now)
        return {"claims": claims, "ends": ends, "taken": taken, "seconds": time.perf_counter() - began}

    async def free(self, count: int) -> dict[str, Any]:
        """Frees `count` seats, at most as many as it holds; returns their number and the seconds."""
        began, freed = time.perf_counter(), min(count, len(self._held))
        for _ in range(freed):
            await self._end(self._held.popleft())
        return {"count": freed, "seconds": time.perf_counter() - began}

    async def repeat(self, what: str, seconds: float) -> dict[str, Any]:
        """Repeatedly reads the seats, or changes one row in a transaction."""
        statement, value = {"look": (SEATS, "account/0"), "commit": (BEAT, self._held[0])}[what]
        began, count = time.perf_counter(), 0
        while (now := time.perf_counter()) < began + seconds:
            await self._connection.execute(statement, [value])
            count += 1
        return {"count": count, "seconds": now - began}

    async def leave(self) -> None:
        """Frees all its seats."""
        held = [*self._held]
        self._held.clear()
        await self._connection.execute("DELETE FROM kling_fleet.pgqueuer WHERE id = ANY(%s)", [held])

    async def _claim(self, limits: dict[str, int], most: int) -> int:
        seats = {QueueEntrypoint(each): Seats(concurrency_limit=limit) for each, limit in limits.items()}
        jobs = await self._queries.dequeue(most, seats, self._me, None, HEARTBEAT)
        self._held.extend(job.id for job in jobs)
        return len(jobs)

    async def _end(self, job: Any) -> None:
        """Does what a worker does at the end of a task: frees the seat, queues a save, and notifies the others."""
        queries = self._queries
        async with self._connection.transaction():
            await queries.driver.execute(queries.qbq.build_log_job_query(), [job], ["successful"], [None])
            await queries.enqueue("account/save", b"1\n", 0)
            await self._connection.execute("SELECT pg_notify(%s, 'queued account')", [CHANNEL])


def resident() -> int:
    """Returns the resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize()


async def main(dsn: str) -> None:
    """Runs the commands of standard input."""
    async with await Database(dsn).connect() as connection:
        claimer = Claimer(connection)
        for line in sys.stdin:
            what, *arguments = json.loads(line)
            answer = resident() if what == "resident" else await getattr(claimer, what)(*arguments)
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
