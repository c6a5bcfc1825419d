"""Shared fixtures: virtual time, an emulator, clients, and a check for leaks."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from kling_async import KlingClient
from kling_async.emulator import Emulator
from tests.virtual_time import VirtualTimeLoop

IMAGES = Path(__file__).parents[2] / "examples" / "images"

ClientMaker = Callable[..., KlingClient]


def pytest_asyncio_loop_factories(config: Any, item: Any) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:  # noqa: ARG001  (pytest-asyncio names them)
    """Time is virtual in this folder."""
    return {"virtual": VirtualTimeLoop}


@pytest.fixture(autouse=True)
def no_credentials_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removes a developer's key and proxy from the environment."""
    proxies = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
    for name in ("KLING_API_KEY", "KLING_ACCESS_KEY", "KLING_SECRET_KEY", "KLING_BASE_URL", *proxies):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def image() -> Path:
    """A real picture."""
    return IMAGES / "cat.png"


@pytest.fixture
async def nothing_is_left() -> AsyncIterator[None]:
    """Fails a test that leaks a task or a descriptor, or whose errors reach the loop's exception handler."""
    loop = asyncio.get_running_loop()
    errors: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: errors.append(context))
    await asyncio.to_thread(int)  # the executor's own descriptors and threads are there from now on
    before = _descriptors()
    gc.freeze()  # what was there already is not collected each time
    yield
    gc.collect()
    gc.unfreeze()
    for _ in range(5):
        await asyncio.sleep(0.01)  # a server's handlers end a moment after their connections
    left = {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}
    assert not left, f"left over: {left}"
    assert not errors, f"reached the loop's exception handler: {errors}"
    assert _descriptors() - before == set(), "descriptors were left open"


def wall() -> Callable[[], float]:
    """The virtual time of day."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    return loop.wall


def _descriptors() -> set[tuple[str, str]]:
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            found.add((descriptor.name, str(descriptor.readlink())))
        except OSError:
            continue
    return found


@pytest.fixture
async def emulator(nothing_is_left: None) -> AsyncIterator[Emulator]:  # noqa: ARG001  (around it)
    """The emulator, at the real pace of the service in virtual time."""
    async with Emulator(render=False, speed=1.0, concurrency=20, clock=wall()) as emulator:
        yield emulator


@pytest.fixture
async def make_client(emulator: Emulator) -> AsyncIterator[ClientMaker]:
    """Creates clients of the emulator's account, and closes them."""
    time_of_day = wall()
    made: list[KlingClient] = []

    def make(**options: Any) -> KlingClient:
        options.setdefault("base_url", emulator.base_url)
        if not {"api_key", "access_key"} & set(options):
            options |= {"access_key": emulator.access_key, "secret_key": emulator.secret_key}
        client = KlingClient(**{"clock": time_of_day, **options})
        made.append(client)
        return client

    yield make
    for client in made:
        await client.close()


@pytest.fixture
def client(make_client: ClientMaker) -> KlingClient:
    """A client with default options."""
    return make_client()
