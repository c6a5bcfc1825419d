"""A worker's client, which does not limit slots itself."""

import asyncio
from pathlib import Path

import pytest

from kling_async import EntryState, TextToVideo
from kling_async.emulator import Emulator
from kling_async.fleet.worker_client import WorkerClient
from kling_async.protocol.errors import ConcurrencyExceeded


def client_of(emulator: Emulator, folder: Path) -> WorkerClient:
    """A client with its own journal."""
    return WorkerClient(base_url=emulator.base_url, api_key=emulator.api_key, journal=folder / "clips.sqlite")


async def test_a_full_account_fails_at_once(tmp_path: Path) -> None:
    """If the account has no slot, the create ends with that error, unsent in the journal, and is not retried."""
    async with Emulator(render=False, concurrency=1) as emulator, client_of(emulator, tmp_path) as client:
        await client.submit(TextToVideo("a cat"), key="first")
        with pytest.raises(ConcurrencyExceeded):
            await client.submit(TextToVideo("a dog"), key="second")
        entry, _ = await client.last("second")
        assert entry is not None
        assert entry.state is EntryState.REFUSED
        assert emulator.ledger.requests["create"] == 2


async def test_all_that_have_seats_are_sent_at_once(tmp_path: Path) -> None:
    """There is neither a limit nor a slow start, as the fleet's seats already limit the tasks."""
    async with Emulator(render=False, concurrency=30) as emulator, client_of(emulator, tmp_path) as client:
        makings = [client.submit(TextToVideo(f"a cat, number {number}"), key=f"{number}") for number in range(30)]
        await asyncio.gather(*makings)
        assert emulator.ledger.peak() == 30
