"""Calls that create no task: awaited for their data, and sent once whatever fails."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from kling_async import (
    ApiError,
    BadResponse,
    ClientClosed,
    ConcurrencyExceeded,
    ConnectionFailed,
    InvalidRequest,
    KlingClient,
    KlingError,
    RateLimited,
    RawCall,
    RawTask,
    RequestTimeout,
    ServerError,
    TokenTimeError,
)
from kling_async.emulator import Emulator, Fault
from tests.faults.other_service import FOREIGN
from tests.shell.conftest import ClientMaker
from tests.shell.keeping import kept, serve_keeping
from tests.shell.stub import Answer, Seen, answer, refusal, script, serve

pytestmark = pytest.mark.usefixtures("nothing_is_left")

PATH = "/v1/general/delete-voices"
SECRET = "secret-key-that-nobody-may-see-0123456789"
DONE = answer(200, {"code": 0, "message": "SUCCEED", "data": {"task_status": "succeed"}})

METHODS: list[Any] = ["GET", "POST", "PUT", "PATCH", "DELETE"]


@contextlib.asynccontextmanager
async def never_answering() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A server that only reads: yields its URL, and whether a connection ended."""
    ended = asyncio.Event()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        ended.set()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", ended


@pytest.fixture
async def borrowed() -> AsyncIterator[aiohttp.ClientSession]:
    """A borrowed session."""
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_query(make_client: ClientMaker, method: Any) -> None:
    """With GET and DELETE the body is the query, quoted once; the result is the data."""
    async with serve(lambda _: answer(200, {"code": 0, "data": [{"a": None}]})) as stub:
        client = make_client(base_url=stub.base_url)
        body = {"start_time": 1, "all": True, "name": "a b&c=ä%20/", "half": 0.5}
        assert await client.submit(RawCall(method, "/account/costs", body)) == [{"a": None}]
        assert await client.submit(RawCall(method, "/account/costs")) == [{"a": None}]
    first, second = stub.seen
    assert first.path == "/account/costs?start_time=1&all=true&name=a+b%26c%3D%C3%A4%2520/&half=0.5"
    assert (first.method, first.body, second.path) == (method, b"", "/account/costs")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize("data", [None, "text", 5, {"task_id": "1"}])
async def test_a_body(make_client: ClientMaker, method: Any, data: Any) -> None:
    """With other methods the body is JSON; the data may be of any type, and no request follows."""
    async with serve(lambda _: answer(200, {"code": 0, "data": data})) as stub:
        call = RawCall(method, PATH, {"voice_id": "5", "none": None})
        assert await make_client(base_url=stub.base_url).submit(call) == data
    [seen] = stub.seen
    assert (seen.method, seen.path, json.loads(seen.body)) == (method, PATH, {"voice_id": "5", "none": None})
    assert seen.headers["content-type"] == "application/json"


async def test_the_list_of_the_emulator(client: KlingClient) -> None:
    """The service's own list can be called."""
    handle = await client.submit(RawTask("/v1/videos/image2video", {"image": "https://example.com/cat.png"}))
    data = await client.submit(RawCall("GET", "/v1/videos/image2video", {"pageNum": 1, "pageSize": 5}))
    assert [task["task_id"] for task in data] == [handle.task_id]


