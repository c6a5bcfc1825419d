"""Only the service's response about the client's own task counts, on a server that accepts duplicates."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kling_async import (
    BadResponse,
    ConnectionFailed,
    CreateInDoubt,
    KlingClient,
    NotTheService,
    RequestRefused,
    TaskFailed,
    TaskNotFound,
    TaskStatus,
)
from tests.faults.other_service import FOREIGN, GATEWAY_MISSING, GATEWAY_TASK, PAGE, OtherService, page
from tests.shell.conftest import ClientMaker
from tests.shell.stub import answer, refusal, serve, task_answer

pytestmark = pytest.mark.usefixtures("nothing_is_left")


@contextlib.asynccontextmanager
async def running(**how: Any) -> AsyncIterator[OtherService]:
    """The other service, running."""
    service = OtherService(asyncio.get_running_loop().time, **how)
    async with serve(service) as stub:
        service.base_url = stub.base_url
        yield service


# ---------------------------------------------------------------------------------------------------- creates


@pytest.mark.parametrize("name", FOREIGN)
async def test_a_create_that_something_else_answers_is_found(make_client: ClientMaker, image: Path, name: str) -> None:
    """A create that took effect is found, paid once and saved, whatever a gateway responds."""
    async with running(creates=[FOREIGN[name]]) as service:
        task = await (await make_client(base_url=service.base_url).image_to_video(image))
    assert (task.status, service.posts, service.paid) == (TaskStatus.SUCCEED, 1, 1)


@pytest.mark.parametrize("name", FOREIGN)
async def test_look_ups_that_something_else_answers_are_no_absence(
    make_client: ClientMaker, image: Path, name: str
) -> None:
    """Look-ups that a gateway answers do not prove absence: nothing is sent again, and the task is found."""
    async with running(creates=[None], looks=[refusal(500, 5000), *[FOREIGN[name]] * 5]) as service:
        task = await (await make_client(base_url=service.base_url).image_to_video(image))
    assert (task.status, service.posts, service.paid) == (TaskStatus.SUCCEED, 1, 1)


async def test_a_gateways_own_task_is_never_sent_again(make_client: ClientMaker, image: Path) -> None:
    """A create that another gateway answers, with its own "not found", is sent once and in doubt within `settle`."""
    loop = asyncio.get_running_loop()
    async with running(creates=[GATEWAY_TASK], looks=[GATEWAY_MISSING] * 1000) as service:
        client = make_client(base_url=service.base_url)
        began = loop.time()
        with pytest.raises(CreateInDoubt, match="task_1") as caught:
            await client.image_to_video(image)
        assert loop.time() - began < 20
        service.looks.clear()
        task = await client.attach(caught.value.reference or "")
    assert (task.status, service.posts, service.paid) == (TaskStatus.SUCCEED, 1, 1)


async def test_another_creates_response_is_not_used(make_client: ClientMaker, image: Path) -> None:
    """A create that gets another create's response is looked up, and its own task is found."""
    foreign = task_answer(task_id="7", task_info={"external_task_id": "theirs"})
    async with running(creates=[foreign]) as service:
        handle = await make_client(base_url=service.base_url).image_to_video(image)
        assert ((await handle).task_id, service.posts) == ("1000", 1)


@pytest.mark.parametrize(
    "words",
    [
        "External_task_id x already exists",
        "is duplicated",
        "must be unique",
        "External_task_id model is not supported already exists",
        "外部任务ID已存在",
        "ya existe",
        "",
        "conflict",
    ],
)
async def test_a_refusal_in_any_words_is_checked(make_client: ClientMaker, image: Path, words: str) -> None:
    """If a proxy repeats a create and returns only the refusal of the repetition, the task is found."""
    async with running(creates=[refusal(400, 1201, words)]) as service:
        handle = await make_client(base_url=service.base_url).image_to_video(image, external_task_id="job-1")
    assert (handle.external_task_id, service.posts, service.paid) == ("job-1", 1, 1)


