import asyncio
import io
import json
import logging
from typing import Any

import aiohttp
import pytest

from kling_async.emulator import Emulator
from kling_async.emulator.service.guard import Guard

from .conftest import PATH, Caller, Clock, base64_png, finished

GUARDED = [
    "/",
    "/_emulator/page.js",
    "/_emulator/state",
    "/_emulator/ledger",
    "/_emulator/faults",
    "/_emulator/account",
]


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost:8080",
        "localhost.:1",
        "127.0.0.1",
        "127.8.9.10:5",
        "[::1]",
        "[::1]:80",
        "[0:0:0:0:0:0:0:1]",
        "kling",
        "kling:80",
        "My_Service.example:80",
        "10.0.0.5:80",
        "[fd00::5]",
        "[fd00:0::5]:80",
        "192.168.1.1",
    ],
)
def test_allowed_hosts(host: str) -> None:
    """Its hosts are loopback, its own address and the allowed hosts, at any port and in any spelling."""
    assert Guard("192.168.1.1", ["kling", "my_service.example", "10.0.0.5", "fd00::5"]).accepts_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil-localhost",
        "localhost@evil.example",
        "evil.example#localhost",
        "localhost, evil.example",
        "localhost evil.example",
        "192.168.1.1",
        "0.0.0.0",  # noqa: S104 - nothing is bound
        "[fd00::5]",
        "[::]",
        "2130706433",
        "127.1",
        "127.0.0.1:x",
        "[::1",
        "::1",
        "..",
    ],
)
def test_refused_hosts(host: str) -> None:
    """Any other name or address is refused, even an address of this machine that is not allowed."""
    assert not Guard("127.0.0.1", []).accepts_host(host)


async def answers(caller: Caller, path: str, **headers: str) -> int:
    """Returns the HTTP status of an answer to a GET."""
    return (await caller.request("GET", path, headers=headers)).status


@pytest.mark.parametrize("path", [*GUARDED, "/_emulator/unknown"])
async def test_another_host_gets_no_answer(caller: Caller, path: str) -> None:
    """A rebound name reaches neither the page nor the ledger; the answer explains how to allow the name."""
    refused = await caller.request("GET", path, headers={"Host": "evil.example"})

    assert refused.status == 403
    assert "--allow-host" in refused.body["error"]
    assert refused.headers["x-content-type-options"] == "nosniff"
    assert await answers(caller, path) == (404 if "unknown" in path else 200)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:1"}, 403),
        ({"Origin": "http://localhost"}, 403),
        ({"Origin": "own"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
    ],
)
async def test_another_site_gets_no_answer(caller: Caller, headers: dict[str, str], status: int) -> None:
    """Requests of a page of another site or port change nothing and read nothing."""
    headers = {name: caller.emulator.base_url if value == "own" else value for name, value in headers.items()}

    read = [await answers(caller, path, **headers) for path in GUARDED[1:]]
    posted = await caller.request("POST", "/_emulator/account", json={"limit": 1}, headers=headers)
    removed = await caller.request("DELETE", "/_emulator/faults", headers=headers)

    assert {*read, posted.status, removed.status} == {status}
    assert caller.emulator.account.limit == (1 if status == 200 else None)


async def test_a_link_to_the_page_works(caller: Caller) -> None:
    """Another site may link to the page, and no more."""
    assert await answers(caller, "/", **{"Sec-Fetch-Site": "cross-site"}) == 200


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.0\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n",
        b"GET /%5Femulator/ledger HTTP/1.1\r\nHost: evil.example\r\n",
    ],
)
async def test_other_ways_to_name_a_host(caller: Caller, head: bytes) -> None:
    """A request without exactly one `Host` that names the emulator is refused, in any spelling."""
    assert (await sent(caller, head + b"\r\n")).split()[1] in {b"400", b"403"}


async def test_the_api_has_any_name(caller: Caller, clock: Clock) -> None:
    """The API and result files answer to any name, since they need a key or a signature."""
    data = await finished(caller, clock)
    headers = caller.headers | {"Host": "anything.example", "Origin": "https://anything.example"}

    found = await caller.request("GET", f"{PATH}/{data['task_id']}", headers=headers)
    path = data["task_result"]["videos"][0]["url"].removeprefix(caller.emulator.base_url)

    assert found.body["data"] == data
    assert await answers(caller, path, Host="anything.example") == 200


async def test_files_are_where_the_api_is(clock: Clock) -> None:
    """A link has the host name of the query, if that is one of the emulator's."""
    async with (
        Emulator(clock=clock, render=False, allow_hosts=["kling"]) as emulator,
        aiohttp.ClientSession() as session,
    ):
        caller = Caller(emulator, session)
        task_id = (await finished(caller, clock))["task_id"]
        links = []
        for host in ("kling:80", "other:80"):
            for path in (f"{PATH}/{task_id}", PATH):
                data = (await caller.request("GET", path, headers=caller.headers | {"Host": host})).body["data"]
                task = data[0] if isinstance(data, list) else data
                links.append(task["task_result"]["videos"][0]["url"].partition("/files/")[0])

    assert links == ["http://kling:80"] * 2 + [emulator_url(caller)] * 2


