"""File work off the loop."""

import asyncio
import concurrent.futures
from collections.abc import Callable
from typing import Final, TypeVar
from weakref import WeakKeyDictionary

THREADS: Final = 4
"""For all clients of a loop: who waits for a disk takes one."""

_T = TypeVar("_T")

# Not the loop's default threads: user code may keep all of those busy.
_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, concurrent.futures.ThreadPoolExecutor] = WeakKeyDictionary()
_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()


def enter(loop: asyncio.AbstractEventLoop) -> None:
    """One more client of a loop may need threads."""
    _clients[loop] = _clients.get(loop, 0) + 1


def leave(loop: asyncio.AbstractEventLoop) -> None:
    """One less; with the last one the threads end, after what they do."""
    _clients[loop] -= 1
    if not _clients[loop] and (pool := _pools.pop(loop, None)) is not None:
        pool.shutdown(wait=False)


async def in_thread(work: Callable[..., _T], *arguments: object) -> _T:
    """Runs blocking work in a thread, to its end."""
    return await finished(begin(work, *arguments))


def begin(work: Callable[..., _T], *arguments: object) -> "asyncio.Future[_T]":
    """Begins blocking work in a thread; `finished` waits for it."""
    loop = asyncio.get_running_loop()
    if loop not in _pools:
        _pools[loop] = concurrent.futures.ThreadPoolExecutor(THREADS, "kling_async")
    return loop.run_in_executor(_pools[loop], work, *arguments)


async def finished(work: "asyncio.Future[_T]") -> _T:
    """Waits for a thread to its end even if the caller is cancelled: a thread cannot be, and nobody may race it."""
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError as error:
            cancelled = error
        except Exception:  # noqa: BLE001  (the result tells it)
            break
    if cancelled is not None:
        if not work.cancelled():
            work.exception()  # told to nobody else
        raise cancelled
    return work.result()
