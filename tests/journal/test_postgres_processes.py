"""Several processes with a journal in Postgres: one that was merely stopped is fenced."""

import asyncio
import signal

import pytest

from kling_async.journal.client_journal import journal_of
from kling_async.journal.postgres.leases import longest_create
from tests.journal.test_leases import all_away, away
from tests.journal.test_processes import delayed, processes


async def accepted(dsn: str) -> None:
    """Waits until the journal has a task, which is written a moment after its acceptance."""
    async with asyncio.timeout(30):
        while True:
            if [entry.task_id async for entry in journal_of(dsn).entries() if entry.task_id]:
                return
            await asyncio.sleep(0.05)


@pytest.mark.slow
def test_a_process_that_was_stopped_for_longer_than_its_lease(postgres: str) -> None:
    """Another one takes its work; when it resumes it begins no more, and its reports change nothing."""

    async def run() -> None:
        async with processes(postgres) as (emulator, start):
            first = await start("submit", "ask", "hold")
            reference = await first.line()
            await accepted(postgres)
            assert await (await start("recover")).line() == ""
            first.process.send_signal(signal.SIGSTOP)
            all_away(postgres)
            second = await start("recover", "hold")
            assert await second.line() == reference
            first.process.send_signal(signal.SIGCONT)
            assert first.process.stdin is not None
            first.process.stdin.write(b"now\n")
            assert await first.line() == "LeaseLost"
            assert emulator.ledger.created == 1
            (entry,) = [entry async for entry in journal_of(postgres).entries()]
            assert entry.reference == reference

    asyncio.run(run())


@pytest.mark.slow
def test_one_key_of_which_the_sender_is_stopped(postgres: str) -> None:
    """Others wait for a create under way in a stopped process, however long ago its lease expired."""

    async def run() -> None:
        async with processes(postgres) as (emulator, start):
            arrived = await delayed(emulator)
            first = await start("key", "hold")
            await arrived.wait()
            first.process.send_signal(signal.SIGSTOP)
            calls = emulator.faults.calls["create"]
            second = await start("key", "hold")
            line = asyncio.ensure_future(second.line())
            assert not (await asyncio.wait([line], timeout=1))[0]
            assert emulator.faults.calls["create"] == calls
            (entry,) = [entry async for entry in journal_of(postgres).entries()]
            assert entry.owner is not None
            away(postgres, entry.owner, longest_create(None) + 1)
            assert (await line).startswith("text2video:")
            first.process.send_signal(signal.SIGCONT)
            assert await first.line() == await line
            assert emulator.ledger.created == 1

    asyncio.run(run())
