import base64
import io
import json
import struct
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import attrs
import jwt
import pytest

from kling_async.emulator import Emulator

PATH = "/v1/videos/image2video"


def png(width: int = 640, height: int = 360) -> bytes:
    """Returns a PNG of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress((b"\0" + bytes(width)) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def base64_png(width: int = 640, height: int = 360) -> str:
    """Returns a PNG of one colour in base64."""
    return base64.b64encode(png(width, height)).decode()


class Clock:
    """A clock that advances only when a test moves it."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.25

    def __call__(self) -> float:
        """Returns the time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Advances the time."""
        self.now += seconds


@attrs.frozen
class Answer:
    """A received response."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        """The JSON that it contains."""
        return json.loads(self.content)

    @property
    def code(self) -> int:
        """The business code."""
        return int(self.body["code"])

    @property
    def message(self) -> str:
        """The message of the service."""
        return str(self.body["message"])


class Caller:
    """A plain HTTP client."""

    def __init__(self, emulator: Emulator, session: aiohttp.ClientSession) -> None:
        self.emulator = emulator
        self.session = session
        self.headers = {"Authorization": f"Bearer {emulator.api_key}"}

    async def request(self, method: str, path: str, **kwargs: Any) -> Answer:
        """Sends one request; `path` may be a whole URL."""
        url = path if path.startswith("http") else self.emulator.base_url + path
        async with self.session.request(method, url, **kwargs) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, headers, await response.read())

    async def create(self, **parameters: Any) -> Answer:
        """Creates a task for an image of 640 x 360 pixels."""
        body = {"model_name": "kling-v2-6", "mode": "std", "image": base64_png()} | parameters
        return await self.post(PATH, body)

    async def post(self, path: str, body: Any) -> Answer:
        """Posts JSON to an endpoint of the API."""
        data = io.BytesIO(json.dumps(body).encode())
        return await self.request("POST", path, data=data, headers={"Content-Type": "application/json"} | self.headers)

    async def get(self, path: str) -> Answer:
        """Calls an endpoint of the API."""
        return await self.request("GET", path, headers=self.headers)

    async def task(self, key: str) -> Any:
        """Queries a task, and returns its `data`."""
        return (await self.get(f"{PATH}/{key}")).body["data"]


FAR = 2000.0
"""Seconds after which each task has ended."""


async def finished(caller: Caller, clock: Clock, **parameters: Any) -> Any:
    """Creates a task, lets it end, and returns its `data`."""
    task_id = (await caller.create(**parameters)).body["data"]["task_id"]
    clock.advance(FAR)
    return await caller.task(task_id)


async def file_url(caller: Caller, clock: Clock, **parameters: Any) -> str:
    """Returns the link to the result of a new task."""
    return str((await finished(caller, clock, **parameters))["task_result"]["videos"][0]["url"])


@pytest.fixture
def clock() -> Clock:
    """Returns the clock of the emulator."""
    return Clock()


@pytest.fixture
async def emulator(clock: Clock) -> AsyncIterator[Emulator]:
    """Yields a running emulator at the speed of the service, whose results are flat pictures."""
    async with Emulator(clock=clock, speed=1.0, render=False) as running:
        yield running


@pytest.fixture
async def caller(emulator: Emulator) -> AsyncIterator[Caller]:
    """Yields a caller of the emulator."""
    async with aiohttp.ClientSession() as session:
        yield Caller(emulator, session)


@pytest.fixture
def token(emulator: Emulator, clock: Clock) -> Callable[..., str]:
    """Returns a function that makes tokens like the documentation's sample, with any claim replaced."""

    def make(*, key: str = emulator.secret_key, **claims: Any) -> str:
        now = int(clock())
        payload = {"iss": emulator.access_key, "exp": now + 1800, "nbf": now - 5} | claims
        return jwt.encode({name: value for name, value in payload.items() if value is not None}, key, "HS256")

    return make
