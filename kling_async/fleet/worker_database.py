"""A worker's lines to the database: what is done there is done until it holds, and what is told there is heard."""

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
"""Seconds between two attempts to reach a database that is away."""

PASSES: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.IdleInTransactionSessionTimeout,  # of a process that was stopped
    psycopg.errors.ReadOnlySqlTransaction,  # of a server in whose place another one comes
    TimeoutError,
    OSError,
)
"""What a database raises that is away, was cut off, or found two transactions in each other's way."""


class Line:
    """A line that is made anew whenever it breaks; one step at a time.

    Args:
        connect: makes one.
        patience: seconds that a step may take before its line is taken for dead.
    """

    def __init__(self, connect: Callable[[], Awaitable[Connection]], patience: float) -> None:
        self._connect = connect
        self._patience = patience
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()

    async def once(self, step: Callable[[Connection], Awaitable[_T]]) -> _T:
        """Does something, each statement of it at once.

        Raises:
            psycopg.Error: it did not work; whether it was done is not known if the line broke.
        """
        async with self._turn:
            try:
                async with asyncio.timeout(self._patience):
                    return await step(await self._connected())
            except (*PASSES, asyncio.CancelledError):
                await self._drop()
                raise

    async def surely(self, step: Callable[[Connection], Awaitable[_T]]) -> _T:
        """Does something in one transaction, again and again until it is known to be done.

        Args:
            step: that has no other effect when it is done twice.
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

    async def listen(self, heard: Callable[[str], object]) -> None:
        """Hears what is told on the channel, for ever; after each new line once with "", since something was missed."""
        while True:
            with contextlib.suppress(*PASSES):
                async with asyncio.timeout(self._patience):
                    connection = await self._connected()
                    await connection.execute(f"LISTEN {CHANNEL}".encode())
                heard("")
                while True:
                    async for notice in connection.notifies(timeout=self._patience):
                        heard(notice.payload)
                    async with asyncio.timeout(self._patience):
                        await connection.execute("SELECT 1")
            await self._drop()
            await asyncio.sleep(_PAUSE_MAXIMUM * random.random())  # noqa: S311  (no secret)

    async def close(self) -> None:
        """Ends the line."""
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
