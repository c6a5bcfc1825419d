"""Wakes waiters when jobs finish: on notifications of other processes, and at regular intervals."""

import asyncio
import contextlib
import copy
import logging
from typing import Final

import psycopg

from kling_async.fleet.database import Connection, Database
from kling_async.fleet.schema import CHANNEL, FINISHED

logger = logging.getLogger("kling_async")

LOOK_SECONDS: Final = 5.0
"""Seconds between two queries if no notification arrives."""


class FinishWatcher:
    """Watches for finished jobs of a queue; starts listening with the first waiter.

    Args:
        database: the fleet's database.
        queue: the queue's name.
        look_seconds: seconds between two queries if no notification arrives.
    """

    def __init__(self, database: Database, queue: str, look_seconds: float = LOOK_SECONDS) -> None:
        self._database = database
        self._queue = queue
        self._look_seconds = look_seconds
        self._next_change = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None
        self._waiters: dict[bytes, set[asyncio.Future[None]]] = {}
        self._watching: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Stops listening and wakes all waiters; idempotent.

        Must be called after closing the database, so that the waiters find it closed.
        """
        self._signal()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
            self._listening = None

    @property
    def next_change(self) -> asyncio.Event:
        """The event that the next possible change sets; get it before querying the database."""
        if self._listening is None and not self._database.closed:
            self._listening = asyncio.get_running_loop().create_task(self._listen(), name="kling_async fleet")
        return self._next_change

    async def wait(self, change: asyncio.Event) -> None:
        """Waits for a change, at most until the next regular query is due."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._look_seconds):
                await change.wait()

    async def wait_for(self, digest: bytes) -> None:
        """Waits until the job with this key digest is finished.

        Raises:
            FleetError: the database cannot be used.
        """
        finished = asyncio.get_running_loop().create_future()
        waiters = self._waiters.setdefault(digest, set())
        waiters.add(finished)
        if self._watching is None:
            self._watching = asyncio.get_running_loop().create_task(self._watch(), name="kling_async fleet")
        else:
            self._signal()  # it may be finished already
        try:
            await finished
        finally:
            waiters.discard(finished)
            if not waiters and self._waiters.get(digest) is waiters:
                del self._waiters[digest]

    async def _watch(self) -> None:
        """Completes waiters as their jobs finish, until there are none: only those of finished jobs are woken."""
        try:
            while self._waiters:
                await asyncio.sleep(0)  # lets others that begin to wait at the same moment join
                change = self.next_change
                for digest in await self._look():
                    for waiter in self._waiters.pop(digest, ()):
                        _complete(waiter)
                if self._waiters:
                    await self.wait(change)
        except Exception as error:  # noqa: BLE001  (whatever it is, the waiters must get it)
            for waiter in [each for waiters in self._waiters.values() for each in waiters]:
                _complete(waiter, copy.copy(error))  # each raise adds to its traceback
        finally:
            self._watching = None

    async def _look(self) -> set[bytes]:
        """Queries once for all waiters which of their jobs are finished."""
        values = {"queue": self._queue, "digests": [*self._waiters]}

        async def look(connection: Connection) -> set[bytes]:
            cursor = await connection.execute(
                "SELECT key_sha256 FROM kling_fleet.jobs WHERE queue = %(queue)s AND key_sha256 = ANY(%(digests)s) "
                "AND finished IS NOT NULL",
                values,
            )
            return {row["key_sha256"] for row in await cursor.fetchall()}

        return await self._database.step(look)

    def _signal(self) -> None:
        change, self._next_change = self._next_change, asyncio.Event()
        change.set()

    async def _listen(self) -> None:
        while True:
            try:
                connection = await self._database.connect()
                try:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    self._signal()  # earlier notifications were missed
                    async for notification in connection.notifies():
                        if notification.payload == f"{FINISHED} {self._queue}":
                            self._signal()
                finally:
                    await connection.close()
            except psycopg.Error as error:
                logger.debug(
                    "no notifications of the fleet: %s", type(error).__name__, extra={"kling_event": "fleet_unheard"}
                )
            await asyncio.sleep(self._look_seconds)


def _complete(waiter: "asyncio.Future[None]", error: Exception | None = None) -> None:
    """Ends a wait, unless it was cancelled."""
    if not waiter.done():
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)
