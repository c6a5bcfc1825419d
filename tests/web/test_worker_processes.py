"""Workers in separate processes: a callback that reaches the other one, and a worker that is killed."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from kling_async import EntryState, Journal
from kling_async.emulator import Emulator
from tests.journal.test_processes import Process
from tests.web.callbacks import SECRET

ROOT = Path(__file__).parents[2]

Start = Callable[[str], Awaitable[Process]]


@contextlib.asynccontextmanager
async def workers(path: Path, speed: float) -> AsyncIterator[tuple[Emulator, Start]]:
    """Runs an emulator that signs its callbacks; yields a function that starts workers, which are killed at the end."""
    started: list[Process] = []
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])

    async def start(role: str) -> Process:
        command = [sys.executable, str(Path(__file__).with_name("worker.py")), emulator.base_url, str(path), port, role]
        pipe, environment = asyncio.subprocess.PIPE, os.environ | {"PYTHONPATH": str(ROOT)}
        started.append(Process(await asyncio.create_subprocess_exec(*command, stdout=pipe, env=environment)))
        return started[-1]

    async with Emulator(render=False, speed=speed, webhook_secrets=[SECRET]) as emulator:
        try:
            yield emulator, start
        finally:
            for each in started:
                with contextlib.suppress(ProcessLookupError):
                    each.process.kill()
                await each.process.wait()


@pytest.mark.slow
def test_a_callback_that_reaches_the_other_process(path: Path) -> None:
    """A callback to one worker lets the other, whose next poll is 15 minutes away, save its work."""

    async def run() -> None:
        async with workers(path, speed=60) as (emulator, start):
            assert await (await start("receiver")).line() == "ready"
            owner = await start("owner")
            reference = await owner.line()
            assert Path(await owner.line()).stat().st_size > 0
            assert await owner.process.wait() == 0
            assert [callback.http_status for callback in emulator.ledger.callbacks] == [200, 200]
            assert emulator.ledger.created == 1
            assert emulator.ledger.requests["query"] + emulator.ledger.requests["list"] == 0
            [entry] = [entry async for entry in Journal(path).entries()]
            assert (entry.reference, entry.state) == (reference, EntryState.SAVED)

    asyncio.run(run())


@pytest.mark.slow
def test_the_owner_is_killed(path: Path) -> None:
    """A follower, which sends no poll while the owner lives, takes over its work; nothing is paid twice."""

    async def run() -> None:
        async with workers(path, speed=30) as (emulator, start):
            owner = await start("owner")
            reference = await owner.line()
            follower = await start("follower")
            assert await follower.line() == reference
            await asyncio.sleep(0.5)
            assert emulator.ledger.requests["query"] + emulator.ledger.requests["list"] == 0
            await owner.kill()
            assert Path(await follower.line()).name == "follower.mp4"
            assert await follower.process.wait() == 0
            assert emulator.ledger.created == 1
            [entry] = [entry async for entry in Journal(path).entries()]
            assert (entry.reference, entry.state) == (reference, EntryState.SAVED)

    asyncio.run(run())
