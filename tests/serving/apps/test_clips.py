"""What people can do with the example backends."""

import asyncio
import logging

import pytest

from kling_async.emulator import Emulator, Fault
from tests.serving.apps.conftest import CAT, Visitor


async def test_from_a_picture_to_a_video(ann: Visitor, emulator: Emulator) -> None:
    """A picture becomes a clip whose progress is told until its end, and whose video can be played from anywhere."""
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
    """Who closes the page while its stream or its video comes leaves nothing, and is no error of the service."""
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
