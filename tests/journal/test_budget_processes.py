"""A budget shared by several processes, some of which are killed; checked against the emulator's ledger."""

import asyncio
import contextlib
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kling_async import EntryState, Journal
from kling_async.emulator import Emulator
from kling_async.journal.sqlite import SqliteStore
from tests.repeatable import same_draws

DEAREST = 2.5
CLIPS = 40
"""Of each process: more than the budget allows."""


async def started(emulator: Emulator, path: Path, name: str) -> asyncio.subprocess.Process:
    """Starts a process, and waits until it has the journal open."""
    script = Path(__file__).with_name("budget_loop.py")
    command = [sys.executable, str(script), emulator.base_url, str(path), name, str(CLIPS)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"begins\n"
    return process


async def ended(process: asyncio.subprocess.Process) -> None:
    """Waits for the end of a process that is not killed."""
    await process.communicate()
    assert process.returncode == 0


def given_out(path: Path) -> tuple[float, float]:
    """Returns the reserved and the settled amount at the end."""
    store = SqliteStore(path)
    store.open()
    with store.together():
        spending = store.budgets.spending("default", datetime.now(UTC))
    store.close()
    return float(spending.reserved), float(spending.settled)


def test_two_processes(path: Path) -> None:
    """Two racing processes together make what the budget allows, to within one clip."""

    async def run() -> None:
        async with Emulator(render=False, speed=400, concurrency=100) as emulator:
            both = await asyncio.gather(*(started(emulator, path, name) for name in ("a", "b")))
            await asyncio.gather(*map(ended, both))
            assert 60 - DEAREST < emulator.ledger.charged <= 60
            assert given_out(path) == (0, emulator.ledger.charged)
            assert emulator.ledger.peak() > 10

    asyncio.run(run())


@pytest.mark.parametrize("kills", [1, pytest.param(8, marks=[pytest.mark.slow, pytest.mark.many])])
def test_killed_in_between(path: Path, kills: int) -> None:
    """If a process is killed, its reservations stay, and are settled once by the process that takes its work."""

    async def run() -> None:
        moments = sorted(same_draws(12).sample(range(1, 24), kills))
        async with Emulator(render=False, speed=400, concurrency=100) as emulator:
            living = list[asyncio.subprocess.Process]()
            for created in moments:
                process = await started(emulator, path, "a")
                while emulator.ledger.created < created:  # noqa: ASYNC110  (there is no event for it)
                    await asyncio.sleep(0.002)
                with contextlib.suppress(ProcessLookupError):  # it ended before it was killed
                    process.kill()
                await process.wait()
                if not living:
                    living.append(await started(emulator, path, "b"))
            await ended(living[0])
            await ended(await started(emulator, path, "a"))
            assert 60 - DEAREST < emulator.ledger.charged <= 60
            assert given_out(path) == (0, emulator.ledger.charged)
            entries = [entry async for entry in Journal(path).entries()]
            assert len(entries) == emulator.ledger.created
            assert {entry.state for entry in entries} == {EntryState.ENDED}

    asyncio.run(run())
