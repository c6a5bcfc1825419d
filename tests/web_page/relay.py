"""Stands between browser and backend: keeps the address while that is started again, and counts what passes."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

import attrs

PIECE = 16 * 1024


@attrs.define
class Asked:
    """One request.

    Attributes:
        first: the first byte that is asked for, of a request for a part; else 0.
        sent: bytes of the answer that went to the browser.
    """

    method: str
    path: str
    first: int
    sent: int = 0


@attrs.define
class Relay:
    """A server that passes on each request, on a connection of its own.

    Attributes:
        port: of the backend; while nobody listens there, connections are closed.
        url: its own.
        asked: all requests so far.
        wall: bytes of a video with which no piece of an answer begins; None for none.
        loses: "METHOD path" of requests whose answers are lost, each of them: what gets no answer on a connection that
            was made beforehand, a browser sends again on its own.
        streaming: event streams that are open.
        streamed: the most of them at once.
    """

    port: int = 0
    url: str = ""
    asked: list[Asked] = attrs.field(factory=list)
    wall: range | None = None
    loses: set[str] = attrs.field(factory=set)
    streaming: int = 0
    streamed: int = 0

    def videos(self) -> list[Asked]:
        """Requests for videos."""
        return [asked for asked in self.asked if asked.path.endswith("/video")]

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Passes on the one request of a connection, and its answer."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            method, path = head.split()[:2]
            part = re.search(r"\r\nrange: bytes=(\d+)-", head, re.IGNORECASE)
            asked = Asked(method, path, int(part[1]) if part else 0)
            self.asked.append(asked)
            theirs, upstream = await asyncio.open_connection("127.0.0.1", self.port)
            head = re.sub(r"\r\nconnection: [^\r]*", "", head, flags=re.IGNORECASE)
            upstream.write(head[:-2].encode("latin-1") + b"Connection: close\r\n\r\n")
            sending = asyncio.ensure_future(self._send(reader, upstream))
            answering = asyncio.ensure_future(self._answer(asked, theirs, writer))
            try:
                await asyncio.wait((sending, answering), return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (sending, answering):
                    task.cancel()
                await asyncio.gather(sending, answering, return_exceptions=True)
                upstream.close()
        writer.close()

    async def _send(self, reader: asyncio.StreamReader, upstream: asyncio.StreamWriter) -> None:
        """Passes on a body, until the browser leaves."""
        while piece := await reader.read(PIECE):
            upstream.write(piece)
            await upstream.drain()

    async def _answer(self, asked: Asked, theirs: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await theirs.readuntil(b"\r\n\r\n")
        if f"{asked.method} {asked.path}" in self.loses:
            return
        writer.write(head)
        is_stream, is_video = asked.path.endswith("/events"), asked.path.endswith("/video")
        self.streaming += is_stream
        self.streamed = max(self.streamed, self.streaming)
        try:
            while piece := await theirs.read(PIECE):
                if is_video and self.wall is not None and asked.first + asked.sent in self.wall:
                    await asyncio.Event().wait()  # until the browser leaves
                writer.write(piece)
                await writer.drain()
                asked.sent += len(piece)
        finally:
            self.streaming -= is_stream


@contextlib.asynccontextmanager
async def relay() -> AsyncIterator[Relay]:
    """Runs one."""
    made = Relay()
    connections: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(made.connected(reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)
        task.add_done_callback(lambda _: writer.close())  # one that is cancelled, too

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=2**20)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        for _ in range(3):
            await asyncio.sleep(0)  # what is closed is gone a turn of the loop later
