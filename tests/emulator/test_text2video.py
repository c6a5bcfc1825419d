import json
from typing import Any

import pytest

from kling_async.emulator import mean_generation_seconds
from kling_async.emulator.results.rendering.camera import Camera
from kling_async.emulator.results.videos import RenderedVideo
from kling_async.emulator.service import answers, request_body
from kling_async.emulator.service.catalog import ENDPOINTS
from kling_async.emulator.service.endpoints import image2video
from kling_async.emulator.service.endpoints.text2video import ENDPOINT
from kling_async.emulator.service.errors import Refusal

from .conftest import FAR, PATH, Answer, Caller, Clock

CAT = {"prompt": "a cat"}
V3 = CAT | {"model_name": "kling-v3"}
PRO = CAT | {"model_name": "kling-v2-6", "mode": "pro"}
SHOTS = [{"index": 1, "prompt": "one", "duration": "2"}, {"index": 2, "prompt": "two", "duration": "3"}]
CUSTOM = {"model_name": "kling-v3", "multi_shot": True, "shot_type": "customize"}
CAMERA = {"camera_control": {"type": "simple", "config": {"pan": 5}}}
VOICE = {"voice_list": [{"voice_id": "1"}]}

ACCEPTED: list[dict[str, Any]] = [
    CAT,
    CAT | {"prompt": "x" * 2500, "negative_prompt": "y" * 2500, "cfg_scale": 1},
    CAT | {"mode": None, "duration": None, "aspect_ratio": None, "negative_prompt": "", "multi_prompt": []},
    CAT | {"aspect_ratio": "9:16", "mode": "pro", "duration": "10"},
    CAT | CAMERA,
    CAT | {"camera_control": {"type": "down_back"}},
    CAT | {"model_name": "kling-v1-6", "mode": "pro"},
    CAT | {"model_name": "kling-v2-1-master", "cfg_scale": 0.5},
    PRO | {"sound": "on"} | VOICE,
    V3 | {"mode": "4k", "duration": "3", "sound": "on", "aspect_ratio": "1:1"},
    V3 | {"duration": "15", "sound": "on"} | VOICE,  # for which models voices are is not documented
    V3 | CAMERA,  # nor whether this one has a camera
    V3 | {"multi_shot": True, "shot_type": "intelligence"},
    CUSTOM | {"multi_prompt": SHOTS},
    CUSTOM | {"multi_prompt": SHOTS[::-1], "prompt": ""},
]

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "prompt can not be null"),
    ({"prompt": ""}, "prompt can not be null"),
    ({"model_name": "kling-v3", "multi_shot": True, "shot_type": "intelligence"}, "prompt can not be null"),
    ({"prompt": 5}, "prompt must be a string"),
    ({"prompt": "x" * 2501}, "prompt: size must be between 0 and 2500"),
    (CAT | {"negative_prompt": "x" * 2501}, "negativePrompt: size must be between 0 and 2500"),
    (CAT | {"model_name": "kling-v1-5"}, "model is not supported"),
    (CAT | {"model_name": "kling-v2-1"}, "model is not supported"),
    (CAT | {"model_name": "kling-v3-omni"}, "model is not supported"),
    (CAT | {"mode": "4k"}, "4k mode is not supported by the current model: kling-v1"),
    (PRO | {"mode": "4k"}, "4k mode is not supported by the current model: kling-v2-6"),
    (CAT | {"duration": "7"}, "duration value '7' is invalid"),
    (V3 | {"duration": "16"}, "duration value '16' is invalid"),
    (CAT | {"aspect_ratio": "4:3"}, "aspect_ratio value '4:3' is invalid"),
    (CAT | {"aspect_ratio": 1}, "aspect_ratio must be a string"),
    (CAT | {"cfg_scale": 1.1}, "cfgScale: must be less than or equal to 1"),
    (CAT | {"sound": "on"}, "model/mode(kling-v1/std) is not supported with sound on"),
    (PRO | {"mode": "std", "sound": "on"}, "model/mode(kling-v2-6/std) is not supported with sound on"),
    (CAT | {"model_name": "kling-v2-5-turbo", "mode": "pro", "sound": "on"}, "is not supported with sound on"),
    (PRO | VOICE, "voice_list needs sound"),
    (PRO | {"sound": "on", "voice_list": [{"voice_id": "1"}] * 3}, "voice_list can not exceed 2 items"),
    (CAT | CAMERA | {"mode": "pro"}, "model/mode/duration(kling-v1/pro/5) is not supported with camera_control"),
    (CAT | CAMERA | {"duration": "10"}, "model/mode/duration(kling-v1/std/10) is not supported with camera_control"),
    (PRO | CAMERA, "Camera control is not supported by the current model"),
    (CAT | {"model_name": "kling-v1-6"} | CAMERA, "Camera control is not supported by the current model"),
    (CAT | {"camera_control": {"type": "simple", "config": {"pan": 1, "roll": 1}}}, "exactly one value"),
    (PRO | {"multi_shot": True, "shot_type": "intelligence"}, "is not supported with multi_shot"),
    (V3 | {"multi_shot": True}, "shot_type can not be null"),
    (CUSTOM, "multi_prompt can not be null"),
    (CUSTOM | {"multi_prompt": SHOTS, "duration": "6"}, "durations of multi_prompt must sum to duration"),
    (CUSTOM | {"multi_prompt": [SHOTS[0] | {"index": 0}, SHOTS[1]]}, "index must be 1, 2, 3"),
    (CUSTOM | {"multi_prompt": [SHOTS[0], SHOTS[1] | {"index": 3}]}, "index must be 1, 2, 3"),
    (CUSTOM | {"multi_prompt": [SHOTS[0] | {"prompt": "x" * 513}, SHOTS[1]]}, "prompt can not exceed 512"),
    (CAT | {"callback_url": "cat"}, "callback_url is invalid"),
    (CAT | {"watermark_info": []}, "watermark_info must be an object"),
]


