"""Fixtures of the tests of faults: virtual time, an emulator checked for leaks, and a client with raw sockets."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import aiohttp
import attrs
import pytest

from kling_async.emulator import Emulator
from tests.emulator.conftest import FAR, PATH, Caller, base64_png
from tests.virtual_time import VirtualTimeLoop


def pytest_asyncio_loop_factories(config: Any, item: Any) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:  # noqa: ARG001  (pytest-asyncio names them)
    """Time is virtual in this folder."""
    return {"virtual": VirtualTimeLoop}


def now() -> float:
    """Returns the virtual time of day, the clock of the emulator."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    return loop.wall()


@pytest.fixture
def speed() -> float:
    """Returns the speed of the emulator."""
    return 1.0


@pytest.fixture
async def emulator(speed: float) -> AsyncIterator[Emulator]:
    """Yields a running emulator, and checks that nothing of it is left."""
    loop = asyncio.get_running_loop()
    errors: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: errors.append(context))
    async with Emulator(render=False, clock=now, speed=speed, concurrency=100) as running:
        yield running
    await asyncio.sleep(0.01)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert not errors


@pytest.fixture
async def caller(emulator: Emulator) -> AsyncIterator[Caller]:
    """Yields a caller with a new connection for each call, because aiohttp retries on a used one."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        yield Caller(emulator, session)


async def result_url(caller: Caller, **parameters: Any) -> str:
    """Creates a task, lets it end, and returns the link to its result."""
    task_id = (await caller.create(**parameters)).body["data"]["task_id"]
    await asyncio.sleep(FAR)
    return str((await caller.task(task_id))["task_result"]["videos"][0]["url"])


@attrs.frozen
class Exchange:
    """The bytes that a raw socket received, and the end of the connection.

    Attributes:
        head: Status line and headers, in lower case; "" if incomplete.
        body: The bytes after them.
        end: "closed", "reset", or "silent" when nothing was received for a minute.
    """

    head: str
    body: bytes
    end: str


async def exchange(caller: Caller, request: str, body: bytes = b"") -> Exchange:
    """Sends one request, and receives until the end.

    Args:
        caller: A caller of the emulator.
        request: Method and target.
        body: JSON.
    """
    host, _, port = caller.emulator.base_url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    headers = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
    if "/files/" not in request:
        headers += f"Authorization: {caller.headers['Authorization']}\r\n"
    head = f"{request} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n{headers}\r\n"
    writer.write(head.encode() + body)
    received, end = b"", "closed"
    try:
        while piece := await asyncio.wait_for(reader.read(2**20), 60):
            received += piece
    except TimeoutError:
        end = "silent"
    except ConnectionResetError:
        end = "reset"
    writer.transport.abort()
    top, blank, rest = received.partition(b"\r\n\r\n")
    return Exchange(top.decode().lower() if blank else "", rest, end)


async def raw_create(caller: Caller, **parameters: Any) -> Exchange:
    """Creates a task through a raw socket."""
    body = {"model_name": "kling-v2-6", "mode": "std", "image": base64_png()} | parameters
    return await exchange(caller, f"POST {PATH}", json.dumps(body).encode())


async def raw_file(caller: Caller, url: str) -> Exchange:
    """Requests a file through a raw socket."""
    return await exchange(caller, f"GET {url.removeprefix(caller.emulator.base_url)}")
