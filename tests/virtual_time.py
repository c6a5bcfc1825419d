"""An event loop whose clock only jumps: a sleeping task wakes at once, in order, while sockets and threads stay real.

However slow or busy the machine is, its time is not the clock's: what a test measures by it is the same everywhere.
"""

import asyncio
import select
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

GRACE = 0.0001
"""Real seconds given to sockets before the clock jumps: the kernel delivers on loopback at once."""

EPOCH = 1_800_000_000.0
"""The wall clock's time when a loop begins."""


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for sockets only while a thread works; else makes the loop jump to its next timer."""

    loop: "VirtualTimeLoop"

    def select(self, timeout: float | None = None) -> Any:
        events = super().select(0)
        if events or timeout == 0:
            return events
        if timeout is None or self.loop.threads_at_work:
            return super().select(None)
        select.select([self], [], [], GRACE)  # finer than the selector's own milliseconds
        events = super().select(0)
        if not events:
            self.loop.jump(timeout)
        return events


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop for tests, on which two hours pass in a moment."""

    def __init__(self) -> None:
        self._now = 0.0
        self.threads_at_work = 0
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        """Seconds since the loop was created, all of them jumped."""
        return self._now

    def wall(self) -> float:
        """The time of day by the loop's clock."""
        return EPOCH + self._now

    def jump(self, seconds: float) -> None:
        """Advances the clock."""
        self._now += seconds

    def run_in_executor(self, executor: Executor | None, func: Callable[[*_Ts], _T], *args: *_Ts) -> asyncio.Future[_T]:
        """As in the base class, but the clock does not jump while a thread works."""
        self.threads_at_work += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self, *arguments: Any) -> None:
        """As in the base class, in real time: joining threads has a timeout from Python 3.12 on."""
        self.threads_at_work += 1
        try:
            await super().shutdown_default_executor(*arguments)
        finally:
            self.threads_at_work -= 1

    def _thread_done(self, _: "asyncio.Future[Any]") -> None:
        self.threads_at_work -= 1