@pytest.mark.parametrize("body", ACCEPTED)
def test_a_documented_request_is_accepted(body: dict[str, Any]) -> None:
    """Requests that the documentation allows, or is unclear about, are accepted."""
    assert ENDPOINT.accept(body).units > 0


@pytest.mark.parametrize(("body", "message"), REFUSED)
def test_a_forbidden_request_is_refused(body: dict[str, Any], message: str) -> None:
    """Requests that the documentation forbids are refused with 1201 and a message that names the member."""
    with pytest.raises(Refusal) as caught:
        ENDPOINT.accept(body)

    assert caught.value.code == 1201
    assert message in caught.value.message


FEATURES: dict[str, dict[str, Any]] = {
    "sound": {"sound": "on"},
    "multi_shot": {"multi_shot": True, "shot_type": "intelligence"},
    "camera": CAMERA,
}


@pytest.mark.parametrize(
    ("model_name", "mode", "duration", "has"),
    [
        ("kling-v1", "std", "5", {"camera"}),
        ("kling-v1", "std", "10", set()),
        ("kling-v1", "pro", "5", set()),
        ("kling-v1", "pro", "10", set()),
        ("kling-v1-6", "std", "5", set()),
        ("kling-v1-6", "pro", "10", set()),
        ("kling-v2-master", "std", "5", set()),
        ("kling-v2-1-master", "std", "10", set()),
        ("kling-v2-5-turbo", "std", "10", set()),
        ("kling-v2-5-turbo", "pro", "5", set()),
        ("kling-v2-6", "std", "5", set()),
        ("kling-v2-6", "pro", "5", {"sound"}),
        ("kling-v3", "std", "3", {"sound", "multi_shot", "camera"}),
        ("kling-v3", "pro", "8", {"sound", "multi_shot", "camera"}),
        ("kling-v3", "4k", "15", {"sound", "multi_shot", "camera"}),
    ],
)
def test_the_map_is_that_of_the_documentation(model_name: str, mode: str, duration: str, has: set[str]) -> None:
    """Features that a model, mode and duration have are accepted, those that they lack are refused with 1201."""
    plain = {"model_name": model_name, "mode": mode, "duration": duration, "prompt": "a cat"}

    for name in has:
        assert ENDPOINT.accept(plain | FEATURES[name]).units > 0
    for name in FEATURES.keys() - has:
        with pytest.raises(Refusal, match="is not supported"):
            ENDPOINT.accept(plain | FEATURES[name])


def test_a_missing_model_is_the_oldest() -> None:
    """Without `model_name`, or with the old name `model`, a request is for kling-v1 in std for 5 s."""
    made = ENDPOINT.accept(CAT | {"model": "kling-v2-6"})

    assert (made.model_name, made.mode, made.duration) == ("kling-v1", "std", 5)


@pytest.mark.parametrize(
    "body", [{"prompt": "Refused!"}, CUSTOM | {"multi_prompt": [SHOTS[0], SHOTS[1] | {"prompt": "refused"}]}]
)
def test_refused_content_has_its_own_code(body: dict[str, Any]) -> None:
    """The word "refused" in the prompt, or in a shot's prompt, makes the service refuse the content, with 1301."""
    with pytest.raises(Refusal) as caught:
        ENDPOINT.accept(body)

    assert caught.value.code == 1301


