"""A connection with an unsolicited response: it may fail a call, and never blocks one for ever."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from kling_async.io.transport import ANSWER_SECONDS, STALL_SECONDS, Transport
from kling_async.protocol.errors import RequestTimeout
from kling_async.protocol.wire.requests import HttpRequest

pytestmark = pytest.mark.usefixtures("nothing_is_left")

WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"


@contextlib.asynccontextmanager
async def half_an_answer_more() -> AsyncIterator[str]:
    """A server whose first response on a connection is followed by the head of another without its rest."""
    gone = asyncio.Event()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(WHOLE)
            await writer.drain()
            await asyncio.sleep(1)  # the connection is idle by then
            writer.write(HEAD)
            await reader.read()
        writer.close()
        gone.set()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await gone.wait()


async def called(transport: Transport) -> None:
    """A call."""
    await transport.send(HttpRequest("GET", "/v1/x"), "Bearer k")


async def fetched(transport: Transport) -> None:
    """A download."""
    async with transport.fetch(f"{transport._base_url}/f", {}) as file:
        assert [chunk async for chunk in file.chunks] == []


@pytest.mark.parametrize("request_", [called, fetched])
async def test_half_an_unsolicited_response(request_: Callable[[Transport], Awaitable[None]]) -> None:
    """The next request on that connection reads it as its response, waits for the rest, and times out."""
    loop = asyncio.get_running_loop()
    async with half_an_answer_more() as url:
        transport = Transport(url, None)
        await called(transport)
        await asyncio.sleep(2)
        began = loop.time()
        with pytest.raises(RequestTimeout):
            await request_(transport)
        assert loop.time() - began <= max(ANSWER_SECONDS, STALL_SECONDS) + 1
        await transport.close()
