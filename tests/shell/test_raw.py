"""Tasks of paths without a record: sent as given and never twice, then followed and saved as any other task."""

import asyncio
import contextlib
import functools
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import kling_async
from kling_async import (
    CreateInDoubt,
    ImageToVideo,
    Intent,
    InvalidReference,
    InvalidRequest,
    KlingClient,
    QueueTimeout,
    RawCall,
    RawTask,
    TaskFailed,
    TaskNotFound,
    TaskStatus,
    TaskTimeout,
    UnexpectedAnswer,
)
from kling_async.emulator import Emulator, Fault
from tests.faults.other_service import FOREIGN, VIDEO
from tests.shell.conftest import ClientMaker
from tests.shell.raw_service import PATH, RawService
from tests.shell.stub import Answer, Seen, answer, refusal, serve

pytestmark = pytest.mark.usefixtures("nothing_is_left")

EMULATED = "/v1/videos/image2video"


@contextlib.asynccontextmanager
async def running(**how: Any) -> AsyncIterator[RawService]:
    """The service, running."""
    service = RawService(**how)
    async with serve(service) as stub:
        service.base_url = stub.base_url
        yield service


# ---------------------------------------------------------------------------------------------------- creates


async def test_the_body_is_posted_as_it_was_when_the_task_was_made(make_client: ClientMaker) -> None:
    """Null, empty and nested members are sent; later changes by the caller are not."""
    body: dict[str, Any] = {"none": None, "list": [], "ü": "é☃", "deep": [{"a": [1, 2.5, True]}], "n": 2**70}
    body["external_task_id"] = ["no text"]
    async with running() as service:
        client = make_client(base_url=service.base_url, concurrency=1)
        await (await client.submit(RawTask(PATH, body)))
        waiting = RawTask(PATH, body)
        expected = {**body, "deep": [{"a": [1, 2.5, True]}], "list": []}
        body["deep"][0]["a"].append("changed")
        body["list"].append("changed")
        await (await client.submit(waiting))
    assert service.bodies == [expected, expected]


async def test_a_path_of_the_current_generation_is_refused_before_anything_is_sent(
    make_client: ClientMaker, emulator: Emulator, tmp_path: Path
) -> None:
    """A path whose tasks cannot be queried at it is refused; the error names the record to use."""
    client, task = make_client(), RawTask("/text-to-video/kling-3.0-turbo", {"prompt": "a cat"})
    for attempt in (client.submit(task), client.generate(task, tmp_path / "a.mp4"), client.check(task)):
        with pytest.raises(InvalidRequest, match=r"use current\.TextToVideo"):
            await attempt
    assert not emulator.ledger.requests


