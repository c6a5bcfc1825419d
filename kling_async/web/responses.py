"""A handle's result as the answer of a web framework: a route is one line."""

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
"""Seconds after which it is seen that a browser has left while nothing can be sent; else it is seen at once."""


async def aiohttp_response(
    handle: TaskHandle, request: "web.Request", *, watermark: bool = False, headers: Mapping[str, str] | None = None
) -> "web.StreamResponse":
    """Answers a request of aiohttp with a handle's result, once it is there.

    ```python
    async def video(request: web.Request) -> web.StreamResponse:
        return await aiohttp_response(kling.attach(request.match_info["reference"]), request)
    ```

    What is answered is that of `TaskHandle.open`: 200, 206, 304, 412 or 416. Before the body begins, errors are
    answers, and in the log: 404 for `TaskNotFound`, 424 with the service's reason for `TaskFailed`, 504 for
    `TaskTimeout`, 503 for `ClientClosed`, 409 for a handle that was cancelled, 502 for all others; 405 for other
    methods than GET and HEAD. When the rest of a body cannot be fetched, the connection is broken off. When the browser
    leaves, what was begun is given back, since aiohttp would log an error for what a handler raises.

    Args:
        handle: whose (first) file is sent. Whether the asker may see it is up to you.
        request: GET or HEAD.
        watermark: the watermarked variant, if `watermark_info` asked for one.
        headers: to send as well, `Cache-Control: private` say; all of a multidict's. What describes the bytes is not
            taken from them, and what an error is answered with has no `Cache-Control` and `Content-Disposition` of
            theirs.

    Raises:
        KlingError: the rest of the body cannot be fetched.
    """
    from aiohttp import web  # noqa: PLC0415  (servers only need it)

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

    async def left() -> None:  # aiohttp does not tell a handler, unless it writes
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
    """An ASGI application that answers with a handle's result; `TaskResponse` is the same for routes of FastAPI.

    What is answered, errors too, is as with `aiohttp_response`.

    Args:
        handle: whose (first) file is sent.
        watermark: the watermarked variant, if `watermark_info` asked for one.
        headers: to send as well, as with `aiohttp_response`.
    """
    given = () if headers is None else headers.items()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        if scope["type"] != "http":
            raise ValueError(f"expected a request over HTTP, got {scope['type']}")
        asked = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}

        async def respond() -> None:
            async with answered(handle, scope["method"], asked, watermark=watermark) as file:
                raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers_of(file, given)]
                await sent({"type": "http.response.start", "status": int(file.status), "headers": raw})
                async for chunk in file:
                    await sent({"type": "http.response.body", "body": chunk, "more_body": True})
                await sent({"type": "http.response.body", "body": b"", "more_body": False})

        async def sent(message: MutableMapping[str, Any]) -> None:
            try:
                await send(message)
            except OSError as error:  # so ASGI 2.4 has it
                raise BrowserLeft("the browser has left") from error

        async def left() -> None:
            ended = False
            while (message := await receive())["type"] != "http.disconnect":
                # A server lets this wait then; what replays a body answers at once, for ever: the loop has to go on.
                await asyncio.sleep(LOOK_SECONDS if ended else 0)
                ended = not message.get("more_body", False)

        with contextlib.suppress(BrowserLeft):
            await unless_left(respond(), left())

    return app
