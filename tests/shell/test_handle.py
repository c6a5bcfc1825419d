"""The handle is a future in the asyncio sense."""

import asyncio
import contextvars
import gc
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from kling_async import (
    ClientClosed,
    KlingClient,
    Polling,
    Task,
    TaskFailed,
    TaskHandle,
    TaskNotFound,
    TaskStatus,
    TaskTimeout,
)
from kling_async.emulator import Emulator
from tests.repeatable import pickled
from tests.shell.conftest import ClientMaker
from tests.shell.stub import answer, script, serve, task_answer


async def submitted(client: KlingClient, image: Path, prompt: str = "a cat") -> TaskHandle:
    """A task that was just accepted."""
    return await client.image_to_video(image, prompt=prompt)


async def test_await_gives_the_finished_task(client: KlingClient, image: Path) -> None:
    """Awaiting a handle gives the task with its video."""
    task = await (await submitted(client, image))
    assert task.status is TaskStatus.SUCCEED
    assert len(task.videos) == 1


async def test_submit_returns_before_the_task_is_done(client: KlingClient, image: Path) -> None:
    """A submitted handle has its ids and status at once."""
    handle = await submitted(client, image)
    assert handle.status is TaskStatus.SUBMITTED
    assert handle.task_id is not None
    assert handle.external_task_id is not None
    assert handle.reference == f"image2video:{handle.task_id}"
    assert not handle.done()