LOST: dict[str, Answer] = {
    "closed": None,
    "5000": refusal(500, 5000),
    "5001": refusal(503, 5001),
    "5002": refusal(504, 5002),
    "broken": b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{",
    "garbage": b"garbage\r\n\r\n",
    **FOREIGN,
}
"""Failures after which a task may exist."""


@pytest.mark.parametrize("effect", [True, False])
@pytest.mark.parametrize("name", LOST)
async def test_a_create_that_may_have_taken_effect_is_not_repeated(
    make_client: ClientMaker, name: str, *, effect: bool
) -> None:
    """Any response but the service's causes a doubt at once: one POST, no look-up, and the slot is free again."""
    loop = asyncio.get_running_loop()
    async with running(creates=[LOST[name]], effect=effect) as service:
        client = make_client(base_url=service.base_url, concurrency=1)
        began = loop.time()
        with pytest.raises(CreateInDoubt, match="it may be billed: look for it in the account's list") as caught:
            await client.submit(RawTask(PATH, {"prompt": "a", "external_task_id": "job-1"}))
        assert loop.time() - began < 2
        assert (len(service.bodies), service.looks, caught.value.reference) == (1, [], None)
        assert client.unsettled == ()
        assert (await (await client.submit(RawTask(PATH, {})))).status is TaskStatus.SUCCEED


@pytest.mark.parametrize(
    "fault",
    [
        *(Fault.reset(), Fault.reset(after_effect=True)),
        *(Fault.delay(3600), Fault.delay(3600, after_effect=True)),
        *(Fault.gateway(504, after_effect=True), Fault.error(5002, after_effect=True)),
    ],
    ids=str,
)
async def test_resets_and_timeouts_are_not_sent_again(
    make_client: ClientMaker, emulator: Emulator, fault: Fault
) -> None:
    """A connection that breaks off at any point of the request or times out is not retried."""
    emulator.faults.add(fault, on="create")
    client = make_client()
    body = {"image": "https://example.com/cat.png", "prompt": "a", "model_name": "kling-v2-6"}
    with pytest.raises(CreateInDoubt) as caught:
        await client.submit(RawTask(EMULATED, body))
    assert emulator.ledger.requests["create"] == 1
    found = [task async for task in client.tasks(caught.value.endpoint)]
    assert len(found) == fault.after_effect
    for task in found:
        assert task.created_at is not None
        assert timedelta(seconds=-1) < task.created_at - caught.value.sent_at < timedelta(seconds=5)
    assert not emulator.ledger.requests["query"]


@pytest.mark.parametrize("answers", [[refusal(429, 1302)] * 2, [refusal(429, 1303)] * 2])
@pytest.mark.parametrize("finds", [True, False])
async def test_a_create_without_effect_is_repeated(
    make_client: ClientMaker, answers: list[Answer], *, finds: bool
) -> None:
    """A refusal for rate or concurrency is retried with the same body until the service accepts it."""
    async with running(creates=[*answers], effect=False, finds=finds) as service:
        handle = await make_client(base_url=service.base_url).submit(
            RawTask(PATH, {"prompt": "a"}, finds_by_external_id=finds)
        )
        assert (await handle).task_id == "1000"
    assert len(service.bodies) == 3
    assert all(body == service.bodies[0] for body in service.bodies)
    assert ("external_task_id" in service.bodies[0]) is finds


@pytest.mark.parametrize("code", [1200, 1201, 1102, 1301, 1103])
async def test_a_refusal_is_raised_at_once(make_client: ClientMaker, code: int) -> None:
    """A refusal of the service is final; without look-ups, nothing is queried."""
    async with running(creates=[refusal(400, code, "not like this")], effect=False) as service:
        with pytest.raises(kling_async.ApiError, match="not like this") as caught:
            await make_client(base_url=service.base_url).submit(RawTask(PATH, {"external_task_id": "job-1"}))
    assert (caught.value.code, caught.value.reference, len(service.bodies), service.looks) == (code, None, 1, [])


@pytest.mark.parametrize("name", LOST)
async def test_a_lost_create_is_found_by_its_external_id(make_client: ClientMaker, name: str) -> None:
    """With `finds_by_external_id` an id is added to the body, by which the task is found: one POST."""
    async with running(creates=[LOST[name]], finds=True) as service:
        handle = await make_client(base_url=service.base_url).submit(
            RawTask(PATH, {"prompt": "a"}, finds_by_external_id=True)
        )
        task = await handle
    assert (task.status, len(service.bodies)) == (TaskStatus.SUCCEED, 1)
    assert service.bodies == [{"prompt": "a", "external_task_id": task.external_task_id}]
    assert service.looks[0] == task.external_task_id


async def test_a_create_that_is_not_found_is_sent_again(make_client: ClientMaker) -> None:
    """With `finds_by_external_id`, a create that the service does not find is sent again, with the same id."""
    async with running(creates=[None], effect=False, finds=True) as service:
        handle = await make_client(base_url=service.base_url).submit(
            RawTask(PATH, {"external_task_id": "a:b/c"}, finds_by_external_id=True)
        )
        assert (await handle).external_task_id == "a:b/c"
        assert service.bodies == [{"external_task_id": "a:b/c"}] * 2
        assert service.looks[0] == "a%3Ab%2Fc"


@pytest.mark.parametrize(
    "data", [{"status": 0, "session_id": "5"}, {"images": []}, [], None, "done", {"task_id": None}]
)
@pytest.mark.parametrize("finds", [True, False])
async def test_a_success_without_a_task(make_client: ClientMaker, data: Any, *, finds: bool) -> None:
    """A success without a task raises an error with its data; no request follows, and the slot is free again."""
    loop = asyncio.get_running_loop()
    yes = answer(200, {"code": 0, "message": "SUCCEED", "data": data})
    async with running(creates=[yes], effect=False, finds=finds) as service:
        client = make_client(base_url=service.base_url, concurrency=1)
        began = loop.time()
        with pytest.raises(UnexpectedAnswer, match="RawCall is for paths that answer at once") as caught:
            await client.submit(RawTask(PATH, {}, finds_by_external_id=finds))
        assert loop.time() - began < 2
        assert (caught.value.data, caught.value.http_status) == (data, 200)
        assert (len(service.bodies), service.looks, client.unsettled) == (1, [], ())
        await (await client.submit(RawTask(PATH, {})))


async def test_a_second_send_that_succeeds_without_a_task(make_client: ClientMaker) -> None:
    """A success without a task is final after a lost response, too."""
    async with running(creates=[None, answer(200, {"code": 0, "data": {"a": 1}})], effect=False, finds=True) as service:
        with pytest.raises(UnexpectedAnswer) as caught:
            await make_client(base_url=service.base_url).submit(RawTask(PATH, {}, finds_by_external_id=True))
    assert (caught.value.data, len(service.bodies)) == ({"a": 1}, 2)


async def test_an_unexpected_answer_shows_no_secret(make_client: ClientMaker) -> None:
    """Credentials that the service repeats are not in the data of the error."""
    async with serve(lambda seen: answer(200, {"code": 0, "data": {"sent": seen.headers["authorization"]}})) as stub:
        with pytest.raises(UnexpectedAnswer) as caught:
            await make_client(base_url=stub.base_url, api_key="key-that-nobody-may-see").submit(RawTask(PATH, {}))
    assert caught.value.data == {"sent": "Bearer …"}


# ------------------------------------------------------------------------------------------ following, saving


async def test_a_whole_life(make_client: ClientMaker) -> None:
    """A task is created, queried by its id, awaited for its unchanged results, attached and listed elsewhere."""
    results = {"shots": [{"number": 1, "text": "a"}], "videos": [{"id": "v", "url": "https://h/v.mp4", "odd": 5}]}
    async with running(results=results) as service:
        client = make_client(base_url=service.base_url)
        handle = await client.submit(RawTask(PATH, {"model_name": "kling-v9"}))
        assert handle.reference == f"raw:{PATH}:1000"
        task = await handle
        assert (task.raw, task.reference, service.looks) == (results, handle.reference, ["1000"])
        assert [video.id for video in task.videos] == ["v"]
        other = make_client(base_url=service.base_url)
        assert await other.attach(handle.reference) == task
        assert await other.get_task(handle.reference) == task
        assert [listed.reference async for listed in other.tasks(f"raw:{PATH}", page_size=500)] == [handle.reference]


async def test_an_external_id_of_any_letters(make_client: ClientMaker) -> None:
    """A colon and slashes in the id survive the reference and the URL."""
    async with running(finds=True) as service:
        handle = await make_client(base_url=service.base_url).submit(
            RawTask(PATH, {"external_task_id": "a:b/c?d#e%20"})
        )
        await handle
        other = make_client(base_url=service.base_url)
        task = await other.attach(f"raw:{PATH}:a:b/c?d#e%20")
    assert (task.task_id, task.external_task_id) == ("1000", "a:b/c?d#e%20")


async def test_many_of_a_path_that_has_no_list(make_client: ClientMaker) -> None:
    """If pages of the list are refused, each task is queried singly."""
    async with running(lists=False) as service:
        client = make_client(base_url=service.base_url, concurrency=40)
        handles = await asyncio.gather(*(client.submit(RawTask(PATH, {"n": number})) for number in range(40)))
        assert {(await handle).status for handle in handles} == {TaskStatus.SUCCEED}
        with pytest.raises(kling_async.RequestRefused):
            _ = [task async for task in client.tasks(f"raw:{PATH}")]


@pytest.mark.parametrize(
    ("member", "suffix"),
    [("videos", ".mp4"), ("images", ".png"), ("audios", ".mp3"), ("models", ".glb"), ("x", ".zip")],
)
async def test_files_are_named_by_their_bytes(
    make_client: ClientMaker, image: Path, tmp_path: Path, member: str, suffix: str
) -> None:
    """In a directory the bytes determine the suffix, not the URL; a given file name is kept."""
    files = {
        ".mp4": VIDEO,
        ".png": image.read_bytes(),
        ".mp3": b"ID3\x04\0\0\0\0\0\0" + b"\xff\xfb\x90\0" * 500,
        ".glb": b"glTF\2\0\0\0" + (500).to_bytes(4, "little") + bytes(488),
        ".zip": b"PK\x03\x04" + bytes(500) + b"PK\x05\x06" + bytes(18),
    }
    results = {member: [{"id": "1", "index": 0, "url": "BASE/files/a.bin"}]}
    async with running(results=results, files={"a.bin": files[suffix]}) as service:
        client = make_client(base_url=service.base_url)
        handle = await client.submit(RawTask(PATH, {}))
        assert await handle.save(tmp_path) == tmp_path / f"1000{suffix}"
        assert await handle.save_all(tmp_path / "all") == [tmp_path / "all" / f"1000{suffix}"]
        assert await handle.save(tmp_path / "named.data") == tmp_path / "named.data"
        assert await client.generate(RawTask(PATH, {}), tmp_path / "made") == tmp_path / "made"
    for name in (f"1000{suffix}", f"all/1000{suffix}", "named.data", "made"):
        assert (tmp_path / name).read_bytes() == files[suffix]


class NewGeneration:
    """An unknown path that is not a legacy one: it has no list."""

    def __init__(self, path: str, created: Answer) -> None:
        self.path = path
        self.created = created

    def __call__(self, seen: Seen) -> Answer:
        """Answers one request."""
        if seen.method == "POST":
            return self.created
        if seen.path == "/tasks?task_ids=t1":
            return answer(200, {"code": 0, "data": [{"id": "t1", "status": "succeeded"}]})
        if seen.path.startswith("/tasks"):
            return answer(200, {"code": 0, "data": []})
        return answer(404, b"<html>404</html>", Content_Type="text/html")


@pytest.mark.parametrize("path", ["/new-kind/kling-9", "/text-to-video/kling-3.0-turbo"])
async def test_a_task_unknown_at_its_path_is_queried_as_a_current_one(make_client: ClientMaker, path: str) -> None:
    """A task of a new path that is not a legacy one is found; so is one of a path that earlier versions accepted."""
    created = answer(200, {"code": 0, "data": {"id": "t1", "status": "submitted"}})
    async with serve(NewGeneration(path, created)) as stub:
        client, reference = make_client(base_url=stub.base_url, api_key="key"), f"raw:{path}:t1"
        if path == "/new-kind/kling-9":
            handle = await client.submit(RawTask(path, {"prompt": "a"}))
            assert (handle.reference, (await handle).task_id) == (reference, "t1")
        for task in (await client.get_task(reference), await client.attach(reference)):
            assert (task.status, task.reference) == (TaskStatus.SUCCEED, reference)
        with pytest.raises(kling_async.BadResponse, match="404"):
            await client.get_task(f"raw:{path}:t2")


async def test_a_lost_create_of_a_new_path_is_not_looked_up(make_client: ClientMaker) -> None:
    """A path that may drop ids has no look-up, since "no such task" would cause a second payment."""
    async with serve(NewGeneration("/new-kind/kling-9", None)) as stub:
        client = make_client(base_url=stub.base_url, api_key="key")
        with pytest.raises(CreateInDoubt):
            await client.submit(RawTask("/new-kind/kling-9", {"prompt": "a"}, finds_by_external_id=True))
        requested = {seen.path for seen in stub.seen if seen.method == "GET"}
    assert [seen.method for seen in stub.seen].count("POST") == 1
    assert requested
    assert not any(path.startswith("/tasks") for path in requested)


async def test_nothing_to_save(make_client: ClientMaker, tmp_path: Path) -> None:
    """The error for results without a URL points to `task.raw`."""
    async with running(results={"text": "a cat"}) as service:
        handle = await make_client(base_url=service.base_url).submit(RawTask(PATH, {}))
        with pytest.raises(kling_async.DownloadError, match=r"has no file; its results are in task\.raw") as caught:
            await handle.save(tmp_path)
    assert caught.value.reference == handle.reference
    assert not list(tmp_path.iterdir())


async def test_a_watermarked_file_must_be_requested(make_client: ClientMaker, tmp_path: Path) -> None:
    """`generate(watermark=True)` checks the body before it pays."""
    video = {"id": "v", "url": "BASE/files/a", "watermark_url": "BASE/files/b"}
    async with running(results={"videos": [video]}, files={"b": VIDEO}) as service:
        client = make_client(base_url=service.base_url)
        bodies: list[Any] = [{}, {"watermark_info": {"enabled": False}}, {"watermark_info": 5}, []]
        for body in bodies:
            with pytest.raises(InvalidRequest, match="watermark_info"):
                await client.generate(RawTask(PATH, body), tmp_path / "a.mp4", watermark=True)
        assert not service.bodies
        request = RawTask(PATH, {"watermark_info": {"enabled": True}})
        assert (await client.generate(request, tmp_path / "a.mp4", watermark=True)).read_bytes() == VIDEO


async def test_a_task_that_fails_names_its_reference(make_client: ClientMaker, tmp_path: Path) -> None:
    """The error has the task and its reference."""
    async with running(task={"task_status": "failed", "task_status_msg": "too dark"}) as service:
        client = make_client(base_url=service.base_url)
        with pytest.raises(TaskFailed, match="too dark") as caught:
            await client.generate(RawTask(PATH, {}), tmp_path / "a.mp4")
        assert caught.value.reference == caught.value.task.reference == f"raw:{PATH}:1000"
        for ask in (client.get_task, lambda reference: client.attach(reference).wait()):
            with pytest.raises(TaskNotFound) as missing:
                await ask(f"raw:{PATH}:8")
            assert missing.value.reference == f"raw:{PATH}:8"


async def test_a_task_that_takes_too_long(make_client: ClientMaker) -> None:
    """A task has the deadline of its options, and the error names the task."""
    async with running(task={"task_status": "processing"}) as service:
        handle = await make_client(base_url=service.base_url).submit(RawTask(PATH, {}), deadline=40)
        with pytest.raises(TaskTimeout, match="within 40 s") as caught:
            await handle
    assert caught.value.reference == handle.reference


async def test_a_refused_model_is_not_explained(make_client: ClientMaker) -> None:
    """The models of a raw path are unknown, so a refusal has only the service's message."""
    async with running(creates=[refusal(400, 1203, "model x not found")], effect=False) as service:
        with pytest.raises(kling_async.RequestRefused, match=r"^model x not found: no such resource") as caught:
            await make_client(base_url=service.base_url).submit(RawTask(PATH, {"model_name": "x"}))
    assert "kling-v" not in str(caught.value)


async def test_the_emulators_own_path(make_client: ClientMaker, tmp_path: Path) -> None:
    """A path with a record can be used without it."""
    client = make_client()
    body = {"image": "https://example.com/cat.png", "prompt": "a cat", "model_name": "kling-v2-6", "mode": "std"}
    handle = await client.submit(RawTask(EMULATED, body, finds_by_external_id=True))
    task = await client.attach(f"raw:{EMULATED}:{handle.external_task_id}")
    assert (task.task_id, task.raw["videos"][0]["id"]) == (handle.task_id, task.videos[0].id)
    assert (await handle.save(tmp_path)).suffix == ".mp4"
    assert (await client.get_task(f"image2video:{task.task_id}")).videos == task.videos


# --------------------------------------------------------------------------------- intents, doubt and the line


@pytest.mark.parametrize(
    ("body", "finds", "reference", "external_task_id"),
    [
        ({}, False, None, None),
        ({"external_task_id": "mine"}, False, None, "mine"),
        ({"external_task_id": "mine"}, True, f"raw:{PATH}:mine", "mine"),
    ],
)
async def test_the_fields_of_an_intent(
    make_client: ClientMaker,
    body: dict[str, str],
    reference: str | None,
    external_task_id: str | None,
    *,
    finds: bool,
) -> None:
    """An intent has a reference only if it finds the task, and an external id only if one is sent."""
    intents: list[Intent] = []

    async def keep(intent: Intent) -> None:
        intents.append(intent)

    async with running(finds=finds) as service:
        client = make_client(base_url=service.base_url, on_intent=keep)
        await client.submit(RawTask(PATH, body, finds_by_external_id=finds))
        [intent] = intents
        assert (intent.reference, intent.external_task_id) == (reference, external_task_id)
        assert intent.request.members() == service.bodies[0]


async def test_the_intent_of_a_generated_id(make_client: ClientMaker) -> None:
    """With `finds_by_external_id` the intent's reference finds the task."""
    intents: list[Intent] = []

    async def keep(intent: Intent) -> None:
        intents.append(intent)

    async with running(finds=True) as service:
        client = make_client(base_url=service.base_url, on_intent=keep)
        handle = await client.submit(RawTask(PATH, {}, finds_by_external_id=True))
        assert (await client.get_task(intents[0].reference or "")).task_id == handle.task_id
        assert service.bodies == [{"external_task_id": intents[0].external_task_id}]


@pytest.mark.parametrize("lost", [True, False])
async def test_unsettled_names_only_what_attach_finds(
    make_client: ClientMaker, emulator: Emulator, caplog: pytest.LogCaptureFixture, *, lost: bool
) -> None:
    """A cancelled create is in `unsettled` once its task id is known, and never by an id without a look-up."""
    fault = Fault.error(5000, after_effect=True).delayed(10) if lost else Fault.delay(10)
    emulator.faults.add(fault, on="create")
    client = make_client()
    creating = asyncio.ensure_future(client.submit(RawTask(EMULATED, {"image": "https://example.com/cat.png"})))
    await asyncio.sleep(1)
    creating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await creating
    assert not client.unsettled
    await asyncio.sleep(20)
    references = client.unsettled
    assert len(references) == (0 if lost else 1)
    for reference in references:
        assert (await client.attach(reference)).status is TaskStatus.SUCCEED
    logged = {vars(record).get("kling_reference") for record in caplog.records if record.levelno >= logging.WARNING}
    assert logged == {None}
    assert f"cancelled while creating a task of raw:{EMULATED}" in caplog.text


async def test_a_raw_task_waits_in_the_line_of_its_model(make_client: ClientMaker, image: Path) -> None:
    """A raw task shares the slots of its `model_name` with videos; other models have their own slots."""
    client = make_client(concurrency=1)
    await client.submit(ImageToVideo(image, model_name="kling-v2-6"))
    body = {"image": "https://example.com/cat.png"}
    with pytest.raises(QueueTimeout):
        await client.submit(RawTask(EMULATED, {**body, "model_name": "kling-v2-6"}), queue_deadline=5)
    await client.submit(RawTask(EMULATED, {**body, "model_name": "kling-v2-5-turbo"}), queue_deadline=5)


async def test_a_missing_pack_fails_its_own_path_alone(
    make_client: ClientMaker, emulator: Emulator, image: Path
) -> None:
    """The pack of a raw path is unknown: 1102 fails waiting creates of raw paths, and no video."""
    client = make_client(concurrency=1)
    await client.image_to_video(image)
    video = asyncio.ensure_future(client.image_to_video(image))
    emulator.faults.add(Fault.error(1102), on="create", times=1)
    body = {"image": "https://example.com/cat.png", "model_name": "kling-v2-5-turbo"}
    raw = await asyncio.gather(*(client.submit(RawTask(EMULATED, body)) for _ in range(3)), return_exceptions=True)
    assert [type(error) for error in raw] == [kling_async.InsufficientBalance] * 3
    assert emulator.ledger.requests["create"] == 2
    assert (await (await video)).status is TaskStatus.SUCCEED


# ------------------------------------------------------------------------------------------------ wrong input


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("https://api-singapore.klingai.com/v1/a", {}, "no host"),
        ("v1/general/ai-multi-shot", {}, "path: 'v1/general/ai-multi-shot' is not possible; use a path such as /v1/"),
        ("/v1/a?key=hush", {}, "path: an address is not possible.*no query, which is the body of a GET"),
        ("https://user:hush@host/v1/a", {}, "path: an address is not possible"),
        (None, {}, "path: None"),
        (PATH, [{"hush": 1}], "body: expected a dict with texts for keys, got list"),
        (PATH, '{"hush": 1}', "body: expected a dict"),
        (PATH, {"image": b"\x89PNG hush", "a": 1}, "body: 'image': JSON has no such value; pictures go in as base64"),
        (PATH, {"image": Path("hush.png"), "x": {1, 2}}, "body: 'image' and 'x': JSON"),
    ],
)
async def test_invalid_input(client: KlingClient, emulator: Emulator, path: Any, body: Any, words: str) -> None:
    """Invalid input is refused before anything is sent, and no message contains what may be secret."""
    for request in (RawTask(path, body), RawCall("POST", path, body)):
        with pytest.raises(InvalidRequest, match=words) as caught:
            await client.submit(request)
        assert "hush" not in str(caught.value)
    assert not emulator.ledger.requests


