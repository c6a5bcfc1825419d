"""File work off the loop."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


async def in_thread(work: Callable[..., _T], *arguments: object) -> _T:
    """Runs blocking work in a thread, to its end."""
    return await finished(begin(work, *arguments))


def begin(work: Callable[..., _T], *arguments: object) -> "asyncio.Future[_T]":
    """Begins blocking work in a thread; `finished` waits for it."""
    return asyncio.get_running_loop().run_in_executor(None, work, *arguments)


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
