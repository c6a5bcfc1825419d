"""A server of raw bytes: a test determines its responses, and where they break off."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import attrs


@attrs.frozen
class Seen:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Answer = bytes | None
"""Raw bytes, after which the connection closes; None closes it at once."""


@attrs.define
class Stub:
    """A running server."""

    base_url: str
    seen: list[Seen] = attrs.field(factory=list)


def answer(status: int, body: object = b"", **headers: str) -> bytes:
    """A well-formed response; a body that is not bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"Content-Length": str(len(content)), "Content-Type": "application/json", "Connection": "close"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
    return f"HTTP/1.1 {status} Status\r\n{head}\r\n".encode() + content


def task_answer(status: str = "submitted", task_id: str = "1", **data: Any) -> bytes:
    """A task in the service's envelope."""
    return answer(200, {"code": 0, "message": "SUCCEED", "data": {"task_id": task_id, "task_status": status, **data}})


def refusal(status: int, code: int, message: str = "no") -> bytes:
    """A refusal in the service's envelope."""
    return answer(status, {"code": code, "message": message, "request_id": "r-1"})


@contextlib.asynccontextmanager
async def serve(respond: Callable[[Seen], Answer]) -> AsyncIterator[Stub]:
    """Runs a server that answers each request by `respond`."""
    writers: set[asyncio.StreamWriter] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            method, path, _ = head[0].split(" ")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            seen = Seen(method, path, headers, body)
            stub.seen.append(seen)
            raw = respond(seen)
            if raw is None:
                writer.transport.abort()
                return
            writer.write(raw)
            await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=2**24)
    stub = Stub(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield stub
    finally:
        server.close()
        for writer in writers:  # those too whose client has gone in the middle of an answer
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)
        await server.wait_closed()


def script(*answers: Answer | Callable[[Seen], Answer]) -> Callable[[Seen], Answer]:
    """Sends one response after the other, and repeats the last one."""
    left = list(answers)

    def respond(seen: Seen) -> Answer:
        one = left.pop(0) if len(left) > 1 else left[0]
        return one(seen) if callable(one) else one

    return respond
