from decimal import Decimal
from typing import Any, get_args

import pytest

from kling_async.protocol.catalog import endpoint_named, endpoint_of
from kling_async.protocol.endpoint import Pool
from kling_async.protocol.endpoints.images.omni_image import CAPABILITIES, ENDPOINT, KnownModel, OmniImage
from kling_async.protocol.media.image_header import ImageFacts
from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.wire.codec import task_from_wire, to_wire
from tests.protocol.recorded_bodies import OTHERS
from tests.protocol.requests_made import URL

O1: dict[str, Any] = {"model_name": "kling-image-o1"}
SERIES: dict[str, Any] = {"result_type": "series"}

# The endpoint's page and the price table, transcribed for the tests only: model, 2k, 4k, series, units of a picture up
# to 2k and in 4k.
TABLE = """
kling-image-o1 | y | - | - | 8 |
kling-v3-omni  | y | y | y | 8 | 16
"""
ROWS = [[cell.strip() for cell in line.split("|")] for line in TABLE.strip().splitlines()]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_map_is_the_documented_table(row: list[str]) -> None:
    """Features and prices of each model are those of the documentation; both take pictures and elements."""
    model, *cells, plain, in_4k = row
    found = CAPABILITIES.row(model, None, None)
    assert found is not None
    assert [cell.value for cell in found.cells.values()] == ["y", "y", *cells]
    for used, price in (((), plain), (("4k",), in_4k)):
        assert CAPABILITIES.units(model, None, None, using=used) == (Decimal(price) if price else None)


def test_the_map_has_no_other_rows() -> None:
    """Each model of the map is in the documented table, and editors offer it."""
    assert tuple(row[0] for row in ROWS) == CAPABILITIES.models == get_args(KnownModel)


@pytest.mark.parametrize(
    ("parameters", "slots", "price"),
    [
        ({}, 1, 8),
        ({"n": 3, "resolution": "2k"}, 3, 24),
        ({"n": 9, "resolution": "4k"}, 9, 144),
        ({"n": 3, "series_amount": 9}, 3, 24),
        (SERIES, 4, 32),
        ({**SERIES, "n": 9}, 4, 32),
        ({**SERIES, "series_amount": 2}, 2, 16),
        ({**SERIES, "series_amount": "9", "resolution": "4k"}, 9, 144),
        ({**SERIES, "series_amount": "auto"}, 9, None),
        ({**SERIES, "series_amount": 10}, 4, 32),
        ({"n": 10**9}, 1, 8),
        ({**O1, "resolution": "4k"}, 1, None),
        ({"model_name": "kling-v9", "n": 2}, 2, None),
    ],
    ids=str,
)
def test_slots_and_estimates(parameters: dict[str, Any], slots: int, price: int | None) -> None:
    """A picture takes a slot and has its price; a series counts its pictures, or 9 if the service decides."""
    request = OmniImage("a cat", **parameters)
    assert ENDPOINT.slots_of(request) == slots
    assert ENDPOINT.estimate(request).units == price


def test_what_is_sent() -> None:
    """Each picture is sent as an object, an id as an element; omitted members are not sent."""
    assert to_wire(OmniImage("a cat")) == {"prompt": "a cat", "model_name": "kling-v3-omni", "n": 1}
    sent = to_wire(
        OmniImage(
            "<<<image_1>>> with <<<element_1>>>",
            image_list=[b"PNG", {"image": URL}],
            element_list=[{"element_id": "7"}],
            **SERIES,
            series_amount="3",
        )
    )
    first, second = sent["image_list"]
    assert (first["image"].data, second["image"].url) == (b"PNG", URL)
    assert sent["element_list"] == [{"element_id": 7}]
    assert (sent["result_type"], sent["series_amount"]) == ("series", 3)
    assert to_wire(OmniImage("a cat", image_list=[], **SERIES, series_amount="auto"))["series_amount"] == "auto"


@pytest.mark.parametrize(
    "parameters",
    [
        {"prompt": "x" * 2500},
        {"image_list": [URL] * 10},
        {"image_list": [URL] * 4, "element_list": [1, 2, 3, 4, 5, 6]},
        {"image_list": [URL], "aspect_ratio": "auto"},
        {"element_list": [1], "aspect_ratio": "auto"},
        {**SERIES, "series_amount": 9},
        {**SERIES, "series_amount": "auto"},
        {"resolution": "4k", "n": 9, "aspect_ratio": "21:9"},
        {**O1, "resolution": "2k", "image_list": dict.fromkeys([URL]).keys()},
        {"model_name": "kling-v9", "resolution": "8k", "aspect_ratio": "auto", **SERIES},
        {"image_list": [], "element_list": [], "external_task_id": ""},
    ],
    ids=str,
)
def test_what_passes(parameters: dict[str, Any]) -> None:
    """Documented parameters are valid, as are those whose support by a model is unknown."""
    assert ENDPOINT.problems(OmniImage(**{"prompt": "a cat", **parameters}), {}) == []


