import json
from pathlib import Path
from typing import Any

import pytest

from kling_async.emulator import mean_generation_seconds
from kling_async.emulator.results.videos import RenderedVideo
from kling_async.emulator.service import answers
from kling_async.emulator.service.endpoints.effects import ENDPOINT
from kling_async.emulator.service.errors import Refusal

from .conftest import FAR, Caller, Clock, base64_png

RECORDED = Path(__file__).parents[1] / "recorded" / "siblings"
PICTURE = base64_png()
ONE = {"effect_scene": "pet_dance", "input": {"image": PICTURE}}
TWO = {"effect_scene": "hug_pro", "input": {"images": [PICTURE, "https://images.example/b.png"]}}


def with_input(body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Returns a request with another `input`."""
    return body | {"input": body["input"] | changes}


@pytest.mark.parametrize(
    ("body", "units"),
    [
        (ONE, "2"),
        (TWO, "2"),
        (ONE | {"effect_scene": "of_next_week", "watermark_info": {"enabled": True}}, "2"),
        (with_input(ONE, duration="5", model_name="kling-v1-6", images=[]), "2"),
        (with_input(TWO, duration="10", mode="pro", model_name="kling-v1-6", image=""), "4"),
    ],
)
def test_a_documented_request_is_accepted(body: dict[str, Any], units: str) -> None:
    """Both shapes of `input`, today's and the older ones, and any scene are accepted."""
    accepted = ENDPOINT.accept(body)

    assert answers.decimal_text(accepted.units) == answers.decimal_text(ENDPOINT.estimate(body)) == units
    assert PICTURE not in str(accepted.parameters)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"input": ONE["input"]}, "effect_scene can not be null"),
        ({"effect_scene": "pet_dance"}, "input can not be null"),
        (with_input(ONE, image=""), "exactly one of image and images"),
        (with_input(TWO, image=PICTURE), "exactly one of image and images"),
        (with_input(TWO, images=[PICTURE]), "images must have exactly 2 items"),
        (with_input(TWO, images=[PICTURE, 5]), "images must have exactly 2 items"),
        (with_input(ONE, image="data:image/png;base64,AAAA"), "base64"),
        (with_input(ONE, duration="7"), "duration value '7' is invalid"),
        (with_input(ONE, mode="4k"), "mode value '4k' is invalid"),
    ],
)
def test_a_forbidden_request_is_refused(body: dict[str, Any], message: str) -> None:
    """Requests that the documentation forbids are refused with 1201."""
    with pytest.raises(Refusal, match=message) as caught:
        ENDPOINT.accept(body)

    assert caught.value.code == 1201


def test_a_clip_shows_what_was_given() -> None:
    """The clip begins with the first picture, has its ratio, and ends with the second one."""
    one, two = (
        rendered.spec
        for body, names in ((ONE, {"input.image": "a"}), (TWO, {"input.images.0": "a", "input.images.1": "b"}))
        if isinstance(rendered := ENDPOINT.accept(body).result.rendering("plain", names), RenderedVideo)
    )

    assert (one.image, one.tail, two.image, two.tail) == ("a", "", "a", "b")
    assert (one.width, one.height, one.seconds, one.prompt) == (1280, 720, 5, "pet dance")


async def test_a_task_answers_as_recorded(caller: Caller, clock: Clock) -> None:
    """A finished task has the members of the recorded one: a video without a duration."""
    task_id = (await caller.post(ENDPOINT.path, ONE | {"watermark_info": {"enabled": True}})).body["data"]["task_id"]
    clock.advance(FAR)
    data = (await caller.get(f"{ENDPOINT.path}/{task_id}")).body["data"]
    recorded = json.loads((RECORDED / "effects_query_succeed.json").read_text())["body"]["data"]

    (video,) = data["task_result"]["videos"]
    assert data.keys() == recorded.keys()
    assert video.keys() == recorded["task_result"]["videos"][0].keys()
    assert (await caller.request("GET", video["url"])).headers["content-type"] == "video/mp4"
    assert mean_generation_seconds(ENDPOINT.path, ONE) == 320
