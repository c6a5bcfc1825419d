from typing import Any

import pytest

from kling_async.emulator import mean_generation_seconds
from kling_async.emulator.results.videos import RenderedVideo
from kling_async.emulator.service import answers
from kling_async.emulator.service.checks.pictures import SIDES_MESSAGE, UNREACHABLE_MESSAGE
from kling_async.emulator.service.endpoints.motion_control import ENDPOINT
from kling_async.emulator.service.errors import Refusal
from tests.protocol.recorded_bodies import OTHERS

from .conftest import FAR, Caller, Clock, base64_png

CLIP = "https://files.example.com/dance.mp4"
DANCE = {
    "image_url": "https://files.example.com/cat.png",
    "video_url": CLIP,
    "character_orientation": "video",
    "mode": "pro",
}
V3 = DANCE | {"model_name": "kling-v3"}
ELEMENT = {"element_list": [{"element_id": 7}]}

ACCEPTED: list[dict[str, Any]] = [
    DANCE,
    DANCE | {"mode": "std", "character_orientation": "image", "prompt": "x" * 2500, "keep_original_sound": "no"},
    DANCE | {"prompt": "", "keep_original_sound": "", "element_list": []},
    V3,
    V3 | ELEMENT,
]

REFUSED: list[tuple[dict[str, Any], str]] = [
    (DANCE | {"model_name": "kling-v1"}, "model is not supported"),
    (DANCE | {"mode": None}, "mode can not be null"),
    (DANCE | {"mode": "4k"}, "4k mode is not supported by the current model: kling-v2-6"),
    (DANCE | {"mode": "best"}, "mode value 'best' is invalid"),
    (DANCE | {"image_url": ""}, "image_url can not be null"),
    (DANCE | {"image_url": "cat.png"}, "File is not in a valid base64 format"),
    (DANCE | {"video_url": None}, "video_url can not be null"),
    (DANCE | {"video_url": "clip.mp4"}, "Video URL is invalid"),
    (DANCE | {"video_url": "AAAA"}, "Video URL is invalid"),
    (DANCE | {"character_orientation": ""}, "character_orientation can not be null"),
    (DANCE | {"character_orientation": "left"}, "character_orientation value 'left' is invalid"),
    (DANCE | {"keep_original_sound": "maybe"}, "keep_original_sound value 'maybe' is invalid"),
    (DANCE | {"prompt": "x" * 2501}, "prompt: size must be between 0 and 2500"),
    (DANCE | ELEMENT, "model/mode/duration(kling-v2-6/pro/5) is not supported with element_list"),
    (V3 | ELEMENT | {"character_orientation": "image"}, "element_list is only supported with character_orientation"),
    (V3 | {"element_list": [{"element_id": 7}] * 2}, "element_list can not exceed 1 items"),
]


@pytest.mark.parametrize("body", ACCEPTED)
def test_a_documented_request_is_accepted(body: dict[str, Any]) -> None:
    """Documented requests are accepted."""
    assert ENDPOINT.accept(body).units > 0


@pytest.mark.parametrize(("body", "message"), REFUSED)
def test_a_forbidden_request_is_refused(body: dict[str, Any], message: str) -> None:
    """Requests that the documentation forbids are refused with 1201 and a message that names the member."""
    with pytest.raises(Refusal) as caught:
        ENDPOINT.accept(body)

    assert caught.value.code == 1201
    assert message in caught.value.message


async def test_an_unreachable_video_is_refused_as_recorded(caller: Caller) -> None:
    """A video that cannot be fetched is refused with the service's message."""
    body = DANCE | {"video_url": "https://files.example.invalid/dance.mp4"}
    answer = await caller.request("POST", ENDPOINT.path, json=body, headers=caller.headers)

    assert answer.message == OTHERS["error_1201_video_url_invalid"]["body"]["message"]
    assert (answer.status, answer.code) == (400, 1201)


@pytest.mark.parametrize(
    ("body", "units"),
    [
        (DANCE, "4"),  # as recorded
        (DANCE | {"mode": "std"}, "2.5"),
        (V3, "6"),
        (V3 | {"mode": "std"}, "4.5"),
    ],
)
def test_prices_follow_the_price_table(body: dict[str, Any], units: str) -> None:
    """The seconds of the result are charged, here 5."""
    assert units == answers.decimal_text(ENDPOINT.accept(body).units)
    assert units == answers.decimal_text(ENDPOINT.estimate(body))


def test_it_takes_as_long_as_measured() -> None:
    """5 s in pro take 181 s in the mean; without a mode the time is unknown."""
    assert mean_generation_seconds(ENDPOINT.path, DANCE) == pytest.approx(181)
    assert mean_generation_seconds(ENDPOINT.path, {}) is None


def test_a_clip_begins_with_the_picture() -> None:
    """A clip has the picture's ratio, and the video's sound if that is kept."""
    body = DANCE | {"image_url": base64_png(400, 600), "keep_original_sound": "no"}
    plain = ENDPOINT.accept(body).result.rendering("plain", {"image_url": "kept"})
    loud = ENDPOINT.accept(DANCE).result.rendering("plain", {"image_url": "kept"})

    assert isinstance(plain, RenderedVideo)
    assert isinstance(loud, RenderedVideo)
    assert (plain.spec.width, plain.spec.height, plain.spec.image) == (1080, 1620, "kept")
    assert (plain.spec.sound, loud.spec.sound) == (False, True)


def test_the_picture_is_checked() -> None:
    """A picture that is too small, or cannot be fetched, makes the task fail; its parameters contain no data."""
    small = ENDPOINT.accept(DANCE | {"image_url": base64_png(200, 200)})
    away = ENDPOINT.accept(DANCE | {"image_url": "https://h.invalid/a.png"})

    assert (small.damage, away.damage) == (SIDES_MESSAGE, UNREACHABLE_MESSAGE)
    assert small.parameters["image_url"].startswith("<png 200x200")


async def test_a_task_answers_as_recorded(caller: Caller, clock: Clock) -> None:
    """A finished task has the members and the price of the body recorded live."""
    made = (await caller.request("POST", ENDPOINT.path, json=DANCE, headers=caller.headers)).body["data"]
    clock.advance(FAR)
    data = (await caller.get(f"{ENDPOINT.path}/{made['task_id']}")).body["data"]

    recorded = OTHERS["motion_control_query_succeed_live"]["body"]["data"]
    assert data.keys() >= recorded.keys()
    assert (data["task_info"], data["final_unit_deduction"]) == (recorded["task_info"], "4")
    assert data["task_result"]["videos"][0].keys() == recorded["task_result"]["videos"][0].keys()
