"""A process that claims jobs of a fleet: it is told what to do by lines of JSON, and answers so."""

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
"""Nothing is abandoned within a measurement."""
AT_ONCE: Final = 20
"""Jobs that are taken at most by one claim."""
SEATS: Final = "SELECT count(*) FROM kling_fleet.pgqueuer WHERE queue_manager_id IS NOT NULL AND entrypoint = %s"
BEAT: Final = "UPDATE kling_fleet.pgqueuer SET heartbeat = now() WHERE id = %s"


class Claimer:
    """What one worker does with the engine.

    Args:
        connection: its own.
    """

    def __init__(self, connection: Connection) -> None:
        self._queries = engine.queries(connection)
        self._connection = connection
        self._me = QueueManagerId(uuid.uuid4())
        self._held: deque[Any] = deque()

    async def fill(self, limits: dict[str, int], count: int) -> None:
        """Takes jobs until it has so many."""
        while len(self._held) < count:
            await self._claim(limits, count - len(self._held))

    async def run(self, limits: dict[str, int], freed: int, seconds: float, most: int) -> dict[str, Any]:
        """Frees seats and claims them again, in turn; how long that took, and how many jobs each claim got.

        Args:
            limits: seats of each entrypoint.
            freed: seats before each claim; 0 for claims that find none.
            seconds: how long.
            most: jobs that are taken before that.
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
        """Frees so many seats, at most as many as it holds; the seconds that took."""
        began, freed = time.perf_counter(), min(count, len(self._held))
        for _ in range(freed):
            await self._end(self._held.popleft())
        return {"count": freed, "seconds": time.perf_counter() - began}

    async def repeat(self, what: str, seconds: float) -> dict[str, Any]:
        """Looks at the seats, or changes one row in a transaction, again and again."""
        statement, value = {"look": (SEATS, "account/0"), "commit": (BEAT, self._held[0])}[what]
        began, count = time.perf_counter(), 0
        while (now := time.perf_counter()) < began + seconds:
            await self._connection.execute(statement, [value])
            count += 1
        return {"count": count, "seconds": now - began}

    async def leave(self) -> None:
        """Frees all that it has."""
        held = [*self._held]
        self._held.clear()
        await self._connection.execute("DELETE FROM kling_fleet.pgqueuer WHERE id = ANY(%s)", [held])

    async def _claim(self, limits: dict[str, int], most: int) -> int:
        seats = {QueueEntrypoint(each): Seats(concurrency_limit=limit) for each, limit in limits.items()}
        jobs = await self._queries.dequeue(most, seats, self._me, None, HEARTBEAT)
        self._held.extend(job.id for job in jobs)
        return len(jobs)

    async def _end(self, job: Any) -> None:
        """As at the end of a task: its seat is free, its file is to be saved, and others hear of it."""
        queries = self._queries
        async with self._connection.transaction():
            await queries.driver.execute(queries.qbq.build_log_job_query(), [job], ["successful"], [None])
            await queries.enqueue("account/save", b"1\n", 0)
            await self._connection.execute("SELECT pg_notify(%s, 'queued account')", [CHANNEL])


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize()


async def main(dsn: str) -> None:
    """Does what standard input says."""
    async with await Database(dsn).connect() as connection:
        claimer = Claimer(connection)
        for line in sys.stdin:
            what, *arguments = json.loads(line)
            answer = resident() if what == "resident" else await getattr(claimer, what)(*arguments)
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
