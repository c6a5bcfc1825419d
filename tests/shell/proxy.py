"""A proxy for tests: absolute URLs and CONNECT, all passed to one local port.

`python tests/shell/proxy.py PORT` runs one as a process of its own, which prints its port, then a line per request.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import attrs


@attrs.define
class Proxy:
    """A running proxy.

    Attributes:
        port: where it listens, on 127.0.0.1.
        to: the port that stands for every host.
        answer: sent instead of passing a request on; empty breaks off, None passes on.
        seen: the first lines of requests, each with its `Proxy-Authorization`.
    """

    port: int = 0
    to: int = 0
    answer: bytes | None = None
    seen: list[tuple[str, str]] = attrs.field(factory=list)
    note: Callable[[str], None] = lambda _: None

    @property
    def url(self) -> str:
        """For `HTTP_PROXY`."""
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: its first request is passed on, and from then on all bytes in both directions."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError), contextlib.closing(writer):
            head = await reader.readuntil(b"\r\n\r\n")
            first, *fields = head.decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
            self.seen.append((first, headers.get("proxy-authorization", "")))
            self.note(first)
            if self.answer is not None:
                writer.write(self.answer)
                return
            there, back = await asyncio.open_connection("127.0.0.1", self.to)
            with contextlib.closing(back):
                if first.startswith("CONNECT "):
                    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                else:
                    method, address, version = first.split(" ")
                    path = "/" + address.split("/", 3)[3]
                    fields = [field for field in fields if not field.lower().startswith("proxy-")]
                    back.write("\r\n".join([f"{method} {path} {version}", *fields]).encode())
                await _joined(_pump(reader, back), _pump(there, writer))


async def _joined(*pumps: Coroutine[Any, Any, None]) -> None:
    tasks = [asyncio.ensure_future(pump) for pump in pumps]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(2**16):
        writer.write(chunk)
        await writer.drain()


@contextlib.asynccontextmanager
async def proxy(to: int = 0, answer: bytes | None = None) -> AsyncIterator[Proxy]:
    """Runs a proxy on this loop."""
    one = Proxy(to=to, answer=answer)
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        server.close()
        await server.wait_closed()


def _printed(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _main() -> None:
    async with proxy(int(sys.argv[1])) as one:
        one.note = _printed
        _printed(str(one.port))
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
