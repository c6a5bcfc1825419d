from typing import Any

import pytest

from kling_async.emulator import mean_generation_seconds
from kling_async.emulator.results.videos import RenderedVideo
from kling_async.emulator.service import answers
from kling_async.emulator.service.checks.pictures import SIDES_MESSAGE, UNREACHABLE_MESSAGE
from kling_async.emulator.service.endpoints.omni_video import ENDPOINT
from kling_async.emulator.service.errors import Refusal
from tests.protocol.recorded_bodies import OTHERS

from .conftest import FAR, Caller, Clock, base64_png

CAT = {"prompt": "a cat", "aspect_ratio": "16:9"}
V3 = CAT | {"model_name": "kling-v3-omni"}
URL = "https://files.example.com/cat.png"
CLIP = "https://files.example.com/clip.mp4"
SHOTS = [{"index": 1, "prompt": "one", "duration": "2"}, {"index": 2, "prompt": "two", "duration": "3"}]
CUSTOM = {"multi_shot": True, "shot_type": "customize", "multi_prompt": SHOTS}


def images(*types: str) -> dict[str, Any]:
    """Returns pictures by type, "" for a reference."""
    return {"image_list": [{"image_url": URL} | ({"type": each} if each else {}) for each in types]}


def elements(number: int) -> dict[str, Any]:
    """Returns elements."""
    return {"element_list": [{"element_id": number} for number in range(1, number + 1)]}


def video(refer_type: str, **more: str) -> dict[str, Any]:
    """Returns a video."""
    return {"video_list": [{"video_url": CLIP, "refer_type": refer_type} | more]}


def framed(*types: str, **more: Any) -> dict[str, Any]:
    """Returns a request to the newer model with a first frame, and so without a ratio."""
    return {"prompt": "a cat", "model_name": "kling-v3-omni"} | images("first_frame", *types) | more


EDIT = {"prompt": "a cat", "model_name": "kling-v3-omni"} | video("base")
FIRST_O1 = {"prompt": "a cat"} | images("first_frame")

