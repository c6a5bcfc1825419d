"""Polling many tasks with few requests: one page of the list serves many, and faults affect it as any poll."""

import asyncio
import bisect
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

from kling_async import ImageToVideo, KlingClient, Polling, Task, TaskHandle, TaskTimeout
from kling_async.emulator import Emulator, Fault
from kling_async.protocol.polling.age_bins import EDGES
from kling_async.protocol.polling.listing import ListStrategy
from tests.shell.conftest import ClientMaker, wall
from tests.shell.stub import script, serve, task_answer

BEAT: Final = Polling(first=10, factor=1, maximum=10)


async def submitted(client: KlingClient, image: Path, count: int) -> list[TaskHandle]:
    """Submits so many tasks concurrently."""
    return list(await asyncio.gather(*(client.image_to_video(image) for _ in range(count))))


async def seen(handles: Iterable[TaskHandle], emulator: Emulator) -> list[float]:
    """Waits for all; returns how many seconds after its end each was seen."""
    time_of_day = wall()
    ends = {entry.task_id: entry for entry in emulator.ledger.entries}

    async def lag(handle: TaskHandle) -> float:
        task = await handle
        assert task.updated_at is not None
        assert task.task_id in ends
        return time_of_day() - task.updated_at.timestamp()

    return list(await asyncio.gather(*(lag(handle) for handle in handles)))


def polls(emulator: Emulator) -> int:
    """Queries of any kind."""
    return emulator.ledger.requests["query"] + emulator.ledger.requests["list"]


async def test_one_page_answers_for_all(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """Twenty tasks on one beat cost about one page a beat, and each is seen within it."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    handles = await submitted(make_client(concurrency=20, polling=BEAT), image, 20)
    lags = await seen(handles, emulator)
    beats = (loop.time() - began) / 10
    assert max(lags) < 10.6
    assert emulator.ledger.requests["list"] <= 1.5 * beats
    assert polls(emulator) <= 3 * beats


async def test_one_task_alone_is_queried_singly(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """A single task is queried singly, since a page would cost more."""
    (handle,) = await submitted(make_client(), image, 1)
    await handle
    assert emulator.ledger.requests["list"] == 0
    assert emulator.ledger.requests["query"] > 0


@pytest.mark.parametrize("polling", [BEAT, Polling(first=30, factor=2, maximum=120), None])
async def test_a_beat_keeps_its_meaning(
    make_client: ClientMaker, image: Path, emulator: Emulator, polling: Polling | None
) -> None:
    """With pages, no task waits longer for a poll than its own schedule allows."""
    client = make_client(concurrency=20, polling=polling)
    handles = []
    for _ in range(12):
        handles += await submitted(client, image, 1)
        await asyncio.sleep(7)
    lags = await seen(handles, emulator)
    assert max(lags) < (polling.maximum * 1.05 + 0.5 if polling else 40)


async def crowd(emulator: Emulator, image: Path, count: int, make_client: ClientMaker) -> None:
    """Finished tasks of others in the same account."""
    other = make_client(concurrency=20, polling=Polling(first=300))
    await asyncio.gather(*(each.wait() for each in await submitted(other, image, count)))
    emulator.ledger.requests.clear()


@pytest.mark.slow
async def test_an_account_full_of_others_tasks_costs_no_more_than_single_queries(
    make_client: ClientMaker, image: Path, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a page holds few of the client's tasks, pages are given up after a trial or two."""
    emulator.account.list_seed = 5
    monkeypatch.setattr("kling_async.protocol.polling.listing.PAGE_SIZE_MAXIMUM", 20)
    await crowd(emulator, image, 240, make_client)
    cost = {}
    for name in ("pages", "singly"):
        if name == "singly":
            monkeypatch.setattr(ListStrategy, "begin", lambda *_: None)
        handles = await submitted(make_client(concurrency=12, polling=BEAT), image, 12)
        await asyncio.gather(*(handle.wait() for handle in handles))
        cost[name] = polls(emulator)
        emulator.ledger.requests.clear()
    assert cost["pages"] <= 1.1 * cost["singly"]


async def test_tasks_missing_from_a_page_are_queried_at_once(
    make_client: ClientMaker, image: Path, emulator: Emulator
) -> None:
    """If an unordered page lacks tasks, the lag is still that of single queries."""
    emulator.account.list_seed = 3
    await crowd(emulator, image, 30, make_client)
    handles = await submitted(make_client(concurrency=20, polling=BEAT), image, 20)
    assert max(await seen(handles, emulator)) < 10.6


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault.gateway(502), id="502"),
        pytest.param(Fault.error(1302), id="1302"),
        pytest.param(Fault.reset(), id="reset", marks=pytest.mark.slow),
        pytest.param(Fault.error(5000), id="5000", marks=pytest.mark.slow),
        pytest.param(Fault.error(1103), id="1103", marks=pytest.mark.slow),
        pytest.param(Fault.error(1201), id="1201", marks=pytest.mark.slow),
    ],
)
async def test_a_list_that_always_fails_only_costs_the_trials(
    make_client: ClientMaker, image: Path, emulator: Emulator, fault: Fault
) -> None:
    """If the list always fails, tasks are queried singly, and the list is requested ever more rarely."""
    emulator.faults.add(fault, on="list")
    handles = await submitted(make_client(concurrency=20, polling=BEAT), image, 20)
    await asyncio.gather(*(handle.wait() for handle in handles))
    assert 1 <= emulator.ledger.requests["list"] <= 1 + emulator.ledger.requests["query"] / 32


