"""Polling many tasks of the current generation with few queries: twenty by their ids, or a period by a page."""

import asyncio
import json
import random
from datetime import UTC, datetime
from typing import Any, Literal

import pytest

from kling_async import KlingClient, TaskHandle, TaskNotFound, TaskStatus, current
from kling_async.emulator import Call, Emulator, Fault
from tests.shell.conftest import ClientMaker, wall
from tests.shell.test_list_polling import polls, seen

TURBO = "kling-3.0-turbo"
OK = {"code": 0, "message": "SUCCEED"}


@pytest.fixture
def kling(make_client: ClientMaker, emulator: Emulator) -> KlingClient:
    """A client with an API key."""
    return make_client(api_key=emulator.api_key, concurrency=20)


async def submitted(kling: KlingClient, count: int, **options: Any) -> list[TaskHandle]:
    """Submits so many tasks concurrently."""
    model = kling.model(TURBO)
    return list(await asyncio.gather(*(model.text_to_video("a cat", **options) for _ in range(count))))


async def test_twenty_tasks_share_each_query(kling: KlingClient, emulator: Emulator) -> None:
    """All waiting tasks are queried with the one that is due, at the cost of one query."""
    handles = await submitted(kling, 20)
    lags = await seen(handles, emulator)
    assert polls(emulator) <= 2 * 20
    assert emulator.ledger.requests["list"] == 0
    assert sum(lags) / len(lags) < 10


async def test_one_task_is_queried_by_its_id(kling: KlingClient, emulator: Emulator) -> None:
    """A single task is queried by its id, since a page would cost more."""
    (handle,) = await submitted(kling, 1)
    await handle
    assert emulator.ledger.requests["list"] == 0
    assert emulator.ledger.requests["query"] > 0


async def test_a_hundred_in_flight_cost_little(make_client: ClientMaker, emulator: Emulator) -> None:
    """A hundred tasks cost at most 0.3 queries each, with the lag of single queries."""
    emulator.account.limit = 100
    kling = make_client(api_key=emulator.api_key, concurrency=100)
    model, draws = kling.model("kling-3.0"), random.Random(7)  # noqa: S311  (no secret)

    async def one() -> TaskHandle:
        await asyncio.sleep(60 * draws.random())
        return await model.text_to_video("a cat", duration=10)

    handles = list(await asyncio.gather(*(one() for _ in range(100))))
    lags = await seen(handles, emulator)
    assert polls(emulator) <= 0.3 * 100
    assert sum(lags) / len(lags) < 15


@pytest.mark.slow
async def test_five_hundred_of_both_generations(make_client: ClientMaker, emulator: Emulator) -> None:
    """Tasks cost at most 2.1 requests each, creates included; the lag of both generations is about the same."""
    emulator.account.limit = 500
    kling = make_client(api_key=emulator.api_key, concurrency=500)
    model = kling.model("kling-3.0")
    makes = [kling.text_to_video("a cat") if number % 2 else model.text_to_video("a cat") for number in range(500)]
    handles = list(await asyncio.gather(*makes))
    lags = await seen(handles, emulator)
    assert emulator.ledger.created == 500
    assert emulator.ledger.requests["create"] + polls(emulator) <= 2.1 * 500
    assert max(sum(some) / 250 for some in (lags[::2], lags[1::2])) < 15


async def of_both(kling: KlingClient) -> list[TaskHandle]:
    """Some long tasks of the current generation, and a legacy one at the end."""
    model = kling.model("kling-3.0")
    handles = [await model.text_to_video("a cat", duration=15) for _ in range(4)]
    return [*handles, await kling.text_to_video("a cat", mode="pro", duration=10)]


def recorded_queries(emulator: Emulator) -> list[set[str]]:
    """The ids of each query from now on."""
    requested: list[set[str]] = []

    def noted(call: Call) -> bool:
        requested.append(set(call.key.split(",")))
        return False

    emulator.faults.add(Fault.reset(), on="query", when=noted)
    return requested


