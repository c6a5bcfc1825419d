"""Shared fixtures of the tests of the example backends: both of them, on real sockets, and visitors."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import pytest
import uvicorn
from aiohttp import web

from examples.aiohttp_app import app as on_aiohttp
from examples.fastapi_app import app as on_fastapi
from examples.web_service import settings as web_settings
from examples.web_service.settings import Settings
from kling_async import KlingClient
from kling_async.emulator import Emulator
from tests.patience import wait_for_the_thread
from tests.shell.conftest import IMAGES, wall

CAT = IMAGES / "cat.png"
FIELDS = {"prompt": "it moves", "model_name": "kling-v2-6", "mode": "std", "duration": "5", "sound": "false"}


@attrs.frozen
class Visitor:
    """A browser with its cookies."""

    http: aiohttp.ClientSession
    url: str

    async def get(self, path: str, **headers: str) -> tuple[int, Any]:
        """Returns the status and JSON of a response."""
        async with self.http.get(f"{self.url}{path}", headers=headers) as answer:
            return answer.status, await answer.json()

    async def post(
        self, picture: Path | bytes | None = CAT, headers: Mapping[str, str] | None = None, **fields: str
    ) -> tuple[int, Any]:
        """Posts a form; returns the status and JSON."""
        form = aiohttp.FormData(default_to_multipart=True)
        for name, value in (FIELDS | fields).items():
            form.add_field(name, value)
        if picture is not None:
            content = picture if isinstance(picture, bytes) else picture.read_bytes()
            form.add_field("picture", content, filename="picture.jpg", content_type="image/jpeg")
        async with self.http.post(f"{self.url}/api/clips", data=form, headers=headers) as answer:
            return answer.status, await answer.json()

    async def ended(self, clip: Mapping[str, Any]) -> Any:
        """Reads a clip's stream as a page does, and returns the clip after its end."""
        async with self.http.get(f"{self.url}{clip['events']}") as stream:
            assert stream.status == 200
            text = (await stream.read()).decode()
        assert text.count("event: end\n") == 1
        return (await self.get(f"/api/clips/{clip['id']}"))[1]


@contextlib.asynccontextmanager
async def visitor(url: str) -> AsyncIterator[Visitor]:
    """A visitor that has opened the page."""
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.CookieJar(unsafe=True), timeout=aiohttp.ClientTimeout(total=10_000)
    ) as http:
        async with http.get(f"{url}/") as page:
            assert page.status == 200
        yield Visitor(http, url)


@contextlib.asynccontextmanager
async def fastapi_server(settings: Settings) -> AsyncIterator[str]:
    """Runs the FastAPI backend under uvicorn; yields its address."""
    config = uvicorn.Config(on_fastapi.application(settings), port=0, log_config=None, ws="none", http="h11")
    server = uvicorn.Server(config)
    running = asyncio.ensure_future(server.serve())
    while not server.started:
        assert not running.done()
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await running


@contextlib.asynccontextmanager
async def aiohttp_server(settings: Settings) -> AsyncIterator[str]:
    """Runs the aiohttp backend; yields its address."""
    runner = web.AppRunner(on_aiohttp.application(settings), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await asyncio.sleep(11)  # a request that was answered before it was read lingers for ten seconds
        await runner.cleanup()


SERVERS = {"fastapi_app": fastapi_server, "aiohttp_app": aiohttp_server}


@pytest.fixture(params=SERVERS)
def backend(request: pytest.FixtureRequest) -> str:
    """Each of the backends."""
    name: str = request.param
    return name


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The settings of a service with a temporary directory."""
    return Settings(directory=tmp_path / "data")


@pytest.fixture
async def time_is_virtual(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the backend's client use the emulator and the test's virtual time."""
    wait_for_the_thread(monkeypatch)
    client = functools.partial(KlingClient, base_url=emulator.base_url, api_key=emulator.api_key, clock=wall())
    monkeypatch.setattr(web_settings, "KlingClient", client)


@pytest.fixture
async def url(backend: str, settings: Settings, time_is_virtual: None) -> AsyncIterator[str]:  # noqa: ARG001  (a fixture, for what it does)
    """The address of a running backend."""
    async with SERVERS[backend](settings) as address:
        yield address


@pytest.fixture
async def ann(url: str) -> AsyncIterator[Visitor]:
    """A visitor."""
    async with visitor(url) as person:
        yield person


@pytest.fixture
async def ben(url: str) -> AsyncIterator[Visitor]:
    """Another visitor."""
    async with visitor(url) as person:
        yield person
