"""Text to video from the call to the file, separate from image to video: tasks, times and references."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kling_async import (
    BadResponse,
    CapabilityWarning,
    ExternalTaskIdConflict,
    ImageToVideo,
    InvalidRequest,
    KlingClient,
    RequestRefused,
    TargetExists,
    TaskFailed,
    TaskNotFound,
    TaskStatus,
    TaskTimeout,
    TextToVideo,
)
from kling_async.emulator import Emulator, Fault
from kling_async.protocol.wire.codec import to_wire
from tests.protocol.recorded_bodies import OTHERS, RECORDED
from tests.shell.conftest import ClientMaker
from tests.shell.stub import answer, script, serve

PROMPT = "a cat on a skateboard"
SHOTS = [{"index": 1, "prompt": "a cat", "duration": 2}, {"index": 2, "prompt": "a dog", "duration": 3}]


# ------------------------------------------------------------------------------------------- what is submitted


async def test_by_method_and_by_record(client: KlingClient, emulator: Emulator) -> None:
    """Method and record send the same body to the endpoint's own path."""
    asked: dict[str, Any] = {"mode": "pro", "sound": True, "aspect_ratio": "9:16", "duration": 10}
    by_method = await client.text_to_video(PROMPT, **asked)
    by_record = await client.submit(TextToVideo(PROMPT, **asked))
    earlier, later = emulator.ledger.entries
    for handle, entry in ((by_method, earlier), (by_record, later)):
        assert (handle.reference, entry.endpoint) == (f"text2video:{entry.task_id}", "text2video")
        own = {"external_task_id": handle.external_task_id}
        assert entry.parameters == to_wire(TextToVideo(PROMPT, **asked)) | own
        assert entry.units == 10


async def test_shots_need_no_prompt(client: KlingClient, emulator: Emulator) -> None:
    """With `customize` the shots replace the prompt, which is not in the body."""
    handle = await client.text_to_video(
        model_name="kling-v3",
        multi_shot=True,
        shot_type="customize",
        multi_prompt=SHOTS,
        watermark_info={"enabled": True},
    )
    task = await handle
    assert task.status is TaskStatus.SUCCEED
    [entry] = emulator.ledger.entries
    assert "prompt" not in entry.parameters
    assert entry.parameters["multi_prompt"][1] == {"index": 2, "prompt": "a dog", "duration": "3"}


async def test_callback_and_external_id_reach_the_service(client: KlingClient, emulator: Emulator) -> None:
    """The service posts to `callback_url`, and finds the task by `external_task_id`."""
    handle = await client.text_to_video(PROMPT, callback_url="http://127.0.0.1:9/kling", external_task_id="order-7")
    assert handle.external_task_id == "order-7"
    task = await handle
    assert (task.external_task_id, task.endpoint) == ("order-7", "text2video")
    await asyncio.sleep(1)  # the last one goes out with the end of the task
    posts = [(post.task_id, post.url, post.status) for post in emulator.ledger.callbacks]
    assert posts == [(task.task_id, "http://127.0.0.1:9/kling", status) for status in ("processing", "succeed")]


# --------------------------------------------------------------------------------------------- options of submit


async def test_a_deadline_of_one_task(client: KlingClient) -> None:
    """`submit(record, deadline=...)` limits the wait for this task, and the error has the reference."""
    handle = await client.submit(TextToVideo(PROMPT), deadline=30)
    with pytest.raises(TaskTimeout, match="within 30 s") as caught:
        await handle
    assert caught.value.reference == handle.reference


async def test_what_the_map_alone_refuses(client: KlingClient, emulator: Emulator) -> None:
    """Nothing is sent with `strict`; without it the request is sent with a warning at the caller's line."""
    request = TextToVideo(PROMPT, camera_control={"type": "down_back"})
    with pytest.raises(InvalidRequest, match="needs model_name kling-v1"):
        await client.submit(request)
    assert emulator.ledger.requests["create"] == 0
    with pytest.warns(CapabilityWarning, match="camera_control") as caught, pytest.raises(RequestRefused):
        await client.submit(request, strict=False)
    assert Path(caught[0].filename) == Path(__file__)