@pytest.mark.parametrize(
    "request_",
    [
        RawTask(PATH, {"external_task_id": 5}, finds_by_external_id=True),
        RawTask(PATH, {"external_task_id": "a"}, external_task_id="b"),
        RawTask(PATH, {}, external_task_id=".."),
    ],
)
async def test_invalid_external_ids(client: KlingClient, request_: RawTask) -> None:
    """An id in the body that is not text, or differs from the option, is refused, not overwritten."""
    with pytest.raises(InvalidRequest, match="external_task_id"):
        await client.submit(request_)


async def test_an_id_beside_the_body_is_sent(make_client: ClientMaker) -> None:
    """An external id option is added to the body, whether tasks are found by it or not."""
    async with running() as service:
        await make_client(base_url=service.base_url).submit(RawTask(PATH, {"a": 1}, external_task_id="mine"))
    assert service.bodies == [{"a": 1, "external_task_id": "mine"}]


async def test_what_is_no_task(client: KlingClient, emulator: Emulator, tmp_path: Path) -> None:
    """A call cannot be generated, a class is not a request, and a raw path has no price and no map."""
    wrong: Any = RawCall("GET", "/account/costs")
    with pytest.raises(InvalidRequest, match="a RawCall makes no task that could be saved; submit it"):
        await client.generate(wrong, tmp_path / "a.mp4")
    with pytest.raises(InvalidRequest, match="expected a request"):
        kling_async.estimate(wrong)
    wrong = RawTask
    with pytest.raises(InvalidRequest, match="got the class RawTask"):
        await client.submit(wrong)
    with pytest.raises(InvalidRequest, match="expected the record of an endpoint"):
        kling_async.capabilities(RawTask)
    estimate = kling_async.estimate(RawTask(PATH, {"model_name": "kling-v2-6", "mode": "std", "duration": "5"}))
    assert (estimate.units, estimate.usd) == (None, None)
    with pytest.raises(InvalidRequest, match="if_exists: 'adopt' cannot work here"):
        await client.submit(RawTask(PATH, {"external_task_id": "a"}), if_exists="adopt")
    assert not emulator.ledger.requests


@pytest.mark.parametrize("reference", ["raw:v1/a:8", "raw:/v1/../a:8", "/v1/general/ai-multi-shot:8", "raw:/v1/a"])
def test_invalid_references(reference: str) -> None:
    """The message shows the format of a reference of a raw task."""
    with pytest.raises(InvalidReference, match="raw:<path>"):
        KlingClient(api_key="key").attach(reference)


async def test_invalid_lists(client: KlingClient) -> None:
    """A path without its mark is not an endpoint's name, and the message lists the valid ones."""
    for name in (PATH, "raw:v1/a"):
        with pytest.raises(InvalidRequest, match="or raw:<path>"):
            client.tasks(name)


@pytest.mark.parametrize(
    "option", [{"strict": False}, {"if_exists": "adopt"}, {"on_doubt": "raise"}, {"deadline": 5}, {"queue_deadline": 0}]
)
async def test_a_call_takes_no_options(client: KlingClient, emulator: Emulator, option: dict[str, Any]) -> None:
    """An option of a call is refused, and nothing is sent."""
    with pytest.raises(TypeError, match=f"takes no options: {next(iter(option))}"):
        await functools.partial(client.submit, **option)(RawCall("GET", "/account/costs"))
    assert not emulator.ledger.requests
