"""Downloads end with the client, on its own session or a borrowed one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp
import pytest

from kling_async import ClientClosed, KlingError
from kling_async.io.transport import Transport

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"


@contextlib.asynccontextmanager
async def waiting(first: bytes, go_on: asyncio.Event) -> AsyncIterator[str]:
    """A host that sends the head and the whole body, but only `first` until it is released."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(first)
            await go_on.wait()
            writer.write((HEAD + bytes(1000))[len(first) :])
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        go_on.set()
        server.close()


@pytest.mark.usefixtures("nothing_is_left")
@pytest.mark.parametrize("read", [0, 10])
async def test_a_borrowed_session_reads_no_further(read: int) -> None:
    """Closing the client ends its downloads, also on an open session with buffered bytes."""
    async with waiting(HEAD + bytes(500), asyncio.Event()) as url, aiohttp.ClientSession() as session:
        transport = Transport(url, session)
        async with transport.fetch(f"{url}/f", {}) as answer:
            if read:
                await anext(answer.chunks)
            await transport.close()
            with pytest.raises(KlingError):
                await anext(answer.chunks)
        assert not session.closed


@pytest.mark.usefixtures("nothing_is_left")
async def test_an_answer_that_comes_after_the_end_is_not_read() -> None:
    """A request under way when the client is closed ends with its response, also on a borrowed session."""
    go_on = asyncio.Event()
    async with waiting(b"", go_on) as url, aiohttp.ClientSession() as session:
        transport = Transport(url, session)

        async def fetch() -> bytes:
            async with transport.fetch(f"{url}/f", {}) as answer:
                return b"".join([chunk async for chunk in answer.chunks])

        fetching = asyncio.ensure_future(fetch())
        await asyncio.sleep(1)
        await transport.close()
        go_on.set()
        with pytest.raises(ClientClosed):
            await fetching
        assert not session.closed