async def test_a_page_that_stalls_is_not_waited_for(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """After ten seconds the tasks that were due are queried singly."""
    handles = await submitted(make_client(concurrency=20, polling=BEAT), image, 20)
    ends = wall()() + 75
    emulator.faults.add(Fault.delay(3000), on="list", when=lambda _: wall()() > ends)
    assert max(await seen(handles, emulator)) < 10.6 + 10.5


async def test_a_failing_page_follows_the_retry_schedule(
    make_client: ClientMaker, image: Path, emulator: Emulator
) -> None:
    """A 502 of a page delays the tasks that were due by about a second, not by a beat."""
    emulator.faults.add(Fault.gateway(502), on="list", at=range(1, 3))
    handles = await submitted(make_client(concurrency=20, polling=BEAT), image, 20)
    assert max(await seen(handles, emulator)) < 10.6 + 2.5


async def test_deadlines_stay_each_tasks_own(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """With pages under way, each task ends at its own deadline."""
    loop = asyncio.get_running_loop()
    client = make_client(concurrency=20, polling=Polling(first=10, factor=1, maximum=10, deadline=45))

    async def one(delay: float) -> float:
        await asyncio.sleep(delay)
        handle = await client.image_to_video(image)
        began = loop.time()
        with pytest.raises(TaskTimeout):
            await handle
        return loop.time() - began

    ages = await asyncio.gather(*(one(3.0 * number) for number in range(12)))
    assert all(44.9 <= age < 46 for age in ages)
    assert emulator.ledger.requests["list"] > 0


async def test_attached_tasks_are_answered_by_pages_too(
    make_client: ClientMaker, image: Path, emulator: Emulator
) -> None:
    """Attached tasks are queried singly once, since the list may lack them; then pages are used."""
    first = make_client(concurrency=20)
    references = [handle.reference for handle in await submitted(first, image, 20)]
    await first.close()
    emulator.ledger.requests.clear()
    other = make_client(polling=BEAT)
    tasks = await asyncio.gather(*(other.attach(reference).wait() for reference in references))
    assert {task.reference for task in tasks} == set(references)
    assert emulator.ledger.requests["list"] > 0


async def test_two_names_of_one_task_are_both_answered(
    make_client: ClientMaker, image: Path, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task attached by both ids before its first response ends for both, even if both are due at once."""
    monkeypatch.setattr("kling_async.client_base.random.random", lambda: 0.5)
    handles = await submitted(make_client(concurrency=20), image, 20)
    other = make_client(polling=BEAT)
    names = [handle.reference for handle in handles] + [f"image2video:{handle.external_task_id}" for handle in handles]
    tasks = await asyncio.gather(*(other.attach(name).wait() for name in names))
    assert [task.task_id for task in tasks[:20]] == [task.task_id for task in tasks[20:]]
    assert emulator.ledger.requests["list"] > 0


async def test_a_callback_may_close_the_client_during_a_page(
    make_client: ClientMaker, image: Path, emulator: Emulator
) -> None:
    """Closing the client in a callback while a page is read is safe."""
    client = make_client(concurrency=20, polling=BEAT)
    handles = await submitted(client, image, 20)
    closing: list[asyncio.Task[None]] = []
    for handle in handles:
        handle.add_done_callback(lambda _: closing.append(asyncio.ensure_future(client.close())))
    ends = await asyncio.gather(*handles, return_exceptions=True)
    await asyncio.gather(*closing)
    assert any(isinstance(end, Task) for end in ends)
    assert emulator.ledger.created == 20


async def test_the_client_learns_and_hands_on(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """Durations are learned from forty tasks; a second client given them is accurate from the start."""
    client = make_client(concurrency=20)
    published = client.durations.of("image2video/kling-v2-6/std/5", 85.0).look_schedule().median
    for _ in range(2):
        await asyncio.gather(*(handle.wait() for handle in await submitted(client, image, 20)))
    entries = [entry for entry in emulator.ledger.entries if entry.finished_at is not None]
    took = sorted(entry.finished_at - entry.created_at for entry in entries if entry.finished_at is not None)
    median = took[len(took) // 2]
    learned = client.durations.medians()["image2video/kling-v2-6/std/5"]
    assert abs(learned - median) < 0.12 * median < abs(published - median)
    other = make_client(durations=client.durations, concurrency=20)
    assert other.durations is client.durations
    (handle,) = await submitted(other, image, 1)
    emulator.ledger.requests.clear()
    (lag,) = await seen([handle], emulator)
    assert emulator.ledger.requests["query"] <= 14
    assert lag < 0.15 * median


async def test_adopted_tasks_do_not_spoil_what_was_learned(
    make_client: ClientMaker, image: Path, emulator: Emulator
) -> None:
    """The durations of finished tasks that a repeated batch adopts are not learned."""
    first = make_client(concurrency=20)
    names = [f"batch-{number}" for number in range(15)]
    await asyncio.gather(*[(await first.image_to_video(image, external_task_id=name)).wait() for name in names])
    assert emulator.ledger.created == 15
    again = make_client(concurrency=20, durations=first.durations)
    before = first.durations.medians()
    for name in names:
        await (await again.submit(ImageToVideo(image, external_task_id=name), if_exists="adopt"))
    assert emulator.ledger.created == 15
    assert again.durations.medians() == before


async def test_slow_pages_do_not_outlive_a_deadline(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """If each page takes eight seconds, a task still ends at its deadline plus a last query."""
    loop = asyncio.get_running_loop()
    emulator.faults.add(Fault.delay(8), on="list")
    client = make_client(concurrency=20, polling=Polling(first=5, factor=1, maximum=5, deadline=42))
    handles = await submitted(client, image, 20)
    began = loop.time()
    await asyncio.gather(*(handle.wait() for handle in handles), return_exceptions=True)
    assert loop.time() - began < 42 + 10 + 1


async def test_slow_pages_delay_a_query_by_ten_seconds(
    make_client: ClientMaker, image: Path, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a list needs many pages of eight seconds each, no task waits for all of them."""
    monkeypatch.setattr("kling_async.protocol.polling.listing.PAGE_SIZE_MAXIMUM", 20)
    emulator.account.limit = 100
    emulator.faults.add(Fault.delay(8), on="list")
    handles = await submitted(make_client(concurrency=100, polling=BEAT), image, 100)
    lags = await seen(handles, emulator)
    assert max(lags) < 10.5 + 2 * 8 + 0.5


async def test_a_late_response_does_not_shorten_the_duration(make_client: ClientMaker) -> None:
    """The learned duration includes half a minute before the response to the create."""
    began = wall()() - 30

    def answer(status: str, age: float) -> bytes:
        return task_answer(status, created_at=int(1000 * began), updated_at=int(1000 * (began + age)))

    answers = script(answer("submitted", 0), *[answer("processing", 0)] * 3, answer("succeed", 90))
    async with serve(answers) as stub:
        client = make_client(base_url=stub.base_url, polling=Polling(first=15, factor=1, maximum=15))
        await (await client.image_to_video("https://example.com/cat.png"))
    ended = client.durations.of("image2video/kling-v2-6/std/5", 85.0).ended
    assert bisect.bisect(EDGES, 90) - 1 == ended.index(1.0)


async def test_pages_that_hang_do_not_outlive_a_deadline(
    make_client: ClientMaker, image: Path, emulator: Emulator
) -> None:
    """If every response hangs, a task due shortly before its deadline does not wait for a page."""
    loop = asyncio.get_running_loop()
    emulator.faults.add(Fault.delay(3000), on=("list", "query"))
    client = make_client(concurrency=20, polling=Polling(first=38, factor=1, maximum=38, deadline=42))
    handles = await submitted(client, image, 20)
    began = loop.time()
    ends = await asyncio.gather(*handles, return_exceptions=True)
    assert {type(end) for end in ends} == {TaskTimeout}
    assert loop.time() - began < 42 + 10 + 1


async def test_cancelling_all_tasks_of_the_loop_does_not_end_the_following(
    make_client: ClientMaker, image: Path, emulator: Emulator
) -> None:
    """If all asyncio tasks of the loop are cancelled, a running query is repeated."""
    emulator.faults.add(Fault.delay(5), on=("query", "list"))
    handles = await submitted(make_client(concurrency=20, polling=BEAT), image, 12)
    await asyncio.sleep(12)
    ours = {"Poller._query_page", "Poller._query"}
    strangers_victims = [task for task in asyncio.all_tasks() if task.get_coro().__qualname__ in ours]  # type: ignore[union-attr]  # each has one
    assert strangers_victims
    for victim in strangers_victims:
        victim.cancel()
    await asyncio.wait_for(asyncio.gather(*(handle.wait() for handle in handles)), 3000)
