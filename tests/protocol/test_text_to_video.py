from decimal import Decimal
from typing import Any, get_args

import pytest

from kling_async.protocol.capability import Cell
from kling_async.protocol.catalog import endpoint_named, endpoint_of
from kling_async.protocol.endpoints.videos.text_to_video import CAPABILITIES, ENDPOINT, KnownModel, TextToVideo
from kling_async.protocol.wire.codec import to_wire

from .requests_made import wrong_with

SHOTS = [{"index": 1, "prompt": "a cat", "duration": 2}, {"index": 2, "prompt": "a dog", "duration": 3}]
V3: dict[str, Any] = {"model_name": "kling-v3"}

# The endpoint's page and the price table, transcribed for the tests only: model, mode, seconds, size, frame rate,
# sound, shots, camera at the shortest duration, units for the shortest and for the longest clip, silent.
TABLE = """
kling-v1          | std | 5,10 | 720p  | 30 | - | - | y | 1   | 2
kling-v1          | pro | 5,10 | 720p  | 30 | - | - | - | 3.5 | 7
kling-v1-6        | std | 5,10 | 720p  | 24 | - | - | - | 2   | 4
kling-v1-6        | pro | 5,10 | 1080p | 24 | - | - | - | 3.5 | 7
kling-v2-master   |     | 5,10 | 720p  | 24 | - | - | - | 10  | 20
kling-v2-1-master |     | 5,10 | 1080p | 24 | - | - | - | 10  | 20
kling-v2-5-turbo  | std | 5,10 | 720p  | 24 | - | - | - | 1.5 | 3
kling-v2-5-turbo  | pro | 5,10 | 1080p | 24 | - | - | - | 2.5 | 5
kling-v2-6        | std | 5,10 | 720p  |    | - | - | - | 1.5 | 3
kling-v2-6        | pro | 5,10 | 1080p |    | y | - | - | 2.5 | 5
kling-v3          | std | 3,15 | 720p  |    | y | y | ? | 1.8 | 9
kling-v3          | pro | 3,15 | 1080p |    | y | y | ? | 2.4 | 12
kling-v3          | 4k  | 3,15 | 4k    |    | y | y | ? | 9   | 45
"""
ROWS = [[cell.strip() for cell in line.split("|")] for line in TABLE.strip().splitlines()]


@pytest.mark.parametrize("row", ROWS, ids=" ".join)
def test_the_map_is_the_documented_table(row: list[str]) -> None:
    """Sizes, rates, abilities and prices of each model and mode are those of the documentation."""
    model, mode, seconds, size, fps, sound, shots, camera, *prices = row
    for duration, price in zip(map(int, seconds.split(",")), prices, strict=True):
        found = CAPABILITIES.row(model, mode or None, duration)
        assert found is not None
        assert (found.size, found.fps) == (size, int(fps) if fps else None)
        assert (found.sound, found.multi_shot) == (Cell(sound), Cell(shots))
        assert CAPABILITIES.units(model, mode or None, duration) == Decimal(price)
    shortest = CAPABILITIES.row(model, mode or None, int(seconds.split(",")[0]))
    assert shortest is not None
    assert shortest.camera is Cell(camera)


def test_the_map_has_no_other_rows() -> None:
    """Each model and mode of the map is in the documented table, and editors offer its models."""
    assert {(row.model_name, row.mode or "") for row in CAPABILITIES.rows} == {(row[0], row[1]) for row in ROWS}
    assert get_args(KnownModel) == CAPABILITIES.models


@pytest.mark.parametrize(
    ("parameters", "price"),
    [
        ({}, "1.5"),
        ({"mode": "pro", "sound": True, "duration": 10}, "10"),
        ({"mode": "pro", "sound": True, "voice_list": ["1"]}, "6"),
        ({**V3, "mode": "4k", "sound": "on", "duration": 15}, "45"),
        ({**V3, "sound": True}, "4.5"),
        ({**V3, "sound": True, "voice_list": ["1"]}, None),
        ({"model_name": "kling-v9"}, None),
        ({"duration": "long"}, None),
        ({"model_name": 5}, None),
    ],
)
def test_estimates(parameters: dict[str, Any], price: str | None) -> None:
    """A request has the price of its model, mode, seconds, sound and voices; what is refused has none."""
    found = ENDPOINT.estimate(TextToVideo("a cat", **parameters))
    assert found.units == (price and Decimal(price))
    assert found.usd == (price and Decimal(price) * Decimal("0.14"))


def test_what_is_sent() -> None:
    """Numbers that the service wants as text are text, sound is a word, and what was not given is left out."""
    request = TextToVideo("a cat", aspect_ratio="9:16", sound=True, mode="pro", duration=10)
    assert to_wire(request) == {
        "prompt": "a cat",
        "model_name": "kling-v2-6",
        "sound": "on",
        "mode": "pro",
        "aspect_ratio": "9:16",
        "duration": "10",
    }
    shots = to_wire(TextToVideo(multi_shot=True, shot_type="customize", multi_prompt=SHOTS, voice_list=["7"], **V3))
    assert shots["multi_prompt"][1] == {"index": 2, "prompt": "a dog", "duration": "3"}
    assert shots["voice_list"] == [{"voice_id": "7"}]


