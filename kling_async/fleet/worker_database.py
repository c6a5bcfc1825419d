"""A worker's connections to the database: transactions retried until committed, and notifications."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import psycopg

from kling_async.fleet.database import Connection
from kling_async.fleet.schema import CHANNEL

logger = logging.getLogger("kling_async")

_T = TypeVar("_T")

_PAUSE: Final = 0.2
_PAUSE_MAXIMUM: Final = 2.0
"""Longest pause in seconds between two attempts to reach an unavailable database."""

PASSES: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.IdleInTransactionSessionTimeout,  # this process was suspended within a transaction
    psycopg.errors.ReadOnlySqlTransaction,  # the server is being replaced by another one
    TimeoutError,
    OSError,
)
"""Errors of an unavailable or disconnected database, and of conflicting transactions."""


class WorkerDatabase:
    """A connection that is reopened whenever it breaks, and runs one step at a time.

    Args:
        connect: opens a connection.
        patience: seconds that a step may take before its connection is considered dead.
    """

    def __init__(self, connect: Callable[[], Awaitable[Connection]], patience: float) -> None:
        self._connect = connect
        self._patience = patience
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()

    async def once(self, step: Callable[[Connection], Awaitable[_T]]) -> _T:
        """Runs a step once, with each statement committed separately.

        Raises:
            psycopg.Error: the step failed; if the connection broke, it may still have taken effect.
        """
        async with self._turn:
            try:
                async with asyncio.timeout(self._patience):
                    return await step(await self._connected())
            except (*PASSES, asyncio.CancelledError):
                await self._drop()
                raise

    async def until_committed(self, step: Callable[[Connection], Awaitable[_T]]) -> _T:
        """Runs a step in one transaction, and retries it until it is known to be committed.

        Args:
            step: the step; must be idempotent.
        """

        async def together(connection: Connection) -> _T:
            async with connection.transaction():
                return await step(connection)

        pause = _PAUSE
        while True:
            try:
                return await self.once(together)
            except PASSES as error:
                logger.debug("the fleet's database: %s", _text(error), extra={"kling_event": "database_away"})
            await asyncio.sleep(pause * (0.5 + random.random()))  # noqa: S311  (no secret)
            pause = min(_PAUSE_MAXIMUM, 2 * pause)

    async def listen(self, on_notification: Callable[[str], object]) -> None:
        """Passes on all notifications of the channel, forever.

        Args:
            on_notification: called with each payload, and with "" after each connect, as notifications may be missed.
        """
        while True:
            with contextlib.suppress(*PASSES):
                async with asyncio.timeout(self._patience):
                    connection = await self._connected()
                    await connection.execute(f"LISTEN {CHANNEL}".encode())
                on_notification("")
                while True:
                    async for notice in connection.notifies(timeout=self._patience):
                        on_notification(notice.payload)
                    async with asyncio.timeout(self._patience):
                        await connection.execute("SELECT 1")
            await self._drop()
            await asyncio.sleep(_PAUSE_MAXIMUM * random.random())  # noqa: S311  (no secret)

    async def close(self) -> None:
        """Closes the connection."""
        async with self._turn:
            await self._drop()

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = await self._connect()
        return self._connection

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error, OSError):
                await connection.close()


def _text(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
