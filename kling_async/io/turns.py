"""Serializes calls about the same thing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Hashable

from kling_async.protocol.errors import KlingError


class Turn:
    """The calls about one thing.

    Attributes:
        doubt: the error of a call after which the others must not proceed.
    """

    def __init__(self) -> None:
        self.doubt: KlingError | None = None
        self.lock = asyncio.Lock()
        self.users = 0


class Turns:
    """Runs calls about the same thing one at a time, so that later ones find the results of earlier ones."""

    def __init__(self) -> None:
        self._turns: dict[Hashable, Turn] = {}

    def __contains__(self, thing: Hashable) -> bool:
        """Whether a call about this thing runs or waits."""
        return thing in self._turns

    @contextlib.asynccontextmanager
    async def of(self, thing: Hashable) -> AsyncIterator[Turn]:
        """Waits for a turn, and holds it."""
        turn = self._turns.setdefault(thing, Turn())
        turn.users += 1
        try:
            async with turn.lock:
                yield turn
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[thing]