async def test_a_true_refusal_names_the_reference(make_client: ClientMaker, image: Path) -> None:
    """A refusal without a matching task is raised after one look-up, with the reference."""
    async with running(creates=[refusal(400, 1201, "no sound with videos")], effect=False) as service:
        with pytest.raises(RequestRefused, match="no sound with videos; nothing is found") as caught:
            await make_client(base_url=service.base_url).image_to_video(image, external_task_id="job-1")
    assert (caught.value.reference, service.posts) == ("image2video:job-1", 1)


@pytest.mark.parametrize("words", ["model is not supported", "The model kling-v9 is not supported."])
async def test_an_unknown_model_is_not_looked_up(make_client: ClientMaker, image: Path, words: str) -> None:
    """An unknown model is not looked up, and its error has no reference."""
    async with running(creates=[refusal(400, 1201, words)], effect=False) as service:
        with pytest.raises(RequestRefused, match="; nothing was created") as caught:
            await make_client(base_url=service.base_url).image_to_video(image, external_task_id="job-1")
    assert (caught.value.reference, service.posts) == (None, 1)


async def test_three_sends_at_most(make_client: ClientMaker, image: Path) -> None:
    """A create that never arrives whole is sent three times, each after the service's own "not found"."""
    async with running(creates=[None] * 100, effect=False) as service:
        with pytest.raises(CreateInDoubt):
            await make_client(base_url=service.base_url).image_to_video(image)
    assert service.posts == 3


# ------------------------------------------------------------------------------------------------------ polls


@pytest.mark.parametrize("name", FOREIGN)
async def test_polls_that_something_else_answers_are_repeated(make_client: ClientMaker, image: Path, name: str) -> None:
    """A gateway's responses to polls, a minute after the create, end no wait."""
    async with running(takes=400) as service:
        handle = await make_client(base_url=service.base_url).image_to_video(image)
        await asyncio.sleep(60)
        service.looks = [FOREIGN[name]] * 4
        assert (await handle).status is TaskStatus.SUCCEED


@pytest.mark.parametrize("name", FOREIGN)
async def test_an_attached_task_is_no_missing_one(make_client: ClientMaker, name: str) -> None:
    """A gateway's responses to `attach` and `get_task` are retried within the budget, and raise no TaskNotFound."""
    async with running(takes=0) as service:
        service.tasks.append((0, "job-1"))
        client = make_client(base_url=service.base_url)
        assert [task.external_task_id async for task in client.tasks("image2video")] == ["job-1"]
        for ask in (client.attach("image2video:job-1").wait, lambda: client.get_task("image2video:job-1")):
            service.looks = [FOREIGN[name]] * 3
            assert (await ask()).status is TaskStatus.SUCCEED
        service.looks = [FOREIGN[name]] * 3
        assert [task.external_task_id async for task in client.tasks("image2video")] == ["job-1"]


async def test_the_budget_ends_with_what_came_last(make_client: ClientMaker) -> None:
    """A read that the service never answers raises the status, code and text of the last response."""
    async with running() as service:
        client = make_client(base_url=service.base_url)
        assert [task async for task in client.tasks("image2video")] == []
        service.looks = [answer(418, {"code": 777, "message": "teapot"})] * 1000
        with pytest.raises(BadResponse, match=r"HTTP 418.*code 777.*teapot") as caught:
            await client.get_task("image2video:job-1")
    assert (type(caught.value), caught.value.code, caught.value.http_status) == (BadResponse, 777, 418)


@pytest.mark.parametrize(
    ("strange", "outcome"),
    [
        ({"task_status": "SUCCEED"}, "succeed"),
        ({"task_status": "succeeded"}, "succeed"),
        ({"task_info": {}}, "succeed"),
        ({"task_info": None, "created_at": 1774805076, "updated_at": "never"}, "succeed"),
        ({"task_result": {"videos": [{"url": "https://h/1"}]}}, "succeed"),
        ({"task_result": {"videos": [{"id": None, "url": "https://h/1"}, {"id": 2, "url": 5}]}}, "succeed"),
        ({"task_result": {"videos": [{"watermark_url": "https://h/w"}]}}, "succeed"),
        ({"task_status": "failed", "task_result": {"videos": None}}, "failed"),
        ({"task_status": "Failed", "task_result": [], "task_status_msg": {"a": 1}}, "failed"),
    ],
)
async def test_no_member_hides_an_end(
    make_client: ClientMaker, image: Path, strange: dict[str, Any], outcome: str
) -> None:
    """A task that has ended ends its wait, whatever its other members contain."""
    async with running(takes=30, strange=strange) as service:
        handle = await make_client(base_url=service.base_url).image_to_video(image)
        with contextlib.suppress(TaskFailed):
            await handle
        assert handle.status is not None
        assert handle.status.value == outcome