async def test_models_of_pictures_only(client: KlingClient, emulator: Emulator) -> None:
    """A model for image to video only is refused before anything is sent, unless `strict` is off."""
    request = TextToVideo(PROMPT, model_name="kling-v2-1")
    with pytest.raises(InvalidRequest, match="kling-v2-1 makes videos from pictures only"):
        await client.submit(request)
    assert emulator.ledger.requests["create"] == 0
    with pytest.warns(CapabilityWarning), pytest.raises(RequestRefused, match="known are kling-v1, kling-v1-6"):
        await client.submit(request, strict=False)


async def test_an_older_task_is_a_conflict_or_adopted(make_client: ClientMaker, emulator: Emulator) -> None:
    """A used external id raises an error that names its task; `if_exists="adopt"` returns the task."""
    first = await make_client().text_to_video(PROMPT, external_task_id="order-7")
    await asyncio.sleep(60)
    with pytest.raises(ExternalTaskIdConflict) as caught:
        await make_client().text_to_video(PROMPT, external_task_id="order-7")
    assert caught.value.reference == first.reference
    adopted = await make_client().submit(TextToVideo(PROMPT, external_task_id="order-7"), if_exists="adopt")
    assert (await adopted).task_id == first.task_id
    assert emulator.ledger.created == 1


@pytest.mark.parametrize(
    "fault",
    [Fault.reset(after_effect=True), Fault.gateway(504, after_effect=True), Fault.error(5000, after_effect=True)],
    ids=lambda fault: fault.kind,
)
async def test_a_lost_answer_is_looked_up(client: KlingClient, emulator: Emulator, fault: Fault) -> None:
    """After a lost response to a create, the task is found by its external id, created once and paid once."""
    emulator.faults.add(fault, on="create", at=1)
    handle = await client.text_to_video(PROMPT)
    assert (await handle).status is TaskStatus.SUCCEED
    [entry] = emulator.ledger.entries
    assert (entry.task_id, entry.endpoint) == (handle.task_id, "text2video")
    assert emulator.ledger.requests["create"] == 1


# ------------------------------------------------------------------------------------------ references and lists


async def test_attach_by_either_id(make_client: ClientMaker, emulator: Emulator) -> None:
    """`text2video:<id>` finds the task in another client, by task id and by external id."""
    made = await make_client().text_to_video(PROMPT, external_task_id="order-7")
    other = make_client()
    assert (await other.attach(made.reference)).status is TaskStatus.SUCCEED
    assert (await other.attach("text2video:order-7")).task_id == made.task_id
    assert (await other.get_task(made.reference)).endpoint == "text2video"
    assert emulator.ledger.created == 1


async def test_each_endpoint_has_its_own_tasks(client: KlingClient, image: Path) -> None:
    """A task is found and listed under its own endpoint only."""
    text = await client.text_to_video(PROMPT)
    picture = await client.image_to_video(image)
    assert [task.reference async for task in client.tasks("text2video")] == [text.reference]
    assert [task.reference async for task in client.tasks("image2video", page_size=1)] == [picture.reference]
    with pytest.raises(TaskNotFound):
        await client.get_task(f"image2video:{text.task_id}")


# ---------------------------------------------------------------------------------------------------- the file


async def test_save(client: KlingClient, tmp_path: Path) -> None:
    """The video has the requested ratio and length, and in a directory the name of its task."""
    handle = await client.text_to_video(PROMPT, aspect_ratio="9:16", duration=10)
    path = await handle.save(tmp_path)
    assert path == tmp_path / f"{handle.task_id}.mp4"
    av = pytest.importorskip("av")
    with av.open(str(path)) as video:
        stream = video.streams.video[0]
        assert (stream.width, stream.height) == (720, 1280)
        assert float(stream.duration * stream.time_base) == pytest.approx(10, abs=0.1)


async def test_watermark(client: KlingClient, tmp_path: Path) -> None:
    """The watermarked video is saved if it was requested."""
    handle = await client.text_to_video(PROMPT, watermark_info={"enabled": True})
    plain, marked = await handle.save(tmp_path), await handle.save(tmp_path, watermark=True)
    assert marked.name == f"{handle.task_id}-watermark.mp4"
    assert plain.read_bytes() != marked.read_bytes()


async def test_generate_pays_once(client: KlingClient, emulator: Emulator, tmp_path: Path) -> None:
    """`generate` saves the video of a record; a second run pays nothing."""
    target = tmp_path / "cat.mp4"
    assert await client.generate(TextToVideo(PROMPT), target) == target
    assert target.read_bytes()[4:8] == b"ftyp"
    with pytest.raises(TargetExists):
        await client.generate(TextToVideo(PROMPT), target)
    assert emulator.ledger.created == 1


