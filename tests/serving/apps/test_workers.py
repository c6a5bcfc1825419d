"""Several processes with one directory: each shows the clips of the others, and continues those of a dead one."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from kling_async.emulator import Emulator
from tests.serving.apps.conftest import Visitor, visitor
from tests.serving.apps.processes import Backend, started

pytestmark = pytest.mark.slow


def test_a_clip_of_another_process(tmp_path: Path) -> None:
    """A clip posted to one process is shown by the other during and after its making, and polled by one."""

    async def run() -> None:
        async with Emulator(render=False, speed=60) as emulator:
            first, second = (Backend.of("aiohttp_app", emulator, tmp_path) for _ in range(2))
            async with started(first, second), visitor(first.url) as ann:
                there = Visitor(ann.http, second.url)  # cookies are shared between ports
                _, clip = await ann.post()
                assert (await there.get(f"/api/clips/{clip['id']}"))[1]["status"] in {"waiting", "running"}
                assert (await there.ended(clip))["status"] == "done"
                async with there.http.get(f"{there.url}{clip['picture']}") as picture:
                    assert picture.status == 200
                shown = [(await each.get("/api/clips"))[1]["clips"][0] for each in (ann, there)]
                assert shown[0] == shown[1]
                async with there.http.get(f"{there.url}{shown[1]['video']}") as video:
                    assert (await video.read())[4:8] == b"ftyp"
            assert emulator.ledger.created == 1
            assert {callback.http_status for callback in emulator.ledger.callbacks} == {200}

    asyncio.run(run())


def workers_of(backend: Backend) -> list[int]:
    """Returns the worker processes that uvicorn started."""
    assert backend.process is not None
    children = Path(f"/proc/{backend.process.pid}/task/{backend.process.pid}/children").read_text().split()
    workers = [int(each) for each in children if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()]
    assert len(workers) == 2
    return workers


async def finished(ann: Visitor, clip_id: str) -> None:
    """Waits for a clip as a page that polls does."""
    async with asyncio.timeout(120):
        while True:
            with contextlib.suppress(aiohttp.ClientError):  # this worker was killed
                _, clip = await ann.get(f"/api/clips/{clip_id}")
                assert clip["status"] in {"waiting", "running", "done"}
                if clip["status"] == "done":
                    return
            await asyncio.sleep(0.2)


def test_uvicorn_with_workers(tmp_path: Path) -> None:
    """If one of two workers is killed, all clips are finished and paid once; on a signal, both exit soon."""

    async def run() -> None:
        async with Emulator(render=False, speed=60, concurrency=2) as emulator:
            backend = Backend.of("fastapi_app", emulator, tmp_path, CLIPS_CONCURRENCY="1")
            app = ["--factory", "examples.fastapi_app.app:application", "--workers", "2", "--no-access-log"]
            backend.command = [sys.executable, "-m", "uvicorn", *app, "--port", str(backend.port)]
            async with started(backend), visitor(backend.url) as ann, visitor(backend.url) as ben:
                posted = [(person, (await person.post())[1]) for person in (ann, ben, ann, ben, ann, ben)]
                os.kill(workers_of(backend)[0], signal.SIGKILL)
                for person, clip in posted:
                    await finished(person, clip["id"])
                assert emulator.ledger.created == 6
                assert await backend.end(signal.SIGTERM) in {0, -signal.SIGTERM}

    asyncio.run(run())
