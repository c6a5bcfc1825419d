"""Needed data that a callback leaves out is queried once."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kling_async import Budget, EntryState, ImageToVideo, Polling
from kling_async.emulator import Emulator
from tests.shell.conftest import ClientMaker
from tests.web.callbacks import legacy, sender

SELDOM = Polling(first=5000, maximum=5000)


def polls(emulator: Emulator) -> int:
    """Returns the number of polls so far."""
    return emulator.ledger.requests["query"] + emulator.ledger.requests["list"]


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("has_cost", [True, False])
async def test_the_cost_of_a_task(
    make_client: ClientMaker, image: Path, path: Path, emulator: Emulator, *, kept: bool, has_cost: bool
) -> None:
    """A budget counts the actual cost: if the callback does not contain it, the task is queried once."""
    options: dict[str, Any] = {"journal": path} if kept else {}
    client = make_client(polling=SELDOM, budget=Budget(units=60), **options)
    handle = await client.submit(ImageToVideo(image))
    await asyncio.sleep(1000)  # the task has ended, but has not been polled
    more: dict[str, Any] = {"final_unit_deduction": "1.25"} if has_cost else {}
    await sender(client).post(legacy(handle.task_id, "succeed", **more))
    assert handle.done()
    await asyncio.sleep(1)
    assert polls(emulator) == (0 if has_cost else 1)
    spending = await client.spending()
    assert spending.reserved == 0
    assert spending.settled == (Decimal("1.25") if has_cost else emulator.ledger.charged)
    if kept:
        [entry] = [entry async for entry in client.journal.entries()]
        assert (entry.state, entry.units) == (EntryState.ENDED, spending.settled)


async def test_a_cost_that_stays_unknown(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """If the service reports no cost either, or not in time, the reserved amount counts, even after a close."""
    budget = Budget(units=60)
    client = make_client(polling=SELDOM, budget=budget)
    handles = [await client.submit(ImageToVideo(image)) for _ in range(2)]
    sent = sender(client)
    await sent.post(legacy(handles[0].task_id, "succeed"))  # the service still reports it as running
    await asyncio.sleep(1)
    assert (await client.spending()).settled == Decimal("1.5")
    assert polls(emulator) == 1
    await sent.post(legacy(handles[1].task_id, "succeed"))
    await client.close()
    other = make_client(budget=budget)
    spending = await other.spending()
    assert spending.settled == 3
    assert spending.reserved == 0


async def test_a_watermarked_variant(make_client: ClientMaker, image: Path, emulator: Emulator, tmp_path: Path) -> None:
    """Its URL is queried once, if a callback contains only the video."""
    client = make_client(polling=SELDOM)
    handle = await client.submit(ImageToVideo(image, watermark_info={"enabled": True}))
    await asyncio.sleep(1000)
    await sender(client).post(legacy(handle.task_id, "succeed"))
    assert (await handle.save(tmp_path / "a.mp4", watermark=True)).stat().st_size > 0
    assert polls(emulator) == 1