@pytest.mark.parametrize(
    ("parameters", "units"),
    [
        ({}, "1"),
        ({"mode": "pro", "duration": "10"}, "7"),
        ({"model_name": "kling-v1-6", "duration": "10"}, "4"),
        ({"model_name": "kling-v1-6", "mode": "pro"}, "3.5"),
        ({"model_name": "kling-v2-master"}, "10"),
        ({"model_name": "kling-v2-1-master", "duration": "10"}, "20"),
        ({"model_name": "kling-v2-5-turbo", "duration": "10"}, "3"),
        ({"model_name": "kling-v2-5-turbo", "mode": "pro"}, "2.5"),
        ({"model_name": "kling-v2-6"}, "1.5"),
        ({"model_name": "kling-v2-6", "mode": "pro", "duration": "10"}, "5"),
        ({"model_name": "kling-v2-6", "mode": "pro", "sound": "on"}, "5"),
        ({"model_name": "kling-v2-6", "mode": "pro", "sound": "on", "duration": "10"} | VOICE, "12"),
        ({"model_name": "kling-v3", "duration": "3"}, "1.8"),
        ({"model_name": "kling-v3", "sound": "on", "duration": "7"}, "6.3"),
        ({"model_name": "kling-v3", "mode": "4k", "sound": "on"}, "15"),
    ],
)
def test_prices_follow_the_price_table(parameters: dict[str, Any], units: str) -> None:
    """A clip has the price of the table; the estimate before the check is the same."""
    body = CAT | parameters

    assert units == answers.decimal_text(ENDPOINT.accept(body).units)
    assert units == answers.decimal_text(ENDPOINT.estimate(body))


@pytest.mark.parametrize(
    ("model_name", "mode", "aspect_ratio", "size"),
    [
        ("kling-v1", "pro", "16:9", (1280, 720)),
        ("kling-v1-6", "pro", "9:16", (1080, 1920)),
        ("kling-v2-master", "std", "1:1", (720, 720)),
        ("kling-v2-1-master", "std", "16:9", (1920, 1080)),
        ("kling-v2-6", "std", "9:16", (720, 1280)),
        ("kling-v3", "4k", "16:9", (3840, 2160)),
    ],
)
def test_a_video_has_the_requested_ratio(model_name: str, mode: str, aspect_ratio: str, size: tuple[int, int]) -> None:
    """The shorter side comes from model and mode, the longer one from the ratio."""
    body = CAT | {"model_name": model_name, "mode": mode, "aspect_ratio": aspect_ratio}

    assert ENDPOINT.accept(body).result.size == size


def test_a_clip_follows_the_request() -> None:
    """The card has the prompt, or the prompts of the shots; rate, length, camera and sound come from the request."""
    plain, shots, loud = (
        rendered.spec
        for body in (CAT | CAMERA, CUSTOM | {"multi_prompt": SHOTS, "prompt": "none"}, PRO | {"sound": "on"})
        if isinstance(rendered := ENDPOINT.accept(body).result.rendering("plain", {}), RenderedVideo)
    )

    assert (plain.card, plain.prompt, plain.title, plain.image) == ("a cat", "a cat", "kling-v1 std", "")
    assert (plain.fps, plain.seconds, plain.camera) == (30, 5, Camera(kind="simple", axis="pan", value=5))
    assert (shots.card, shots.prompt) == ("one / two", "one / two")
    assert (plain.sound, loud.sound, loud.fps) == (False, True, 24)


def test_members_of_other_endpoints_are_ignored() -> None:
    """Pictures, masks and elements are not members of it, and are ignored like all unknown members."""
    sent = V3 | {"image": "data:nonsense", "element_list": [{"element_id": 1}], "static_mask": 5, "aspect_ratio": "1:1"}

    read = request_body.parse([json.dumps(sent).encode()], ENDPOINT.members, strict=False)

    assert read == V3 | {"aspect_ratio": "1:1"}


def test_it_takes_longer_than_from_a_picture() -> None:
    """5 s in pro take 319 s in the mean, as users measured it; the time grows with the length."""
    usual = mean_generation_seconds(ENDPOINT.path, {"model_name": "kling-v1-6", "mode": "pro"})
    longer = mean_generation_seconds(ENDPOINT.path, {"model_name": "kling-v1-6", "mode": "pro", "duration": "10"})

    assert usual is not None
    assert longer is not None
    assert usual == pytest.approx(319)
    assert longer > usual
    assert mean_generation_seconds(ENDPOINT.path, {"model_name": "kling-v1-5"}) is None