@pytest.mark.parametrize("legacy_ids", ["shown", "left out", "refused"])
async def test_both_generations_share_queries_after_a_trial(
    kling: KlingClient, emulator: Emulator, legacy_ids: Literal["shown", "left out", "refused"]
) -> None:
    """One extra query is a trial; if it fails, later queries have tasks of one generation only."""
    emulator.account.legacy_ids = legacy_ids
    requested = recorded_queries(emulator)
    handles = await of_both(kling)
    legacy = handles[-1]
    tasks = await asyncio.gather(*(handle.wait() for handle in handles))
    mixed = [ids for ids in requested if legacy.task_id in ids and len(ids) > 1]
    assert len(mixed) > 1 if legacy_ids == "shown" else len(mixed) == 1
    assert {task.status for task in tasks} == {TaskStatus.SUCCEED}
    assert {legacy.task_id} in requested, "its own path reports its end"
    assert tasks[-1].final_unit_deduction is not None
    assert polls(emulator) == len(requested)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault.stall(share=0.5), id="stall"),
        pytest.param(Fault.gateway(502), id="502"),
        pytest.param(Fault.error(1201), id="1201"),
    ],
)
async def test_a_trial_that_fails_delays_no_task(kling: KlingClient, emulator: Emulator, fault: Fault) -> None:
    """However a trial query fails, all other tasks are queried as if there had been none."""
    requested = recorded_queries(emulator)
    handles = await of_both(kling)
    legacy = str(handles[-1].task_id)
    emulator.faults.add(fault, on="query", when=lambda call: legacy in call.key and "," in call.key)
    lags = await seen(handles, emulator)
    assert len([ids for ids in requested if legacy in ids and len(ids) > 1]) == 1
    assert max(lags) < 60


async def test_a_task_that_is_not_visible_yet_is_not_lost(kling: KlingClient, emulator: Emulator) -> None:
    """For a minute after a create, an empty response does not mean that the task is lost."""
    emulator.account.visible_after = 55
    handles = await submitted(kling, 3)
    tasks = await asyncio.gather(*(handle.wait() for handle in handles))
    assert {task.status for task in tasks} == {TaskStatus.SUCCEED}


async def test_an_unknown_task_is_not_found_and_spoils_no_other(kling: KlingClient, emulator: Emulator) -> None:
    """A task missing from two responses raises TaskNotFound; the others in the query end normally."""
    handles = await submitted(kling, 3)
    names = ["tasks:1", "tasks:external:nobodys", *(f"tasks:{handle.task_id}" for handle in handles)]
    other = [kling.attach(name) for name in names]
    ends = await asyncio.gather(*other, return_exceptions=True)
    assert [type(end).__name__ for end in ends] == ["TaskNotFound", "TaskNotFound", "Task", "Task", "Task"]
    assert isinstance(ends[0], TaskNotFound)
    assert ends[0].reference == "tasks:1"
    assert emulator.ledger.created == 3


async def test_two_ids_of_one_task_share_its_polling(
    kling: KlingClient, make_client: ClientMaker, emulator: Emulator
) -> None:
    """A task attached by both ids before its first response is queried once, and both handles get every update."""
    (handle,) = await submitted(kling, 1)
    other = make_client(api_key=emulator.api_key)
    by_id, by_own = other.attach(handle.reference), other.attach(f"tasks:external:{handle.external_task_id}")
    waits = [asyncio.ensure_future(each.wait()) for each in (by_id, by_own)]
    await asyncio.sleep(5)
    assert by_own.reference == by_id.reference == handle.reference
    assert len(other._poller.unfinished()) == 1
    await kling.close()
    emulator.ledger.requests.clear()
    first, second = await asyncio.gather(*waits)
    assert first == second
    updates = [[task.status async for task in each.updates()] for each in (by_id, by_own)]
    assert updates[0] == updates[1]
    alone = make_client(api_key=emulator.api_key)
    requested = polls(emulator)
    emulator.ledger.requests.clear()
    assert requested <= 14
    assert (await alone.attach(handle.reference)).status is TaskStatus.SUCCEED


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault.reset(), id="reset"),
        pytest.param(Fault.gateway(502), id="502"),
        pytest.param(Fault.error(1201), id="1201"),
        pytest.param(
            Fault.foreign({"code": 0, "message": "", "data": [{"id": "9", "status": "failed"}]}), id="another's"
        ),
        pytest.param(Fault.foreign({"code": 0, "message": "SUCCEED", "data": []}), id="nothing"),
        pytest.param(Fault.stall(share=0.5), id="stall"),
    ],
)
async def test_a_broken_response_ends_no_task(kling: KlingClient, emulator: Emulator, fault: Fault) -> None:
    """A response about twenty tasks that is lost, refused, another's or empty costs little, and all end normally."""
    emulator.faults.add(fault, on=("query", "list"), at=range(2, 4))
    handles = await submitted(kling, 12)
    tasks = await asyncio.gather(*(handle.wait() for handle in handles))
    assert {task.status for task in tasks} == {TaskStatus.SUCCEED}
    assert polls(emulator) <= 2 * 12


