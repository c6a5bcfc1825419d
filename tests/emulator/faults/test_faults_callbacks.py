import asyncio

import pytest

from kling_async.emulator import Fault
from tests.emulator.conftest import Caller
from tests.emulator.test_server import Receiver

FAR = 20.0
"""Seconds after which each task has ended."""


@pytest.fixture
def speed() -> float:
    """Returns a high speed: the emulator polls its clock many times in a second."""
    return 100.0


async def statuses(caller: Caller, tasks: int = 1) -> list[str]:
    """Creates tasks, lets them end, and returns the statuses in their callbacks, in order."""
    async with Receiver() as receiver:
        for _ in range(tasks):
            await caller.create(callback_url=receiver.url)
        await asyncio.sleep(FAR)
        return [receiver.received.get_nowait()[1]["task_status"] for _ in range(receiver.received.qsize())]


async def test_a_callback_is_lost(caller: Caller) -> None:
    """A lost callback is never posted, and the ledger has no attempt."""
    caller.emulator.faults.add(Fault.lost(), on="callback", at=2)

    assert await statuses(caller) == ["processing"]
    assert [note.status for note in caller.emulator.ledger.callbacks] == ["processing"]
    assert caller.emulator.faults.injected == {("callback", "lost"): 1}


async def test_a_callback_is_doubled(caller: Caller) -> None:
    """A doubled callback is posted twice."""
    caller.emulator.faults.add(Fault.doubled(), on="callback", when=lambda call: call.status == "succeed")

    assert await statuses(caller) == ["processing", "succeed", "succeed"]


async def test_callbacks_are_reordered(caller: Caller) -> None:
    """A reordered callback is posted after the next one of its task; the last one is not moved or counted."""
    caller.emulator.faults.add(Fault.reordered(), on="callback")

    assert await statuses(caller) == ["succeed", "processing"]
    assert caller.emulator.faults.injected == {("callback", "reordered"): 1}


async def test_a_callback_is_late(caller: Caller) -> None:
    """A delayed callback has the status of its original time, and may be overtaken."""
    caller.emulator.faults.add(Fault.delay(FAR / 2), on="callback", at=1)

    assert await statuses(caller) == ["succeed", "processing"]


async def test_some_callbacks_are_lost(caller: Caller) -> None:
    """With a probability some are lost, and all others are posted."""
    caller.emulator.faults.add(Fault.lost(), on="callback", probability=0.3, seed=1)

    states = await statuses(caller, tasks=10)

    lost = caller.emulator.faults.injected["callback", "lost"]
    assert 0 < lost < 20
    assert len(states) == 20 - lost