ACCEPTED: list[dict[str, Any]] = [
    CAT,
    CAT | {"duration": "10", "mode": "std", "image_list": [], "element_list": [], "video_list": [], "sound": "off"},
    CAT | {"duration": "7"} | images(""),
    CAT | {"duration": "3"} | elements(7),
    CAT | {"duration": "3"} | video("feature"),
    FIRST_O1 | {"duration": "10"},
    FIRST_O1 | images("first_frame", "end_frame") | {"duration": "7"},  # whether only 5 and 10 s are is uncertain
    FIRST_O1 | images("first_frame", "") | {"duration": "7"} | elements(5),
    V3 | images(*[""] * 4) | elements(3),
    V3 | {"image_list": [{"image_url": URL, "type": ""}]},
    V3 | {"duration": "15", "mode": "4k", "sound": "on"},
    V3 | {"duration": "15"} | video("feature") | images("", "", "") | elements(1),
    V3 | video("feature", keep_original_sound="no"),
    V3 | {"sound": "on", "voice_list": [{"voice_id": "1"}]},  # for which models voices are is not documented
    V3 | CUSTOM | {"prompt": ""},
    V3 | {"multi_shot": True, "shot_type": "intelligence"} | video("feature"),
    framed(),
    framed("end_frame", **CUSTOM),
    framed("", "", **elements(3)),
    framed(**video("feature")),
    EDIT,
    EDIT | {"duration": "2"},  # it follows the clip
    EDIT | images("", "", "") | elements(1),
    OTHERS["request_omni_video_edit"]["body"] | video("base", keep_original_sound="yes"),
]

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"aspect_ratio": "1:1"}, "prompt can not be null"),
    (V3 | {"multi_shot": True, "shot_type": "intelligence", "prompt": ""}, "prompt can not be null"),
    (V3 | {"prompt": "x" * 2501}, "prompt: size must be between 0 and 2500"),
    (V3 | {"model_name": "kling-v3"}, "model is not supported"),
    (V3 | {"duration": "16"}, "duration value '16' is invalid"),
    (V3 | {"duration": "2"}, "duration value '2' is invalid"),
    (CAT | {"duration": "11"} | images(""), "duration value '11' is invalid"),
    (CAT | {"mode": "4k"}, "4k mode is not supported by the current model: kling-video-o1"),
    (CAT | {"sound": "on"}, "model/mode(kling-video-o1/pro) is not supported with sound on"),
    (CAT | {"multi_shot": True, "shot_type": "intelligence"}, "is not supported with multi_shot"),
    (V3 | CUSTOM | {"duration": "6"}, "durations of multi_prompt must sum to duration"),
    (V3 | CUSTOM | {"multi_prompt": [SHOTS[0] | {"index": 0}, SHOTS[1]]}, "index must be 1, 2, 3"),
    ({"prompt": "a cat"}, "aspect_ratio can not be null"),
    ({"prompt": "a cat"} | images(""), "aspect_ratio can not be null"),
    ({"prompt": "a cat"} | video("feature"), "aspect_ratio can not be null"),
    (framed(aspect_ratio="1:1"), "aspect_ratio is not supported with first_frame"),
    (EDIT | {"aspect_ratio": "1:1"}, "aspect_ratio is not supported with first_frame or refer_type base"),
    (V3 | {"aspect_ratio": "4:3"}, "aspect_ratio value '4:3' is invalid"),
    (V3 | images("last_frame"), "type value 'last_frame' is invalid"),
    (V3 | {"image_list": [{"type": "first_frame"}]}, "image_list: image_url can not be null"),
    (V3 | {"image_list": [{"image_url": "data:nonsense"}]}, "File is not in a valid base64 format"),
    (framed("first_frame"), "image_list can not have more than one first_frame"),
    (framed("end_frame", "end_frame"), "image_list can not have more than one end_frame"),
    (V3 | images("end_frame"), "end_frame is not supported without first_frame"),
    (framed("end_frame", ""), "end_frame is not supported with more than 2 images"),
    (V3 | images(*[""] * 5) | elements(3), "image_list and element_list can not exceed 7 items"),
    (V3 | images(*[""] * 8), "image_list can not exceed 7 items"),
    (V3 | video("feature") | images(*[""] * 4) | elements(1), "image_list and element_list can not exceed 4 items"),
    (EDIT | elements(5), "image_list and element_list can not exceed 4 items"),
    (framed(**elements(4)), "element_list can not exceed 3 items with first_frame"),
    (FIRST_O1 | images("first_frame", "end_frame") | elements(1), "element_list is not supported with end_frame"),
    (CAT | {"duration": "7"}, "duration value '7' is invalid"),
    (FIRST_O1 | {"duration": "7"}, "duration value '7' is invalid"),
    (EDIT | images("first_frame"), "first_frame and end_frame are not supported with refer_type base"),
    (EDIT | {"multi_shot": True, "shot_type": "intelligence"}, "multi_shot is not supported with refer_type base"),
    (EDIT | {"sound": "on"}, "sound on is not supported with video input"),
    (V3 | video("feature") | {"sound": "on"}, "sound on is not supported with video input"),
    (V3 | {"video_list": [{"video_url": CLIP}] * 2}, "video_list can not exceed 1 items"),
    (V3 | {"video_list": [{"refer_type": "base"}]}, "video_list: video_url can not be null"),
    (V3 | video("copy"), "refer_type value 'copy' is invalid"),
    (EDIT | video("base", keep_original_sound="on"), "keep_original_sound value 'on' is invalid"),
    (EDIT | {"video_list": [{"video_url": "data:video/mp4;base64,AAAA"}]}, "Video URL is invalid"),
    (EDIT | {"video_list": [{"video_url": "https://h.invalid/clip.mp4"}]}, "Video URL is invalid"),
    (EDIT | {"video_list": [{"video_url": "https://h/a b.mp4"}]}, "Video URL is invalid"),
    (V3 | {"voice_list": [{"voice_id": "1"}]}, "voice_list needs sound"),
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


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("error_1201_omni_sound_with_video", EDIT | {"sound": "on"}),
        ("error_1201_video_url_invalid", OTHERS["request_omni_video_edit"]["body"]),
    ],
)
async def test_refusals_are_worded_as_recorded(caller: Caller, name: str, body: dict[str, Any]) -> None:
    """Refusals with a known message have that message."""
    answer = await caller.request("POST", ENDPOINT.path, json=body, headers=caller.headers)

    recorded = OTHERS[name]
    assert (answer.status, answer.code) == (recorded["_meta"]["http_status"], 1201)
    assert answer.message == recorded["body"]["message"]


def test_a_missing_model_is_the_older_one() -> None:
    """Without `model_name`, `mode` and `duration`, a request is for kling-video-o1 in pro for 5 s."""
    made = ENDPOINT.accept(CAT)

    assert (made.model_name, made.mode, made.duration) == ("kling-video-o1", "pro", 5)


