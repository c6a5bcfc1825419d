"""A handle's progress as server-sent events, which a page reads with `EventSource`."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any, Final

from kling_async.handle import TaskHandle
from kling_async.protocol.errors import KlingError, TaskFailed

EVERY: Final = 1.0
"""Seconds between two events."""
KEEP_ALIVE: Final = 15.0
"""Seconds without an event after which a comment keeps proxies from closing the connection."""
EVENT_HEADERS: Final = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # nginx would buffer them
}
"""Headers that a response with the body `progress_events` needs."""


async def progress_events(handle: TaskHandle) -> AsyncGenerator[bytes, None]:
    """Yields a task's progress as server-sent events; any number of pages share the polls of one task.

    ```python
    return StreamingResponse(progress_events(kling.attach(reference)), headers=EVENT_HEADERS)
    ```

    A `progress` event is sent at once, and then each second in which something has changed. The last event is `end`;
    on it the page must `close()` its `EventSource`, which would reconnect otherwise. The data of events is JSON:

    - `status`: `submitted`, `processing`, `succeed`, `failed`; null before the first response; in `end` also
      `cancelled`, and `unknown` if the task could not be followed to its end.
    - `share` and `seconds_left`: as in `handle.progress`.
    - `message`: in `end`, why there is no result; else empty.

    Raises:
        ClientClosed: the client was closed before it followed the task.
        WrongEventLoop: the handle belongs to another loop.
    """
    loop = asyncio.get_running_loop()
    last, sent_at = b"", loop.time()
    while not handle.done():
        event = _event("progress", handle, handle.status, "")
        if event != last:
            last, sent_at = event, loop.time()
            yield event
        elif loop.time() - sent_at >= KEEP_ALIVE:
            sent_at = loop.time()
            yield b": nothing new\n\n"
        await _ended_within(handle, EVERY)
    yield _event("end", handle, *_outcome(handle))


async def _ended_within(handle: TaskHandle, seconds: float) -> None:
    """Waits for the end, for at most `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            await handle.wait()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if not handle.cancelled() or (task is not None and task.cancelling()):
            raise
    except KlingError:  # TaskTimeout is a TimeoutError, too
        if not handle.done():
            raise
    except TimeoutError:
        pass


def _outcome(handle: TaskHandle) -> tuple[str, str]:
    """Returns status and message of the end."""
    try:
        return handle.result().status, ""
    except TaskFailed as error:
        return "failed", error.task.status_msg or error.message
    except KlingError as error:
        return "unknown", error.message
    except asyncio.CancelledError:
        return "cancelled", ""


def _event(name: str, handle: TaskHandle, status: str | None, message: str) -> bytes:
    share, left = handle.progress.share, handle.progress.seconds_left
    data: dict[str, Any] = {
        "status": status,
        "share": round(share, 3),
        "seconds_left": None if left is None else round(left),
        "message": message,
    }
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()
