from datetime import date
from decimal import Decimal
from itertools import combinations
from typing import Any, get_args

import pytest

from kling_async import estimate
from kling_async.protocol.capability import Capability, CapabilityMap, Cell, Retirement
from kling_async.protocol.endpoint import USD_PER_UNIT, Pool
from kling_async.protocol.endpoints.videos.image_to_video import CAPABILITIES, ImageToVideo, KnownModel
from kling_async.protocol.estimate import Estimate
from kling_async.protocol.nearest import nearest
from kling_async.protocol.records import Mode

from .capability_table import lines

FEATURES = {feature.name: feature for feature in CAPABILITIES.features}
USD = Decimal(USD_PER_UNIT[Pool.VIDEO])


def test_the_map_is_the_table() -> None:
    """Each cell of the table is in the map, and the map has no other rows."""
    rows = 0
    for model, mode, seconds, cells, size, fps in lines():
        row = CAPABILITIES.row(model, mode, seconds)
        assert row is not None, (model, mode, seconds)
        own = {column: row.cells[column].value for column in cells if column != "elements"}
        assert cells == {**own, "elements": row.element_list.value}, (model, mode, seconds)
        assert row.multi_shot is row.element_list
        assert (size, fps) == (row.size, row.fps)
        rows += 1
    assert rows == len(CAPABILITIES.rows)


def test_retired_models_name_a_replacement() -> None:
    """All models before kling-v2-5-turbo are retired since 2026-09-15, and each names an active replacement."""
    gone = {row.model_name for row in CAPABILITIES.rows if row.retired}
    assert gone == {*CAPABILITIES.models} - {"kling-v2-5-turbo", "kling-v2-6", "kling-v3"}
    assert {row.retired.since for row in CAPABILITIES.rows if row.retired} == {date(2026, 9, 15)}
    assert {end.instead for end in CAPABILITIES.retired.values()} <= {*CAPABILITIES.models} - gone


def test_a_retirement_without_a_known_date() -> None:
    """The message about a model whose retirement date is `?` contains no date."""
    known: CapabilityMap[Any] = CapabilityMap(
        (), "kling-v8 any 5 720p ?\nkling-v9 any 5 720p ?", "", retired="kling-v8 ? kling-v9"
    )
    assert known.retired == {"kling-v8": Retirement(since=None, instead="kling-v9")}
    assert known.retired_model("kling-v8") == "kling-v8 is retired here; use kling-v9"
    assert known.retired_model("kling-v9") is None


@pytest.mark.parametrize("row", [row for row in CAPABILITIES.rows if row.model_name != "kling-v1"])
def test_only_kling_v1_may_have_camera_presets(row: object) -> None:
    """kling-v1-5 takes camera type simple only; support in kling-v1 and in kling-v3 pro is uncertain."""
    assert isinstance(row, Capability)
    expected = Cell.UNKNOWN if (row.model_name, row.mode) == ("kling-v3", "pro") else Cell.NO
    assert expected is row.camera_presets


def test_image_tail_with_sound() -> None:
    """kling-v2-6 pro takes image_tail only with sound off; kling-v3 is not known to refuse both."""
    allowing = {row.model_name for row in CAPABILITIES.rows if row.tail_with_sound is not Cell.NO}
    assert allowing == {"kling-v3"}


def test_known_models() -> None:
    """All models of the table are listed from old to new, including retired ones."""
    assert CAPABILITIES.models == tuple(dict.fromkeys(line[0] for line in lines()))
    assert len(CAPABILITIES.models) == 9


@pytest.mark.parametrize(
    ("model", "mode", "duration"),
    [
        ("kling-v9", "std", 5),
        ("kling-v2-6", "4k", 5),
        ("kling-v2-6", "std", 7),
        ("kling-v3", "std", 2),
        ("kling-v3", "std", 16),
        ("kling-v2-master", "pro", 5),
        ("kling-v2-1-master", "std", 5),
        ("", None, 5),
    ],
)
def test_unknown_combinations_have_no_row(model: str, mode: str | None, duration: int) -> None:
    """Unknown models, and modes and durations that a model does not have, have no row."""
    assert CAPABILITIES.row(model, mode, duration) is None


@pytest.mark.parametrize(
    ("model", "mode", "expected"),
    [
        ("kling-v2-6", None, "std"),
        ("kling-v3", None, "std"),
        ("kling-v3", "4k", "4k"),
        ("kling-v2-1-master", None, "pro"),
        ("kling-v2-1-master", "std", "std"),
        ("kling-v2-master", None, None),
        ("kling-v2-master", "std", None),
        ("kling-v2-master", "pro", "pro"),
        ("kling-v9", None, "std"),
        ("kling-v9", "pro", "pro"),
    ],
)
def test_an_omitted_mode(model: str, mode: str | None, expected: str | None) -> None:
    """An omitted mode means std if the model has it, else its only mode; std means none for a model without modes."""
    assert expected == CAPABILITIES.mode_in_effect(model, mode)


