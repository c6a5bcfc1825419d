"""`kling-async fleet worker`, run like a system service."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from kling_async.emulator import Emulator, Fault
from kling_async.fleet import Fleet, JobState
from tests.fleet.workers import clips, ended, one, until, working


@pytest.mark.slow
async def test_sigterm_hands_over(postgres: str, tmp_path: Path) -> None:
    """SIGTERM ends a worker gracefully; others can take its jobs at once, though its heartbeat is an hour."""
    await Fleet.init(postgres, limit=2)
    async with Emulator(render=False, speed=250, concurrency=2) as emulator, Fleet(postgres) as fleet:
        await fleet.submit_all(clips(2))
        environment = {**os.environ, "KLING_API_KEY": emulator.api_key, "KLING_FLEET_DSN": postgres}
        options = ("--out", str(tmp_path), "--base-url", emulator.base_url, "--grace", "0", "--heartbeat", "3600")
        command = (sys.executable, "-m", "kling_async.cli", "fleet", "worker", *options)
        process = await asyncio.create_subprocess_exec(*command, env=environment)
        await until(postgres, "SELECT count(*) = 2 FROM kling_journal_default.entries WHERE state = 'accepted'")
        process.terminate()
        assert await process.wait() == 0
        assert one(postgres, "SELECT count(*) FROM kling_fleet.workers") == 0
        async with working(postgres, emulator, tmp_path, heartbeat=3600):
            done = await ended(fleet, clips(2))
        assert {job.state for job in done} == {JobState.SAVED}
        assert emulator.ledger.created == 2


@pytest.mark.slow
async def test_sigterm_twice(postgres: str, tmp_path: Path) -> None:
    """A second SIGTERM ends a worker at once; it reports that sent tasks are still billed, and others get its jobs."""
    await Fleet.init(postgres, limit=2)
    async with Emulator(render=False, speed=0.1, concurrency=2) as emulator, Fleet(postgres) as fleet:
        emulator.faults.add(Fault.delay(3600, after_effect=True), on="create", times=1)
        await fleet.submit_all(clips(2))
        environment = {**os.environ, "KLING_API_KEY": emulator.api_key, "KLING_FLEET_DSN": postgres}
        options = ("--out", str(tmp_path), "--base-url", emulator.base_url, "--grace", "3600", "--heartbeat", "3600")
        command = (sys.executable, "-m", "kling_async.cli", "fleet", "worker", *options)
        process = await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.PIPE)
        await until(postgres, "SELECT count(*) = 1 FROM kling_journal_default.entries WHERE state = 'accepted'")
        while emulator.ledger.created < 2:  # noqa: ASYNC110  (a ledger has no events)
            await asyncio.sleep(0.05)
        process.terminate()
        await until(postgres, "SELECT bool_and(draining) FROM kling_fleet.workers")
        process.terminate()
        _, output = await process.communicate()
        assert process.returncode in {130, 143}
        assert b"what was sent goes on at the service, and is billed" in output
        assert b"nothing was sent" not in output
        assert one(postgres, "SELECT count(*) FROM kling_fleet.workers") == 0
        assert one(postgres, "SELECT bool_and(heartbeat < now() - interval '1 hour') FROM kling_fleet.pgqueuer")
