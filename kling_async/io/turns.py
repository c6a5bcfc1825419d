"""Calls that are about the same thing take it in turn."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Hashable

from kling_async.protocol.errors import KlingError


class Turn:
    """Those that are about one thing.

    Attributes:
        doubt: how one of them ended, where the others must not do the same.
    """

    def __init__(self) -> None:
        self.doubt: KlingError | None = None
        self.lock = asyncio.Lock()
        self.wanted = 0


class Turns:
    """One after the other, for each thing: what the first one makes is there for the others."""

    def __init__(self) -> None:
        self._turns: dict[Hashable, Turn] = {}

    def __contains__(self, thing: Hashable) -> bool:
        """Whether something has or wants a turn."""
        return thing in self._turns

    @contextlib.asynccontextmanager
    async def of(self, thing: Hashable) -> AsyncIterator[Turn]:
        """Waits for a turn, and has it."""
        turn = self._turns.setdefault(thing, Turn())
        turn.wanted += 1
        try:
            async with turn.lock:
                yield turn
        finally:
            turn.wanted -= 1
            if not turn.wanted:
                del self._turns[thing]