def test_modes_and_durations_of_a_model() -> None:
    """Modes and durations are listed in the map's order, and empty for an unknown model."""
    assert CAPABILITIES.modes_of("kling-v3") == ("std", "pro", "4k")
    assert CAPABILITIES.modes_of("kling-v2-master") == (None,)
    assert CAPABILITIES.modes_of("kling-v9") == ()
    assert CAPABILITIES.durations_of("kling-v2-6") == (5, 10)
    assert CAPABILITIES.durations_of("kling-v3") == tuple(range(3, 16))
    assert CAPABILITIES.durations_of("kling-v9") == ()
    for model, mode in {(row.model_name, row.mode) for row in CAPABILITIES.rows}:
        own = tuple(row.duration for row in CAPABILITIES.rows if (row.model_name, row.mode) == (model, mode))
        assert set(own) == set(CAPABILITIES.durations_of(model)), "the durations do not depend on the mode"


# ------------------------------------------------------------------------------------------------ prices


@pytest.mark.parametrize(
    ("model", "mode", "duration", "with_", "expected"),
    [
        ("kling-v3", "std", 5, "", "3.0"),
        ("kling-v3", "std", 10, "sound", "9.0"),
        ("kling-v3", "pro", 15, "", "12.0"),
        ("kling-v3", "pro", 3, "sound", "3.6"),
        ("kling-v3", "4k", 5, "", "15"),
        ("kling-v3", "4k", 5, "sound", "15"),
        ("kling-v3", None, 7, "", "4.2"),
        ("kling-v2-6", "std", 5, "", "1.5"),
        ("kling-v2-6", None, 10, "", "3.0"),
        ("kling-v2-6", "pro", 5, "", "2.5"),
        ("kling-v2-6", "pro", 10, "sound", "10.0"),
        ("kling-v2-6", "pro", 5, "voice_list", "6.0"),
        ("kling-v2-6", "pro", 5, "sound voice_list", "6.0"),
        ("kling-v2-5-turbo", "std", 5, "", "1.5"),
        ("kling-v2-5-turbo", "std", 10, "", "3"),
        ("kling-v2-5-turbo", "pro", 5, "", "2.5"),
        ("kling-v2-5-turbo", "pro", 10, "", "5"),
        ("kling-v2-1", "std", 5, "", "2.0"),
        ("kling-v2-1", "pro", 10, "", "7.0"),
        ("kling-v2-1-master", None, 5, "", "10.0"),
        ("kling-v2-6", "std", 5, "sound", None),
        ("kling-v2-5-turbo", "pro", 5, "sound", None),
        ("kling-v3", "pro", 5, "voice_list", None),
        ("kling-v2-6", "std", 7, "", None),
        ("kling-v2-master", None, 5, "", None),
        ("kling-v1", "std", 5, "", None),
        ("kling-v1-5", "pro", 5, "", None),
        ("kling-v1-6", "pro", 5, "", None),
        ("kling-v9", "std", 5, "", None),
    ],
)
def test_units(model: str, mode: str | None, duration: int, with_: str, expected: str | None) -> None:
    """A clip costs its seconds at the price of model, mode and sound; None where no price is known."""
    found = CAPABILITIES.units(model, mode, duration, using=with_.split())
    assert (expected and Decimal(expected)) == found


def test_the_unit_in_dollars() -> None:
    """A video unit costs 14 cents: a silent 5 s clip of kling-v2-6 std is 21 cents."""
    assert Decimal("0.14") == USD
    assert Decimal("0.210") == (CAPABILITIES.units("kling-v2-6", "std", 5) or 0) * USD


# ----------------------------------------------------------------------------------------------- nearest


