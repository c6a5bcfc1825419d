"""Downloads in many chunks leave the event loop to other tasks: each round reads a limited number of bytes."""

import asyncio
import gc
import weakref
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from kling_async.io.rounds import BYTES, spend
from kling_async.io.transport import Transport
from tests.shell.file_host import MOVIE, movie
from tests.shell.stub import serve

pytestmark = pytest.mark.usefixtures("nothing_is_left")

PIECE = 2**18
"""Bytes that are read at once at most."""


class LoopRounds:
    """Numbers the rounds of the loop, and counts what is taken in each."""

    def __init__(self) -> None:
        self.taken: Counter[int] = Counter()
        self._number = 0
        self._next()

    def _next(self) -> None:
        self._number += 1
        self._handle = asyncio.get_running_loop().call_soon(self._next)

    def take(self, count: int) -> None:
        """Something was taken in the round that is."""
        self.taken[self._number] += count

    def end(self) -> None:
        """Counts no more."""
        self._handle.cancel()


@pytest.fixture
async def loop_rounds() -> AsyncIterator[LoopRounds]:
    """Those of the test's loop."""
    counted = LoopRounds()
    yield counted
    counted.end()


async def test_a_round_has_so_many_bytes(loop_rounds: LoopRounds) -> None:
    """However many want some at once; those who have to wait get theirs in turn."""
    order: list[tuple[int, int]] = []

    async def read(number: int) -> None:
        for time in range(4):
            await spend(PIECE)
            loop_rounds.take(PIECE)
            order.append((time, number))

    await asyncio.gather(*(read(number) for number in range(20)))
    assert max(loop_rounds.taken.values()) == BYTES
    assert len(loop_rounds.taken) == 80 * PIECE / BYTES
    waited = order[BYTES // PIECE :]
    assert waited == sorted(waited)


async def test_few_bytes_wait_for_nothing(loop_rounds: LoopRounds) -> None:
    """What a round has left is given at once."""
    for _ in range(BYTES // PIECE):
        await spend(PIECE)
        loop_rounds.take(PIECE)
    assert len(loop_rounds.taken) == 1


async def test_who_is_cancelled_takes_nothing(loop_rounds: LoopRounds) -> None:
    """The bytes that it waited for are there for the next."""
    loop_rounds.take(0)
    first, *waiting = [asyncio.create_task(spend(BYTES)) for _ in range(5)]
    last = asyncio.create_task(spend(PIECE))
    await first
    for each in waiting:
        each.cancel()
    await last
    loop_rounds.take(PIECE)
    assert max(loop_rounds.taken) - min(loop_rounds.taken) <= 6


def test_a_loop_that_ends_is_let_go() -> None:
    """Also if a caller was waiting when it ended."""

    async def leave_waiting() -> "weakref.ref[asyncio.AbstractEventLoop]":
        waiting = [asyncio.create_task(spend(BYTES)) for _ in range(3)]
        await waiting[0]
        return weakref.ref(asyncio.get_running_loop())

    loop = asyncio.run(leave_waiting())
    gc.collect()
    assert loop() is None


async def test_many_files_are_read_in_turn(loop_rounds: LoopRounds) -> None:
    """A round reads about as much of thirty fast hosts as of a few: each reads as much next as it did before."""
    async with serve(lambda _: movie()) as stub:
        transport = Transport(stub.base_url, None)

        async def read(number: int) -> int:
            size = 0
            async with transport.fetch(f"{stub.base_url}/{number}.mp4", {}) as file:
                async for chunk in file.chunks:
                    loop_rounds.take(len(chunk))
                    size += len(chunk)
            return size

        assert await asyncio.gather(*map(read, range(30))) == [len(MOVIE)] * 30
        await transport.close()
    assert max(loop_rounds.taken.values()) < 2 * BYTES
