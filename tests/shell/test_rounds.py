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
    """Numbers the rounds of the loop, and counts the bytes taken in each."""

    def __init__(self) -> None:
        self.taken: Counter[int] = Counter()
        self._number = 0
        self._next()

    def _next(self) -> None:
        self._number += 1
        self._handle = asyncio.get_running_loop().call_soon(self._next)

    def take(self, count: int) -> None:
        """Counts bytes taken in the current round."""
        self.taken[self._number] += count

    def end(self) -> None:
        """Stops counting."""
        self._handle.cancel()


@pytest.fixture
async def loop_rounds() -> AsyncIterator[LoopRounds]:
    """The rounds of the test's loop."""
    counted = LoopRounds()
    yield counted
    counted.end()


async def test_a_round_has_a_limit_of_bytes(loop_rounds: LoopRounds) -> None:
    """Concurrent readers get a limited number of bytes per round; those that wait are served in turn."""
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


async def test_few_bytes_do_not_wait(loop_rounds: LoopRounds) -> None:
    """A read that fits the rest of the round does not wait."""
    for _ in range(BYTES // PIECE):
        await spend(PIECE)
        loop_rounds.take(PIECE)
    assert len(loop_rounds.taken) == 1


async def test_a_cancelled_reader_takes_nothing(loop_rounds: LoopRounds) -> None:
    """The bytes that a cancelled reader waited for are left to the next one."""
    loop_rounds.take(0)
    first, *waiting = [asyncio.create_task(spend(BYTES)) for _ in range(5)]
    last = asyncio.create_task(spend(PIECE))
    await first
    for each in waiting:
        each.cancel()
    await last
    loop_rounds.take(PIECE)
    assert max(loop_rounds.taken) - min(loop_rounds.taken) <= 6


def test_an_ended_loop_is_freed() -> None:
    """An ended loop is freed, even if a caller was waiting."""

    async def leave_waiting() -> "weakref.ref[asyncio.AbstractEventLoop]":
        waiting = [asyncio.create_task(spend(BYTES)) for _ in range(3)]
        await waiting[0]
        return weakref.ref(asyncio.get_running_loop())

    loop = asyncio.run(leave_waiting())
    gc.collect()
    assert loop() is None


async def test_many_files_are_read_in_turn(loop_rounds: LoopRounds) -> None:
    """A round reads about the same from thirty fast hosts as from a few."""
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