def emulator_url(caller: Caller) -> str:
    """Returns the address of an emulator that has been closed."""
    return f"http://127.0.0.1:{caller.emulator._port}"


MALFORMED = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"hello\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n",
    b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET http://localhost:99999/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]
BODIES = [
    b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nabcde",
    b"Content-Encoding: br\r\nContent-Length: 5\r\n\r\nabcde",
    b"Content-Length: -1\r\n\r\n",
    b"Content-Length: 50\r\n\r\nbreaks off",
    b"Content-Length: 2000000\r\n\r\n" + b" " * 2_000_000,
]


@pytest.mark.parametrize("path", [PATH.encode(), b"/_emulator/account"])
@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
async def test_bodies_that_cannot_be_read(
    caller: Caller, caplog: pytest.LogCaptureFixture, path: bytes, body: bytes
) -> None:
    """A body that is malformed, mislabelled or incomplete is refused without a log record."""
    key = caller.emulator.api_key.encode()
    head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\nContent-Type: application/json\r\n"
    await sent(caller, head % (path, key) + body)

    assert [record.getMessage() for record in caplog.records if record.levelno > logging.DEBUG] == []
    assert (await caller.get(PATH)).body["data"] == []


@pytest.mark.parametrize("request_", MALFORMED, ids=range(len(MALFORMED)))
async def test_malformed_http(caller: Caller, caplog: pytest.LogCaptureFixture, request_: bytes) -> None:
    """Malformed HTTP is refused with a 4xx, without a traceback, and does not disturb the next request."""
    caplog.set_level(logging.DEBUG, "kling_async")
    answer = await sent(caller, request_)

    assert answer.startswith(b"HTTP/1.")
    assert answer.split()[1].startswith(b"4")
    assert not any(record.exc_info for record in caplog.records if record.name.startswith("kling_async"))
    assert (await caller.get(PATH)).code == 0


async def sent(caller: Caller, request: bytes) -> bytes:
    """Sends bytes, and returns the head of the answer; does not wait for one if the request is incomplete."""
    host, _, port = caller.emulator.base_url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    head = b"" if request.endswith(b"breaks off") else await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()
    return head


@pytest.mark.parametrize("depth", [10, 400, 900, 100_000])
async def test_unknown_members_do_not_break_the_ledger(caller: Caller, depth: int) -> None:
    """A create may contain unknown members at any depth: it is answered, and the ledger and the page show it."""
    body = json.dumps({"image": base64_png(), "prompt": "x"})
    deep = '{"a":[' * depth + "1" + "]}" * depth
    text = f'{body[:-1]}, "unknown": {deep}, "watermark_info": {{"enabled": false, "unknown": {deep}}}}}'
    headers = caller.headers | {"Content-Type": "application/json"}

    answer = await caller.request("POST", PATH, data=io.BytesIO(text.encode()), headers=headers)
    books = (await caller.request("GET", "/_emulator/ledger")).body
    state = (await caller.request("GET", "/_emulator/state")).body

    assert (answer.code, books["created"], len(state["tasks"])) in {(0, 1, 1), (1200, 0, 0)}
    assert "unknown" not in json.dumps([books, state])
    assert len(json.dumps(books)) < 2000


@pytest.mark.parametrize(("strict", "codes"), [(False, [0, 0]), (True, [1201, 0])])
async def test_types_are_strict_if_configured(clock: Clock, *, strict: bool, codes: list[int]) -> None:
    """A number is accepted as a string unless the emulator is strict."""
    async with Emulator(clock=clock, render=False, strict_types=strict) as emulator, aiohttp.ClientSession() as session:
        caller = Caller(emulator, session)
        durations: list[Any] = [5, "5"]

        assert [(await caller.create(duration=duration)).code for duration in durations] == codes


@pytest.mark.parametrize("render", [None, False])
async def test_an_image_that_cannot_be_fetched_fails_its_task(clock: Clock, *, render: bool | None) -> None:
    """A task whose image is at `.invalid` is accepted, and fails as at the service."""
    async with Emulator(clock=clock, render=render, speed=1.0) as emulator, aiohttp.ClientSession() as session:
        data = await finished(Caller(emulator, session), clock, image="https://nowhere.invalid/a.png")

    assert (data["task_status"], data["task_result"]) == ("failed", {})
    assert data["task_status_msg"] == "Something went wrong when we tried to get the contents of the file."
