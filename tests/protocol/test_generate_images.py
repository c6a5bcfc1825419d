from decimal import Decimal
from typing import Any, get_args

import pytest

from kling_async.protocol.capability import Cell
from kling_async.protocol.catalog import endpoint_named, endpoint_of
from kling_async.protocol.endpoint import Pool
from kling_async.protocol.endpoints.images.generate_images import CAPABILITIES, ENDPOINT, GenerateImages, KnownModel
from kling_async.protocol.media.image_header import ImageFacts
from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.wire.codec import task_from_wire, to_wire
from tests.protocol.recorded_bodies import OTHERS
from tests.protocol.requests_made import URL, wrong_with

V21: dict[str, Any] = {"model_name": "kling-v2-1"}
ELEMENTS = list(range(1, 11))

# The endpoint's page, its map and the price table, transcribed for the tests only: model, from text, from a picture,
# reference, elements, 2k, 21:9, units of a picture from text and from a picture.
TABLE = """
kling-v1     | y | y | - | - | ? | - |   |
kling-v1-5   | y | y | y | - | ? | y |   |
kling-v2     | y | y | - | - | ? | y |   |
kling-v2-new | - | y | - | - | ? | y |   |
kling-v2-1   | y | y | y | - | y | y | 4 | 8
kling-v3     | y | y | - | y | y | y | 8 | 8
"""
ROWS = [[cell.strip() for cell in line.split("|")] for line in TABLE.strip().splitlines()]
COLUMNS = ("text", "image", "image_reference", "element_list", "2k", "21:9")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_map_is_the_documented_table(row: list[str]) -> None:
    """Features and prices of each model are those of the documentation."""
    model, *cells, text, image = row
    found = CAPABILITIES.row(model, None, None)
    assert found is not None
    assert [found.cells[name] for name in COLUMNS] == [Cell(cell) for cell in cells]
    for used, price in (((), text), (("image",), image)):
        assert CAPABILITIES.units(model, None, None, using=used) == (Decimal(price) if price else None)


def test_the_map_has_no_other_rows() -> None:
    """Each model of the map is in the documented table, and editors offer it."""
    assert tuple(row[0] for row in ROWS) == CAPABILITIES.models == get_args(KnownModel)


@pytest.mark.parametrize(
    ("parameters", "price"),
    [
        ({}, "8"),
        ({"n": 9}, "72"),
        ({"n": "3", "image": URL}, "24"),
        (V21, "4"),
        ({**V21, "n": 2, "image": URL}, "16"),
        ({"model_name": "kling-v1"}, None),
        ({"model_name": "kling-v9"}, None),
        ({"model_name": 5}, None),
    ],
    ids=str,
)
def test_estimates(parameters: dict[str, Any], price: str | None) -> None:
    """A request costs the price of a picture times their number; old and unknown models have no price."""
    found = ENDPOINT.estimate(GenerateImages("a cat", **parameters))
    assert found.units == (price and Decimal(price))
    assert found.usd == (price and Decimal(price) * Decimal("0.0035"))


def test_what_is_sent() -> None:
    """Numbers are sent as numbers, ids as elements, and omitted members not at all."""
    assert to_wire(GenerateImages("a cat")) == {"prompt": "a cat", "model_name": "kling-v3", "n": 1}
    sent = to_wire(
        GenerateImages(
            "a cat",
            **V21,
            image=b"PNG",
            image_reference="subject",
            image_fidelity=0.5,
            human_fidelity=1,
            element_list=[7],
            resolution="2k",
            n="9",
            aspect_ratio="21:9",
            external_task_id="",
        )
    )
    assert sent.pop("image").data == b"PNG"
    assert sent == {
        "prompt": "a cat",
        "model_name": "kling-v2-1",
        "image_reference": "subject",
        "image_fidelity": 0.5,
        "human_fidelity": 1,
        "element_list": [{"element_id": 7}],
        "resolution": "2k",
        "n": 9,
        "aspect_ratio": "21:9",
    }


@pytest.mark.parametrize(
    "parameters",
    [
        {"prompt": "x" * 2500, "negative_prompt": "y" * 2500},
        {"image": URL, "element_list": ELEMENTS[:9]},
        {"element_list": ELEMENTS},
        {**V21, "image": URL, "image_reference": "face", "image_fidelity": 0},
        {**V21, "image": URL, "image_reference": "subject", "human_fidelity": 1.0},
        {"model_name": "kling-v1-5", "image": URL, "image_reference": "subject"},
        {"model_name": "kling-v1", "resolution": "2k"},
        {"model_name": "kling-v2-new", "image": URL},
        {"n": 9, "aspect_ratio": "21:9", "resolution": "2k"},
        {"model_name": "kling-v9", "image": URL, "negative_prompt": "dogs", "aspect_ratio": "5:4", "resolution": "8k"},
        {"model_name": "kling-v9", "image": URL, "image_reference": "face", "element_list": [1]},
        {"watermark_info": {"enabled": True}, "external_task_id": "", "callback_url": "", "negative_prompt": ""},
        {"negative_prompt": "", "image": URL},
    ],
    ids=str,
)
def test_what_passes(parameters: dict[str, Any]) -> None:
    """Documented parameters are valid, as are those whose support by a model is unknown."""
    assert wrong_with(ENDPOINT, GenerateImages(**{"prompt": "a cat", **parameters})) == []


