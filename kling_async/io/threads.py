"""Threads for blocking file work, shared by all clients of an event loop."""

import asyncio
import concurrent.futures
import importlib
from collections.abc import Callable
from typing import Final, TypeVar
from weakref import WeakKeyDictionary

THREADS: Final = 4
"""Threads for all clients of a loop; each blocking file operation occupies one."""

_T = TypeVar("_T")

# Not the loop's default executor: user code may keep all its threads busy.
_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, concurrent.futures.ThreadPoolExecutor] = WeakKeyDictionary()
_imported: set[str] = set()
_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()


def enter(loop: asyncio.AbstractEventLoop) -> None:
    """Counts a client that may need threads of this loop."""
    _clients[loop] = _clients.get(loop, 0) + 1


def leave(loop: asyncio.AbstractEventLoop) -> None:
    """Discounts a client; after the last one the threads end when their work is done."""
    _clients[loop] -= 1
    if not _clients[loop] and (pool := _pools.pop(loop, None)) is not None:
        pool.shutdown(wait=False)


async def imported(module: str) -> None:
    """Imports a module in a thread: that takes tens of milliseconds, which must not block the loop."""
    if module not in _imported:  # not `sys.modules`, which also has modules that are still being imported
        await in_thread(importlib.import_module, module)
        _imported.add(module)


async def in_thread(work: Callable[..., _T], *arguments: object) -> _T:
    """Runs blocking work in a thread, and waits for it as `finished` does."""
    return await finished(begin(work, *arguments))


def begin(work: Callable[..., _T], *arguments: object) -> "asyncio.Future[_T]":
    """Starts blocking work in a thread; `finished` waits for it."""
    loop = asyncio.get_running_loop()
    if loop not in _pools:
        _pools[loop] = concurrent.futures.ThreadPoolExecutor(THREADS, "kling_async")
    return loop.run_in_executor(_pools[loop], work, *arguments)


async def finished(work: "asyncio.Future[_T]") -> _T:
    """Waits until the thread is done, even if the caller is cancelled.

    A thread cannot be cancelled, and the objects that it uses must not be used meanwhile.
    """
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError as error:
            cancelled = error
        except Exception:  # noqa: BLE001  (`result` raises it)
            break
    if cancelled is not None:
        if not work.cancelled():
            work.exception()  # marks it as retrieved
        raise cancelled
    return work.result()
