"""A process that is killed while it saves, and restarted."""

import asyncio
import contextlib
import hashlib
import os
import random
import sys
from pathlib import Path

import aiohttp
import pytest

from kling_async import KlingClient, Polling
from kling_async.emulator import Call, Emulator, Fault
from tests.repeatable import same_draws

KILLS = int(os.environ.get("KLING_ASYNC_KILLS", "12"))
"""Number of runs: more in a slow run."""

FILES = 6
CALLS = 24
"""A process is killed at one of these requests for files, or a few moments after it."""
MOMENTS = 50


class Moment:
    """A request for a file, counted from the start of a process."""

    def __init__(self) -> None:
        self.came = asyncio.Event()
        self._left = 0

    def next(self, calls: int) -> None:
        """Waits for the call with this number, counted from now."""
        self.came.clear()
        self._left = calls

    def seen(self, _: Call) -> Fault:
        """Sends a third of the requested bytes; the client gets the rest with its next request."""
        self._left -= 1
        if self._left == 0:
            self.came.set()
        return Fault.truncated(0.3)


async def started(*arguments: str) -> asyncio.subprocess.Process:
    """A process that has started saving."""
    script = Path(__file__).with_name("save_loop.py")
    process = await asyncio.create_subprocess_exec(sys.executable, script, *arguments, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"begins\n"
    return process


async def killed_again_and_again(image: Path, directory: Path, kills: int, rng: random.Random) -> None:
    """Kills process after process; every file is whole, and is removed, so that there is more to save."""
    partly = 0
    async with (
        Emulator(render=False, speed=10_000, concurrency=FILES) as emulator,
        KlingClient(base_url=emulator.base_url, api_key=emulator.api_key, polling=Polling(first=0.1)) as client,
        aiohttp.ClientSession() as session,
    ):
        handles = [await client.image_to_video(image, mode="pro", duration=10) for _ in range(FILES)]
        whole = {}
        for handle in handles:
            task = await handle
            async with session.get(task.videos[0].url) as answer:
                whole[f"{task.task_id}.mp4"] = hashlib.sha256(await answer.read()).digest()
        arguments = [emulator.base_url, str(directory), *(handle.reference for handle in handles)]
        moment = Moment()
        emulator.faults.add(moment.seen, on="file", probability=0.8)
        for _ in range(kills):
            moment.next(rng.randrange(1, CALLS))
            process = await started(*arguments)
            ends = [asyncio.ensure_future(process.wait()), asyncio.ensure_future(moment.came.wait())]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for _ in range(rng.randrange(MOMENTS)):
                await asyncio.sleep(0)
            with contextlib.suppress(ProcessLookupError):  # it saved all files before it could be killed
                process.kill()
            await ends[0]
            ends[1].cancel()
            for path in directory.glob("*.mp4"):
                assert hashlib.sha256(path.read_bytes()).digest() == whole[path.name]
                path.unlink()
            partly += any(path.stat().st_size for path in directory.glob("*.part"))
        emulator.faults.clear()
        process = await started(*arguments)
        assert await process.wait() == 0
    assert partly > kills // 4
    assert {path.name: hashlib.sha256(path.read_bytes()).digest() for path in directory.iterdir()} == whole


@pytest.mark.parametrize("kills", [4, pytest.param(KILLS, marks=[pytest.mark.slow, pytest.mark.many])])
def test_killed_at_random_moments(image: Path, tmp_path: Path, kills: int) -> None:
    """Whenever a process is killed, each file is whole or absent; started again with the references, all are whole."""
    asyncio.run(killed_again_and_again(image, tmp_path, kills, same_draws(4)))