@pytest.mark.parametrize(
    ("parameters", "field", "text", "by_map"),
    [
        ({"prompt": None}, "prompt", "is required", False),
        ({"prompt": ""}, "prompt", "is required", False),
        ({"prompt": 5}, "prompt", "expected text", False),
        ({"prompt": "x" * 2501}, "prompt", "2501 characters", False),
        ({"prompt": "cats/cat.png"}, "prompt", "give the picture as image", False),
        ({"negative_prompt": "x" * 2501}, "negative_prompt", "2501 characters", False),
        ({"negative_prompt": "dogs", "image": URL}, "negative_prompt", "together with image", True),
        ({"model_name": ""}, "model_name", "is empty", False),
        ({**V21, "image_reference": "subject"}, "image", "is required with image_reference", False),
        ({**V21, "image": URL, "image_reference": "style"}, "image_reference", "use subject or face", False),
        ({"image": URL, "image_reference": "face"}, "image_reference", "needs model_name kling-v2-1", True),
        ({"image": URL, "model_name": "kling-v1-5"}, "image_reference", "is required by kling-v1-5", True),
        ({"image": URL, "image_fidelity": 1.1}, "image_fidelity", "use 0 to 1", False),
        (
            {**V21, "image": URL, "image_reference": "subject", "human_fidelity": -0.1},
            "human_fidelity",
            "use 0 to 1",
            False,
        ),
        ({"element_list": ELEMENTS, "image": URL}, "element_list", "at most 10", False),
        ({"element_list": [*ELEMENTS, 11]}, "element_list", "has 11 entries", False),
        ({"element_list": ["x"]}, "element_list[0].element_id", "expected a whole number", False),
        ({**V21, "element_list": [1]}, "element_list", "needs model_name kling-v3", True),
        ({"model_name": "kling-v2-new"}, "image", "needs model_name kling-v2-1", True),
        ({"n": 0}, "n", "use 1 to 9", False),
        ({"n": 10}, "n", "use 1 to 9", False),
        ({"n": "some"}, "n", "expected a whole number", False),
        ({"n": None}, "n", "expected a whole number", False),
        ({"resolution": "4k"}, "resolution", "use 1k or 2k", True),
        ({"aspect_ratio": "auto"}, "aspect_ratio", "use 16:9", True),
        ({"aspect_ratio": 5}, "aspect_ratio", "expected text", False),
        ({"model_name": "kling-v1", "aspect_ratio": "21:9"}, "aspect_ratio", "needs model_name kling-v2-1", True),
        ({"image": ""}, "image", "empty string", False),
        ({"external_task_id": ".."}, "external_task_id", "cannot be looked up", False),
        ({"callback_url": "me.example"}, "callback_url", "expected an http", False),
        ({"watermark_info": True}, "watermark_info", "expected WatermarkInfo", False),
    ],
)
def test_what_is_refused(parameters: dict[str, Any], field: str, text: str, *, by_map: bool) -> None:
    """Each broken rule is reported with its field and the valid values; refusals of the map are marked."""
    problems = wrong_with(ENDPOINT, GenerateImages(**{"prompt": "a cat", **parameters}))
    assert [(problem.field, problem.by_map, problem.only_warns) for problem in problems] == [(field, by_map, False)]
    assert text in problems[0].message


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"image_fidelity": 0.5}, "image_fidelity"),
        ({**V21, "human_fidelity": 0.5}, "human_fidelity"),
        ({**V21, "image": URL, "image_reference": "face", "human_fidelity": 0.5}, "human_fidelity"),
    ],
    ids=str,
)
def test_what_has_no_effect_only_warns(parameters: dict[str, Any], field: str) -> None:
    """A fidelity without its reference is sent, with a warning."""
    problems = ENDPOINT.problems(GenerateImages("a cat", **parameters), {})
    assert [(problem.field, problem.only_warns) for problem in problems] == [(field, True)]


def test_the_picture_is_checked() -> None:
    """The facts of a local picture are checked against the limits."""
    request = GenerateImages("a cat", image=b"x")
    [problem] = ENDPOINT.problems(request, {"image": ImageFacts(size=11 * 2**20)})
    assert problem.field == "image"


def test_retired_models() -> None:
    """Retired models of the change log are marked, each with a replacement of the same features."""
    assert {name: end.instead for name, end in CAPABILITIES.retired.items()} == {
        "kling-v1-5": "kling-v2-1",
        "kling-v2": "kling-v3",
    }


def test_the_endpoint() -> None:
    """The endpoint is found by its record and by the first half of its references; its tasks use the image pack."""
    request = GenerateImages("a cat", n=4)
    assert endpoint_of(request) is ENDPOINT
    assert endpoint_named("images/generations") is ENDPOINT
    assert ENDPOINT.finds_by_external_id
    assert (ENDPOINT.pool, ENDPOINT.result, ENDPOINT.slots_of(request)) == (Pool.IMAGE, ResultKind.IMAGE, 4)
    assert ENDPOINT.line_of(request) == "kling-v3 (image)"
    assert ENDPOINT.kind_of(request) == "images/generations/kling-v3"


def test_recorded_tasks() -> None:
    """The recorded task has its pictures in order, with their watermarked variants and cost."""
    [listed] = OTHERS["images_generations_list"]["body"]["data"]
    assert len(task_from_wire(listed, ENDPOINT.name).images) == 1
    task = task_from_wire(OTHERS["images_generations_query_succeed"]["body"]["data"], ENDPOINT.name)
    assert task.reference == "images/generations:867283741759110145"
    assert [picture.index for picture in task.images] == [0, 1]
    assert str(task.images[1].watermark_url).endswith("/image-1-watermark.png")
    assert task.final_unit_deduction == ENDPOINT.estimate(GenerateImages("a cat", n=2)).units == 16
