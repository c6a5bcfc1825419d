from typing import Any, get_args

import pytest

from kling_async.protocol.catalog import endpoint_named, endpoint_of
from kling_async.protocol.endpoint import Pool
from kling_async.protocol.endpoints.images.multi_image_to_image import (
    CAPABILITIES,
    ENDPOINT,
    KnownModel,
    MultiImageToImage,
)
from kling_async.protocol.media.image_header import ImageFacts
from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.wire.codec import task_from_wire, to_wire
from tests.protocol.recorded_bodies import OTHERS
from tests.protocol.requests_made import URL, wrong_with


def test_editors_offer_what_the_map_has() -> None:
    """The literal type for completion in an editor has the models of the map."""
    assert get_args(KnownModel) == CAPABILITIES.models
    assert CAPABILITIES.retired.keys() == {"kling-v2"}


@pytest.mark.parametrize(
    ("parameters", "units", "slots"),
    [
        ({}, 16, 1),
        ({"n": 9}, 144, 9),
        ({"n": 10}, 16, 1),
        ({"model_name": "kling-v2", "n": 2}, None, 2),
        ({"model_name": "kling-v9"}, None, 1),
    ],
    ids=str,
)
def test_estimates_and_slots(parameters: dict[str, Any], units: int | None, slots: int) -> None:
    """Each picture costs 16 units and takes a slot."""
    request = MultiImageToImage([URL], **parameters)
    assert (ENDPOINT.estimate(request).units, ENDPOINT.slots_of(request)) == (units, slots)


def test_what_is_sent() -> None:
    """Each subject is sent as an object, scene and style as pictures; omitted members are not sent."""
    sent = to_wire(MultiImageToImage([b"PNG", {"subject_image": URL}], scene_image=URL, style_image=b"JPEG", n=2))
    first, second = sent.pop("subject_image_list")
    assert (first["subject_image"].data, second["subject_image"].url) == (b"PNG", URL)
    assert (sent.pop("scene_image").url, sent.pop("style_image").data) == (URL, b"JPEG")
    assert sent == {"model_name": "kling-v2-1", "n": 2}


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"subject_image_list": [URL] * 4, "scene_image": URL, "style_image": URL},
        {"prompt": "", "n": 9, "aspect_ratio": "21:9"},
        {"model_name": "kling-v2"},
        {"model_name": "kling-v9", "aspect_ratio": "5:4"},
        {"watermark_info": {"enabled": True}, "external_task_id": "", "callback_url": ""},
    ],
    ids=str,
)
def test_what_passes(parameters: dict[str, Any]) -> None:
    """Documented parameters are valid, as are those whose support by a model is unknown."""
    assert wrong_with(ENDPOINT, MultiImageToImage(**{"subject_image_list": [URL], **parameters})) == []


@pytest.mark.parametrize(
    ("parameters", "field", "text", "by_map"),
    [
        ({"subject_image_list": None}, "subject_image_list", "give 1 to 4", False),
        ({"subject_image_list": []}, "subject_image_list", "give 1 to 4", False),
        ({"subject_image_list": [URL] * 5}, "subject_image_list", "at most 4", False),
        ({"subject_image_list": URL}, "subject_image_list", "expected a list", False),
        ({"subject_image_list": [{"image": URL}]}, "subject_image_list[0]", "got dict", False),
        ({"model_name": ""}, "model_name", "is empty", False),
        ({"prompt": "x" * 2501}, "prompt", "2501 characters", False),
        ({"scene_image": 5}, "scene_image", "expected a path", False),
        ({"style_image": "data:x"}, "style_image", "'data:'", False),
        ({"n": 0}, "n", "use 1 to 9", False),
        ({"aspect_ratio": "auto"}, "aspect_ratio", "use 16:9", True),
        ({"external_task_id": ".."}, "external_task_id", "cannot be looked up", False),
        ({"callback_url": "me.example"}, "callback_url", "expected an http", False),
        ({"watermark_info": True}, "watermark_info", "expected WatermarkInfo", False),
    ],
)
def test_what_is_refused(parameters: dict[str, Any], field: str, text: str, *, by_map: bool) -> None:
    """Each broken rule is reported with its field and the valid values; refusals of the map are marked."""
    problems = wrong_with(ENDPOINT, MultiImageToImage(**{"subject_image_list": [URL], **parameters}))
    assert [(problem.field, problem.by_map) for problem in problems] == [(field, by_map)]
    assert text in problems[0].message


@pytest.mark.parametrize("field", ["subject_image_list[1]", "scene_image", "style_image"])
def test_the_pictures_are_checked(field: str) -> None:
    """The facts of a local picture are checked against the limits."""
    request = MultiImageToImage([URL, b"x"], scene_image=b"x", style_image=b"x")
    assert [each.field for each in ENDPOINT.problems(request, {field: ImageFacts(size=11 * 2**20)})] == [field]


def test_the_endpoint() -> None:
    """The endpoint is found by its record and by the first half of its references; its tasks use the image pack."""
    request = MultiImageToImage([URL])
    assert endpoint_of(request) is ENDPOINT
    assert endpoint_named("images/multi-image2image") is ENDPOINT
    assert ENDPOINT.finds_by_external_id
    assert (ENDPOINT.pool, ENDPOINT.result) == (Pool.IMAGE, ResultKind.IMAGE)


def test_recorded_task() -> None:
    """The recorded task has its picture, and its cost is the estimate."""
    task = task_from_wire(OTHERS["multi_image2image_query_succeed"]["body"]["data"], ENDPOINT.name)
    [picture] = task.images
    assert picture.watermark_url is not None
    assert task.final_unit_deduction == ENDPOINT.estimate(MultiImageToImage([URL])).units
