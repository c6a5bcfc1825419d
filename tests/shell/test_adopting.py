"""`if_exists="adopt"`: an existing task is adopted before anything is sent."""

import asyncio
from pathlib import Path

import pytest

from kling_async import BadResponse, CreateInDoubt, ImageToVideo, Retry, TaskStatus
from kling_async.emulator import Emulator, Fault
from tests.faults.other_service import OtherService
from tests.shell.conftest import ClientMaker
from tests.shell.stub import serve


async def test_existing_tasks_are_not_sent(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """A second run over the same ids sends no create, and gets the same tasks, finished or not."""
    first = await make_client().image_to_video(image, external_task_id="job-1")
    again = await make_client().submit(ImageToVideo(image, external_task_id="job-1"), if_exists="adopt")
    assert again.task_id == first.task_id
    assert (await again).status is TaskStatus.SUCCEED
    done = await make_client().submit(ImageToVideo(image, external_task_id="job-1"), if_exists="adopt")
    assert done.status is TaskStatus.SUCCEED
    assert emulator.ledger.requests["create"] == 1


async def test_an_adopted_task_waits_for_no_slot(make_client: ClientMaker, image: Path) -> None:
    """With all slots taken and other creates in line, an adopted task does not wait."""
    client = make_client(concurrency=1)
    first = await client.image_to_video(image, external_task_id="job-1")
    waiting = asyncio.ensure_future(client.image_to_video(image))
    await asyncio.sleep(0)
    adopted = await asyncio.wait_for(client.submit(ImageToVideo(image, external_task_id="job-1"), if_exists="adopt"), 5)
    assert adopted.task_id == first.task_id
    assert not waiting.done()
    await (await waiting)


async def test_an_adopted_task_counts_until_it_ends(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """A running task of another client takes a slot of the account until it ends."""
    await make_client().image_to_video(image, external_task_id="job-1")
    client = make_client(concurrency=1)
    adopted = await client.submit(ImageToVideo(image, external_task_id="job-1"), if_exists="adopt")
    other = await client.image_to_video(image)
    assert adopted.done()
    await other
    assert emulator.ledger.peak() == 1


async def test_an_unknown_id_creates_a_task(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """An id without a task creates one."""
    handle = await make_client().submit(ImageToVideo(image, external_task_id="job-2"), if_exists="adopt")
    assert (handle.external_task_id, emulator.ledger.created) == ("job-2", 1)


async def test_nothing_is_sent_after_a_failed_look_up(
    make_client: ClientMaker, image: Path, emulator: Emulator
) -> None:
    """A look-up that the service never answers raises the last error; nothing is sent."""
    emulator.faults.add(Fault.gateway(502), on="query")
    with pytest.raises(BadResponse, match="HTTP 502"):
        await make_client(retry=Retry(budget=20)).submit(
            ImageToVideo(image, external_task_id="job-1"), if_exists="adopt"
        )
    assert emulator.ledger.requests["create"] == 0


async def test_own_tasks_need_no_look_up(make_client: ClientMaker, image: Path) -> None:
    """A client pays once for an id, concurrently or again, even if the service shows tasks late."""
    service = OtherService(asyncio.get_running_loop().time, visible_after=5)
    async with serve(service) as stub:
        client = make_client(base_url=stub.base_url)

        async def adopt() -> str:
            return (await client.submit(ImageToVideo(image, external_task_id="job-1"), if_exists="adopt")).reference

        handles = [*await asyncio.gather(adopt(), adopt(), adopt()), await adopt()]
    assert (handles, service.paid) == (["image2video:1000"] * 4, 1)


async def test_a_doubt_is_shared_by_concurrent_calls(make_client: ClientMaker, image: Path) -> None:
    """If the first of several concurrent calls ends in doubt, the others send nothing; a later call may."""
    service = OtherService(asyncio.get_running_loop().time, creates=[None], visible_after=1000)
    async with serve(service) as stub:
        client = make_client(base_url=stub.base_url)

        async def adopt() -> str:
            handle = await client.submit(
                ImageToVideo(image, external_task_id="job-1"), if_exists="adopt", on_doubt="raise"
            )
            return handle.reference

        ends = await asyncio.gather(adopt(), adopt(), return_exceptions=True)
        assert ([type(end) for end in ends], service.paid) == ([CreateInDoubt] * 2, 1)
        await asyncio.sleep(1000)
        assert (await adopt(), service.paid) == ("image2video:1000", 1)


async def test_a_cancelled_callers_create_is_adopted(make_client: ClientMaker, image: Path) -> None:
    """A create that continues after its caller was cancelled is adopted, not sent again."""
    service = OtherService(asyncio.get_running_loop().time, creates=[None], visible_after=5)
    async with serve(service) as stub:
        client = make_client(base_url=stub.base_url)
        first = asyncio.ensure_future(client.image_to_video(image, external_task_id="job-1"))
        while not service.posts:  # noqa: ASYNC110  (it has no event for it)
            await asyncio.sleep(0.001)
        first.cancel()
        again = await client.submit(ImageToVideo(image, external_task_id="job-1"), if_exists="adopt")
    assert (again.reference, service.paid) == ("image2video:1000", 1)


async def test_one_id_submitted_twice_holds_one_slot(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """Of two creates with one id, the refused second one adopts the first one's task and frees its slot."""
    client = make_client(concurrency=2)
    # However late the second one's picture is read: an id that was answered before is an older task's.
    emulator.faults.add(Fault.delay(1, after_effect=True), on="create", at=1)
    both = [client.image_to_video(image, external_task_id="job-1") for _ in range(2)]
    first, second = await asyncio.gather(*both)
    assert (first.task_id, emulator.ledger.created) == (second.task_id, 1)
    others = await asyncio.gather(*(client.image_to_video(image) for _ in range(3)))
    await asyncio.gather(first, *others)
    assert emulator.ledger.peak() == 2