@pytest.mark.parametrize(
    ("have", "wanted", "others", "expected"),
    [
        (("kling-v2-6", "std", 5), "tail", "", ("kling-v2-6", "pro", 5, "")),
        (("kling-v2-6", "std", 5), "tail", "sound tail_with_sound", ("kling-v2-6", "pro", 5, "sound")),
        (
            ("kling-v2-6", "pro", 5),
            "tail",
            "sound voice_list tail_with_sound",
            ("kling-v2-6", "pro", 5, "sound voice_list"),
        ),
        (("kling-v2-6", "std", 5), "sound", "tail tail_with_sound", ("kling-v2-6", "pro", 5, "tail")),
        (("kling-v2-6", "std", 10), "voice_list", "sound tail tail_with_sound", ("kling-v2-6", "pro", 10, "tail")),
        (("kling-v2-5-turbo", "pro", 5), "sound", "", ("kling-v2-6", "pro", 5, "")),
        (("kling-v2-5-turbo", "std", 5), "sound", "", ("kling-v3", "std", 5, "")),
        (("kling-v2-5-turbo", "std", 5), "tail", "", ("kling-v2-5-turbo", "pro", 10, "")),
        (("kling-v2-6", "pro", 5), "tail_only", "", ("kling-v1-6", "pro", 5, "")),
        (("kling-v2-6", "pro", 10), "camera", "", ("kling-v1-5", "pro", 5, "")),
        (("kling-v2-6", None, 5), "element_list", "", ("kling-v3", "std", 5, "")),
        (("kling-v2-master", None, 5), "tail", "", ("kling-v2-6", "pro", 5, "")),  # kling-v2-1 is nearer, and retired
        (("kling-v3", "4k", 12), "brush", "", ("kling-v1-5", "pro", 5, "")),
        (("kling-v1-6", "pro", 5), "sound", "tail tail_with_sound", ("kling-v3", "pro", 5, "")),
        (("kling-v2-6", "pro", 5), "cfg_scale", "sound tail tail_with_sound", ("kling-v1-6", "pro", 5, "sound")),
    ],
)
def test_nearest(
    have: tuple[str, str | None, int], wanted: str, others: str, expected: tuple[str, str | None, int, str]
) -> None:
    """The model is kept if possible; then the number of changes of mode, duration and features is minimal."""
    used = {FEATURES[name] for name in [wanted, *others.split()]}
    found = nearest(CAPABILITIES, have, FEATURES[wanted], used)
    row = found.row
    assert expected == (row.model_name, row.mode, row.duration, " ".join(feature.name for feature in found.without))
    assert found.sure


def test_nearest_reports_uncertainty() -> None:
    """No model surely supports camera presets; a row with a question mark is offered as uncertain."""
    found = nearest(CAPABILITIES, ("kling-v1-5", "pro", 5), FEATURES["camera_presets"], {FEATURES["camera_presets"]})
    assert found.row.model_name == "kling-v3"
    assert not found.sure


def test_nearest_is_never_refused_itself() -> None:
    """For any row and any two features, the row that is found is not known to fail."""
    for row in CAPABILITIES.rows:
        for wanted, other in combinations(set(FEATURES.values()) - {FEATURES["tail_with_sound"]}, 2):
            used = {wanted, other}
            if used == {FEATURES["tail"], FEATURES["sound"]}:
                used.add(FEATURES["tail_with_sound"])
            found = nearest(CAPABILITIES, (row.model_name, row.mode, row.duration), wanted, used)
            left = used - set(found.without)
            if len(left) < len(used):
                left.discard(FEATURES["tail_with_sound"])
            assert wanted in left
            assert all(found.row.cells[feature.name] is not Cell.NO for feature in left)


def test_editors_offer_what_the_map_has() -> None:
    """The literal types for completion in an editor are the models and modes of the map."""
    assert get_args(KnownModel) == CAPABILITIES.models
    assert set(get_args(Mode)) == {row.mode for row in CAPABILITIES.rows if row.mode is not None}


@pytest.mark.parametrize(
    ("parameters", "price"),
    [
        ({}, "1.5"),
        ({"mode": "pro", "sound": True}, "5.0"),
        ({"mode": "pro", "sound": True, "voice_list": ["1"]}, "6.0"),
        ({"model_name": "kling-v3", "mode": "4k", "duration": 15}, "45"),
        ({"model_name": "kling-v1"}, None),
        ({"model_name": "kling-v9"}, None),
        ({"model_name": ["kling-v3"]}, None),
        ({"duration": 7}, None),
        ({"duration": "long"}, None),
        ({"mode": ["pro"]}, None),
    ],
)
def test_estimates(parameters: dict[str, Any], price: str | None) -> None:
    """A request has the price of its model, mode, seconds and sound; an invalid one has none."""
    amount = None if price is None else Decimal(price)
    usd = None if amount is None else amount * USD
    assert estimate(ImageToVideo(**parameters)) == Estimate(units=amount, usd=usd)


def test_unknown_models_are_named_beside_the_known() -> None:
    """The message about a mistyped model contains the nearest one, and all known ones."""
    message = CAPABILITIES.unknown_model("kling-v2.6") or ""
    assert "did you mean kling-v2-6?" in message
    assert all(name in message for name in CAPABILITIES.models)
    assert "did you mean" not in str(CAPABILITIES.unknown_model("sora"))
    assert len(str(CAPABILITIES.unknown_model("A" * 5000))) < 300
    assert CAPABILITIES.unknown_model("kling-v3") is None


def test_an_omitted_duration() -> None:
    """An omitted duration means 5 s, for row and price; a map without durations has its own row for it."""
    assert CAPABILITIES.row("kling-v2-6", "pro", None) == CAPABILITIES.row("kling-v2-6", "pro", 5)
    assert CAPABILITIES.units("kling-v2-6", "pro", None) == Decimal("2.5")
    plain: CapabilityMap[Any] = CapabilityMap((), "m std any 720p ?", "m std 0.5")
    assert plain.row("m", "std", None) == plain.rows[0]
    assert plain.row("m", "std", 5) is None
    assert plain.units("m", "std", None) == Decimal("0.5")
