"""Closed tabs: a backend keeps none of their descriptors and connections."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from kling_async.emulator import Fault

from .person import CAT, PATIENCE
from .stage import Stage

PROC = Path("/proc/self/fd")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not PROC.exists(), reason="descriptors of another process are seen in /proc only"),
]


@pytest_asyncio.fixture(loop_scope="module")
async def session(served: Stage) -> AsyncIterator[aiohttp.ClientSession]:
    """Open the page in a session that does not reuse connections."""
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    jar = aiohttp.CookieJar(unsafe=True)  # also for IP addresses
    base = f"http://127.0.0.1:{served.relay.port}"
    async with aiohttp.ClientSession(base, connector=connector, cookie_jar=jar) as session:
        await (await session.get("/")).read()
        yield session


async def posted(session: aiohttp.ClientSession) -> dict[str, str]:
    """Posts a clip; returns it as accepted."""
    form = aiohttp.FormData(
        {"prompt": "x", "model_name": "kling-v2-6", "mode": "std", "duration": "5", "sound": "false"}
    )
    form.add_field("picture", CAT.read_bytes(), filename="cat.png")
    async with session.post("/api/clips", data=form) as answer:
        clip: dict[str, str] = await answer.json()
        assert answer.status == 201, clip
    return clip


async def finished(session: aiohttp.ClientSession) -> dict[str, str]:
    """Posts a clip; returns it once it is done."""
    path = f"/api/clips/{(await posted(session))['id']}"
    async with asyncio.timeout(PATIENCE):
        while True:
            async with session.get(path) as answer:
                clip: dict[str, str] = await answer.json()
            if clip["status"] == "done":
                return clip
            await asyncio.sleep(0.2)


async def until(is_so: Callable[[], bool]) -> None:
    """Waits for a condition outside of this process."""
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end, "it did not come so far"
        await asyncio.sleep(0.1)


async def test_fifty_leave_a_video_and_fifty_a_stream(served: Stage, session: aiohttp.ClientSession) -> None:
    """After they leave, the backend has no open descriptor or upstream connection more than before."""
    assert served.process is not None
    descriptors = Path(f"/proc/{served.process.pid}/fd")

    def opened() -> tuple[int, int]:
        return len(list(descriptors.iterdir())), served.upstreams

    video = (await finished(session))["video"]
    served.emulator.faults.add(Fault.slow(10_000), on="file")
    served.emulator._account._speed = 0.1
    events = (await posted(session))["events"]
    paths = [video] * 50 + [events] * 50

    for path in paths[::50]:  # creates what is created only once
        async with session.get(path) as answer:
            await answer.content.readany()
    await asyncio.sleep(2)
    before = opened()
    answers = await asyncio.gather(*(session.get(path) for path in paths))
    await asyncio.gather(*(answer.content.readany() for answer in answers))
    during = opened()
    assert during[0] >= before[0] + 140
    assert during[1] >= before[1] + 45
    for answer in answers:
        answer.close()
    await until(lambda: all(now <= then + 2 for now, then in zip(opened(), before, strict=True)))

    async with session.get("/health") as health:
        assert health.status == 200
