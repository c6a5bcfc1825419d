"""Headers that a route adds to the file: they are sent, but not those about the bytes, and never with an error."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
from multidict import CIMultiDict

from kling_async import TaskHandle
from kling_async.web.starlette import TaskResponse
from tests.shell.stub import answer, serve

from .conftest import Page, Serve, on_aiohttp, on_asgi, on_starlette, on_uvicorn, page_of
from .range_host import FILE, SIZE, RangeHost

pytestmark = pytest.mark.usefixtures("nothing_is_left")

ROUTE_HEADERS = {
    "Cache-Control": "private",
    "content-disposition": 'attachment; filename="cat.mp4"',
    "X-Of-The-Route": "1",
}
WRONG = {
    "Content-Length": "3",
    "content-type": "text/html",
    "Content-Range": "bytes 0-2/3",
    "Content-Encoding": "gzip",
    "ETag": '"route"',
    "Last-Modified": "Mon, 23 Nov 2026 10:00:00 GMT",
    "Accept-Ranges": "none",
    "X-Content-Type-Options": "sniff",
}

WithHeaders = Callable[[Mapping[str, str]], Serve]


@pytest.fixture(params=[on_aiohttp, on_asgi, on_starlette], ids=lambda serve: serve.__name__)
def with_headers(request: pytest.FixtureRequest) -> WithHeaders:
    """Each way to serve a handle, with additional headers of the route."""
    return lambda headers: functools.partial(request.param, headers=headers)


@contextlib.asynccontextmanager
async def page(host: RangeHost, serves: Serve) -> AsyncIterator[Page]:
    """Serves the file of a host."""
    async with serve(host) as stub:
        host.base = stub.base_url
        async with page_of(serves, stub.base_url) as page:
            yield page
        await asyncio.sleep(0.1)  # the stub's handlers end a moment after their connections


async def test_headers_of_a_route_are_sent(with_headers: WithHeaders) -> None:
    """Headers of a route are sent with the file, a part of it, a HEAD response, and a 304."""
    requests: list[tuple[int, str, dict[str, str]]] = [
        (200, "GET", {}),
        (206, "GET", {"Range": "bytes=0-9"}),
        (200, "HEAD", {}),
        (304, "GET", {"If_None_Match": '"a"'}),
    ]
    async with page(RangeHost(), with_headers(ROUTE_HEADERS)) as browser:
        for status, method, headers in requests:
            got = await browser.fetch(method, **headers)
            assert got.status == status
            assert {name: got.headers.get(name) for name in ROUTE_HEADERS} == ROUTE_HEADERS


async def test_headers_about_the_bytes_are_not_overridden(with_headers: WithHeaders) -> None:
    """Length, type, range, encoding and validators are those of the bytes sent, whatever the route sets."""
    async with page(RangeHost(), with_headers(WRONG)) as browser:
        got = await browser.fetch(Range="bytes=5-9")
    assert (got.status, got.body, got.whole) == (206, FILE[5:10], True)
    assert {name: got.headers.getall(name, []) for name in WRONG} == {
        "Content-Length": ["5"],
        "content-type": ["video/mp4"],
        "Content-Range": [f"bytes 5-9/{SIZE}"],
        "Content-Encoding": [],
        "ETag": ['"a"'],
        "Last-Modified": [],
        "Accept-Ranges": ["bytes"],
        "X-Content-Type-Options": ["nosniff"],
    }


async def test_unknown_headers_are_not_sent(with_headers: WithHeaders) -> None:
    """If the host sends neither length nor validators, those of the route do not replace them."""
    host = RangeHost(sends_length=False)
    host.file = FILE[:30] + bytes(2**16)
    async with page(host, with_headers(WRONG)) as browser:
        got = await browser.fetch()
    assert (got.status, got.body, got.whole) == (200, host.file, True)
    assert [name for name in WRONG if name in got.headers] == ["content-type", "X-Content-Type-Options"]


async def test_an_error_is_not_kept_in_place_of_the_file(with_headers: WithHeaders) -> None:
    """An error is not cached with the lifetime of the video; all other headers are sent."""
    host = RangeHost()
    host.instead = [answer(500)] * 1000
    for_ever = "public, max-age=31536000, immutable"
    route = ROUTE_HEADERS | {
        "Cache-Control": for_ever,
        "CDN-Cache-Control": for_ever,
        "Expires": "Fri, 01 Jan 2044 00:00:00 GMT",
    }
    async with page(host, with_headers(route)) as browser:
        got = await browser.fetch()
        host.instead = []
        beyond = await browser.fetch(Range=f"bytes={SIZE}-")
    assert (got.status, beyond.status) == (502, 416)
    for headers in (got.headers, beyond.headers):
        assert headers.getall("Cache-Control") == ["no-store"]
        assert headers["X-Of-The-Route"] == "1"
        assert not any(name in headers for name in ("Content-Disposition", "CDN-Cache-Control", "Expires"))


async def test_several_of_one_name_are_sent(with_headers: WithHeaders) -> None:
    """The cookies of a multidict are sent in separate lines."""
    cookies = CIMultiDict([("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    async with page(RangeHost(), with_headers(cookies)) as browser:
        got = await browser.fetch("HEAD")
    assert got.headers.getall("Set-Cookie") == ["a=1", "b=2"]


async def test_a_response_of_starlette_takes_what_is_set_on_it() -> None:
    """Headers and cookies can be set on the response after its creation, as with Starlette's own."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        response = TaskResponse(handles[0], headers={"X-Given": "1"})
        response.headers["Cache-Control"] = "private"
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        await response(scope, receive, send)

    handles: list[TaskHandle] = []

    def serves(handle: TaskHandle) -> contextlib.AbstractAsyncContextManager[str]:
        handles.append(handle)
        return on_uvicorn(app)

    async with page(RangeHost(), serves) as browser:
        got = await browser.fetch(Range="bytes=0-9")
    assert (got.status, got.body, got.headers["X-Given"]) == (206, FILE[:10], "1")
    assert got.headers["Cache-Control"] == "private"
    assert [cookie.partition(";")[0] for cookie in got.headers.getall("Set-Cookie")] == ["a=1", "b=2"]
