"""Browsers that leave, or are slow: nothing is leaked, and nothing is read ahead without bound."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import attrs
import pytest

from kling_async import ClientClosed, KlingClient
from tests.shell.conftest import wall
from tests.shell.stub import task_answer

from .conftest import Serve, on_aiohttp, page_of

pytestmark = pytest.mark.usefixtures("nothing_is_left")

SIZE = 2**30
PIECE = b"\x00\x00\x00\x10ftypisom\x00\x00\x00\x01" + bytes(2**16 - 16)


@attrs.define
class EndlessHost:
    """A service and the host of its gigabyte, sent as fast as it is read.

    Attributes:
        stalls: whether nothing follows the first piece.
        ends: whether the task has ended.
        sending: connections on which the file is sent.
        sent: pieces of all files.
        begun: files that were begun.
    """

    stalls: bool = False
    ends: bool = True
    sending: int = 0
    sent: int = 0
    begun: int = 0
    base: str = ""

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers one request."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            request = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            if request.startswith("get /v1/"):
                result = {"videos": [{"id": "v", "url": f"{self.base}/f", "duration": "5"}]}
                status = "succeed" if self.ends else "processing"
                writer.write(task_answer(status, task_id="9", task_result=result))
            elif "bytes=0-0" in request:
                writer.write(self._head(206, 1, f"Content-Range: bytes 0-0/{SIZE}\r\n") + PIECE[:1])
            else:
                await self._send(reader, writer)
            await writer.drain()
        writer.close()

    async def _send(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sending += 1
        self.begun += 1
        try:
            writer.write(self._head(200, SIZE, "") + PIECE)
            if self.stalls:
                await reader.read()  # until the client disconnects
            while not self.stalls:
                writer.write(PIECE)
                await writer.drain()
                self.sent += 1
                await asyncio.sleep(0)
        finally:
            self.sending -= 1

    def _head(self, status: int, length: int, more: str) -> bytes:
        fields = f'Content-Type: video/mp4\r\nETag: "a"\r\nAccept-Ranges: bytes\r\n{more}'
        return f"HTTP/1.1 {status} S\r\nContent-Length: {length}\r\n{fields}Connection: close\r\n\r\n".encode()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Runs the host; yields its address."""
        server = await asyncio.start_server(self.connected, "127.0.0.1", 0)
        self.base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self.base
        finally:
            server.close()
            await asyncio.sleep(0.1)


class Browser:
    """A browser that begins to read the response, and may leave."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    @classmethod
    async def request(cls, url: str, *, buffer: int | None = None) -> "Browser":
        """Sends a request; with a buffer, about that many bytes can be pending at most."""
        parts = urlsplit(url)
        connection = socket.socket()
        if buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        connection.settimeout(0)
        await asyncio.get_running_loop().sock_connect(connection, (parts.hostname, parts.port))
        reader, writer = await asyncio.open_connection(sock=connection, limit=2**10 if buffer else 2**16)
        writer.write(f"GET {parts.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return cls(reader, writer)

    def leave(self) -> None:
        """Closes the connection like a closed tab."""
        self._writer.transport.abort()


async def settled(host: EndlessHost, tasks: int) -> None:
    """Waits, for a limited time, until nothing is being sent and there are no more tasks than before."""
    for _ in range(200):
        await asyncio.sleep(0.01)
        if host.sending == 0 and len(asyncio.all_tasks()) <= tasks:
            return
    assert (host.sending, len(asyncio.all_tasks())) == (0, tasks)


async def test_fifty_browsers_leave_in_the_middle(serve_handle: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """The host's connections end at once, no task or descriptor is leaked, and nothing is logged as an error."""
    host = EndlessHost()
    async with host.running() as base, page_of(serve_handle, base) as page:
        first = await Browser.request(page.url)  # creates what is created only once
        await first.reader.readexactly(100_000)
        first.leave()
        await settled(host, 1000)
        await asyncio.sleep(1)
        before = len(asyncio.all_tasks())
        browsers = [await Browser.request(page.url) for _ in range(50)]
        await asyncio.gather(*(browser.reader.readexactly(100_000) for browser in browsers))
        assert host.sending == 50
        for browser in browsers:
            browser.leave()
        await settled(host, before)
        assert host.begun == 51
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_browser_leaves_while_the_host_stalls(serve_handle: Serve) -> None:
    """A browser that leaves is noticed within about a second, even if nothing can be written."""
    host = EndlessHost(stalls=True)
    async with host.running() as base, page_of(serve_handle, base) as page:
        browser = await Browser.request(page.url)
        await browser.reader.readexactly(10_000)
        assert host.sending == 1
        browser.leave()
        await asyncio.sleep(1.1)
        assert (host.sending, host.begun) == (0, 1)


async def test_a_browser_leaves_before_the_task_has_ended(serve_handle: Serve) -> None:
    """Its request ends; the task is still followed."""
    host = EndlessHost(ends=False)
    async with host.running() as base, page_of(serve_handle, base) as page:
        browser = await Browser.request(page.url)
        await asyncio.sleep(20)
        browser.leave()
        await asyncio.sleep(1.1)
        waiting = [task for task in asyncio.all_tasks() if "respond" in repr(task) or "send" in repr(task)]
        assert waiting == []
        assert host.begun == 0


async def test_nothing_is_read_ahead_for_a_slow_browser(serve_handle: Serve) -> None:
    """What a browser does not read is not fetched, apart from the buffers of the sockets."""
    host = EndlessHost()
    async with host.running() as base, page_of(serve_handle, base) as page:
        browser = await Browser.request(page.url, buffer=2**14)
        await browser.reader.read(100)
        for _ in range(100):  # virtual time advances only while nothing is sent
            await asyncio.sleep(0.1)
        assert host.sent * len(PIECE) < 2**25
        browser.leave()
        await settled(host, 1000)


async def test_leaving_the_block_ends_the_download() -> None:
    """Leaving the block ends the download, whether or not reading has begun."""
    host = EndlessHost()
    async with host.running() as base, KlingClient(base_url=base, api_key="key", clock=wall()) as kling:
        handle = kling.attach("image2video:9")
        async with handle.open():
            assert host.sending == 1
        await settled(host, 1000)
        async with handle.open() as video:
            async for _ in video:
                break
        await settled(host, 1000)
        with pytest.raises(ZeroDivisionError):
            async with handle.open() as video:
                raise ZeroDivisionError
        await settled(host, 1000)
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(_read(kling))
            await asyncio.sleep(0.5)
            reading.cancel()
        await settled(host, 1000)


async def _read(kling: KlingClient) -> None:
    async with kling.attach("image2video:9").open() as video:
        async for _ in video:
            pass


async def test_closing_the_client_breaks_its_answers_off() -> None:
    """The browser sees an incomplete response; nothing hangs."""
    host = EndlessHost(stalls=True)
    async with host.running() as base, KlingClient(base_url=base, api_key="key", clock=wall()) as kling:
        handle = kling.attach("image2video:9")
        async with page_of(lambda _: on_aiohttp(handle), base) as page:
            asking = asyncio.ensure_future(page.fetch())
            await asyncio.sleep(0.5)
            await kling.close()
            got = await asking
        assert (got.status, got.whole) == (200, False)
        with pytest.raises(ClientClosed):
            handle.open()