async def test_an_empty_status_is_ignored(make_client: ClientMaker, image: Path) -> None:
    """A status that is empty, null or not text is ignored."""
    async with running(takes=300) as service:
        handle = await make_client(base_url=service.base_url).image_to_video(image)
        for status in ("", None, 5):
            service.looks.append(answer(200, {"code": 0, "data": {"task_id": "1000", "task_status": status}}))
        assert (await handle).status is TaskStatus.SUCCEED


async def test_items_that_cannot_be_read_are_left_out_with_one_warning(
    make_client: ClientMaker, caplog: pytest.LogCaptureFixture
) -> None:
    """The list omits entries that cannot be read, with one warning."""
    good = {"task_status": "submitted"}
    pages = [[{"task_id": "1", **good}, None], ["x", {"task_id": "2", "task_status": "melting"}], []]
    async with running(looks=[answer(200, {"code": 0, "data": data}) for data in pages]) as service:
        client = make_client(base_url=service.base_url)
        assert [task.task_id async for task in client.tasks("image2video", page_size=2)] == ["1"]
    assert [record.levelno for record in caplog.records if "cannot be read" in record.message] == [logging.WARNING]


# ------------------------------------------------------------------------------------------- a wrong address


READS = {
    "attach": lambda client: client.attach("image2video:1").wait(),
    "get_task": lambda client: client.get_task("image2video:1"),
    "tasks": lambda client: anext(client.tasks("image2video")),
}


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("name", ["page 404", "page 401", "redirect", "code 200", "page 502"])
async def test_a_wrong_address_is_noticed_in_seconds(make_client: ClientMaker, read: str, name: str) -> None:
    """A base URL that never responds like the service fails before the retry budget and the deadline."""
    loop = asyncio.get_running_loop()
    async with serve(lambda _: FOREIGN[name]) as stub:
        client: KlingClient = make_client(base_url=stub.base_url)
        began = loop.time()
        with pytest.raises(NotTheService, match="base_url does not lead to the service") as caught:
            await READS[read](client)
    assert 5 <= loop.time() - began < (65 if "502" in name else 20)
    assert caught.value.http_status is not None


async def test_a_create_at_a_wrong_address_is_in_doubt_in_seconds(make_client: ClientMaker, image: Path) -> None:
    """A create that another server may have received is in doubt; the error has that server's response."""
    loop = asyncio.get_running_loop()
    async with serve(lambda _: page(404)) as stub:
        began = loop.time()
        with pytest.raises(CreateInDoubt, match="does not lead to the service") as caught:
            await make_client(base_url=stub.base_url).image_to_video(image)
    assert loop.time() - began < 20
    assert (caught.value.reference or "").startswith("image2video:kling-async-")


async def test_one_answer_of_the_service_is_enough(make_client: ClientMaker) -> None:
    """Once the service has responded, a gateway's responses are transient, for the whole budget."""
    async with running(takes=0) as service:
        service.tasks.append((0, "job-1"))
        client = make_client(base_url=service.base_url)
        service.looks = [refusal(400, 1201, "Task not found"), *[page(404)] * 8]
        with pytest.raises(TaskNotFound):
            await client.get_task("image2video:job-1")
        assert (await client.get_task("image2video:job-1")).status is TaskStatus.SUCCEED


async def test_a_create_without_a_connection_is_not_in_doubt(make_client: ClientMaker, image: Path) -> None:
    """A create without a connection raises `ConnectionFailed`, with the reference."""
    async with serve(lambda _: PAGE) as stub:
        pass
    with pytest.raises(ConnectionFailed) as caught:
        await make_client(base_url=stub.base_url).image_to_video(image)
    assert (caught.value.sent, type(caught.value)) == (False, ConnectionFailed)
    assert (caught.value.reference or "").startswith("image2video:")
