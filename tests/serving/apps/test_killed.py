"""Backends that are killed and started again: every accepted clip is finished, and paid for once."""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from kling_async.emulator import Call, Emulator, Fault
from kling_async.emulator.faults.kinds import CallKind
from tests.repeatable import same_draws
from tests.serving.apps.conftest import Visitor, visitor
from tests.serving.apps.processes import Backend, started

KILLS = int(os.environ.get("KLING_ASYNC_KILLS", "3"))
"""How often: more in a session of its own."""


def arrival(emulator: Emulator, on: CallKind, fault: Fault) -> asyncio.Event:
    """Applies a fault to each call of a kind; returns an event that is set when one arrives."""
    arrived = asyncio.Event()

    def came(_: Call) -> Fault:
        arrived.set()
        return fault

    emulator.faults.add(came, on=on)
    return arrived


async def in_line(emulator: Emulator, ann: Visitor) -> None:
    """Posts two clips, and waits until one is being created; the other is queued, on disk only."""
    arrived = arrival(emulator, "create", Fault.delay(1))
    await posted(ann)
    await arrived.wait()
    states = [clip["status"] for clip in (await ann.get("/api/clips"))[1]["clips"]]
    assert states == ["waiting", "running"]


async def being_made(_: Emulator, ann: Visitor) -> None:
    """Posts two clips, and waits until one has a task."""
    await posted(ann)
    while all(clip["seconds_left"] is None for clip in (await ann.get("/api/clips"))[1]["clips"]):  # noqa: ASYNC110  (polls another process)
        await asyncio.sleep(0.02)


async def being_saved(emulator: Emulator, ann: Visitor) -> None:
    """Posts two clips, and waits until the video of one is being saved."""
    arrived = arrival(emulator, "file", Fault.slow(1000))
    await posted(ann)
    await arrived.wait()


async def posted(ann: Visitor) -> None:
    """Posts two clips."""
    for prompt in ("first", "second"):
        assert (await ann.post(prompt=prompt))[0] == 201


async def finished(clips: list[str], ann: Visitor, emulator: Emulator) -> None:
    """Checks that all clips have their videos, and were paid for once."""
    for clip_id in clips:
        async with asyncio.timeout(120):
            clip = await ann.ended((await ann.get(f"/api/clips/{clip_id}"))[1])
        assert (clip["status"], clip["message"]) == ("done", "")
        async with ann.http.get(f"{ann.url}{clip['video']}") as video:
            assert (await video.read())[4:8] == b"ftyp"
    assert [clip["id"] for clip in (await ann.get("/api/clips"))[1]["clips"]] == clips[::-1]
    assert emulator.ledger.created == len(clips)


@pytest.mark.parametrize(
    ("name", "moment"),
    [
        ("aiohttp_app", in_line),
        pytest.param("aiohttp_app", being_made, marks=pytest.mark.slow),
        pytest.param("fastapi_app", in_line, marks=pytest.mark.slow),
        pytest.param("fastapi_app", being_saved, marks=pytest.mark.slow),
    ],
)
def test_killed_between_post_and_video(
    name: str, moment: Callable[[Emulator, Visitor], Awaitable[None]], tmp_path: Path
) -> None:
    """Killed while a clip is queued, made or saved, and started again, it finishes the clip, paid once."""

    async def run() -> None:
        async with Emulator(render=False, speed=100, concurrency=1) as emulator:
            backend = Backend.of(name, emulator, tmp_path, CLIPS_CONCURRENCY="1")
            async with started(backend), visitor(backend.url) as ann:
                async with asyncio.timeout(30):
                    await moment(emulator, ann)
                clips = [clip["id"] for clip in (await ann.get("/api/clips"))[1]["clips"]][::-1]
                await backend.kill()
                emulator.faults.clear()
                await backend.start()
                await finished(clips, ann, emulator)

    asyncio.run(run())


@pytest.mark.slow
@pytest.mark.many
def test_killed_at_random_moments(tmp_path: Path) -> None:
    """Whenever it is killed, each accepted clip is finished in the end, and none is paid for twice."""
    over = False

    async def post(ann: Visitor, answered: list[str]) -> None:
        while not over:
            with contextlib.suppress(aiohttp.ClientError):
                status, clip = await ann.post()
                if status == 201:
                    answered.append(clip["id"])
            await asyncio.sleep(0.05)

    async def run() -> None:
        nonlocal over
        rng = same_draws(13)
        async with Emulator(render=False, speed=400, concurrency=2) as emulator:
            backend = Backend.of("fastapi_app", emulator, tmp_path, CLIPS_CONCURRENCY="2", CLIPS_UNITS="1000")
            answered: list[str] = []
            async with started(backend), visitor(backend.url) as ann:
                posting = asyncio.ensure_future(post(ann, answered))
                for _ in range(KILLS):
                    await asyncio.sleep(0.5 + 2 * rng.random())
                    await backend.kill()
                    await backend.start()
                over = True
                await posting
                clips = [clip["id"] for clip in (await ann.get("/api/clips"))[1]["clips"]][::-1]
                assert set(answered) <= set(clips)
                assert answered
                await finished(clips, ann, emulator)
            assert len(list((tmp_path / "data").glob("clips/*/*/video.mp4"))) == len(clips)

    asyncio.run(run())
