"""The receiver in a web framework: as an ASGI application, and as a handler of aiohttp."""

import ast
import asyncio
import contextlib
import io
import logging
import socket
import sys
from collections.abc import AsyncIterator, MutableMapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

import kling_async
from kling_async import KlingClient, TaskStatus
from kling_async.emulator import Emulator, Fault
from kling_async.web import CallbackReceiver
from tests.shell.conftest import ClientMaker
from tests.web.callbacks import SECRET, legacy, sender, signed

Message = MutableMapping[str, Any]


async def asgi(receiver: CallbackReceiver, *messages: Message, **scope: Any) -> tuple[list[Message], int]:
    """Runs the application with these messages; returns what it sent, and the number of messages not received."""
    left, sent = list(messages), []

    async def receive() -> Message:
        return left.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    whole = {"type": "http", "method": "POST", "path": "/kling", "query_string": b"", "headers": [], **scope}
    await receiver.asgi(whole, receive, send)
    return sent, len(left)


def part(body: bytes, *, more: bool = False) -> Message:
    """A piece of a body."""
    return {"type": "http.request", "body": body, "more_body": more}


async def test_asgi(client: KlingClient, image: Path) -> None:
    """A body that arrives in pieces is joined."""
    handle = await client.image_to_video(image)
    body = legacy(handle.task_id, "succeed")
    headers = [(name.encode(), value.encode()) for name, value in signed(body).items()]
    sent, _ = await asgi(
        sender(client).receiver, part(body[:10], more=True), part(b"", more=True), part(body[10:]), headers=headers
    )
    assert sent == [
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]},
        {"type": "http.response.body", "body": b""},
    ]
    assert handle.done()


async def test_asgi_with_several_signature_lines(client: KlingClient, image: Path) -> None:
    """The right signature counts in any position."""
    for place in (0, 3):
        handle = await client.image_to_video(image)
        body = legacy(handle.task_id, "succeed")
        headers = [(name.lower().encode(), value.encode()) for name, value in signed(body).items()]
        headers.insert(place, (b"webhook-signature", b"v1,AAAA"))
        sent, _ = await asgi(sender(client).receiver, part(body), headers=headers)
        assert sent[0]["status"] == 200
        assert handle.done()


async def test_asgi_length_with_zeros(client: KlingClient) -> None:
    """Leading zeros of a length do not count."""
    body = legacy("9", "processing")
    headers = [(name.lower().encode(), value.encode()) for name, value in signed(body).items()]
    headers.append((b"content-length", b"%012d" % len(body)))
    sent, _ = await asgi(sender(client).receiver, part(body), headers=headers)
    assert sent[0]["status"] == 200


@pytest.mark.parametrize("refused", ["http.response.start", "http.response.body"])
async def test_a_sender_that_left_before_the_answer_is_no_error(client: KlingClient, image: Path, refused: str) -> None:
    """As in ASGI 2.4, `send` raises an OSError; the callback is applied all the same."""
    handle = await client.image_to_video(image)
    body = legacy(handle.task_id, "succeed")

    async def receive() -> Message:
        return part(body)

    async def send(message: Message) -> None:
        if message["type"] == refused:
            raise OSError("the connection is closed")

    headers = [(name.lower().encode(), value.encode()) for name, value in signed(body).items()]
    scope = {"type": "http", "method": "POST", "path": "/kling", "query_string": b"", "headers": headers}
    await sender(client).receiver.asgi(scope, receive, send)
    assert handle.done()


async def test_asgi_address(client: KlingClient) -> None:
    """The token may be in the path or in the query, as received or as mounted."""
    receiver = sender(client, secrets=[], token="t 1").receiver
    addresses: list[tuple[dict[str, Any], int]] = [
        ({"path": "/t 1"}, 200),
        ({"raw_path": b"/t%201", "path": "/"}, 200),
        ({"query_string": b"t=t+1"}, 200),
        ({"query_string": b"t=t"}, 401),
        ({"raw_path": None, "path": "/t"}, 401),
    ]
    for scope, status in addresses:
        sent, _ = await asgi(receiver, part(legacy("1", "succeed")), **scope)
        assert sent[0]["status"] == status


async def test_asgi_reads_no_more_than_it_may(client: KlingClient) -> None:
    """A body above 1 MiB is not read to its end, and not at all if its headers already refuse it."""
    receiver = sender(client).receiver
    pieces = [part(bytes(2**18), more=True) for _ in range(20)]
    sent, left = await asgi(receiver, *pieces)
    assert (sent[0]["status"], left) == (413, 15)
    sent, left = await asgi(receiver, *pieces, headers=[(b"content-length", b"20000000")])
    assert (sent[0]["status"], left) == (413, 20)
    sent, left = await asgi(receiver, *pieces, headers=[(b"content-encoding", b"GZIP")])
    assert (sent[0]["status"], left) == (415, 20)
    sent, left = await asgi(receiver, *pieces, method="GET")
    assert (sent[0]["status"], left) == (405, 20)
    assert (b"allow", b"POST") in sent[0]["headers"]


async def test_asgi_without_a_caller(client: KlingClient) -> None:
    """A broken connection gets no answer; a WebSocket is refused; other protocols raise ValueError."""
    receiver = sender(client).receiver
    assert await asgi(receiver, part(b"{", more=True), {"type": "http.disconnect"}) == ([], 0)
    assert await asgi(receiver, type="websocket") == ([{"type": "websocket.close"}], 0)
    with pytest.raises(ValueError, match="HTTP only"):
        await asgi(receiver, type="lifespan")