async def test_the_list_of_a_period(kling: KlingClient) -> None:
    """The list continues by cursor, can be filtered by status, and yields each task once."""
    early = datetime.fromtimestamp(wall()() - 5, UTC)
    first = await submitted(kling, 7)
    await asyncio.gather(*(handle.wait() for handle in first))
    later = datetime.fromtimestamp(wall()() - 1, UTC)
    second = await submitted(kling, 5)

    async def ids(**options: Any) -> set[str | None]:
        found = [task.task_id async for task in kling.tasks("tasks", page_size=3, **options)]
        assert len(found) == len(set(found))
        return set(found)

    old, new = ({handle.task_id for handle in some} for some in (first, second))
    assert await ids() == await ids(since=early) == old | new
    assert await ids(since=later) == new
    assert await ids(status="succeeded") == await ids(status=TaskStatus.SUCCEED) == old
    assert await ids(status="failed") == set()


async def test_tasks_of_an_ended_process_are_found_without_a_journal(
    kling: KlingClient, make_client: ClientMaker, emulator: Emulator
) -> None:
    """Tasks are found by a prefix of their ids, generated or chosen; their handles are not queried."""
    early = datetime.fromtimestamp(wall()() - 5, UTC)
    ours = await submitted(kling, 2)
    mine = await kling.submit(current.TextToVideo("a cat", model=TURBO, external_task_id="job-1"))
    await kling.close()
    other = make_client(api_key=emulator.api_key)

    async def found(**options: Any) -> set[str]:
        return {handle.reference async for handle in other.tasks_since(early, **options)}

    assert await found() == {handle.reference for handle in ours}
    assert await found(prefix="job-") == {mine.reference}
    assert len(await found(prefix="")) == 3
    assert emulator.ledger.requests["query"] == 0
    (handle,) = [handle async for handle in other.tasks_since(early, prefix="job-1")]
    assert (await handle).external_task_id == "job-1"


async def test_callbacks_about_current_tasks(kling: KlingClient, make_client: ClientMaker, emulator: Emulator) -> None:
    """The newest callback counts, by either id; an older one than the known state changes nothing."""
    (handle,) = await submitted(kling, 1)
    other = make_client(api_key=emulator.api_key)
    by_own = other.attach(f"tasks:external:{handle.external_task_id}")
    waits = asyncio.ensure_future(by_own.wait())
    await asyncio.sleep(1)
    now = int(wall()() * 1000)

    async def call_back(status: str, at: int, **more: Any) -> None:
        body = {"id": handle.task_id, "external_id": handle.external_task_id, "status": status, "update_time": at}
        for client in (kling, other):
            raw = json.dumps({**body, "message": "", "create_time": now - 1000, **more}).encode()
            task = client.callbacks.read(raw)
            assert task is not None
            await client.callbacks.take(task, raw, signed=True)

    emulator.ledger.requests.clear()
    await call_back("processing", now + 2000)
    await call_back("failed", now + 1000, message="an older word")
    assert (handle.status, handle.done()) == (TaskStatus.PROCESSING, False)
    video = {"type": "video", "id": "1", "url": "http://127.0.0.1:9/a.mp4", "duration": "5.041"}
    await call_back("succeeded", now + 3000, outputs=[video], billing=[])
    assert (await handle).videos == (await waits).videos
    assert by_own.reference == handle.reference
    assert polls(emulator) == 0
