"""Answers requests for a handle's result, including errors, independent of the web framework."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final, TypeVar

from kling_async.handle import TaskHandle
from kling_async.io.open_file import OpenFile
from kling_async.protocol.errors import ClientClosed, KlingError, TaskFailed, TaskNotFound, TaskTimeout
from kling_async.protocol.ranges import METHODS

logger = logging.getLogger("kling_async")

T = TypeVar("T")

STATUSES: Final = (
    (TaskNotFound, HTTPStatus.NOT_FOUND),
    (TaskFailed, HTTPStatus.FAILED_DEPENDENCY),
    (TaskTimeout, HTTPStatus.GATEWAY_TIMEOUT),
    (ClientClosed, HTTPStatus.SERVICE_UNAVAILABLE),
)
"""HTTP statuses of errors; all others are answered with 502."""

FILE_HEADERS: Final = frozenset(
    {
        "accept-ranges",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "etag",
        "last-modified",
        "transfer-encoding",
    }
)
"""Headers that a route cannot set: they describe the bytes, and come from the file."""
NOT_ON_ERRORS: Final = ("cache-control", "content-disposition", "expires", "surrogate-control")
"""Endings of header names that a route sets for the file and that an error must not get: it may not be cached or
saved."""


class BrowserLeft(ConnectionResetError):
    """The browser has disconnected."""


@contextlib.asynccontextmanager
async def answered(
    handle: TaskHandle, method: str, headers: Mapping[str, str], *, watermark: bool
) -> AsyncIterator[OpenFile]:
    """Yields the answer to a request: the file, or an error."""
    async with contextlib.AsyncExitStack() as stack:
        yield await _opened(stack, handle, method, headers, watermark=watermark)


def headers_of(file: OpenFile, given: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Returns the headers of an answer: the file's, and those of the route's headers that do not conflict with them."""
    taken = FILE_HEADERS | {name.lower() for name in file.headers}
    more = [(name, value) for name, value in given if name.lower() not in taken]
    if file.status >= HTTPStatus.BAD_REQUEST:
        more = [(name, value) for name, value in more if not name.lower().endswith(NOT_ON_ERRORS)]
        more.append(("Cache-Control", "no-store"))  # the next request may get the file
    return [*file.headers.items(), *more]


async def _opened(
    stack: contextlib.AsyncExitStack, handle: TaskHandle, method: str, headers: Mapping[str, str], *, watermark: bool
) -> OpenFile:
    if method not in METHODS:
        return _refusal(method, HTTPStatus.METHOD_NOT_ALLOWED, Allow=", ".join(METHODS))
    try:
        return await stack.enter_async_context(handle.open(method=method, headers=headers, watermark=watermark))
    except TaskFailed as error:
        return _refusal(method, HTTPStatus.FAILED_DEPENDENCY, error.message)
    except KlingError as error:
        status = next((status for kind, status in STATUSES if isinstance(error, kind)), HTTPStatus.BAD_GATEWAY)
        logger.warning(
            "the result could not be given to a browser: %s",
            error,
            extra={"kling_event": "answer_failed", "kling_reference": handle.reference},
        )
        return _refusal(method, status)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if not handle.cancelled() or (task is not None and task.cancelling()):
            raise
        return _refusal(method, HTTPStatus.CONFLICT)


def _refusal(method: str, status: HTTPStatus, reason: str | None = None, **headers: str) -> OpenFile:
    body = f"{status.value} {reason or status.phrase}\n".encode()
    described = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body)), **headers}
    return OpenFile(status, described, _once(b"" if method == "HEAD" else body))


async def _once(body: bytes) -> AsyncIterator[bytes]:
    if body:
        yield body


async def unless_left(work: Coroutine[Any, Any, T], leaving: Coroutine[Any, Any, object]) -> T:
    """Returns the result of some work, which is cancelled at once when the browser leaves.

    Raises:
        BrowserLeft: the browser left.
    """
    working, left = asyncio.ensure_future(work), asyncio.ensure_future(leaving)
    try:
        await asyncio.wait({working, left}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        if not left.cancelled():
            left.result()  # raises if the check failed
        raise BrowserLeft("the browser has left")
    finally:
        working.cancel()
        left.cancel()
        await asyncio.gather(working, left, return_exceptions=True)
