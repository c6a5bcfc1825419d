"""Limits the download work per iteration of the event loop, so that other tasks get their turn.

Without a limit, downloads can occupy the loop: with thirty hosts that send at full speed, each iteration reads a
quarter of a megabyte from each of them.
"""

import asyncio
from collections import deque
from typing import Final
from weakref import WeakKeyDictionary

BYTES: Final = 2**20
"""Bytes that one iteration reads of all files together, give or take a chunk."""
REQUEST: Final = 2**18
"""The cost of starting a request, as the number of bytes whose reading takes as long."""


class _Rounds:
    """The budget of one event loop, renewed in each iteration (round)."""

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
    """Waits for a round with bytes left in its budget, and deducts `count`; first come, first served.

    Args:
        count: bytes that were just read, or the cost of starting something, in bytes.
    """
    loop = asyncio.get_running_loop()
    if loop not in _rounds:
        _rounds[loop] = _Rounds()
    await _rounds[loop].spend(count)
