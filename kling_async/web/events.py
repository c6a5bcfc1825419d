"""A handle's progress as server-sent events, which a page reads by `EventSource`."""

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
    "X-Accel-Buffering": "no",  # nginx would gather them
}
"""What the answer needs whose body `progress_events` are."""


async def progress_events(handle: TaskHandle) -> AsyncGenerator[bytes, None]:
    """What becomes of a task, as server-sent events; any number of pages may watch it for the price of one follower.

    ```python
    return StreamingResponse(progress_events(kling.attach(reference)), headers=EVENT_HEADERS)
    ```

    At once, and then each second in which something has changed, there is one called `progress`; the last one is called
    `end`, after which the page has to `close()` its `EventSource`, which else comes back. Their data is JSON:

    - `status`: `submitted`, `processing`, `succeed`, `failed`; null where nothing was heard yet; at the end also
      `cancelled`, and `unknown` where the task could not be followed to its end.
    - `share` and `seconds_left`: as in `handle.progress`.
    - `message`: at the end, why there is no result; else empty.

    Raises:
        ClientClosed: the client is closed, before the task was followed.
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
    """Waits for the end, not longer than so many seconds."""
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
    """Status and message of the end."""
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