async def test_many_waiters_poll_once_a_tick(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """Three waiters of one handle cost as many queries as one."""
    handle = await submitted(make_client(polling=Polling()), image)
    first = await asyncio.gather(handle, handle.wait(), handle)
    assert first[0] is first[1] is first[2]
    polls = emulator.ledger.requests["query"]
    seconds = (first[0].updated_at or first[0].created_at).timestamp() - first[0].created_at.timestamp()  # type: ignore[union-attr]  # the emulator gives it
    assert polls <= 2 + seconds / 10
    assert await handle is first[0]
    assert emulator.ledger.requests["query"] == polls


@pytest.mark.parametrize("member", ["result", "exception"])
async def test_result_before_the_end_is_invalid(client: KlingClient, image: Path, member: str) -> None:
    """`result()` and `exception()` raise InvalidStateError until the task has ended."""
    handle = await submitted(client, image)
    with pytest.raises(asyncio.InvalidStateError):
        getattr(handle, member)()
    task = await handle
    assert handle.result() is task
    assert handle.exception() is None


async def test_cold_handles_have_no_result_either(client: KlingClient) -> None:
    """An attached handle that was not awaited raises InvalidStateError, too."""
    handle = client.attach("image2video:1")
    assert not handle.done()
    assert not handle.cancelled()
    with pytest.raises(asyncio.InvalidStateError):
        handle.result()


async def test_callbacks_get_the_handle_soon(client: KlingClient, image: Path) -> None:
    """Done callbacks are called with the handle, by `call_soon`: not inside the call that registers them."""
    handle = await submitted(client, image)
    seen: list[TaskHandle] = []
    handle.add_done_callback(seen.append)
    await handle
    await asyncio.sleep(0)
    assert seen == [handle]
    handle.add_done_callback(seen.append)
    assert seen == [handle]
    await asyncio.sleep(0)
    assert seen == [handle, handle]


async def test_removed_callbacks_are_not_called(client: KlingClient, image: Path) -> None:
    """`remove_done_callback` removes all of one function and returns how many."""
    handle = await submitted(client, image)
    seen: list[TaskHandle] = []
    handle.add_done_callback(seen.append)
    handle.add_done_callback(seen.append)
    assert handle.remove_done_callback(seen.append) == 2
    await handle
    await asyncio.sleep(0)
    assert seen == []


async def test_gather(client: KlingClient, image: Path) -> None:
    """Handles work in `asyncio.gather`."""
    handles = [await submitted(client, image) for _ in range(3)]
    tasks = await asyncio.gather(*handles)
    assert [task.task_id for task in tasks] == [handle.task_id for handle in handles]


async def test_wait_returns_the_handles_themselves(client: KlingClient, image: Path) -> None:
    """`asyncio.wait` sorts the handles into done and pending."""
    handles = [await submitted(client, image) for _ in range(3)]
    done, pending = await asyncio.wait(handles)  # type: ignore[type-var]  # typed for a Future by name, not by protocol
    assert done == set(handles)
    assert not pending


async def test_as_completed(client: KlingClient, image: Path) -> None:
    """Handles work in `asyncio.as_completed`."""
    handles = [await submitted(client, image) for _ in range(3)]
    ids = {(await next_one).task_id for next_one in asyncio.as_completed(handles)}
    assert ids == {handle.task_id for handle in handles}


async def test_task_group(client: KlingClient, image: Path) -> None:
    """`wait()` is a coroutine, as a TaskGroup requires."""
    handle = await submitted(client, image)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(handle.wait())
    assert waiting.result() is handle.result()


async def test_a_waiters_timeout_ends_that_wait_only(client: KlingClient, image: Path) -> None:
    """`wait_for` that times out leaves the handle to its other waiters."""
    handle = await submitted(client, image)
    other = asyncio.ensure_future(handle.wait())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(handle, 1.0)
    assert not handle.done()
    assert (await other).status is TaskStatus.SUCCEED


async def test_a_loop_of_timeouts_keeps_nothing(client: KlingClient, image: Path) -> None:
    """Cancelled waits leave no references in a handle whose task runs for hours."""
    handle = await submitted(client, image)
    for _ in range(20):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(handle, 0.1)
    assert len(handle._waiters) == 0


async def test_a_cancelled_waiter_ends_that_wait_only(client: KlingClient, image: Path) -> None:
    """Cancelling one waiter leaves the handle to the others."""
    handle = await submitted(client, image)
    waiters = [asyncio.ensure_future(handle.wait()) for _ in range(2)]
    await asyncio.sleep(0)
    waiters[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiters[0]
    assert (await waiters[1]).status is TaskStatus.SUCCEED


async def test_cancel_ends_all_waits_at_once(client: KlingClient, image: Path) -> None:
    """`cancel()` gives all waiters CancelledError without waiting for the service."""
    loop = asyncio.get_running_loop()
    handle = await submitted(client, image)
    waiter = asyncio.ensure_future(handle.wait())
    await asyncio.sleep(0)
    began = loop.time()
    assert handle.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert loop.time() - began < 1.0
    assert handle.cancelled()
    assert handle.done()
    assert not handle.cancel()
    with pytest.raises(asyncio.CancelledError):
        handle.result()


async def test_a_cancelled_tasks_slot_comes_back_when_the_service_is_done(
    make_client: ClientMaker, image: Path, emulator: Emulator
) -> None:
    """After `cancel()` the task keeps its slot until the service has ended it."""
    client = make_client(concurrency=1)
    first = await submitted(client, image)
    first.cancel()
    await submitted(client, image)
    entries = list(emulator.ledger.entries)
    assert entries[0].finished_at is not None
    assert entries[1].created_at >= entries[0].finished_at
    assert emulator.ledger.peak() == 1


async def test_submitted_handles_are_hot(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """Five submits on two slots return although no handle is awaited."""
    client = make_client(concurrency=2)
    handles = [await submitted(client, image) for _ in range(5)]
    assert emulator.ledger.peak() == 2
    assert sum(handle.done() for handle in handles) >= 3


async def test_attached_handles_are_cold(client: KlingClient, image: Path, emulator: Emulator) -> None:
    """`attach` makes no request until the handle is awaited."""
    made = await submitted(client, image)
    await made
    before = sum(emulator.ledger.requests.values())
    handle = client.attach(made.reference)
    await asyncio.sleep(100)
    assert sum(emulator.ledger.requests.values()) == before
    assert (await handle).task_id == made.task_id
    assert sum(emulator.ledger.requests.values()) == before + 1


async def test_attached_handles_never_wait_in_line(make_client: ClientMaker, image: Path) -> None:
    """Attaching to a running task works although all slots are taken."""
    client, other = make_client(concurrency=1), make_client(concurrency=1)
    elsewhere = await submitted(other, image)
    await submitted(client, image)
    attached = client.attach(elsewhere.reference)
    assert (await attached).task_id == elsewhere.task_id


async def test_attached_tasks_count_against_the_limit(
    make_client: ClientMaker, image: Path, emulator: Emulator
) -> None:
    """While an attached task is unfinished, a submit waits for it."""
    client, other = make_client(concurrency=1), make_client(concurrency=1)
    elsewhere = await submitted(other, image)
    waiting = asyncio.ensure_future(client.attach(elsewhere.reference).wait())
    await asyncio.sleep(1)
    await submitted(client, image)
    first, second = emulator.ledger.entries
    assert first.finished_at is not None
    assert second.created_at >= first.finished_at
    await waiting


async def test_a_second_attach_shares_the_follower(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """Two attached handles and a submitted one of the same task poll as one."""
    client = make_client()
    first = await submitted(client, image)
    tasks = await asyncio.gather(first, client.attach(first.reference), client.attach(first.reference))
    assert tasks[0] is tasks[1] is tasks[2]
    assert first.external_task_id is not None
    alone = emulator.ledger.requests["query"]
    again = await submitted(client, image)
    await again
    assert alone <= 2 * (emulator.ledger.requests["query"] - alone) + 2


async def test_attach_by_the_external_id(client: KlingClient, image: Path) -> None:
    """A reference with an external id finds the task, and becomes the task id once that is known."""
    made = await client.image_to_video(image, external_task_id="my job 1/2")
    handle = client.attach("image2video:my job 1/2")
    task = await handle
    assert task.task_id == made.task_id
    assert handle.reference == made.reference


def of_current(task_id: str) -> bytes:
    """A finished task as the current generation answers."""
    return answer(200, {"code": 0, "data": [{"id": task_id, "status": "succeeded"}]})


def of_legacy(task_id: str) -> bytes:
    """A finished task as the legacy generation answers."""
    return task_answer("succeed", task_id=task_id, task_info={})


@pytest.mark.parametrize(("name", "answer_of"), [("tasks", of_current), ("image2video", of_legacy)])
async def test_an_attached_task_does_not_end_with_anothers_result(
    make_client: ClientMaker, name: str, answer_of: Callable[[str], bytes]
) -> None:
    """Before the first status, a response about another task is ignored, and the task is polled again."""
    async with serve(script(answer_of("B"), answer_of("B"), answer_of("A"))) as stub:
        handle = make_client(base_url=stub.base_url, api_key="key").attach(f"{name}:A")
        task = await handle
    assert (task.task_id, task.external_task_id, handle.reference) == ("A", None, f"{name}:A")
    assert len(stub.seen) == 3


async def test_attach_to_an_unknown_task(client: KlingClient) -> None:
    """A reference without a task raises TaskNotFound with it."""
    with pytest.raises(TaskNotFound, match="does not know") as caught:
        await client.attach("image2video:nope")
    assert caught.value.reference == "image2video:nope"


async def test_updates_yield_each_status_once(client: KlingClient, image: Path) -> None:
    """`updates()` gives one snapshot per status, from the first known to the last, to every consumer."""
    handle = await submitted(client, image)
    wanted = [TaskStatus.SUBMITTED, TaskStatus.PROCESSING, TaskStatus.SUCCEED]
    assert [task.status async for task in handle.updates()] == wanted
    assert [task.status async for task in handle.updates()] == wanted


async def test_updates_of_a_failed_task_end_with_it(client: KlingClient, image: Path) -> None:
    """A failed task is the last snapshot."""
    handle = await submitted(client, image, prompt="something forbidden")
    assert [task.status async for task in handle.updates()][-1] is TaskStatus.FAILED


async def test_updates_of_a_cancelled_handle(client: KlingClient, image: Path) -> None:
    """`cancel()` also ends `updates()`."""
    handle = await submitted(client, image)

    async def consume() -> list[Task]:
        return [task async for task in handle.updates()]

    consumer = asyncio.ensure_future(consume())
    await asyncio.sleep(0)
    handle.cancel()
    with pytest.raises(asyncio.CancelledError):
        await consumer


async def test_a_failed_task_raises(client: KlingClient, image: Path) -> None:
    """Awaiting a failed task raises TaskFailed with its reason and the task."""
    handle = await submitted(client, image, prompt="something forbidden")
    with pytest.raises(TaskFailed, match="risk control") as caught:
        await handle
    assert caught.value.reference == handle.reference
    assert caught.value.task.status is TaskStatus.FAILED
    assert handle.exception() is caught.value


async def test_handles_refuse_pickling(client: KlingClient, image: Path) -> None:
    """A handle cannot be pickled; the error names what to keep instead."""
    handle = await submitted(client, image)
    with pytest.raises(TypeError, match=r"keep handle\.reference"):
        pickle.dumps(handle)


async def test_tasks_and_errors_pickle(client: KlingClient, image: Path) -> None:
    """Tasks and errors can be pickled."""
    task = await (await submitted(client, image))
    assert pickled(task) == task
    with pytest.raises(TaskFailed) as caught:
        await (await submitted(client, image, prompt="forbidden"))
    copy = pickled(caught.value)
    assert (type(copy), str(copy), copy.task) == (TaskFailed, str(caught.value), caught.value.task)


async def test_repr_names_the_task(client: KlingClient, image: Path) -> None:
    """A handle's repr has reference and status."""
    handle = await submitted(client, image)
    assert repr(handle) == f"<TaskHandle {handle.reference} submitted>"
    assert repr(client.attach("image2video:7")) == "<TaskHandle image2video:7 attached>"
    handle.cancel()
    assert repr(handle) == f"<TaskHandle {handle.reference} cancelled>"


async def test_cancel_calls_the_callbacks(client: KlingClient, image: Path) -> None:
    """Done callbacks are called after `cancel()`, too, in the context they were given."""
    handle = await submitted(client, image)
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="none")
    context = contextvars.Context()
    context.run(name.set, "given")
    seen: list[str] = []
    handle.add_done_callback(lambda _: seen.append(name.get()), context=context)
    handle.add_done_callback(lambda _: seen.append(name.get()), context=contextvars.Context())
    handle.cancel()
    await asyncio.sleep(0)
    assert seen == ["given", "none"]


async def test_cancelling_an_attached_handle_keeps_its_place(
    make_client: ClientMaker, image: Path, emulator: Emulator
) -> None:
    """An attached task whose handle is cancelled keeps its slot until the service has ended it."""
    other, client = make_client(), make_client(concurrency=1)
    elsewhere = await submitted(other, image)
    attached = client.attach(elsewhere.reference)
    waiting = asyncio.ensure_future(attached.wait())
    await asyncio.sleep(1)
    attached.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await submitted(client, image)
    first, second = emulator.ledger.entries
    assert first.finished_at is not None
    assert second.created_at >= first.finished_at


@pytest.mark.parametrize("ending", ["close", "deadline"])
async def test_updates_end_with_the_error(make_client: ClientMaker, image: Path, ending: str) -> None:
    """`updates()` raises the same error as `wait` if the task could not be followed to its end."""
    client = make_client(polling=Polling(deadline=15))
    handle = await submitted(client, image)

    async def consume() -> list[Task]:
        return [task async for task in handle.updates()]

    consumer = asyncio.ensure_future(consume())
    await asyncio.sleep(1)
    if ending == "close":
        await client.close()
    with pytest.raises(ClientClosed if ending == "close" else TaskTimeout):
        await consumer


async def test_a_slot_comes_back_after_the_deadline(make_client: ClientMaker, image: Path) -> None:
    """A task that is no longer followed holds no slot: the client would not know when to release it."""
    client = make_client(concurrency=1, polling=Polling(deadline=15))
    first = await submitted(client, image)
    with pytest.raises(TaskTimeout):
        await first
    await asyncio.wait_for(submitted(client, image), 10)


def alive(reference: str) -> int:
    """Returns the number of handles of a task that are still referenced."""
    gc.collect()
    return sum(isinstance(each, TaskHandle) and each.reference == reference for each in gc.get_objects())


async def consumed(handle: TaskHandle) -> list[TaskStatus]:
    """Returns all statuses of `updates()`."""
    return [task.status async for task in handle.updates()]


@pytest.mark.parametrize("way", ["wait", "updates", "callback", "cancel"])
async def test_unreferenced_handles_are_freed(client: KlingClient, image: Path, way: str) -> None:
    """Unreferenced handles are freed while their task runs for hours."""
    made = await submitted(client, image)

    async def visit() -> None:
        handle = client.attach(made.reference)
        if way == "callback":
            handle.add_done_callback(print)
            assert handle.remove_done_callback(print) == 1
            return
        waiting = asyncio.ensure_future(consumed(handle) if way == "updates" else handle.wait())
        await asyncio.sleep(0)
        _ = handle.cancel() if way == "cancel" else waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    for _ in range(5):
        await visit()
    assert not made.done()
    assert alive(made.reference) <= 2, "the loop may keep the last one for its turn"
    assert (await made).status is TaskStatus.SUCCEED


@pytest.mark.parametrize("prompt", ["a cat", "something forbidden"])
async def test_a_handle_without_waiters_has_the_result(client: KlingClient, image: Path, prompt: str) -> None:
    """A handle with no or only cancelled waits has the result, and calls later callbacks."""
    awaited = await submitted(client, image, prompt)
    left, never = client.attach(awaited.reference), client.attach(awaited.reference)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(left, 1)
    _ = never.begin()
    assert not left.done()
    end = (await asyncio.gather(awaited, return_exceptions=True))[0]
    seen: list[TaskHandle] = []
    for handle in (left, never):
        assert handle.done()
        assert not handle.cancelled()
        assert not handle.cancel()
        assert (handle.status, handle.progress) == (awaited.status, awaited.progress)
        assert (handle.exception() or handle.result()) is end
        assert (await asyncio.gather(handle, return_exceptions=True))[0] is end
        assert (await consumed(handle))[-1] is awaited.status
        handle.add_done_callback(seen.append)
    await asyncio.sleep(0)
    assert seen == [left, never]


async def test_remaining_waiters_are_notified(client: KlingClient, image: Path) -> None:
    """If some handles of a task are dropped, in any order, all others get each change and the end."""
    made = await submitted(client, image)
    waiting = [asyncio.ensure_future(client.attach(made.reference).wait()) for _ in range(7)]
    changes = asyncio.ensure_future(consumed(client.attach(made.reference)))
    await asyncio.sleep(0)
    for each in (6, 0, 3, 1):
        waiting[each].cancel()
        await asyncio.sleep(0)
    async with asyncio.timeout(1000):
        ends = await asyncio.gather(*(waiting[each] for each in (2, 4, 5)))
        statuses = await changes
    assert ends == [made.result()] * 3
    assert statuses == [TaskStatus.SUBMITTED, TaskStatus.PROCESSING, TaskStatus.SUCCEED]


async def test_a_callback_keeps_its_handle(client: KlingClient, image: Path) -> None:
    """A handle with a callback need not be referenced, even after another wait on it is cancelled."""
    made = await submitted(client, image)
    handle = client.attach(made.reference)
    seen: list[str] = []
    handle.add_done_callback(lambda each: seen.append(each.reference))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(handle, 1)
    del handle
    assert alive(made.reference) == 2
    await made
    await asyncio.sleep(0)
    assert seen == [made.reference]
