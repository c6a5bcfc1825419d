"""Work that comes in many pieces at once leaves the event loop to others: a round of the loop does so much of it.

Without this the loop is kept by all files at once: where thirty hosts send as fast as they can, each of its rounds
reads a quarter of a megabyte from each of them.
"""

import asyncio
from collections import deque
from typing import Final
from weakref import WeakKeyDictionary

BYTES: Final = 2**20
"""Of all files that one round reads, give or take a piece."""
REQUEST: Final = 2**18
"""Bytes that take as long as beginning a request does."""


class _Rounds:
    """The rounds of one event loop."""

    def __init__(self) -> None:
        self._left = BYTES
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._ends = False

    async def spend(self, count: int) -> None:
        self._end_soon()
        if self._left > 0 and not self._waiting:
            self._left -= count
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((count, turn))
        await turn

    def _end_soon(self) -> None:
        if not self._ends:
            self._ends = True
            asyncio.get_running_loop().call_soon(self._begin)

    def _begin(self) -> None:
        self._ends, self._left = False, BYTES
        while self._waiting and self._left > 0:
            count, turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self._left -= count
        if self._left < BYTES:
            self._end_soon()


_rounds: WeakKeyDictionary[asyncio.AbstractEventLoop, _Rounds] = WeakKeyDictionary()


async def spend(count: int) -> None:
    """Waits for a round that has something left of its bytes, and takes these; first come, first served.

    Args:
        count: bytes that were read, before the next ones are; or what beginning something is worth in bytes.
    """
    loop = asyncio.get_running_loop()
    if loop not in _rounds:
        _rounds[loop] = _Rounds()
    await _rounds[loop].spend(count)
