"""Shared fixtures of the tests of web services: a finished task on a stub, servers in front of it, and browsers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import aiohttp
import attrs
import pytest
import uvicorn
from aiohttp import web
from multidict import CIMultiDictProxy

from kling_async import KlingClient, Retry, TaskHandle
from kling_async.web import aiohttp_response, asgi_response
from kling_async.web.responses import AsgiApp
from kling_async.web.starlette import TaskResponse
from tests.shell.conftest import (
    client,
    emulator,
    image,
    make_client,
    no_credentials_of_the_machine,
    nothing_is_left,
    wall,
)
from tests.virtual_time import VirtualTimeLoop

__all__ = ["client", "emulator", "image", "make_client", "no_credentials_of_the_machine", "nothing_is_left"]

QUICK = Retry(first=0.01, maximum=0.05, budget=1.0)


def pytest_asyncio_loop_factories(config: Any, item: Any) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:  # noqa: ARG001  (pytest-asyncio names them)
    """Uses virtual time, except in tests with other programs."""
    real = item.path.name == "test_beside_nginx.py"
    return {"real": asyncio.SelectorEventLoop} if real else {"virtual": VirtualTimeLoop}


@attrs.frozen
class Got:
    """A response, read to its end.

    Attributes:
        whole: False where the connection broke off.
    """

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    whole: bool = True


@attrs.frozen
class Page:
    """The address of a server that serves a handle's result, and a browser session."""

    url: str
    session: aiohttp.ClientSession

    async def fetch(self, method: str = "GET", **headers: str) -> Got:
        """Sends one request, and reads the response to its end."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, self.url, headers=named) as response:
            body = bytearray()
            try:
                async for chunk in response.content.iter_any():
                    body += chunk
            except aiohttp.ClientPayloadError:
                return Got(response.status, response.headers, bytes(body), whole=False)
            return Got(response.status, response.headers, bytes(body))


Serve = Callable[[TaskHandle], contextlib.AbstractAsyncContextManager[str]]


@contextlib.asynccontextmanager
async def on_aiohttp(handle: TaskHandle, headers: Mapping[str, str] | None = None) -> AsyncIterator[str]:
    """Runs an aiohttp server; yields its address."""

    async def respond(request: web.Request) -> web.StreamResponse:
        return await aiohttp_response(handle, request, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/video", respond)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/video"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def on_uvicorn(app: AsgiApp) -> AsyncIterator[str]:
    """Runs an ASGI server; yields its address."""
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="off", ws="none", http="h11")
    server = uvicorn.Server(config)
    running = asyncio.ensure_future(server.serve())
    while not server.started:  # noqa: ASYNC110  (it has no event)
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/video"
    finally:
        server.should_exit = server.force_exit = True
        await running


def on_asgi(
    handle: TaskHandle, headers: Mapping[str, str] | None = None
) -> contextlib.AbstractAsyncContextManager[str]:
    """Serves the bare ASGI application."""
    return on_uvicorn(asgi_response(handle, headers=headers))


def on_starlette(
    handle: TaskHandle, headers: Mapping[str, str] | None = None
) -> contextlib.AbstractAsyncContextManager[str]:
    """Serves a Starlette route."""
    from starlette.applications import Starlette  # noqa: PLC0415  (only where it is used)
    from starlette.requests import Request  # noqa: PLC0415  (only where it is used)
    from starlette.routing import Route  # noqa: PLC0415  (only where it is used)

    async def video(_request: Request) -> TaskResponse:
        return TaskResponse(handle, headers=headers)

    return on_uvicorn(Starlette(routes=[Route("/video", video, methods=["GET", "HEAD", "POST"])]))


@pytest.fixture(params=[on_aiohttp, on_asgi, on_starlette], ids=lambda serve: serve.__name__)
def serve_handle(request: pytest.FixtureRequest) -> Serve:
    """Each way to serve a handle."""
    found: Serve = request.param
    return found


@contextlib.asynccontextmanager
async def page_of(serve: Serve, base_url: str, **options: Any) -> AsyncIterator[Page]:
    """Serves the task `image2video:9` with a separate client; yields the page."""
    options.setdefault("retry", QUICK)
    loop = asyncio.get_running_loop()
    if isinstance(loop, VirtualTimeLoop):
        options.setdefault("clock", wall())
    async with (
        KlingClient(base_url=base_url, api_key="key", **options) as kling,
        serve(kling.attach("image2video:9")) as url,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1000)) as session,
    ):
        yield Page(url, session)
