"""A server of raw bytes that keeps connections open, and may send more than was requested."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from tests.shell.stub import Seen


def kept(raw: bytes) -> bytes:
    """A response that keeps the connection open."""
    return raw.replace(b"Connection: close\r\n", b"")


@contextlib.asynccontextmanager
async def serve_keeping(respond: Callable[[Seen], list[bytes]]) -> AsyncIterator[str]:
    """Runs a server that sends these pieces for each request, a moment apart; yields its URL."""
    writers: set[asyncio.StreamWriter] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                method, path, _ = head[0].split(" ")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                for piece in respond(Seen(method, path, headers, body)):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.01)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=2**24)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await server.wait_closed()
