"""What a callback leaves out, and somebody needs, is asked for once."""

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


def questions(emulator: Emulator) -> int:
    """Asked so far."""
    return emulator.ledger.requests["query"] + emulator.ledger.requests["list"]


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("told", [True, False])
async def test_the_cost_of_a_task(
    make_client: ClientMaker, image: Path, path: Path, emulator: Emulator, *, kept: bool, told: bool
) -> None:
    """A budget counts what was paid: where the callback does not say it, the service is asked, once."""
    options: dict[str, Any] = {"journal": path} if kept else {}
    client = make_client(polling=SELDOM, budget=Budget(units=60), **options)
    handle = await client.submit(ImageToVideo(image))
    await asyncio.sleep(1000)  # it has ended, and nobody has heard of it
    more: dict[str, Any] = {"final_unit_deduction": "1.25"} if told else {}
    await sender(client).post(legacy(handle.task_id, "succeed", **more))
    assert handle.done()
    await asyncio.sleep(1)
    assert questions(emulator) == (0 if told else 1)
    spending = await client.spending()
    assert spending.reserved == 0
    assert spending.settled == (Decimal("1.25") if told else emulator.ledger.charged)
    if kept:
        [entry] = [entry async for entry in client.journal.entries()]
        assert (entry.state, entry.units) == (EntryState.ENDED, spending.settled)


async def test_a_cost_that_nobody_tells(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """Where the service does not say it either, or not in time, what was reserved counts; also if the client closes."""
    budget = Budget(units=60)
    client = make_client(polling=SELDOM, budget=budget)
    handles = [await client.submit(ImageToVideo(image)) for _ in range(2)]
    sent = sender(client)
    await sent.post(legacy(handles[0].task_id, "succeed"))  # of which the service says that it is running still
    await asyncio.sleep(1)
    assert (await client.spending()).settled == Decimal("1.5")
    assert questions(emulator) == 1
    await sent.post(legacy(handles[1].task_id, "succeed"))
    await client.close()
    other = make_client(budget=budget)
    spending = await other.spending()
    assert spending.settled == 3
    assert spending.reserved == 0


async def test_a_watermarked_variant(make_client: ClientMaker, image: Path, emulator: Emulator, tmp_path: Path) -> None:
    """Its address is asked for once, where a callback told of the video only."""
    client = make_client(polling=SELDOM)
    handle = await client.submit(ImageToVideo(image, watermark_info={"enabled": True}))
    await asyncio.sleep(1000)
    await sender(client).post(legacy(handle.task_id, "succeed"))
    assert (await handle.save(tmp_path / "a.mp4", watermark=True)).stat().st_size > 0
    assert questions(emulator) == 1
