"""Settling creates: nothing is paid twice, and every task that may be paid can be found."""

import asyncio
import contextlib
from pathlib import Path

import attrs
import pytest

from kling_async import (
    ContentRefused,
    CreateInDoubt,
    ImageToVideo,
    Intent,
    InvalidRequest,
    KlingClient,
    KlingError,
    Retry,
    TaskStatus,
)
from kling_async.emulator import Emulator, Fault
from kling_async.protocol.endpoints.videos.image_to_video import ENDPOINT
from tests.shell.conftest import ClientMaker, wall
from tests.shell.stub import Answer, refusal, script, serve, task_answer
from tests.shell.test_calls import LostResponses


async def cancel_in_flight(client: KlingClient, image: Path, service: LostResponses) -> None:
    """Cancels a caller while its create is under way."""
    before = service.creates
    creating = asyncio.ensure_future(client.image_to_video(image, external_task_id="job-1"))
    while service.creates == before:  # noqa: ASYNC110  (the stub knows no event)
        await asyncio.sleep(0.001)
    creating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await creating


async def test_on_doubt_raise_never_sends_twice(make_client: ClientMaker, image: Path) -> None:
    """With `on_doubt="raise"` a lost create that is not found is not sent again."""
    service = LostResponses(None, effect=False)
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
    async with serve(LostResponses(None)) as stub:
        handle = await make_client(base_url=stub.base_url).submit(ImageToVideo(image), on_doubt="raise")
        assert (await handle).status is TaskStatus.SUCCEED


async def test_an_id_that_looks_like_the_services_is_found_too(make_client: ClientMaker, image: Path) -> None:
    """A look-up by external id accepts the returned task, even if the response does not repeat that id."""
    found = task_answer("succeed", task_id="1000", task_info={})
    async with serve(script(None, found)) as stub:
        handle = await make_client(base_url=stub.base_url).image_to_video(image, external_task_id="2000")
        assert (handle.task_id, handle.external_task_id) == ("1000", "2000")
    assert [seen.method for seen in stub.seen[:2]] == ["POST", "GET"]


async def test_a_cancelled_callers_create_is_unsettled_until_it_is_known(make_client: ClientMaker, image: Path) -> None:
    """`unsettled` lists it by external id, then by task id; attaching finds the task."""
    service = LostResponses(None)
    async with serve(service) as stub:
        client = make_client(base_url=stub.base_url)
        await cancel_in_flight(client, image, service)
        assert client.unsettled == ("image2video:job-1",)
        await asyncio.sleep(5)
        assert client.unsettled == ("image2video:1000",)
        assert (await client.attach(client.unsettled[0])).external_task_id == "job-1"


async def test_a_create_that_stays_in_doubt_stays_unsettled(make_client: ClientMaker, image: Path) -> None:
    """A cancelled create that is never settled stays in `unsettled`."""
    service = LostResponses(*[None] * 10_000, effect=False)
    async with serve(service) as stub:
        client = make_client(base_url=stub.base_url, retry=Retry(budget=20))
        await cancel_in_flight(client, image, service)
        await asyncio.sleep(60)
        assert client.unsettled == ("image2video:job-1",)


async def test_a_create_in_doubt_is_unsettled_meanwhile(make_client: ClientMaker, image: Path) -> None:
    """`unsettled` lists a create only while it is in doubt; afterwards its caller has the handle."""
    async with serve(LostResponses(None)) as stub:
        client = make_client(base_url=stub.base_url)
        creating = asyncio.ensure_future(client.image_to_video(image, external_task_id="job-1"))
        await asyncio.sleep(0.3)
        assert client.unsettled == ("image2video:job-1",)
        await creating
        assert not client.unsettled


@pytest.mark.parametrize(
    ("answers", "warnings"),
    [
        ([None], 1),
        ([refusal(500, 5000)], 1),
        ([refusal(429, 1302)], 1),
        ([refusal(429, 1303)], 0),  # it waits its turn
        ([refusal(429, 1102)], 0),  # the error says it
        ([refusal(400, 1201)], 0),
    ],
)
async def test_a_failed_send_that_is_retried_is_logged(
    make_client: ClientMaker,
    image: Path,
    caplog: pytest.LogCaptureFixture,
    answers: list[Answer],
    warnings: int,
) -> None:
    """A failed send is a warning while the create continues; not on a full account, nor at the end."""
    async with serve(LostResponses(*answers, effect=False)) as stub:
        with contextlib.suppress(KlingError):
            await make_client(base_url=stub.base_url).image_to_video(image, external_task_id="job-1")
    logged = [record for record in caplog.records if vars(record).get("kling_event") == "create_failed"]
    assert [vars(record)["kling_reference"] for record in logged] == ["image2video:job-1"] * warnings


