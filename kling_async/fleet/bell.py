"""Wakes who waits for the ends of jobs: when others say so, and now and then by itself."""

import asyncio
import contextlib
import logging
from collections import Counter
from typing import Final

import psycopg

from kling_async.fleet.database import Connection, Database
from kling_async.fleet.schema import CHANNEL, FINISHED

logger = logging.getLogger("kling_async")

LOOK_SECONDS: Final = 5.0
"""Between two looks at what nobody has told."""


class Bell:
    """Hears of the ends of a queue's jobs, from when somebody waits for one.

    Args:
        database: of the fleet.
        queue: whose jobs.
        look_seconds: between two looks at what nobody has told.
    """

    def __init__(self, database: Database, queue: str, look_seconds: float = LOOK_SECONDS) -> None:
        self._database = database
        self._queue = queue
        self._look_seconds = look_seconds
        self._rung = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[set[bytes]] | None = None
        self._awaited: Counter[bytes] = Counter()

    async def close(self) -> None:
        """Ends, once the database is closed: who waits then finds that; idempotent."""
        self._ring()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
            self._listening = None

    @property
    def next(self) -> asyncio.Event:
        """Is set when something may be new from now on; to be got before one looks."""
        if self._listening is None and not self._database.closed:
            self._listening = asyncio.get_running_loop().create_task(self._listen(), name="kling_async fleet")
        return self._rung

    async def wait(self, rung: asyncio.Event) -> None:
        """Waits until something may be new."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._look_seconds):
                await rung.wait()

    async def wait_for(self, digest: bytes) -> None:
        """Waits until the job of a key is finished.

        Raises:
            FleetError: the database cannot be used.
        """
        self._awaited[digest] += 1
        try:
            while True:
                rung = self.next
                if self._looking is None:
                    self._looking = asyncio.get_running_loop().create_task(self._look(), name="kling_async fleet")
                    self._looking.add_done_callback(_seen)
                if digest in await asyncio.shield(self._looking):
                    return
                await self.wait(rung)
        finally:
            self._awaited -= Counter([digest])

    async def _look(self) -> set[bytes]:
        """Looks once for all who wait: which of their jobs are finished."""
        await asyncio.sleep(0)  # for all that the same news has woken
        self._looking = None  # who comes later may be about something newer
        values = {"queue": self._queue, "digests": [*self._awaited]}

        async def look(connection: Connection) -> set[bytes]:
            cursor = await connection.execute(
                "SELECT key_sha256 FROM kling_fleet.jobs WHERE queue = %(queue)s AND key_sha256 = ANY(%(digests)s) "
                "AND finished IS NOT NULL",
                values,
            )
            return {row["key_sha256"] for row in await cursor.fetchall()}

        return await self._database.step(look)

    def _ring(self) -> None:
        rung, self._rung = self._rung, asyncio.Event()
        rung.set()

    async def _listen(self) -> None:
        while True:
            try:
                connection = await self._database.connect()
                try:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    self._ring()  # what was told before
                    async for told in connection.notifies():
                        if told.payload == f"{FINISHED} {self._queue}":
                            self._ring()
                finally:
                    await connection.close()
            except psycopg.Error as error:
                logger.debug("the fleet is not heard: %s", type(error).__name__, extra={"kling_event": "fleet_unheard"})
            await asyncio.sleep(self._look_seconds)


def _seen(looking: "asyncio.Task[set[bytes]]") -> None:
    """Its error is that of who waits, if somebody still does."""
    if not looking.cancelled():
        looking.exception()