FAILURES: dict[str, tuple[Answer, type[KlingError]]] = {
    "closed": (None, ConnectionFailed),
    "broken": (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{", ConnectionFailed),
    "garbage": (b"garbage\r\n\r\n", BadResponse),
    "1201": (refusal(400, 1201), ApiError),
    "1302": (refusal(429, 1302), RateLimited),
    "1303": (refusal(429, 1303), ConcurrencyExceeded),
    "5000": (refusal(500, 5000), ServerError),
    "5002": (refusal(504, 5002), ServerError),
    **{name: (answer, BadResponse) for name, answer in FOREIGN.items()},
}


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", FAILURES)
async def test_a_call_is_never_sent_twice(
    make_client: ClientMaker, borrowed: aiohttp.ClientSession, name: str, method: Any, *, own: bool
) -> None:
    """Any failure raises a typed error after one request, on the client's own session or a borrowed one."""
    failure, error = FAILURES[name]
    async with serve(script(failure, DONE)) as stub:
        client = make_client(base_url=stub.base_url, session=None if own else borrowed)
        with pytest.raises(error):
            await client.submit(RawCall(method, PATH, {"a": "b"}))
        await asyncio.sleep(30)
    assert len(stub.seen) == 1


async def test_a_timeout(make_client: ClientMaker, emulator: Emulator) -> None:
    """A response timeout has its own error class, and nothing is sent again."""
    emulator.faults.add(Fault.delay(3600), on="list")
    with pytest.raises(RequestTimeout):
        await make_client().submit(RawCall("GET", "/v1/videos/image2video"))
    assert emulator.ledger.requests.total() == 1


@pytest.mark.parametrize("method", METHODS)
async def test_a_kept_connection_is_not_used_again(make_client: ClientMaker, method: Any) -> None:
    """Surplus bytes on an earlier connection are not taken for the response to a call."""
    surplus = kept(answer(200, {"code": 0, "data": "of another call"}))
    seen: list[Seen] = []

    def respond(one: Seen) -> list[bytes]:
        seen.append(one)
        return [kept(answer(200, {"code": 0, "data": len(seen)})), surplus]

    async with serve_keeping(respond) as base_url:
        client = make_client(base_url=base_url)
        assert [await client.submit(RawCall(method, PATH)) for _ in range(3)] == [1, 2, 3]


async def test_a_token_that_was_not_valid_is_renewed(make_client: ClientMaker) -> None:
    """1003 and 1004 have no effect: the call is sent again once, with a new token."""
    async with serve(script(refusal(401, 1004), DONE)) as stub:
        assert await make_client(base_url=stub.base_url).submit(RawCall("POST", PATH)) == {"task_status": "succeed"}
    assert len(stub.seen) == 2
    async with serve(lambda _: refusal(401, 1003)) as stub:
        with pytest.raises(TokenTimeError):
            await make_client(base_url=stub.base_url, api_key=SECRET).submit(RawCall("POST", PATH))
    assert len(stub.seen) == 1


def echo(status: int, code: int) -> Callable[[Seen], Answer]:
    """A service that repeats the request."""
    return lambda seen: refusal(status, code, f"{seen.headers['authorization']} {seen.path} {seen.body!r}")


@pytest.mark.parametrize("respond", [echo(400, 1201), echo(502, 777), lambda _: None])
async def test_no_secret_shows(
    make_client: ClientMaker, caplog: pytest.LogCaptureFixture, respond: Callable[[Seen], Answer]
) -> None:
    """Neither the key nor the query is in a message, a log record or a repr of the package."""
    caplog.set_level(logging.DEBUG, "kling_async")
    call = RawCall("GET", "/account/costs", {"token": "hush"})
    async with serve(respond) as stub:
        with pytest.raises(KlingError) as caught:
            await make_client(base_url=stub.base_url, api_key=SECRET).submit(call)
    for text in (str(caught.value), repr(caught.value), caplog.text, repr(call)):
        assert SECRET not in text
    assert "hush" not in caplog.text + repr(call)


async def test_full_slots_hold_up_no_call(make_client: ClientMaker) -> None:
    """A call takes no slot and never waits."""
    loop = asyncio.get_running_loop()
    client = make_client(concurrency=1)
    body = {"image": "https://example.com/cat.png"}
    await client.submit(RawTask("/v1/videos/image2video", body))
    waiting = asyncio.ensure_future(client.submit(RawTask("/v1/videos/image2video", body)))
    await asyncio.sleep(1)
    began = loop.time()
    assert len(await client.submit(RawCall("GET", "/v1/videos/image2video"))) == 1
    assert loop.time() - began < 1
    assert not waiting.done()
    await waiting


@pytest.mark.parametrize("method", METHODS)
async def test_closing_ends_a_call(make_client: ClientMaker, method: Any) -> None:
    """A running call raises ClientClosed, which warns that it may have taken effect; later ones are not sent."""
    async with never_answering() as (base_url, _):
        client = make_client(base_url=base_url)
        call = asyncio.ensure_future(client.submit(RawCall(method, PATH)))
        await asyncio.sleep(1)
        await client.close()
        with pytest.raises(ClientClosed, match="may have worked"):
            await call
        with pytest.raises(ClientClosed, match="the client is closed"):
            await client.submit(RawCall(method, PATH))


@pytest.mark.parametrize("method", METHODS)
async def test_a_cancelled_caller(make_client: ClientMaker, method: Any) -> None:
    """Cancelling ends the call and its connection at once."""
    async with never_answering() as (base_url, ended):
        client = make_client(base_url=base_url)
        call = asyncio.ensure_future(client.submit(RawCall(method, PATH)))
        await asyncio.sleep(1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(ended.wait(), 1)
    assert client.unsettled == ()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (RawCall("get", PATH), "method: 'get' is not possible; use GET, POST, PUT, PATCH or DELETE"),  # type: ignore[arg-type]  # wrong on purpose
        (RawCall("GET", PATH, {"a": [1]}), "body: 'a' cannot stand in a query: use text or a number"),
        (RawCall("GET", PATH, {"a": None}), "body: 'a' cannot stand in a query"),
        (RawCall("DELETE", PATH, {"a": "\ud800"}), "half of a surrogate pair"),
        (RawCall("GET", PATH, {"a": float("nan")}), "'a': JSON has no such value"),
        (RawCall("GET", f"{PATH}?a=1"), "no query, which is the body of a GET"),
    ],
)
async def test_invalid_calls(client: KlingClient, emulator: Emulator, call: RawCall, words: str) -> None:
    """A call that cannot be sent as given is refused before anything is sent."""
    with pytest.raises(InvalidRequest, match=words):
        await client.submit(call)
    assert not emulator.ledger.requests
