from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest

from kling_async import MotionControl, Video
from kling_async.protocol.capability import Cell
from kling_async.protocol.catalog import endpoint_named, endpoint_of
from kling_async.protocol.endpoints.videos.motion_control import CAPABILITIES, ENDPOINT, KnownModel
from kling_async.protocol.errors import Problem
from kling_async.protocol.wire import responses
from kling_async.protocol.wire.codec import to_wire
from tests.protocol.recorded_bodies import recorded

URL = "https://h.example/cat.png"
CLIP = "https://h.example/dance.mp4?signature=secret"
MADE = Video(id="1", url=CLIP, created_at=datetime(2026, 11, 1, tzinfo=UTC))
V3: dict[str, Any] = {"model_name": "kling-v3"}

# The endpoint's page and the price table, transcribed for the tests only: model, mode, size, element, units per second.
TABLE = """
kling-v2-6 | std | 720p  | - | 0.5
kling-v2-6 | pro | 1080p | - | 0.8
kling-v3   | std | 720p  | y | 0.9
kling-v3   | pro | 1080p | y | 1.2
"""
ROWS = [[cell.strip() for cell in line.split("|")] for line in TABLE.strip().splitlines()]


def request(**parameters: Any) -> MotionControl:
    """A valid request with these parameters."""
    good = {"image_url": URL, "video_url": CLIP, "character_orientation": "video", "mode": "pro"}
    return MotionControl(**{**good, **parameters})


def problems_of(**parameters: Any) -> list[Problem]:
    """The problems of a request with these parameters."""
    return ENDPOINT.problems(request(**parameters), {})


@pytest.mark.parametrize("row", ROWS, ids=" ".join)
def test_the_map_is_the_documented_table(row: list[str]) -> None:
    """Sizes, features and prices per second are those of the documentation; requests have no duration."""
    model, mode, size, element, price = row
    found = CAPABILITIES.row(model, mode, None)
    assert found is not None
    assert (found.size, found.element_list, found.duration) == (size, Cell(element), None)
    assert CAPABILITIES.units(model, mode, None) == Decimal(price)


def test_the_map_has_no_other_rows() -> None:
    """Each model and mode of the map is in the documented table, and editors offer its models."""
    assert {(row.model_name, row.mode) for row in CAPABILITIES.rows} == {(row[0], row[1]) for row in ROWS}
    assert get_args(KnownModel) == CAPABILITIES.models


def test_no_price_is_known_before() -> None:
    """The price is unknown in advance, as the seconds of the result are billed."""
    assert ENDPOINT.estimate(request()).units is None


def test_typical_times() -> None:
    """A user reported 181 s in pro; std is faster; invalid and unknown parameters have a time, too."""
    assert ENDPOINT.typical_seconds(request()) == pytest.approx(181)
    assert ENDPOINT.typical_seconds(request(mode="std")) < 181
    assert ENDPOINT.typical_seconds(request(mode=5)) > 0
    assert ENDPOINT.typical_seconds(None) > 0


def test_what_is_sent() -> None:
    """Model and sound are always sent, an earlier video as its address, and no duration."""
    wire = to_wire(request(image_url=b"a picture", element_list=[7], prompt="a dance"))
    assert wire.pop("image_url").data == b"a picture"
    assert wire == {
        "model_name": "kling-v2-6",
        "video_url": CLIP,
        "character_orientation": "video",
        "mode": "pro",
        "prompt": "a dance",
        "keep_original_sound": "yes",
        "element_list": [{"element_id": 7}],
    }
    made = to_wire(request(video_url=None, video=MADE, keep_original_sound="no"))
    assert (made["video_url"], made["keep_original_sound"]) == (CLIP, "no")
    assert "video" not in made


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"character_orientation": "image", "mode": "std", "keep_original_sound": False},
        {"video_url": "HTTP://H.EXAMPLE/DANCE.MOV", "image_url": Path("cat.png")},
        {"video_url": "", "video": MADE},
        {"prompt": "x" * 2500, "element_list": []},
        {**V3, "element_list": [2**63 - 1]},
        {"model_name": "kling-v9", "mode": "ultra", "element_list": [1]},
        {"watermark_info": {"enabled": True}, "external_task_id": "", "callback_url": ""},
    ],
    ids=str,
)
def test_what_passes(parameters: dict[str, Any]) -> None:
    """Documented parameters are valid up to each limit, as are those whose support is unknown."""
    assert problems_of(**parameters) == []


