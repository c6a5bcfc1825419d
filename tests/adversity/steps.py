"""Counts every suspension of a job, so that the job can be cancelled at each of them."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import ContextVar
from typing import Any, TypeVar

_T = TypeVar("_T")

_moments: ContextVar["Moments | None"] = ContextVar("moments", default=None)


class Moments:
    """Counts the suspensions of a job and of all tasks that it starts, and cancels the job at one of them.

    Args:
        cancel_at: the number of that suspension; 0 is before the first step.
        late: cancels when the awaited result is already available, instead of before, so that both happen at once.
    """

    def __init__(self, cancel_at: int, *, late: bool) -> None:
        self._cancel_at = cancel_at
        self._late = late
        self._job: asyncio.Task[Any] | None = None
        self.passed = 0
        self.struck = False

    async def run(self, job: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Runs the job; raises `CancelledError` if it was cancelled."""
        loop = asyncio.get_running_loop()
        loop.set_task_factory(_counting)
        token = _moments.set(self)
        try:
            self._job = running = loop.create_task(job())
        finally:
            _moments.reset(token)
        if self._cancel_at == 0:
            self._cancel_job()
        return await running

    def suspended(self, awaited: Any) -> None:
        """Counts a suspension."""
        if self._job is None or self._job.done():
            return
        self.passed += 1
        if self.passed != self._cancel_at:
            return
        if self._late and isinstance(awaited, asyncio.Future):
            awaited.add_done_callback(lambda _: self._cancel_job())  # before the callback that wakes the waiter
        else:
            self._cancel_job()

    def _cancel_job(self) -> None:
        if self._job is not None and not self._job.done():
            self.struck = self._job.cancel()


class _Counted(Coroutine[Any, Any, Any]):
    """A coroutine whose suspensions are counted."""

    def __init__(self, inner: Coroutine[Any, Any, Any], moments: Moments) -> None:
        self._inner = inner
        self._moments = moments

    def send(self, value: Any) -> Any:
        return self._counted(self._inner.send(value))

    def throw(self, *error: Any) -> Any:
        return self._counted(self._inner.throw(*error))

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        raise NotImplementedError("only a task runs it")

    def _counted(self, awaited: Any) -> Any:
        self._moments.suspended(awaited)
        return awaited


def _counting(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
    moments = _moments.get()
    return asyncio.Task(work if moments is None else _Counted(work, moments), loop=loop, **options)
