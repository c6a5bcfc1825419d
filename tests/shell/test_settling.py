"""Creates that are settled: nobody pays twice, and what may be paid for can be reached."""

import asyncio
from pathlib import Path

import pytest

from kling_async import ContentRefused, CreateInDoubt, ImageToVideo, Intent, KlingClient, KlingError, Retry, TaskStatus
from kling_async.emulator import Emulator
from tests.shell.conftest import ClientMaker, wall
from tests.shell.stub import serve
from tests.shell.test_calls import LosesAnswers


async def cancel_in_flight(client: KlingClient, image: Path, service: LosesAnswers) -> None:
    """Cancels a caller while his create is on its way."""
    before = service.creates
    creating = asyncio.ensure_future(client.image_to_video(image, external_task_id="job-1"))
    while service.creates == before:  # noqa: ASYNC110  (the stub knows no event)
        await asyncio.sleep(0.001)
    creating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await creating


async def test_on_doubt_raise_never_sends_twice(make_client: ClientMaker, image: Path) -> None:
    """With `on_doubt="raise"` a lost create that is not found is not sent again."""
    service = LosesAnswers(None, effect=False)
    loop = asyncio.get_running_loop()
    async with serve(service) as stub:
        began = loop.time()
        with pytest.raises(CreateInDoubt) as caught:
            await make_client(base_url=stub.base_url).submit(
                ImageToVideo(image, external_task_id="job-1"), on_doubt="raise"
            )
        assert loop.time() - began >= 15
    assert caught.value.reference == "image2video:job-1"
    assert service.creates == 1


async def test_on_doubt_raise_still_looks(make_client: ClientMaker, image: Path) -> None:
    """With `on_doubt="raise"` a lost create that exists is found."""
    async with serve(LosesAnswers(None)) as stub:
        handle = await make_client(base_url=stub.base_url).submit(ImageToVideo(image), on_doubt="raise")
        assert (await handle).status is TaskStatus.SUCCEED


async def test_a_cancelled_callers_create_is_unsettled_until_it_is_known(make_client: ClientMaker, image: Path) -> None:
    """`unsettled` names it by the external id, then by the task id; attaching gets the task."""
    service = LosesAnswers(None)
    async with serve(service) as stub:
        client = make_client(base_url=stub.base_url)
        await cancel_in_flight(client, image, service)
        assert client.unsettled == ("image2video:job-1",)
        await asyncio.sleep(5)
        assert client.unsettled == ("image2video:1000",)
        assert (await client.attach(client.unsettled[0])).external_task_id == "job-1"


async def test_what_stays_in_doubt_stays_unsettled(make_client: ClientMaker, image: Path) -> None:
    """A cancelled caller's create that nothing settles keeps its reference there."""
    service = LosesAnswers(*[None] * 10_000, effect=False)
    async with serve(service) as stub:
        client = make_client(base_url=stub.base_url, retry=Retry(budget=20))
        await cancel_in_flight(client, image, service)
        await asyncio.sleep(60)
        assert client.unsettled == ("image2video:job-1",)


async def test_a_create_in_doubt_shows_while_it_is(make_client: ClientMaker, image: Path) -> None:
    """While a caller waits for doubt to end, `unsettled` shows it; afterwards not: he has the handle."""
    async with serve(LosesAnswers(None)) as stub:
        client = make_client(base_url=stub.base_url)
        creating = asyncio.ensure_future(client.image_to_video(image, external_task_id="job-1"))
        await asyncio.sleep(0.3)
        assert client.unsettled == ("image2video:job-1",)
        await creating
        assert not client.unsettled


async def test_the_intent_is_told_before_anything_is_sent(make_client: ClientMaker, image: Path) -> None:
    """The hook sees reference and request before the first byte; the reference finds the task."""
    told: list[Intent] = []

    async def keep(intent: Intent) -> None:
        assert emulator.ledger.requests["create"] == len(told)
        told.append(intent)

    async with Emulator(render=False, speed=1000, clock=wall()) as emulator:
        client = make_client(base_url=emulator.base_url, on_intent=keep)
        handles = [await client.image_to_video(image, prompt=str(number)) for number in range(2)]
        for intent, handle in zip(told, handles, strict=True):
            assert intent.external_task_id == handle.external_task_id
            assert (await client.get_task(intent.reference)).task_id == handle.task_id
        assert [intent.request.prompt for intent in told] == ["0", "1"]


async def test_an_intent_hook_that_fails_stops_the_create(
    make_client: ClientMaker, image: Path, emulator: Emulator
) -> None:
    """If the hook raises, nothing is sent, and the slot goes to the next."""

    async def full(_: Intent) -> None:
        raise OSError(28, "No space left on device")

    client = make_client(on_intent=full, concurrency=1)
    for _ in range(2):
        with pytest.raises(OSError, match="No space"):
            await client.image_to_video(image)
    assert emulator.ledger.requests["create"] == 0


async def test_a_refusal_in_the_background_is_settled(
    make_client: ClientMaker, image: Path, emulator: Emulator
) -> None:
    """A cancelled caller's create that the service refuses is nobody's concern any more."""
    client = make_client()
    creating = asyncio.ensure_future(client.image_to_video(image, prompt="to be refused"))
    while not client._submitter.unsettled:  # noqa: ASYNC110
        await asyncio.sleep(0)
    creating.cancel()
    with pytest.raises((asyncio.CancelledError, ContentRefused, KlingError)):
        await creating
    await asyncio.sleep(1)
    assert not client.unsettled
    assert emulator.ledger.created == 0