@pytest.mark.parametrize(
    ("parameters", "field", "text", "by_map"),
    [
        ({"image_url": None}, "image_url", "is required", False),
        ({"image_url": "data:image/png;base64,AAAA"}, "image_url", "'data:' address", False),
        ({"video_url": None}, "video_url", "give video_url or video", False),
        ({"video_url": ""}, "video_url", "give video_url or video", False),
        ({"video": MADE}, "video", "video_url and video exclude each other", False),
        ({"video_url": None, "video": CLIP}, "video", "got text; video_url takes the url by itself", False),
        ({"video_url": "dance.mp4"}, "video_url", "host the clip", False),
        ({"video_url": Path("dance.mp4")}, "video_url", "got a path; host the clip", False),
        ({"video_url": b"clip"}, "video_url", "got a value of type bytes; host the clip", False),
        ({"video_url": MADE}, "video_url", "got a value of type Video", False),
        ({"character_orientation": None}, "character_orientation", "is required; use image or video", False),
        ({"character_orientation": "left"}, "character_orientation", "use image or video", False),
        ({"mode": None}, "mode", "is required; use std or pro", False),
        ({"mode": "4k"}, "mode", "use std or pro", False),
        ({"mode": "best"}, "mode", "not possible", False),
        ({"prompt": "x" * 2501}, "prompt", "2501 characters", False),
        ({"keep_original_sound": "on"}, "keep_original_sound", "expected True or False, got 'on'", False),
        ({"keep_original_sound": None}, "keep_original_sound", "expected True or False, got None", False),
        ({"element_list": [1]}, "element_list", "needs model_name kling-v3", True),
        ({**V3, "element_list": [1, 2]}, "element_list", "at most 1", False),
        ({**V3, "element_list": [0]}, "element_list[0].element_id", "out of range", False),
        (
            {**V3, "element_list": [1], "character_orientation": "image"},
            "element_list",
            "with character_orientation video only",
            False,
        ),
        ({"model_name": " "}, "model_name", "is empty", False),
        ({"external_task_id": ".."}, "external_task_id", "cannot be looked up", False),
        ({"callback_url": "me.example"}, "callback_url", "expected an http", False),
        ({"watermark_info": True}, "watermark_info", "expected WatermarkInfo", False),
    ],
    ids=lambda value: str(value)[:90],
)
def test_what_is_refused(parameters: dict[str, Any], field: str, text: str, *, by_map: bool) -> None:
    """Each broken rule is reported once, with its field and the valid values, and no signature."""
    problems = problems_of(**parameters)
    assert [(problem.field, problem.by_map) for problem in problems] == [(field, by_map)], problems
    assert text in problems[0].message
    assert "secret" not in problems[0].message


def test_all_problems_are_reported_together() -> None:
    """All problems of a request are reported together."""
    problems = ENDPOINT.problems(MotionControl(), {})
    assert [problem.field for problem in problems] == ["image_url", "video_url", "character_orientation", "mode"]


def test_signatures_are_not_shown() -> None:
    """The record's repr hides the query of an address, also in a wrong field."""
    assert "secret" not in repr(request())
    assert "secret" not in repr(request(video_url=None, video=MADE))
    assert "secret" not in repr(request(video_url=b"secret"))


def test_an_old_video_is_warned_of() -> None:
    """A video that the service keeps for less than two more days is sent with a warning."""
    [old] = ENDPOINT.problems(request(video_url=None, video=MADE), {}, now=datetime(2026, 11, 30, tzinfo=UTC))
    assert (old.field, old.only_warns) == ("video", True)


def test_a_recorded_task() -> None:
    """A finished task that was recorded live is parsed: 4.8 s were billed as 5."""
    task = responses.task(recorded("motion_control_query_succeed_live"), ENDPOINT.name, "867283741759110103")
    [video] = task.videos
    assert (task.reference, task.external_task_id) == ("motion-control:867283741759110103", None)
    assert (video.duration, task.final_unit_deduction) == (Decimal("4.8"), Decimal(4))


def test_where_it_is_found() -> None:
    """The endpoint is found by its record and by the first half of its references; it supports external ids."""
    assert endpoint_of(request()) is ENDPOINT
    assert endpoint_named("motion-control") is ENDPOINT
    assert ENDPOINT.finds_by_external_id
    assert ENDPOINT.kind_of(request()) == "motion-control/kling-v2-6/pro"