async def test_generate_with_a_watermark_that_is_not_requested(
    client: KlingClient, emulator: Emulator, tmp_path: Path
) -> None:
    """A result that could not be saved is refused before it is paid."""
    with pytest.raises(InvalidRequest, match="watermark_info"):
        await client.generate(TextToVideo(PROMPT), tmp_path / "cat.mp4", watermark=True)
    marked = TextToVideo(PROMPT, watermark_info={"enabled": True})
    await client.generate(marked, tmp_path / "cat.mp4", watermark=True, deadline=7200)
    assert emulator.ledger.created == 1


async def test_a_task_that_fails(client: KlingClient, tmp_path: Path) -> None:
    """A failed task raises its reason with its reference, and leaves no file."""
    with pytest.raises(TaskFailed, match="risk control") as caught:
        await client.generate(TextToVideo("forbidden"), tmp_path / "cat.mp4")
    assert str(caught.value.reference).startswith("text2video:")
    assert not (tmp_path / "cat.mp4").exists()


# -------------------------------------------------------------------------------------- two endpoints at once


async def test_a_models_slots_are_shared(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """Slots are per model: tasks of both endpoints together never exceed them, and another model's do not count."""
    client = make_client(concurrency=2)
    both = [submit for _ in range(3) for submit in (client.text_to_video(PROMPT), client.image_to_video(image))]
    other = [client.text_to_video(PROMPT, model_name="kling-v3") for _ in range(2)]
    handles = await asyncio.gather(*both, *other)
    await asyncio.gather(*handles)
    assert emulator.ledger.peak("kling-v2-6") == 2
    assert emulator.ledger.peak("kling-v3") == 2
    assert emulator.ledger.peak() == 4
    assert {entry.endpoint for entry in emulator.ledger.entries} == {"text2video", "image2video"}


async def test_durations_are_learned_per_endpoint(make_client: ClientMaker, image: Path) -> None:
    """Text takes about twice as long as a picture: durations are estimated and learned per endpoint."""
    client = make_client(concurrency=10)
    text, picture = "text2video/kling-v2-6/std/5", "image2video/kling-v2-6/std/5"
    await client.text_to_video(PROMPT)
    await client.image_to_video(image)
    published = client.durations.medians()
    assert 1.5 < published[text] / published[picture] < 2.5
    handles = await asyncio.gather(*(client.text_to_video(PROMPT) for _ in range(10)))
    tasks = await asyncio.gather(*handles)
    seconds = sorted(
        (task.updated_at - task.created_at).total_seconds() for task in tasks if task.updated_at and task.created_at
    )
    learned = client.durations.medians()
    assert learned[text] == pytest.approx(seconds[5], rel=0.3)
    kinds = json.loads(client.durations.to_json())["kinds"]
    assert sum(kinds[text]["ended"]) > 9 * sum(kinds[picture]["ended"])


# ------------------------------------------------------------------------------------------- recorded answers


async def test_answers_as_they_were_recorded(make_client: ClientMaker) -> None:
    """A create of 2024, whose id is no number and which has no `task_info`, and a finished task of 2026 are read."""
    created = OTHERS["text2video_create_2024_live"]["body"]
    finished = OTHERS["text2video_query_succeed_live"]["body"]
    async with serve(script(answer(200, created), answer(200, finished))) as stub:
        client = make_client(base_url=stub.base_url)
        handle = await client.text_to_video(PROMPT, model_name="kling-v1")
        assert handle.reference == "text2video:CmYgAAAAAAAAAAAAAAAAAA"
        task = await client.get_task("text2video:867283741759110101")
    assert [seen.path for seen in stub.seen[:2]] == [
        "/v1/videos/text2video",
        "/v1/videos/text2video/867283741759110101",
    ]
    [video] = task.videos
    assert (task.external_task_id, str(video.duration), task.final_unit_deduction) == ("10052", "5.1", Decimal(1))
    assert (task.reference, task.watermark, video.watermark_url) == ("text2video:867283741759110101", False, None)


async def test_an_answer_about_another_task_is_not_taken(make_client: ClientMaker) -> None:
    """A response about another task than the queried one is ignored."""
    async with serve(script(answer(200, RECORDED["legacy_query_succeed"]["body"]))) as stub:
        with pytest.raises(BadResponse):
            await make_client(base_url=stub.base_url).get_task("text2video:1")


# -------------------------------------------------------------------------------------- mistakes of a tired person


@pytest.mark.parametrize(
    ("mistake", "says"),
    [
        ({}, ["prompt", "is required"]),
        ({"prompt": ""}, ["prompt", "is required"]),
        ({"prompt": None}, ["prompt", "is required"]),
        ({"prompt": b"a cat"}, ["prompt", "expected text"]),
        ({"prompt": Path("cat.png")}, ["prompt", "expected text"]),
        ({"prompt": "x" * 2501}, ["prompt", "2501", "2500"]),
        ({"prompt": PROMPT, "mode": "por"}, ["mode", "'por'", "std, pro or 4k"]),
        ({"prompt": PROMPT, "mode": "4k"}, ["mode", "kling-v2-6", "std or pro"]),
        ({"prompt": PROMPT, "aspect_ratio": "4:3"}, ["aspect_ratio", "4:3", "16:9, 9:16 or 1:1"]),
        ({"prompt": PROMPT, "duration": "five"}, ["duration", "five"]),
        ({"prompt": PROMPT, "duration": 7}, ["duration", "5 or 10"]),
        ({"prompt": PROMPT, "sound": True}, ["sound", "mode pro"]),
        ({"prompt": PROMPT, "voice_list": "v"}, ["voice_list", "list"]),
        ({"model_name": "kling-v3", "multi_shot": True}, ["shot_type", "customize"]),
        ({"prompt": PROMPT, "multi_prompt": [{"index": 1, "promt": "a"}]}, ["multi_prompt[0]", "promt", "prompt"]),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else None,
)
async def test_a_wrong_request_names_the_correct_values(
    client: KlingClient, emulator: Emulator, mistake: dict[str, Any], says: list[str]
) -> None:
    """The message has the parameter, the given value and the accepted ones; nothing is sent."""
    with pytest.raises(InvalidRequest) as caught:
        await client.text_to_video(**mistake)
    assert [word for word in says if word not in str(caught.value)] == [], str(caught.value)
    assert len(str(caught.value)) < 700
    assert sum(emulator.ledger.requests.values()) == 0


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"image": "cat.png"}, "unexpected keyword argument 'image'"),
        ({"promt": PROMPT}, "did you mean 'prompt'?"),
        ({"ratio": "9:16"}, "did you mean 'aspect_ratio'?"),
        ({"strict": False}, "an option of submit(TextToVideo(...), strict=False)"),
    ],
)
def test_a_wrong_parameter_raises_at_the_call(wrong: dict[str, Any], says: str) -> None:
    """A parameter that the record lacks is a TypeError at the call that names the method that accepts it."""
    with pytest.raises(TypeError) as caught:
        _ = KlingClient(api_key="key").text_to_video(**wrong)
    assert str(caught.value).startswith("KlingClient.text_to_video() got an unexpected keyword argument")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "cat.png",
        "./my cat.JPG",
        "/home/me/cat.jpeg",
        "C:\\cats\\my cat.png",
        "https://example.com/cat.webp",
        " cat.png ",
    ],
)
async def test_a_picture_in_the_place_of_the_prompt(client: KlingClient, emulator: Emulator, name: str) -> None:
    """A file name of a picture as the prompt is refused, since it belongs to the other endpoint."""
    with pytest.raises(InvalidRequest, match=r"prompt: is the name of a picture.*image to video"):
        await client.text_to_video(name)
    assert sum(emulator.ledger.requests.values()) == 0


@pytest.mark.parametrize("prompt", ["a cat draws cat.png", "cat.png is painted by a robot", "png", "the end."])
async def test_words_about_pictures_are_a_prompt(client: KlingClient, prompt: str) -> None:
    """A prompt that merely contains a file name is accepted."""
    assert (await client.text_to_video(prompt)).task_id


async def test_the_records_are_not_mixed_up(client: KlingClient, image: Path, emulator: Emulator) -> None:
    """Each record goes to its own endpoint, whichever was used before."""
    for record, name in ((TextToVideo(PROMPT), "text2video"), (ImageToVideo(image), "image2video")) * 2:
        handle = await client.submit(record)
        assert handle.reference.startswith(f"{name}:")
    assert [entry.endpoint for entry in emulator.ledger.entries] == ["text2video", "image2video"] * 2
