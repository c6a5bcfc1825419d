"""A handle's result as a response of a web framework: a route is one line."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Final

from kling_async.handle import TaskHandle
from kling_async.protocol.errors import KlingError
from kling_async.web.answers import BrowserLeft, answered, headers_of, unless_left

if TYPE_CHECKING:
    from aiohttp import web

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOK_SECONDS: Final = 1.0
"""Seconds between checks whether the browser has left while there is nothing to send; a send notices it at once."""


async def aiohttp_response(
    handle: TaskHandle, request: "web.Request", *, watermark: bool = False, headers: Mapping[str, str] | None = None
) -> "web.StreamResponse":
    """Answers an aiohttp request with a handle's result, once the task has ended.

    ```python
    async def video(request: web.Request) -> web.StreamResponse:
        return await aiohttp_response(kling.attach(request.match_info["reference"]), request)
    ```

    The response is that of `TaskHandle.open`, with status 200, 206, 304, 412 or 416. An error before the body begins
    is answered, and logged: 404 for `TaskNotFound`, 424 with the service's reason for `TaskFailed`, 504 for
    `TaskTimeout`, 503 for `ClientClosed`, 409 for a handle that was cancelled, 502 for all others; 405 for methods
    other than GET and HEAD. If the rest of a body cannot be fetched, the connection is closed. If the browser leaves,
    the unfinished response is returned, since aiohttp would log an exception as an error.

    Args:
        handle: the handle whose (first) file is sent. Checking that the user may see it is up to the caller.
        request: GET or HEAD.
        watermark: sends the watermarked variant, if `watermark_info` requested one.
        headers: to send as well, such as `Cache-Control: private`; a multidict may repeat names. Headers that describe
            the bytes are ignored; an error response does not get the `Cache-Control` and `Content-Disposition` given
            here.

    Raises:
        KlingError: the rest of the body cannot be fetched.
    """
    from aiohttp import web  # noqa: PLC0415  (only needed in a server)

    response = web.StreamResponse()
    given = () if headers is None else headers.items()

    async def send() -> None:
        async with answered(handle, request.method, request.headers, watermark=watermark) as file:
            response.set_status(file.status)
            response.headers.extend(headers_of(file, given))
            await response.prepare(request)
            async for chunk in file:
                await response.write(chunk)
            await response.write_eof()

    async def left() -> None:  # aiohttp does not notify a handler of this, unless it writes
        while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110  (there is nothing to wait for)
            await asyncio.sleep(LOOK_SECONDS)

    try:
        await unless_left(send(), left())
    except KlingError:  # some are a ConnectionError, too
        raise
    except ConnectionError:
        pass
    return response


def asgi_response(handle: TaskHandle, *, watermark: bool = False, headers: Mapping[str, str] | None = None) -> AsgiApp:
    """Returns an ASGI application that answers with a handle's result; FastAPI routes can use `TaskResponse`.

    Its responses, including errors, are those of `aiohttp_response`.

    Args:
        handle: the handle whose (first) file is sent.
        watermark: sends the watermarked variant, if `watermark_info` requested one.
        headers: to send as well, as with `aiohttp_response`.
    """
    given = () if headers is None else headers.items()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        if scope["type"] != "http":
            raise ValueError(f"expected a request over HTTP, got {scope['type']}")
        request_headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}

        async def respond() -> None:
            async with answered(handle, scope["method"], request_headers, watermark=watermark) as file:
                raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers_of(file, given)]
                await sent({"type": "http.response.start", "status": int(file.status), "headers": raw})
                async for chunk in file:
                    await sent({"type": "http.response.body", "body": chunk, "more_body": True})
                await sent({"type": "http.response.body", "body": b"", "more_body": False})

        async def sent(message: MutableMapping[str, Any]) -> None:
            try:
                await send(message)
            except OSError as error:  # as specified since ASGI 2.4
                raise BrowserLeft("the browser has left") from error

        async def left() -> None:
            ended = False
            while (message := await receive())["type"] != "http.disconnect":
                # After the body, a server blocks in receive(), but middleware that replays a body may return at once,
                # again and again: sleep so that the event loop is not blocked.
                await asyncio.sleep(LOOK_SECONDS if ended else 0)
                ended = not message.get("more_body", False)

        with contextlib.suppress(BrowserLeft):
            await unless_left(respond(), left())

    return app