@pytest.mark.parametrize(
    "parameters",
    [
        {"prompt": "x" * 2500, "negative_prompt": "y" * 2500},
        {"prompt": None, **V3, "multi_shot": True, "shot_type": "customize", "multi_prompt": SHOTS},
        {**V3, "multi_shot": True, "shot_type": "intelligence"},
        {**V3, "duration": 15, "mode": "4k", "sound": True},
        {"model_name": "kling-v1", "camera_control": {"type": "down_back"}},
        {"model_name": "kling-v2-master", "mode": "std"},
        {"model_name": "kling-v9", "mode": "ultra", "duration": 60, "sound": True, "aspect_ratio": "4:3"},
        {"mode": "pro", "sound": True, "voice_list": ["a", "b"]},
        {"aspect_ratio": "1:1", "callback_url": "https://h/x", "external_task_id": "mine"},
        {"watermark_info": {"enabled": True}, "external_task_id": "", "callback_url": ""},
    ],
    ids=str,
)
def test_what_passes(parameters: dict[str, Any]) -> None:
    """What is documented, and what is not known of a model, is not refused."""
    assert wrong_with(ENDPOINT, TextToVideo(**{"prompt": "a cat", **parameters})) == []


@pytest.mark.parametrize(
    ("parameters", "field", "text", "by_map"),
    [
        ({"prompt": None}, "prompt", "is required", False),
        ({"prompt": ""}, "prompt", "is required", False),
        ({**V3, "prompt": None, "multi_shot": True, "shot_type": "intelligence"}, "prompt", "is required", False),
        ({"prompt": 5}, "prompt", "expected text", False),
        ({"prompt": "x" * 2501}, "prompt", "2501 characters", False),
        ({"negative_prompt": "x" * 2501}, "negative_prompt", "2501 characters", False),
        ({"model_name": ""}, "model_name", "is empty", False),
        ({"model_name": "kling-v1-5"}, "model_name", "from pictures only", True),
        ({"model_name": "kling-v2-1"}, "model_name", "from pictures only", True),
        ({"duration": 7}, "duration", "use 5 or 10", False),
        ({**V3, "duration": 16}, "duration", "use 3 to 15", False),
        ({"mode": "4k"}, "mode", "not possible with kling-v2-6", False),
        ({"mode": "best"}, "mode", "use std, pro or 4k", False),
        ({"sound": "loud"}, "sound", "expected True or False", False),
        ({"sound": True}, "sound", "needs mode pro", False),
        ({"multi_shot": True, "shot_type": "intelligence"}, "multi_shot", "needs model_name kling-v3", True),
        ({"camera_control": {"type": "down_back"}}, "camera_control", "needs model_name kling-v1", True),
        ({"model_name": "kling-v1", "camera_control": {"type": "up"}}, "camera_control.type", "not possible", False),
        ({**V3, "multi_shot": True}, "shot_type", "is required with multi_shot", False),
        ({"prompt": "cat.png"}, "prompt", "is the name of a picture", False),
        ({"aspect_ratio": "4:3"}, "aspect_ratio", "use 16:9, 9:16 or 1:1", True),
        ({"cfg_scale": 1.1, "model_name": "kling-v1"}, "cfg_scale", "use 0 to 1", False),
        ({"voice_list": 5}, "voice_list", "expected a list", False),
        ({"external_task_id": ".."}, "external_task_id", "cannot be looked up", False),
        ({"callback_url": "me.example"}, "callback_url", "expected an http", False),
        ({"watermark_info": True}, "watermark_info", "expected WatermarkInfo", False),
    ],
)
def test_what_is_refused(parameters: dict[str, Any], field: str, text: str, *, by_map: bool) -> None:
    """Each broken rule is reported with its field and what would be right; the map's own refusals are marked."""
    problems = wrong_with(ENDPOINT, TextToVideo(**{"prompt": "a cat", **parameters}))
    assert [(problem.field, problem.by_map) for problem in problems] == [(field, by_map)]
    assert text in problems[0].message


def test_voices_only_warn() -> None:
    """Whether there are voices, and with what, the sources disagree on."""
    [problem] = ENDPOINT.problems(TextToVideo("a cat", voice_list=["a"]), {})
    assert (problem.field, problem.only_warns) == ("voice_list", True)


def test_cfg_scale_only_warns() -> None:
    """`cfg_scale` is sent to models that do not take it, with a warning."""
    [problem] = ENDPOINT.problems(TextToVideo("a cat", cfg_scale=0.5), {})
    assert problem.only_warns


def test_where_it_is_found() -> None:
    """The endpoint is found by its record and by the first half of its references; it supports external ids."""
    assert endpoint_of(TextToVideo("a cat")) is ENDPOINT
    assert endpoint_named("text2video") is ENDPOINT
    assert ENDPOINT.finds_by_external_id
    assert ENDPOINT.kind_of(TextToVideo("a cat")) == "text2video/kling-v2-6/std/5"
