"""A relay between browser and backend, which keeps its address while the backend restarts, and counts requests."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

import attrs

PIECE = 16 * 1024


@attrs.define
class RelayedRequest:
    """A request that was relayed.

    Attributes:
        first: the first byte of the requested range; 0 without one.
        sent: bytes of the response that were sent to the browser.
    """

    method: str
    path: str
    first: int
    sent: int = 0


@attrs.define
class Relay:
    """A server that passes on each request on a separate connection.

    Attributes:
        port: of the backend; while it does not listen, connections are closed.
        url: of the relay.
        requests: all requests so far.
        wall: offsets in a video at which responses stall; None for none.
        loses: "METHOD path" of requests whose responses are always lost: a browser repeats by itself a request that
            gets no response on a reused connection.
        streaming: number of open event streams.
        streamed: the highest number of open event streams.
    """

    port: int = 0
    url: str = ""
    requests: list[RelayedRequest] = attrs.field(factory=list)
    wall: range | None = None
    loses: set[str] = attrs.field(factory=set)
    streaming: int = 0
    streamed: int = 0

    def videos(self) -> list[RelayedRequest]:
        """Returns the requests for videos."""
        return [request for request in self.requests if request.path.endswith("/video")]

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Passes on the one request of a connection, and its response."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            method, path = head.split()[:2]
            part = re.search(r"\r\nrange: bytes=(\d+)-", head, re.IGNORECASE)
            request = RelayedRequest(method, path, int(part[1]) if part else 0)
            self.requests.append(request)
            upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", self.port)
            head = re.sub(r"\r\nconnection: [^\r]*", "", head, flags=re.IGNORECASE)
            upstream.write(head[:-2].encode("latin-1") + b"Connection: close\r\n\r\n")
            sending = asyncio.ensure_future(self._send(reader, upstream))
            answering = asyncio.ensure_future(self._answer(request, upstream_reader, writer))
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

    async def _answer(
        self, request: RelayedRequest, upstream_reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        head = await upstream_reader.readuntil(b"\r\n\r\n")
        if f"{request.method} {request.path}" in self.loses:
            return
        writer.write(head)
        is_stream, is_video = request.path.endswith("/events"), request.path.endswith("/video")
        self.streaming += is_stream
        self.streamed = max(self.streamed, self.streaming)
        try:
            while piece := await upstream_reader.read(PIECE):
                if is_video and self.wall is not None and request.first + request.sent in self.wall:
                    await asyncio.Event().wait()  # until the browser leaves
                writer.write(piece)
                await writer.drain()
                request.sent += len(piece)
        finally:
            self.streaming -= is_stream


@contextlib.asynccontextmanager
async def relay() -> AsyncIterator[Relay]:
    """Runs a relay."""
    made = Relay()
    connections: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(made.connected(reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)
        task.add_done_callback(lambda _: writer.close())  # also if it is cancelled

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
            await asyncio.sleep(0)  # connections are closed an iteration of the loop later