@pytest.mark.parametrize(
    ("parameters", "field", "text", "by_map"),
    [
        ({"prompt": None}, "prompt", "is required", False),
        ({"prompt": "x" * 2501}, "prompt", "2501 characters", False),
        ({"prompt": "cat.png"}, "prompt", "give the picture in image_list", False),
        ({"model_name": " "}, "model_name", "is empty", False),
        ({"image_list": [URL] * 11}, "image_list", "has 11 entries", False),
        ({"image_list": [URL] * 5, "element_list": [1, 2, 3, 4, 5, 6]}, "image_list", "at most 10", False),
        ({"element_list": list(range(1, 12))}, "element_list", "has 11 entries", False),
        ({"image_list": URL}, "image_list", "expected a list", False),
        ({"image_list": [None]}, "image_list[0]", "expected Image", False),
        ({"image_list": ["data:image/png;base64,AA=="]}, "image_list[0]", "'data:'", False),
        ({"image_list": [{"url": URL}]}, "image_list[0]", "got dict", False),
        ({"result_type": "film"}, "result_type", "use single or series", False),
        ({**SERIES, "series_amount": 1}, "series_amount", "use 2 to 9", False),
        ({**SERIES, "series_amount": 10}, "series_amount", "use 2 to 9", False),
        ({**SERIES, "series_amount": "many"}, "series_amount", "expected a whole number", False),
        ({"n": 10}, "n", "use 1 to 9", False),
        ({**O1, **SERIES}, "result_type", "needs model_name kling-v3-omni", True),
        ({**O1, "resolution": "4k"}, "resolution", "needs model_name kling-v3-omni", True),
        ({"resolution": "8k"}, "resolution", "use 1k, 2k or 4k", True),
        ({"aspect_ratio": "5:4"}, "aspect_ratio", "use auto, 16:9", True),
        ({"aspect_ratio": "auto"}, "aspect_ratio", "name a ratio", True),
        ({"external_task_id": ".."}, "external_task_id", "cannot be looked up", False),
        ({"callback_url": "me.example"}, "callback_url", "expected an http", False),
        ({"watermark_info": True}, "watermark_info", "expected WatermarkInfo", False),
    ],
)
def test_what_is_refused(parameters: dict[str, Any], field: str, text: str, *, by_map: bool) -> None:
    """Each broken rule is reported with its field and the valid values; refusals of the map are marked."""
    problems = ENDPOINT.problems(OmniImage(**{"prompt": "a cat", **parameters}), {})
    assert [(problem.field, problem.by_map, problem.only_warns) for problem in problems] == [(field, by_map, False)]
    assert text in problems[0].message


@pytest.mark.parametrize(("parameters", "field"), [({**SERIES, "n": 2}, "n"), ({"series_amount": 4}, "series_amount")])
def test_what_has_no_effect_only_warns(parameters: dict[str, Any], field: str) -> None:
    """The number of pictures for the other type of result is sent, with a warning."""
    problems = ENDPOINT.problems(OmniImage("a cat", **parameters), {})
    assert [(problem.field, problem.only_warns) for problem in problems] == [(field, True)]


def test_the_pictures_are_checked() -> None:
    """The facts of a local picture are checked against the limits, under the picture's index in the list."""
    request = OmniImage("a cat", image_list=[URL, b"x"])
    [problem] = ENDPOINT.problems(request, {"image_list[1]": ImageFacts(size=11 * 2**20)})
    assert problem.field == "image_list[1]"


def test_the_endpoint() -> None:
    """The endpoint is found by its record and by the first half of its references; its tasks use the image pack."""
    request = OmniImage("a cat")
    assert endpoint_of(request) is ENDPOINT
    assert endpoint_named("images/omni-image") is ENDPOINT
    assert ENDPOINT.finds_by_external_id
    assert (ENDPOINT.pool, ENDPOINT.result) == (Pool.IMAGE, ResultKind.IMAGE)
    assert ENDPOINT.kind_of(request) == "images/omni-image/kling-v3-omni"


@pytest.mark.parametrize(
    ("name", "pictures", "watermarked"),
    [
        ("omni_image_create_live", 0, 0),
        ("omni_image_query_succeed_live", 1, 0),
        ("omni_image_series_fixture", 2, 0),
        ("omni_image_series_query_succeed", 2, 2),
    ],
)
def test_recorded_tasks(name: str, pictures: int, watermarked: int) -> None:
    """Each picture of single results and series is parsed once."""
    task = task_from_wire(OTHERS[name]["body"]["data"], ENDPOINT.name)
    assert [picture.index for picture in task.images] == list(range(pictures))
    assert sum(picture.watermark_url is not None for picture in task.images) == watermarked