async def created(caller: Caller, **parameters: Any) -> Answer:
    """Creates a task."""
    body = CAT | parameters
    return await caller.request("POST", ENDPOINT.path, json=body, headers=caller.headers)


async def test_a_task_answers_as_recorded(caller: Caller, clock: Clock) -> None:
    """A finished task has the members, the length and the price of the body recorded live."""
    task_id = (await created(caller, external_task_id="10052")).body["data"]["task_id"]
    clock.advance(FAR)
    data = (await caller.get(f"{ENDPOINT.path}/10052")).body["data"]

    (video,) = data["task_result"]["videos"]
    recorded = ["task_id", "task_status", "task_status_msg", "task_info", "task_result", "final_unit_deduction"]
    assert [name for name in data if name in recorded] == recorded
    assert (data["task_id"], data["task_status"], data["final_unit_deduction"]) == (task_id, "succeed", "1")
    assert (list(video), video["duration"]) == (["id", "url", "duration"], "5.1")
    assert data == (await caller.get(f"{ENDPOINT.path}/{task_id}")).body["data"]


async def test_a_file_has_the_requested_size(caller: Caller, clock: Clock) -> None:
    """Also without rendering the result is an MP4 of the requested ratio, with a second file for the watermark."""
    await created(caller, aspect_ratio="9:16", watermark_info={"enabled": True}, external_task_id="mine")
    clock.advance(FAR)
    video = (await caller.get(f"{ENDPOINT.path}/mine")).body["data"]["task_result"]["videos"][0]
    plain, marked = [await caller.request("GET", video[name]) for name in ("url", "watermark_url")]

    assert plain.headers["content-type"] == "video/mp4"
    assert plain.content[4:8] == b"ftyp"
    assert (720).to_bytes(2, "big") + (1280).to_bytes(2, "big") in plain.content[:2000]
    assert plain.content != marked.content


async def test_each_endpoint_has_its_own_tasks(caller: Caller, clock: Clock) -> None:
    """A task is found and listed at its endpoint; slots of a model, ids and balance are shared by all endpoints."""
    caller.emulator._account.concurrency = 2
    text = (await created(caller, model_name="kling-v2-6", external_task_id="text")).body["data"]["task_id"]
    image = (await caller.create(external_task_id="image")).body["data"]["task_id"]
    full, again = await created(caller, model_name="kling-v2-6"), await created(caller, external_task_id="image")

    assert [task["task_id"] for task in (await caller.get(ENDPOINT.path)).body["data"]] == [text]
    assert [task["task_id"] for task in (await caller.get(PATH)).body["data"]] == [image]
    for wrong in (f"{PATH}/{text}", f"{PATH}/text", f"{ENDPOINT.path}/{image}", f"{ENDPOINT.path}/image"):
        assert (await caller.get(wrong)).code == 1201
    assert (full.code, again.code) == (1303, 1201)
    entries = caller.emulator.ledger.entries
    assert [(entry.endpoint, entry.task_id) for entry in entries] == [(ENDPOINT.name, text), ("image2video", image)]
    assert caller.emulator.ledger.charged == 3.0
    assert caller.emulator.ledger.peak("kling-v2-6") == 2
    clock.advance(FAR)
    assert (await created(caller, model_name="kling-v2-6")).code == 0


async def test_the_page_shows_both_endpoints(caller: Caller, clock: Clock) -> None:
    """The page shows tasks of both endpoints, each with its name, size and file."""
    await created(caller, aspect_ratio="1:1")
    await caller.create()
    clock.advance(FAR)
    image, text = (await caller.request("GET", "/_emulator/state")).body["tasks"]

    assert (image["endpoint"], text["endpoint"]) == ("image2video", "text2video")
    assert (text["width"], text["height"], text["prompt"], text["images"]) == (720, 720, "a cat", {})
    for task in (image, text):
        file = await caller.request("GET", task["files"]["plain"])
        assert (file.status, file.headers["content-type"], file.content[4:8]) == (200, "video/mp4", b"ftyp")


def test_both_are_found() -> None:
    """The catalog has the endpoints of all files of the package."""
    assert [each for each in ENDPOINTS if each in (image2video.ENDPOINT, ENDPOINT)] == [image2video.ENDPOINT, ENDPOINT]
