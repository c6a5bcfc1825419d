"""A job with a journal that is killed at random moments, and started again."""

import asyncio
import contextlib
import os
import random
import signal
import sys
from pathlib import Path

import pytest

from kling_async import EntryState
from kling_async.emulator import Emulator
from kling_async.journal.client_journal import journal_of
from kling_async.journal.files import are_whole
from tests.journal.test_leases import all_away
from tests.postgres import Cluster
from tests.repeatable import same_draws

KILLS = int(os.environ.get("KLING_ASYNC_KILLS", "5"))
"""How often: more in a session of its own."""
CLIPS = 8 * KILLS


async def started(*arguments: str) -> asyncio.subprocess.Process:
    """Starts a process, and waits until it has its journal open."""
    script = Path(__file__).with_name("submit_loop.py")
    process = await asyncio.create_subprocess_exec(sys.executable, script, *arguments, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"begins\n"
    return process


async def killed(
    directory: Path,
    kills: int,
    clips: int,
    rng: random.Random,
    how: signal.Signals = signal.SIGKILL,
    *,
    postgres: str | None = None,
) -> None:
    """Kills process after process, and checks the result against the emulator's ledger."""
    journal = postgres or str(directory / "journal.sqlite")
    async with Emulator(render=False, speed=400, concurrency=8) as emulator:
        arguments = [emulator.base_url, journal, str(directory / "out"), str(clips)]
        for _ in range(kills):
            process = await started(*arguments)
            await asyncio.sleep(rng.random() * 1.5)
            with contextlib.suppress(ProcessLookupError):  # it ended before it was killed
                process.send_signal(how)
            await process.wait()
            if postgres is not None:
                all_away(postgres)
        process = await started(*arguments)
        assert await process.wait() == 0
        assert emulator.ledger.created == clips
        entries = [entry async for entry in journal_of(journal).entries()]
        assert {entry.state for entry in entries} == {EntryState.SAVED}
        assert len(entries) == clips
        assert all(are_whole(entry.files) for entry in entries)
        assert sum(entry.units or 0 for entry in entries) == emulator.ledger.charged
    names = {path.name for path in (directory / "out").glob("*.mp4")}
    assert names == {f"clip-{number}.mp4" for number in range(clips)}


@pytest.mark.parametrize(
    ("kills", "clips"),
    [(2, 6), pytest.param(KILLS, CLIPS, marks=[pytest.mark.slow, pytest.mark.many])],
    ids=["few", "many"],
)
def test_killed_at_random_moments(tmp_path: Path, kills: int, clips: int) -> None:
    """Whenever a process is killed, its successor pays for nothing twice, and in the end all is saved."""
    asyncio.run(killed(tmp_path, kills, clips, same_draws(12)))


def test_interrupted_at_random_moments(tmp_path: Path) -> None:
    """The same with Ctrl-C, which closes the client."""
    asyncio.run(killed(tmp_path, 2, 6, same_draws(13), signal.SIGINT))


@pytest.mark.slow
def test_killed_with_a_journal_in_postgres(postgres: str, tmp_path: Path) -> None:
    """The same in Postgres, where the work of a killed process is free once its lease has expired."""
    asyncio.run(killed(tmp_path, KILLS, CLIPS, same_draws(14), postgres=postgres))


@pytest.mark.slow
def test_a_server_that_is_killed_at_random_moments(own_cluster: Cluster, tmp_path: Path) -> None:
    """Whenever Postgres dies and restarts, a process continues, and pays for nothing twice."""
    dsn, rng = own_cluster.dsn(own_cluster.create()), same_draws(15)

    async def run() -> None:
        async with Emulator(render=False, speed=400, concurrency=8) as emulator:
            process = await started(emulator.base_url, dsn, str(tmp_path), "24")
            for _ in range(4):
                await asyncio.sleep(rng.random() * 0.5)
                await asyncio.to_thread(own_cluster.kill)
                await asyncio.to_thread(own_cluster.start)
            while await process.wait():  # on a slow machine the server is down for too long
                all_away(dsn)
                process = await started(emulator.base_url, dsn, str(tmp_path), "24")
            assert emulator.ledger.created == 24
        entries = [entry async for entry in journal_of(dsn).entries()]
        assert [entry.state for entry in entries] == [EntryState.SAVED] * 24
        assert all(are_whole(entry.files) for entry in entries)

    asyncio.run(run())
