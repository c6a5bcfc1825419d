"""The features of the example backends."""

import asyncio
import functools
import logging

import pytest
from yarl import URL

from examples.web_service import settings as web_settings
from examples.web_service.requests import COOKIE
from examples.web_service.settings import Settings
from kling_async import KlingClient
from kling_async.emulator import Emulator, Fault
from tests.serving.apps.conftest import CAT, SERVERS, Visitor, visitor


async def test_from_a_picture_to_a_video(ann: Visitor, emulator: Emulator) -> None:
    """A picture becomes a clip whose progress is streamed to its end, and whose video can be played from any offset."""
    status, clip = await ann.post()
    assert (status, clip["status"], clip["units"], clip["usd"]) == (201, "waiting", "1.5", "0.21")
    clip = await ann.ended(clip)
    assert clip["status"] == "done"
    async with ann.http.get(f"{ann.url}{clip['video']}", headers={"Range": "bytes=4-7"}) as video:
        assert (video.status, video.content_type, await video.read()) == (206, "video/mp4", b"ftyp")
    async with ann.http.get(f"{ann.url}{clip['picture']}") as picture:
        assert (picture.content_type, await picture.read()) == ("image/png", CAT.read_bytes())
    assert (await ann.get("/api/clips"))[1] == {"clips": [clip]}
    assert (emulator.ledger.created, emulator.ledger.charged) == (1, 1.5)


async def test_leaving(ann: Visitor, emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """Closing the page during its stream or video leaks nothing, and is not logged as an error."""
    _, clip = await ann.post()
    async with ann.http.get(f"{ann.url}{clip['events']}") as stream:
        await stream.content.readline()
        stream.close()
    clip = await ann.ended(clip)
    emulator.faults.add(Fault.slow(1000), on="file")
    async with ann.http.get(f"{ann.url}{clip['video']}") as video:
        await video.content.read(10)
        video.close()
    await asyncio.sleep(20)
    assert (await ann.get("/health"))[1] == {"status": "ok", "unfinished": 0}
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_task_that_the_service_has_deleted(
    backend: str,
    settings: Settings,
    time_is_virtual: None,  # noqa: ARG001  (a fixture, for what it does)
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a restart a saved video is served from its file, with one ETag, though the service has no such task."""
    async with SERVERS[backend](settings) as url, visitor(url) as ann:
        clip = await ann.ended((await ann.post())[1])
        cookies = [each.value for each in ann.http.cookie_jar]
        assert (await ann.get("/health"))[1]["unfinished"] == 0
    async with Emulator(render=False) as other:
        client = functools.partial(KlingClient, base_url=other.base_url, api_key=other.api_key)
        monkeypatch.setattr(web_settings, "KlingClient", client)
        async with SERVERS[backend](settings) as url, visitor(url) as ann:
            ann.http.cookie_jar.update_cookies({COOKIE: cookies[0]}, URL(url))
            tags = set()
            for _ in range(2):
                async with ann.http.get(f"{url}{clip['video']}", headers={"Range": "bytes=4-7"}) as video:
                    assert (video.status, await video.read()) == (206, b"ftyp")
                    tags.add(video.headers["ETag"])
            assert len(tags) == 1
