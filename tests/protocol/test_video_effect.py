from typing import Any

import pytest

from kling_async.protocol.catalog import endpoint_named, endpoint_of
from kling_async.protocol.endpoint import Pool
from kling_async.protocol.endpoints.videos.video_effect import ENDPOINT, VideoEffect
from kling_async.protocol.estimate import Estimate
from kling_async.protocol.media.image import Image
from kling_async.protocol.media.image_header import ImageFacts
from kling_async.protocol.media.picture import Picture
from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.wire.codec import to_wire
from tests.protocol.recorded_bodies import OTHERS
from tests.protocol.requests_made import URL

TAIL = "https://example.com/dog.png"


def as_json(value: Any) -> Any:
    """What is sent, with each picture as its address."""
    match value:
        case Image():
            return value.url
        case dict():
            return {name: as_json(member) for name, member in value.items()}
        case list():
            return [as_json(item) for item in value]
        case _:
            return value


@pytest.mark.parametrize("name", ["single", "dual", "dual_2025"])
def test_the_recorded_requests(name: str) -> None:
    """The documentation's examples, given flat, pass and are sent as they are there."""
    recorded = OTHERS[f"request_effects_{name}"]["body"]
    request = VideoEffect(recorded["effect_scene"], **recorded["input"])
    assert ENDPOINT.problems(request, {}) == []
    assert as_json(to_wire(request)) == recorded


def test_what_is_sent_beside_the_input() -> None:
    """Options of every task are next to `input`; omitted or empty values are not sent."""
    request = VideoEffect(
        "pet_dance",
        image=Picture(index=0, url=URL),
        images=[],
        model_name="",
        watermark_info={"enabled": True},
        callback_url="",
        external_task_id="job",
    )
    assert ENDPOINT.problems(request, {}) == []
    assert as_json(to_wire(request)) == {
        "effect_scene": "pet_dance",
        "input": {"image": URL},
        "watermark_info": {"enabled": True},
        "external_task_id": "job",
    }
    assert as_json(to_wire(VideoEffect("hug_pro", image="", images=(URL, TAIL))))["input"] == {"images": [URL, TAIL]}


@pytest.mark.parametrize(
    ("parameters", "field", "text"),
    [
        ({"effect_scene": ""}, "effect_scene", "is required"),
        ({"effect_scene": 5}, "effect_scene", "expected text"),
        ({"image": None}, "image", "give image or images"),
        ({"images": [URL, TAIL]}, "images", "image and images exclude each other"),
        ({"image": "data:x"}, "image", "'data:'"),
        ({"image": None, "images": [URL]}, "images", "has 1 picture; a scene for two needs 2"),
        ({"image": None, "images": [URL, TAIL, URL]}, "images", "has 3 entries; at most 2"),
        ({"image": None, "images": [URL, None]}, "images[1]", "expected Image, got None"),
        ({"image": None, "images": [URL, 5]}, "images[1]", "got int"),
        ({"image": None, "images": URL}, "images", "expected a list, got str"),
        ({"duration": "long"}, "duration", "expected a whole number"),
        ({"duration": 0}, "duration", "out of range"),
        ({"model_name": 5}, "model_name", "expected text"),
        ({"mode": "4k"}, "mode", "use std or pro"),
        ({"external_task_id": ".."}, "external_task_id", "cannot be looked up"),
        ({"callback_url": "me.example"}, "callback_url", "expected an http"),
        ({"watermark_info": True}, "watermark_info", "expected WatermarkInfo"),
    ],
)
def test_what_is_refused(parameters: dict[str, Any], field: str, text: str) -> None:
    """Each broken rule is reported with its field and what would be right."""
    problems = ENDPOINT.problems(VideoEffect(**{"effect_scene": "pet_dance", "image": URL, **parameters}), {})
    assert [problem.field for problem in problems] == [field]
    assert text in problems[0].message


@pytest.mark.parametrize("scene", ["a scene of next week", "let\u2019s_ride", "hug"])
def test_no_scene_is_unknown(scene: str) -> None:
    """Scenes come and go: the service checks them."""
    assert ENDPOINT.problems(VideoEffect(scene, image=URL), {}) == []


def test_each_picture_is_looked_at() -> None:
    """Both pictures of a scene for two have to be what the service takes."""
    facts = {"images[1]": ImageFacts(size=5, complaint="this is a GIF")}
    problems = ENDPOINT.problems(VideoEffect("hug_pro", images=["a.png", "b.gif"]), facts)
    assert [(each.field, each.message) for each in problems] == [("images[1]", "this is a GIF")]


def test_what_it_is() -> None:
    """Tasks of videos that are found by the external id; no price is known."""
    request = VideoEffect("pet_dance", image=URL)
    assert endpoint_of(request) is ENDPOINT is endpoint_named("effects")
    assert (ENDPOINT.result, ENDPOINT.pool, ENDPOINT.finds_by_external_id) == (ResultKind.VIDEO, Pool.VIDEO, True)
    assert ENDPOINT.estimate(request) == Estimate(units=None, usd=None)
    assert ENDPOINT.line_of(request) == "effects"