async def test_a_create_in_doubt_holds_up_no_other(make_client: ClientMaker, image: Path) -> None:
    """While one create is settled, which takes 15 seconds here, the next ones are sent."""
    loop = asyncio.get_running_loop()
    async with serve(LostResponses(None, effect=False)) as stub:
        client = make_client(base_url=stub.base_url)
        first = asyncio.ensure_future(client.image_to_video(image, external_task_id="job-1"))
        await asyncio.sleep(0.5)
        began = loop.time()
        await client.image_to_video(image)
        assert loop.time() - began < 10
        assert not first.done()
        await first


async def test_the_intent_hook_is_called_before_anything_is_sent(make_client: ClientMaker, image: Path) -> None:
    """The hook gets reference and request before the first byte; the reference finds the task."""
    intents: list[Intent] = []

    async def keep(intent: Intent) -> None:
        assert emulator.ledger.requests["create"] == len(intents)
        intents.append(intent)

    async with Emulator(render=False, speed=1000, clock=wall()) as emulator:
        client = make_client(base_url=emulator.base_url, on_intent=keep)
        handles = [await client.image_to_video(image, prompt=str(number)) for number in range(2)]
        for intent, handle in zip(intents, handles, strict=True):
            assert intent.external_task_id == handle.external_task_id
            assert (await client.get_task(intent.reference or "")).task_id == handle.task_id
        assert [intent.request.prompt for intent in intents] == ["0", "1"]


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
    """A cancelled create that the service refuses is removed from `unsettled`."""
    client = make_client()
    creating = asyncio.ensure_future(client.image_to_video(image, prompt="to be refused"))
    while not client._submitter.under_way.unsettled:  # noqa: ASYNC110  (there is no event for it)
        await asyncio.sleep(0)
    creating.cancel()
    with pytest.raises((asyncio.CancelledError, ContentRefused, KlingError)):
        await creating
    await asyncio.sleep(1)
    assert not client.unsettled
    assert emulator.ledger.created == 0


# ------------------------------------------------------------------- endpoints that do not find by external id


@pytest.fixture
def not_found_by_external_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """The endpoint's tasks cannot be queried by their external id."""
    endpoint = attrs.evolve(ENDPOINT, finds_by_external_id=False)
    monkeypatch.setattr("kling_async.io.refusals.endpoint_of", lambda _: endpoint)


@pytest.mark.usefixtures("not_found_by_external_id")
@pytest.mark.parametrize("effect", [True, False])
async def test_a_create_without_look_ups_is_never_sent_twice(
    make_client: ClientMaker, image: Path, *, effect: bool
) -> None:
    """A lost response ends in doubt without a reference or query; the slot goes to the next create."""
    service = LostResponses(None, effect=effect)
    loop = asyncio.get_running_loop()
    async with serve(service) as stub:
        client = make_client(base_url=stub.base_url, concurrency=1)
        began = loop.time()
        with pytest.raises(CreateInDoubt, match="it may be billed: look for it in the account's list") as caught:
            await client.image_to_video(image, external_task_id="job-1")
        assert loop.time() - began < 1
        assert caught.value.reference is None
        assert (service.creates, len(stub.seen)) == (1, 1)
        assert client.unsettled == ()
        assert (await (await client.image_to_video(image))).status is TaskStatus.SUCCEED


@pytest.mark.usefixtures("not_found_by_external_id")
async def test_a_create_without_look_ups_cannot_be_adopted(
    make_client: ClientMaker, image: Path, emulator: Emulator
) -> None:
    """`if_exists="adopt"` is refused before anything is sent, with an id or without."""
    client = make_client()
    for external_task_id in ("job-1", None):
        with pytest.raises(InvalidRequest, match="if_exists: 'adopt' cannot work here") as caught:
            await client.submit(ImageToVideo(image, external_task_id=external_task_id), if_exists="adopt")
        assert [problem.field for problem in caught.value.problems] == ["if_exists"]
    assert not emulator.ledger.requests


@pytest.mark.usefixtures("not_found_by_external_id")
async def test_closing_leaves_a_create_in_doubt_without_a_reference(
    make_client: ClientMaker, image: Path, emulator: Emulator
) -> None:
    """A create that close() interrupts names where to look, and has no reference."""
    emulator.faults.add(Fault.delay(20), on="create")
    client = make_client(concurrency=1)
    creating = asyncio.ensure_future(client.image_to_video(image))
    await asyncio.sleep(1)
    await client.close()
    with pytest.raises(CreateInDoubt, match=r"client was closed before an answer.*list of tasks") as caught:
        await creating
    assert caught.value.reference is None
