"""Maps of models without modes and durations, with prices per picture."""

from decimal import Decimal
from typing import Any

import attrs
import pytest

from kling_async.cli.commands import models as command
from kling_async.protocol import image_tasks
from kling_async.protocol.capability import CapabilityMap, Cell, Feature
from kling_async.protocol.rules import image_settings, settings
from kling_async.protocol.rules.models import ModelRules

FEATURES: tuple[Feature[Any], ...] = (
    Feature(name="image", heading="image", used=lambda request: request.image),
    Feature(name="4k", field="resolution", heading="4k", used=lambda request: request.resolution == "4k"),
)
MAP: CapabilityMap[Any] = CapabilityMap(
    FEATURES,
    "old any any - -\nnew any any y y",
    "old any 4 ? ?\nnew any 8 9 16",
    priced_by=("image", "4k"),
    price_of="picture",
)


@attrs.frozen
class Pictures:
    """A request for pictures."""

    model_name: Any = "new"
    n: Any = 1
    image: bool = False
    resolution: Any = None
    aspect_ratio: Any = None


def test_rows() -> None:
    """A model has one row, without mode, duration, size and frame rate."""
    [old, new] = MAP.rows
    assert (new.mode, new.duration, new.size, new.fps, new.image) == (None, None, None, None, Cell.YES)
    assert old == MAP.row("old", None, None)
    assert (MAP.modes_of("new"), MAP.durations_of("new")) == ((None,), ())


@pytest.mark.parametrize(
    ("request_", "units"),
    [
        (Pictures(), "8"),
        (Pictures(n=3), "24"),
        (Pictures(image=True), "9"),
        (Pictures(image=True, resolution="4k", n=9), "144"),
        (Pictures("old"), "4"),
        (Pictures("old", image=True), None),
        (Pictures("other"), None),
        (Pictures([]), None),
        (Pictures(n=10), "8"),
        (Pictures(n=True), "8"),
    ],
    ids=str,
)
def test_prices(request_: Pictures, units: str | None) -> None:
    """Pictures cost their number times the price of the last used feature that has one."""
    assert image_tasks.units_by(MAP)(request_) == (units and Decimal(units))


def test_an_unknown_number_has_no_price() -> None:
    """A request without a known number of pictures has no price."""
    assert image_tasks.units_by(MAP, lambda _request: None)(Pictures()) is None


@pytest.mark.parametrize(("n", "slots"), [(1, 1), (9, 9), (0, 1), (10, 1), (10**9, 1), ("3", 1), (True, 1), (None, 1)])
def test_slots(n: Any, slots: int) -> None:
    """A task takes a slot per picture; an invalid one takes one slot."""
    assert image_tasks.number_of_pictures(Pictures(n=n)) == slots


def test_what_a_model_cannot_do() -> None:
    """The refusal of the map names a model with the feature, and no modes or durations."""
    [problem] = ModelRules(MAP).abilities(Pictures("old", resolution="4k"))
    assert (problem.field, problem.by_map) == ("resolution", True)
    assert problem.message == "old cannot do resolution: this needs model_name new"
    assert [*ModelRules(MAP).abilities(Pictures("other", image=True))] == []


@pytest.mark.parametrize(
    ("given", "expected_text"),
    [
        ({"aspect_ratio": "21:9"}, None),
        ({"aspect_ratio": "5:4"}, "16:9, 9:16, 1:1, 4:3, 3:4, 3:2, 2:3 or 21:9"),
        ({"aspect_ratio": "5:4", "model_name": "other"}, None),
        ({"aspect_ratio": 1.5, "model_name": "other"}, "expected text"),
        ({"aspect_ratio": 1.5}, "expected text"),
        ({"resolution": "2k"}, None),
        ({"resolution": "8k"}, "use 1k or 2k"),
        ({"resolution": "8k", "model_name": "other"}, None),
    ],
    ids=str,
)
def test_ratios_and_sizes(given: dict[str, Any], expected_text: str | None) -> None:
    """Undocumented values are refused by the map for known models only."""
    words = settings.Words(MAP, image_settings.RATIOS, image_settings.RESOLUTIONS)
    request = Pictures(**given)
    problems = [*words.aspect_ratio(request), *words.resolution(request)]
    assert len(problems) == (expected_text is not None)
    if expected_text is not None:
        assert expected_text in problems[0].message
        assert problems[0].by_map == ("expected text" not in expected_text)


def test_as_a_table() -> None:
    """The table has no columns of modes, seconds and sizes; a price is per picture, or a dash."""
    shown = command.as_table(MAP, MAP.rows, Decimal("0.0035"))
    assert [line.split() for line in shown.splitlines()] == [
        ["model", "image", "4k", "units/picture", "$/picture"],
        ["old", "-", "-", "4", "0.014"],
        ["new", "y", "y", "8", "/", "9", "/", "16", "0.028", "/", "0.0315", "/", "0.056"],
    ]
    data = command.data(MAP, MAP.rows[1])
    assert (data["mode"], data["duration"], data["units"], data["units_with_4k"]) == (None, None, 8.0, 16.0)


def test_a_missing_price_in_the_middle() -> None:
    """A dash keeps the position of the prices after it."""
    one = CapabilityMap[Any](
        FEATURES, "one any any - y", "one any 1 ? 3", priced_by=("image", "4k"), price_of="picture"
    )
    assert "1 / - / 3" in command.as_table(one, one.rows, None)
