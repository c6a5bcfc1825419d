"""Several clients share one account: all slots are used, and no create fails because it is full."""

import asyncio
import heapq
import random
import statistics
from pathlib import Path

import pytest

from kling_async import KlingClient, Polling, Retry
from kling_async.emulator import Emulator, Fault
from kling_async.protocol.concurrency_limit import EMPTY_MAXIMUM
from tests.shell.conftest import ClientMaker, wall
from tests.shell.stub import refusal, script, serve, task_answer

FINE = Polling(first=4, maximum=4)


def ideal_wall(durations: list[float], slots: int) -> float:
    """The end of the last of these tasks, if each began the moment a slot was free."""
    ends = [0.0] * slots
    for duration in durations:
        heapq.heapreplace(ends, ends[0] + duration)
    return max(ends)


async def make_all(client: KlingClient, image: Path, count: int) -> None:
    """Submits so many concurrently and waits for all."""
    handles = await asyncio.gather(*(client.image_to_video(image) for _ in range(count)))
    await asyncio.gather(*handles)


async def test_an_account_smaller_than_configured_is_filled(make_client: ClientMaker, image: Path) -> None:
    """20 tasks with `concurrency=20` on an account that runs 5 end near the ideal time, with few requests."""
    loop = asyncio.get_running_loop()
    random.seed(1)  # the client's pauses: about one draw in thirty probes more often
    async with Emulator(render=False, speed=1.0, concurrency=5, clock=wall()) as small:
        began = loop.time()
        await make_all(make_client(base_url=small.base_url, concurrency=20, polling=FINE), image, 20)
        took = loop.time() - began
        durations = [(entry.finished_at or 0) - entry.created_at for entry in small.ledger.entries]
        assert small.ledger.created == 20
        assert small.ledger.peak() == 5
        assert small.ledger.requests["create"] <= 30
    assert took <= 1.15 * ideal_wall(durations, 5)


async def share(make_client: ClientMaker, image: Path, seed: int) -> float:
    """Two clients with 20 tasks each on an account that runs 6: the share of the other when the first is done."""
    async with Emulator(render=False, speed=1.0, concurrency=6, clock=wall(), seed=seed) as emulator:
        clients = [make_client(base_url=emulator.base_url, concurrency=20, polling=FINE) for _ in range(2)]
        works = [asyncio.ensure_future(make_all(client, image, 20)) for client in clients]
        await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
        done = sum(entry.finished_at is not None for entry in emulator.ledger.entries)
        await asyncio.gather(*works)
        assert emulator.ledger.created == 40
        for client in clients:
            await client.close()
    return (done - 20) / 20


async def test_two_clients_share_an_account(make_client: ClientMaker, image: Path) -> None:
    """When the first of two clients is done, the other has at least a quarter of its tasks (median of 3 runs)."""
    assert statistics.median([await share(make_client, image, seed) for seed in range(3)]) >= 0.25


async def test_a_limit_on_one_model_is_that_models(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """A line of one model does not delay another model."""
    client = make_client(concurrency=1)
    first = await client.image_to_video(image)
    waiting = asyncio.ensure_future(client.image_to_video(image))
    other = await client.image_to_video(image, model_name="kling-v2-5-turbo")
    assert not first.done()
    assert not waiting.done()
    assert emulator.ledger.created == 2
    await asyncio.gather(first, other, await waiting)


async def test_the_line_is_first_in_first_out(make_client: ClientMaker, emulator: Emulator) -> None:
    """Tasks are sent in the order in which they entered the line."""
    client = make_client(concurrency=2)
    names = [f"job-{number}" for number in range(6)]
    url = "https://example.com/cat.png"  # nothing to look at before the line
    handles = await asyncio.gather(*(client.image_to_video(url, external_task_id=name) for name in names))
    assert [entry.external_task_id for entry in emulator.ledger.entries] == names
    await asyncio.gather(*handles)


@pytest.mark.parametrize("concurrency", [1, 3, 8])
async def test_concurrency_is_filled(
    make_client: ClientMaker, image: Path, emulator: Emulator, concurrency: int
) -> None:
    """With enough waiting tasks, exactly `concurrency` run."""
    await make_all(make_client(concurrency=concurrency), image, 2 * concurrency + 2)
    assert emulator.ledger.peak() == concurrency


async def test_retry_is_no_measure_of_sharing(make_client: ClientMaker, image: Path) -> None:
    """The retry of failed calls does not limit how often a create is tried on a full account."""
    loop = asyncio.get_running_loop()
    async with serve(script(*[refusal(429, 1303)] * 5, task_answer())) as stub:
        client = make_client(base_url=stub.base_url, retry=Retry(first=1000, maximum=1000))
        began = loop.time()
        await client.image_to_video(image)
        assert loop.time() - began < 1.5 * (1 + 2 + 4 + 2 * EMPTY_MAXIMUM) + 1


async def test_short_tasks_and_slow_creates_fill_the_slots(make_client: ClientMaker, image: Path) -> None:
    """80 tasks of about a second with creates of a second on 20 slots: near the ideal of eight seconds."""
    loop = asyncio.get_running_loop()
    async with Emulator(render=False, speed=150.0, concurrency=20, clock=wall()) as fast:
        fast.faults.add(Fault.delay(1), on="create")
        client = make_client(base_url=fast.base_url, concurrency=20, polling=Polling(first=0.1, factor=1, maximum=0.1))
        began = loop.time()
        await make_all(client, image, 80)
        took = loop.time() - began
        durations = [1 + (entry.finished_at or 0) - entry.created_at for entry in fast.ledger.entries]
    assert took <= 1.35 * ideal_wall(durations, 20) + 5