@pytest.mark.parametrize(
    ("body", "units"),
    [
        (CAT, "4"),
        (CAT | {"mode": "std", "duration": "10"}, "6"),
        (CAT | {"mode": "std"} | video("feature"), "4.5"),
        (V3 | {"sound": "on"}, "5"),
        (V3 | {"sound": "on", "mode": "std", "duration": "15"}, "12"),
        (V3 | {"mode": "4k", "duration": "3"}, "9"),
        (V3 | {"duration": "10"} | video("feature"), "12"),
        (EDIT, "6"),
        (EDIT | {"duration": "10"}, "6"),
    ],
)
def test_prices_follow_the_price_table(body: dict[str, Any], units: str) -> None:
    """A clip has the price of the table, more with a video; an edited video counts as 5 s, for any duration."""
    assert units == answers.decimal_text(ENDPOINT.accept(body).units)
    assert units == answers.decimal_text(ENDPOINT.estimate(body))


@pytest.mark.parametrize("body", [{}, {"video_list": 5}, {"video_list": ["a"]}, {"video_list": [{"refer_type": 5}]}])
def test_unchecked_requests_have_a_price(body: dict[str, Any]) -> None:
    """Price and time of an unchecked request are computed for any content."""
    assert ENDPOINT.estimate(body) > 0
    assert mean_generation_seconds(ENDPOINT.path, body) == pytest.approx(164)


@pytest.mark.parametrize(
    ("body", "size", "shown"),
    [
        (V3 | {"aspect_ratio": "9:16"}, (1080, 1920), ("", "", "a cat")),
        (V3 | {"mode": "4k"} | images(""), (3840, 2160), ("image_list.0", "", "")),
        (V3 | {"mode": "std"} | images("", "", ""), (1280, 720), ("image_list.0", "image_list.2", "")),
        (framed(image_list=[{"image_url": base64_png(400, 600), "type": "first_frame"}]), (1080, 1620), None),
        (framed("end_frame"), (1920, 1080), ("image_list.0", "image_list.1", "")),
        (framed() | images("", "first_frame"), (1920, 1080), ("image_list.1", "", "")),
        (framed() | images("end_frame", "first_frame"), (1920, 1080), ("image_list.1", "image_list.0", "")),
        (EDIT, (1920, 1080), ("", "", "a cat")),
        (V3 | CUSTOM, (1920, 1080), ("", "", "one / two")),
    ],
)
def test_what_a_clip_shows(body: dict[str, Any], size: tuple[int, int], shown: tuple[str, str, str] | None) -> None:
    """The clip goes from the first frame to the last, or from one reference to another, or shows the prompt."""
    result = ENDPOINT.accept(body).result
    names = {f"image_list.{number}": f"image_list.{number}" for number in range(3)}
    rendered = result.rendering("plain", names)

    assert isinstance(rendered, RenderedVideo)
    assert result.size == size
    if shown is not None:
        assert (rendered.spec.image, rendered.spec.tail, rendered.spec.card) == shown


def test_pictures_are_checked() -> None:
    """A picture that is too small, or cannot be fetched, makes the task fail; its parameters contain no data."""
    small = ENDPOINT.accept(V3 | {"image_list": [{"image_url": base64_png(200, 200)}]})
    away = ENDPOINT.accept(V3 | {"image_list": [{"image_url": "https://h.invalid/a.png"}]})

    assert (small.damage, away.damage) == (SIDES_MESSAGE, UNREACHABLE_MESSAGE)
    assert small.parameters["image_list"][0]["image_url"].startswith("<png 200x200")


def test_sound() -> None:
    """A clip has sound if it is requested, or if the sound of its video is kept."""
    bodies = [V3, V3 | {"sound": "on"}, EDIT, EDIT | video("base", keep_original_sound="no")]
    rendered = [ENDPOINT.accept(body).result.rendering("plain", {}) for body in bodies]

    assert [isinstance(each, RenderedVideo) and each.spec.sound for each in rendered] == [False, True, True, False]


async def test_a_task_answers_as_documented(caller: Caller, clock: Clock) -> None:
    """A finished task has the members and the length of the official example, and is found by either id."""
    body = CAT | {"external_task_id": "mine", "watermark_info": {"enabled": True}}
    made = (await caller.request("POST", ENDPOINT.path, json=body, headers=caller.headers)).body["data"]
    clock.advance(FAR)
    data = (await caller.get(f"{ENDPOINT.path}/mine")).body["data"]

    documented = OTHERS["omni_video_query_succeed"]["body"]["data"]
    assert data.keys() == documented.keys()
    assert data["task_result"]["videos"][0].keys() == documented["task_result"]["videos"][0].keys()
    for name in ("watermark_info", "final_unit_deduction", "final_balance_deduction", "task_status"):
        assert data[name] == documented[name]
    assert data["task_result"]["videos"][0]["duration"] == "5.041"
    assert data == (await caller.get(f"{ENDPOINT.path}/{made['task_id']}")).body["data"]
