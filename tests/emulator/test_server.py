import asyncio
import errno
import gc
import json
import threading
from typing import Any, Self
from unittest.mock import AsyncMock

import aiohttp
import pytest
from aiohttp import web

from kling_async.emulator import Emulator

from .conftest import PATH, Caller, Clock


class Receiver:
    """Receives callbacks."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.received: asyncio.Queue[tuple[dict[str, str], Any]] = asyncio.Queue()
        app = web.Application()
        app.router.add_post("/callback", self.handle)
        self.runner = web.AppRunner(app)
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        """Stores a received request."""
        self.received.put_nowait((dict(request.headers), json.loads(await request.read())))
        return web.Response(status=self.status)

    async def __aenter__(self) -> Self:
        """Starts listening."""
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}/callback"
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Closes."""
        await self.runner.cleanup()


async def test_each_change_is_posted(caller: Caller, clock: Clock) -> None:
    """Each change of status is posted as a bare task, without envelope, credentials or signature."""
    async with Receiver() as receiver:
        created = await caller.create(
            callback_url=receiver.url, external_task_id="job-0001", watermark_info={"enabled": True}
        )
        clock.advance(10)
        _, processing = await asyncio.wait_for(receiver.received.get(), 5)
        clock.advance(2000)
        headers, succeed = await asyncio.wait_for(receiver.received.get(), 5)

    assert [processing["task_status"], succeed["task_status"]] == ["processing", "succeed"]
    assert processing["task_id"] == succeed["task_id"] == created.body["data"]["task_id"]
    assert list(succeed) == [
        "task_id",
        "task_status",
        "task_status_msg",
        "task_info",
        "task_result",
        "created_at",
        "updated_at",
    ]
    assert list(succeed["task_result"]) == ["images", "videos", "audios"]
    assert processing["task_result"] == {"images": [], "videos": [], "audios": []}
    assert list(succeed["task_result"]["videos"][0]) == ["id", "url", "duration"]
    assert not {"Authorization", "webhook-signature"} & headers.keys()
    assert headers["Content-Type"] == "application/json; charset=utf-8"


async def test_a_callback_is_tried_once(caller: Caller, clock: Clock) -> None:
    """A receiver that refuses, or is not reachable, is recorded in the ledger and not tried again."""
    async with Receiver(status=500) as receiver:
        for url in (receiver.url, "http://127.0.0.1:9/nobody"):
            await caller.create(callback_url=url, prompt="forbidden")
        clock.advance(2000)
        async with asyncio.timeout(5):
            while len(caller.emulator.ledger.callbacks) < 4:
                await caller.get(PATH)
        assert receiver.received.qsize() == 2

    seen = {(note.status, note.http_status, note.error != "") for note in caller.emulator.ledger.callbacks}
    assert seen == {
        ("processing", 500, False),
        ("failed", 500, False),
        ("processing", None, True),
        ("failed", None, True),
    }


async def test_a_taken_port_is_a_clear_error(emulator: Emulator) -> None:
    """Starting on a port that is in use raises an OSError that names the address, and leaves nothing behind."""
    port = int(emulator.base_url.rpartition(":")[2])
    second = Emulator(port=port)

    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}") as caught:
        await second.start()

    assert caught.value.errno == errno.EADDRINUSE
    await second.close()


async def test_a_failed_start_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """When starting fails half way the socket is closed, and a later start works on the same port."""
    emulator = Emulator(render=False)
    with monkeypatch.context() as patch:
        patch.setattr(web.SockSite, "start", AsyncMock(side_effect=asyncio.CancelledError))
        with pytest.raises(asyncio.CancelledError):
            await emulator.start()

    async with emulator, aiohttp.ClientSession() as session:
        assert (await Caller(emulator, session).get(PATH)).code == 0


async def test_close_leaves_nothing_behind(clock: Clock) -> None:
    """After close there is no task, no thread and no listener left, even with a stalled client and due callbacks."""
    before = {task.get_name() for task in asyncio.all_tasks()}
    threads = set(threading.enumerate())
    emulator = Emulator(clock=clock, render=False)
    await emulator.start()
    url = emulator.base_url
    async with aiohttp.ClientSession() as session:
        caller = Caller(emulator, session)
        created = await caller.create(callback_url="http://127.0.0.1:9/nobody", model_name="kling-v3", mode="4k")
        clock.advance(2000)
        task = await caller.task(created.body["data"]["task_id"])
        stalled = await session.get(task["task_result"]["videos"][0]["url"])
        await caller.create(callback_url="http://127.0.0.1:9/nobody")
        await emulator.close()
        await emulator.close()
        stalled.close()
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(url)
    gc.collect()

    assert {task.get_name() for task in asyncio.all_tasks()} == before
    assert set(threading.enumerate()) <= threads


async def test_an_account_outlives_its_server(clock: Clock) -> None:
    """Started again, an emulator has the same address, the same tasks, and links that still work."""
    emulator = Emulator(clock=clock, render=False)
    async with aiohttp.ClientSession() as session:
        async with emulator:
            url = emulator.base_url
            caller = Caller(emulator, session)
            task_id = (await caller.create()).body["data"]["task_id"]
            clock.advance(2000)
            link = (await caller.task(task_id))["task_result"]["videos"][0]["url"]
        async with emulator:
            assert emulator.base_url == url
            assert (await caller.task(task_id))["task_result"]["videos"][0]["url"] == link
            assert (await caller.request("GET", link)).status == 200
    assert emulator.ledger.delivered == 1


async def test_the_address_needs_a_running_emulator(emulator: Emulator) -> None:
    """An emulator has no address before it runs, and is not started twice."""
    with pytest.raises(RuntimeError, match="not running"):
        _ = Emulator().base_url
    with pytest.raises(RuntimeError, match="running already"):
        await emulator.start()


@pytest.mark.parametrize("problem", [{"speed": 0}, {"concurrency": 0}, {"link_lifetime": 0}])
def test_impossible_settings_raise_at_once(problem: dict[str, Any]) -> None:
    """Invalid arguments raise an error."""
    with pytest.raises(ValueError, match=next(iter(problem))):
        Emulator(**problem)


async def test_two_emulators_are_two_accounts(caller: Caller) -> None:
    """Each emulator has its own account; the same seed gives both the same ids."""
    async with Emulator(clock=caller.emulator._clock, render=False) as other, aiohttp.ClientSession() as session:
        first, second = await caller.create(), await Caller(other, session).create()

    assert first.body["data"] == second.body["data"]
    assert (caller.emulator.ledger.created, other.ledger.created) == (1, 1)


async def test_ipv6_is_bracketed() -> None:
    """An IPv6 address is written in brackets, as required in URLs."""
    try:
        emulator = Emulator(host="::1", render=False)
        await emulator.start()
    except OSError:
        pytest.skip("no IPv6 here")
    async with aiohttp.ClientSession() as session:
        answer = await Caller(emulator, session).get(PATH)
    assert emulator.base_url.startswith("http://[::1]:")
    assert answer.code == 0
    await emulator.close()
