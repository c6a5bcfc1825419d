"""The options of `submit` and `generate` apply to one request, in place of the client's."""

import asyncio
import math
from pathlib import Path
from typing import Any

import pytest

from kling_async import ImageToVideo, InvalidRequest, KlingClient, Polling, QueueTimeout, TaskStatus, TaskTimeout
from kling_async.emulator import Emulator
from tests.shell.conftest import ClientMaker


async def test_a_deadline_of_one_task(make_client: ClientMaker, image: Path) -> None:
    """`deadline` seconds after acceptance the waiters of this task get TaskTimeout; other tasks keep the client's."""
    loop = asyncio.get_running_loop()
    client = make_client()
    hurried = await client.submit(ImageToVideo(image), deadline=40)
    other = await client.image_to_video(image)
    began = loop.time()
    with pytest.raises(TaskTimeout, match="within 40 s") as caught:
        await hurried
    assert 39 <= loop.time() - began < 42
    assert caught.value.reference == hurried.reference
    assert (await other).status is TaskStatus.SUCCEED


async def test_a_deadline_may_be_later_than_the_clients(make_client: ClientMaker, image: Path) -> None:
    """A deadline may be later than the client's."""
    client = make_client(polling=Polling(deadline=40))
    handle = await client.submit(ImageToVideo(image), deadline=7200)
    assert (await handle).status is TaskStatus.SUCCEED


async def test_generate_takes_the_options(make_client: ClientMaker, image: Path, tmp_path: Path) -> None:
    """`generate` passes the options on."""
    with pytest.raises(TaskTimeout, match="within 30 s"):
        await make_client().generate(ImageToVideo(image), tmp_path / "cat.mp4", deadline=30)


async def test_the_deadline_of_an_adopted_task(make_client: ClientMaker, image: Path) -> None:
    """The deadline of an adopted task runs from when it was found."""
    await make_client().image_to_video(image, external_task_id="job-1")
    adopting = make_client().submit(ImageToVideo(image, external_task_id="job-1"), if_exists="adopt", deadline=30)
    handle = await adopting
    with pytest.raises(TaskTimeout, match="within 30 s"):
        await handle


async def test_the_queue_deadline_of_one_request(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """`queue_deadline` limits how long this request waits for a slot, shorter or longer than the client's."""
    loop = asyncio.get_running_loop()
    client = make_client(concurrency=1, queue_deadline=20)
    await client.image_to_video(image)
    began = loop.time()
    with pytest.raises(QueueTimeout, match="within 5 s"):
        await client.submit(ImageToVideo(image), queue_deadline=5)
    assert loop.time() - began == pytest.approx(5, abs=1)
    await client.submit(ImageToVideo(image), queue_deadline=math.inf)
    assert loop.time() - began > 25
    assert emulator.ledger.created == 2


async def test_the_line_that_is_waited_for_again(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """A request that a full account refused still has its `queue_deadline`, which the error names."""
    emulator.account.limit = 1
    await make_client().image_to_video(image)
    with pytest.raises(QueueTimeout, match="within 7 s") as caught:
        await make_client(queue_deadline=1000).submit(ImageToVideo(image, external_task_id="mine"), queue_deadline=7)
    assert caught.value.reference == "image2video:mine"


@pytest.mark.parametrize("value", ["5", -1, math.nan, True, []])
@pytest.mark.parametrize("name", ["deadline", "queue_deadline"])
async def test_an_invalid_deadline_is_refused(
    client: KlingClient, image: Path, emulator: Emulator, name: str, value: Any
) -> None:
    """An invalid deadline is refused before anything is sent."""
    options: dict[str, Any] = {name: value}
    with pytest.raises(InvalidRequest, match=f"^{name}: must be seconds"):
        await client.submit(ImageToVideo(image), **options)
    assert emulator.ledger.requests["create"] == 0


async def test_all_wrong_options_are_reported_at_once(client: KlingClient, image: Path) -> None:
    """One error has all problems of the options, as of parameters."""
    options: dict[str, Any] = {"if_exists": "adpot", "on_doubt": None, "deadline": "1h", "queue_deadline": -5}
    with pytest.raises(InvalidRequest) as caught:
        await client.submit(ImageToVideo(image), **options)
    assert [problem.field for problem in caught.value.problems] == [*options]
