import math
from typing import Any

import pytest

from kling_async.protocol.catalog import endpoint_named, endpoint_of
from kling_async.protocol.endpoint import Pool
from kling_async.protocol.endpoints.images.expand_image import ENDPOINT, ExpandImage
from kling_async.protocol.media.image_header import ImageFacts
from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.wire.codec import task_from_wire, to_wire
from tests.protocol.recorded_bodies import OTHERS
from tests.protocol.requests_made import URL

SIDES = ("up", "down", "left", "right")


def ratios(*shares: Any) -> dict[str, Any]:
    """Ratios added above, below, on the left and on the right."""
    return {f"{side}_expansion_ratio": share for side, share in zip(SIDES, shares, strict=True)}


def test_the_recorded_request() -> None:
    """The documentation's example, with 2.9999 times the area, is valid and sent unchanged."""
    recorded = OTHERS["request_expand"]["body"]
    request = ExpandImage(**recorded)
    assert ENDPOINT.problems(request, {}) == []
    sent = to_wire(request)
    assert sent.pop("image").url == recorded.pop("image")
    assert sent == recorded


def test_what_is_sent() -> None:
    """All four ratios are required, and always sent."""
    sent = to_wire(ExpandImage(b"PNG"))
    assert sent.pop("image").data == b"PNG"
    assert sent == ratios(0, 0, 0, 0) | {"n": 1}


@pytest.mark.parametrize(
    "parameters",
    [
        ratios(0, 0, 0, 0),
        ratios(2, 0, 0, 0),
        ratios(0, 0, 1, 1),
        ratios(0.5, 0, 1, 0),
        ratios(0.0003, 0, 1, 1),
        {"prompt": "x" * 2500, "n": 9},
        {"prompt": "", "external_task_id": "", "watermark_info": {"enabled": True}},
    ],
    ids=str,
)
def test_what_passes(parameters: dict[str, Any]) -> None:
    """Documented values are valid; so is an expansion by nothing, which is undocumented."""
    assert ENDPOINT.problems(ExpandImage(URL, **parameters), {}) == []


@pytest.mark.parametrize(
    ("parameters", "field", "text"),
    [
        ({"image": None}, "image", "is required"),
        ({"image": "data:x"}, "image", "'data:'"),
        (ratios(-0.1, 0, 0, 0), "up_expansion_ratio", "use 0 to 2"),
        (ratios(0, 2.1, 0, 0), "down_expansion_ratio", "use 0 to 2"),
        (ratios(0, 0, "1", 0), "left_expansion_ratio", "expected a number"),
        (ratios(0, 0, 0, math.nan), "right_expansion_ratio", "use 0 to 2"),
        (ratios(0.0004, 0, 1, 1), "up_expansion_ratio", "to 3.001 times its area"),
        (ratios(1, 1, 0.5, 0), "up_expansion_ratio", "to 4.500 times its area"),
        ({"prompt": "x" * 2501}, "prompt", "2501 characters"),
        ({"n": 10}, "n", "use 1 to 9"),
        ({"external_task_id": ".."}, "external_task_id", "cannot be looked up"),
        ({"callback_url": "me.example"}, "callback_url", "expected an http"),
        ({"watermark_info": True}, "watermark_info", "expected WatermarkInfo"),
    ],
)
def test_what_is_refused(parameters: dict[str, Any], field: str, text: str) -> None:
    """Each broken rule is reported with its field and the valid values."""
    problems = ENDPOINT.problems(ExpandImage(**{"image": URL, **parameters}), {})
    assert [problem.field for problem in problems] == [field]
    assert text in problems[0].message


def test_the_picture_is_checked() -> None:
    """The facts of a local picture are checked against the limits."""
    [problem] = ENDPOINT.problems(ExpandImage(b"x"), {"image": ImageFacts(size=11 * 2**20)})
    assert problem.field == "image"


@pytest.mark.parametrize(("n", "pictures"), [(1, 1), (9, 9), (10, 1), ("some", 1)])
def test_estimate_and_slots(n: Any, pictures: int) -> None:
    """Each picture costs 8 units and takes a slot; the endpoint has no models."""
    request = ExpandImage(URL, n=n)
    assert ENDPOINT.estimate(request).units == 8 * pictures
    assert ENDPOINT.slots_of(request) == pictures
    assert ENDPOINT.capabilities is None


def test_the_endpoint() -> None:
    """The endpoint is found by its record and by the first half of its references; its tasks use the image pack."""
    request = ExpandImage(URL)
    assert endpoint_of(request) is ENDPOINT
    assert endpoint_named("images/editing/expand") is ENDPOINT
    assert ENDPOINT.finds_by_external_id
    assert (ENDPOINT.pool, ENDPOINT.result) == (Pool.IMAGE, ResultKind.IMAGE)
    assert ENDPOINT.line_of(request) == "images/editing/expand (image)"


def test_recorded_task() -> None:
    """The recorded task has its picture, and its cost is the estimate."""
    task = task_from_wire(OTHERS["expand_query_succeed"]["body"]["data"], ENDPOINT.name)
    assert len(task.images) == 1
    assert task.final_unit_deduction == ENDPOINT.estimate(ExpandImage(URL)).units