@contextlib.asynccontextmanager
async def served(
    receiver: CallbackReceiver, path: str = "/kling", listener: socket.socket | None = None
) -> AsyncIterator[str]:
    """Serves the receiver in an aiohttp application; yields its URL."""
    app = web.Application()
    app.router.add_route("*", path, receiver.aiohttp_handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0) if listener is None else web.SockSite(runner, listener)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/kling"
    finally:
        await runner.cleanup()


async def test_aiohttp(client: KlingClient, image: Path) -> None:
    """Callbacks are accepted and refused as by `handle`, with the headers of the answer."""
    handle = await client.image_to_video(image)
    body = legacy(handle.task_id, "succeed")
    async with served(sender(client).receiver) as url, aiohttp.ClientSession() as session:
        async with session.get(url) as refused:
            assert (refused.status, refused.headers["Allow"]) == (405, "POST")
        async with session.post(url, data=io.BytesIO(bytes(2**20 + 1))) as large:
            assert large.status == 413
        async with session.post(url, data=body) as unsigned:
            assert unsigned.status == 401
            assert not handle.done()
        async with session.post(url, data=body, headers=signed(body)) as taken:
            assert (taken.status, await taken.read()) == (200, b"")
            assert handle.done()


async def test_a_body_that_breaks_off(client: KlingClient) -> None:
    """A request whose body ends too early does no harm."""
    async with served(sender(client).receiver) as url:
        port = int(url.rpartition(":")[2].partition("/")[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /kling HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{")
        writer.write_eof()
        await reader.read()
        writer.close()
        await writer.wait_closed()


async def test_a_connection_that_is_reset_within_a_body(client: KlingClient, caplog: pytest.LogCaptureFixture) -> None:
    """The body contains no task; the server logs no error."""
    async with served(sender(client).receiver) as url:
        port = int(url.rpartition(":")[2].partition("/")[0])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /kling HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nabc")
        await asyncio.sleep(0.1)
        writer.transport.abort()
        await asyncio.sleep(0.1)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("encoding", ["deflate", "GZIP", "identity, deflate"])
async def test_a_packed_body_is_not_unpacked(
    client: KlingClient, encoding: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compressed body is refused before it is read, and its connection is closed: it may expand to a large one."""

    async def never(_stream: object) -> bytes:
        raise AssertionError

    monkeypatch.setattr(aiohttp.StreamReader, "readany", never)
    async with served(sender(client).receiver) as url:
        port = int(url.rpartition(":")[2].partition("/")[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"POST /kling HTTP/1.1\r\nHost: h\r\nContent-Encoding: {encoding}\r\nContent-Length: 1000\r\n\r\n"
        writer.write(head.encode())
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 415 ")
    assert b"\r\nConnection: close\r\n" in answer
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_body_whose_encoding_is_identity(client: KlingClient, image: Path) -> None:
    """`identity` is no compression: the body is accepted."""
    handle = await client.image_to_video(image)
    body = legacy(handle.task_id, "succeed")
    async with served(sender(client).receiver) as url, aiohttp.ClientSession() as session:
        headers = signed(body) | {"Content-Encoding": "identity"}
        async with session.post(url, data=body, headers=headers, skip_auto_headers=["Content-Encoding"]) as taken:
            assert taken.status == 200
    assert handle.done()


async def test_callbacks_of_the_service(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """With a token in the URL, unsigned callbacks of the service are accepted; each task gets two."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = make_client(callback_url=f"http://127.0.0.1:{listener.getsockname()[1]}/kling/{{token}}")
        async with served(sender(client, secrets=[]).receiver, "/kling/{token}", listener):
            task = await (await client.image_to_video(image))
        assert task.status is TaskStatus.SUCCEED
        assert [callback.http_status for callback in emulator.ledger.callbacks] == [200, 200]
        [entry] = emulator.ledger.entries
        assert entry.finished_at is not None
        assert asyncio.get_running_loop().time() + 1_800_000_000 - entry.finished_at < 0.5


async def test_signed_callbacks_of_the_service(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """With two signing secrets, one is enough to verify; repeated and reordered callbacks lead to the same ends."""
    emulator.webhooks.secrets = ["whsec_AAAA", SECRET]
    emulator.faults.add(Fault.doubled(), on="callback", every=2)
    emulator.faults.add(Fault.reordered(), on="callback", every=3)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = make_client(callback_url=f"http://127.0.0.1:{listener.getsockname()[1]}/kling")
        async with served(sender(client).receiver, "/kling", listener):
            tasks = [await (await client.image_to_video(image)) for _ in range(3)]
            answer = await emulator.post_test_callback(f"http://127.0.0.1:{listener.getsockname()[1]}/kling")
    assert answer.http_status == 200
    assert {callback.http_status for callback in emulator.ledger.callbacks} == {200}
    assert len({task.task_id for task in tasks}) == 3
    for task, entry in zip(tasks, emulator.ledger.entries, strict=True):
        assert (task.status, entry.status) == (TaskStatus.SUCCEED, "succeed")


def test_no_framework_is_imported() -> None:
    """Importing needs only this package, except for the Starlette module, which only its users import."""
    folder = Path(kling_async.__file__).parent / "web"
    for file in {*folder.glob("*.py")} - {folder / "starlette.py"}:
        tree = ast.parse(file.read_text("utf-8"))
        names = {node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)}
        names |= {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
        assert {name.partition(".")[0] for name in names} <= {*sys.stdlib_module_names, "attrs", "kling_async"}


def test_the_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The repr of a receiver contains the number of secrets, but no secret."""
    monkeypatch.setenv("KLING_API_KEY", "k")
    receiver = CallbackReceiver(KlingClient(), [SECRET])
    assert repr(receiver) == "<CallbackReceiver with 1 secrets>"
