from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest

from kling_async import InputImage, InputVideo, OmniVideo
from kling_async.protocol.capability import Cell
from kling_async.protocol.catalog import endpoint_named, endpoint_of
from kling_async.protocol.endpoints.videos.omni_video import CAPABILITIES, ENDPOINT, KnownModel
from kling_async.protocol.errors import ApiError, Problem
from kling_async.protocol.results import Element, Video
from kling_async.protocol.wire import responses
from kling_async.protocol.wire.codec import to_wire
from tests.protocol.recorded_bodies import OTHERS, recorded

URL = "https://h.example/cat.png"
CLIP = "https://h.example/clip.mp4?signature=secret"
FIRST = {"image_url": URL, "type": "first_frame"}
END = {"image_url": URL, "type": "end_frame"}
FEATURE = {"video_url": CLIP, "refer_type": "feature"}
MADE = Video(id="1", url=CLIP, duration=Decimal(5), created_at=datetime(2026, 11, 1, tzinfo=UTC))
SHOTS = [{"index": 1, "prompt": "a cat", "duration": 2}, {"index": 2, "prompt": "a dog", "duration": 3}]
O1: dict[str, Any] = {"model_name": "kling-video-o1"}
FRAMED: dict[str, Any] = {"aspect_ratio": None, "image_list": [FIRST]}
EDIT: dict[str, Any] = {"aspect_ratio": None, "video_list": [CLIP]}
INTELLIGENCE: dict[str, Any] = {"multi_shot": True, "shot_type": "intelligence"}
CUSTOM: dict[str, Any] = {"multi_shot": True, "shot_type": "customize", "multi_prompt": SHOTS}

# The endpoint's page and the price table, transcribed for the tests only: model, mode, seconds, size, sound, shots,
# units per second: silent, with sound, with a video.
TABLE = """
kling-video-o1 | std | 3,10 | 720p  | - | - | 0.6 |     | 0.9
kling-video-o1 | pro | 3,10 | 1080p | - | - | 0.8 |     | 1.2
kling-v3-omni  | std | 3,15 | 720p  | y | y | 0.6 | 0.8 | 0.9
kling-v3-omni  | pro | 3,15 | 1080p | y | y | 0.8 | 1.0 | 1.2
kling-v3-omni  | 4k  | 3,15 | 4k    | y | y | 3   | 3   |
"""
ROWS = [[cell.strip() for cell in line.split("|")] for line in TABLE.strip().splitlines()]


def problems_of(**parameters: Any) -> list[Problem]:
    """The problems of a valid request with these parameters changed."""
    return ENDPOINT.problems(OmniVideo(**{"prompt": "a cat", "aspect_ratio": "16:9", **parameters}), {})


@pytest.mark.parametrize("row", ROWS, ids=" ".join)
def test_the_map_is_the_documented_table(row: list[str]) -> None:
    """Sizes, features and prices of each model and mode are those of the documentation."""
    model, mode, seconds, size, sound, shots, *prices = row
    for duration in map(int, seconds.split(",")):
        found = CAPABILITIES.row(model, mode, duration)
        assert found is not None
        assert (found.size, found.fps, found.sound, found.multi_shot) == (size, 24, Cell(sound), Cell(shots))
        for using, price in zip([set[str](), {"sound"}, {"video_list"}], prices, strict=True):
            expected = Decimal(price) * duration if price else None
            assert CAPABILITIES.units(model, mode, duration, using=using) == expected


def test_the_map_has_no_other_rows() -> None:
    """Each model and mode of the map is in the documented table, and editors offer its models."""
    assert {(row.model_name, row.mode) for row in CAPABILITIES.rows} == {(row[0], row[1]) for row in ROWS}
    assert get_args(KnownModel) == CAPABILITIES.models
    assert CAPABILITIES.durations_of("kling-video-o1") == tuple(range(3, 11))
    assert CAPABILITIES.durations_of("kling-v3-omni") == tuple(range(3, 16))


@pytest.mark.parametrize(
    ("parameters", "price"),
    [
        ({}, "4"),
        ({"duration": 10}, "8"),
        ({"mode": None, "duration": "10"}, "8"),
        ({"mode": "std", "sound": True}, "4"),
        ({"mode": "4k", "duration": 15}, "45"),
        ({"video_list": [FEATURE]}, "6"),
        ({"video_list": [FEATURE], "mode": "std", "duration": 10, **O1}, "9"),
        ({"video_list": [FEATURE], "mode": "4k"}, None),
        (EDIT, None),
        ({**EDIT, "duration": 10}, None),
        ({"sound": True, "voice_list": ["1"]}, None),
        ({"model_name": "kling-v9"}, None),
        ({"duration": "long"}, None),
    ],
    ids=str,
)
def test_estimates(parameters: dict[str, Any], price: str | None) -> None:
    """A price depends on the seconds, and is higher with a video; an edit is as long as its video."""
    assert ENDPOINT.estimate(OmniVideo("a cat", **parameters)).units == (price and Decimal(price))


def test_what_is_sent_is_what_was_recorded() -> None:
    """An edit is sent as documented: without duration and ratio, and with the sound setting."""
    request = OmniVideo(
        "make the sky in <<<video_1>>> purple", video_list=["https://files.example.invalid/clip.mp4"], sound=False
    )
    assert to_wire(request) == OTHERS["request_omni_video_edit"]["body"]


def test_what_is_sent() -> None:
    """Pictures, elements and videos are sent as the documented lists, whatever their type; frames have a type."""
    request = OmniVideo(
        "a cat",
        image_list=[URL, {"image_url": URL, "type": ""}, InputImage(image_url=URL, type="first_frame")],
        element_list=[7, Element(element_id=8, element_name="Tom")],
        video_list=[InputVideo(video_url=CLIP, refer_type="feature", keep_original_sound=False)],
        duration=10,
    )
    wire = to_wire(request)
    pictures = [{name: getattr(value, "url", value) for name, value in each.items()} for each in wire["image_list"]]
    assert pictures == [{"image_url": URL}, {"image_url": URL}, {"image_url": URL, "type": "first_frame"}]
    assert wire["element_list"] == [{"element_id": 7}, {"element_id": 8}]
    assert wire["video_list"] == [{"video_url": CLIP, "refer_type": "feature", "keep_original_sound": "no"}]
    assert (wire["duration"], wire["mode"]) == ("10", "pro")


def test_a_video_of_an_earlier_task() -> None:
    """An earlier video is sent as its address, with the sound setting."""
    request = OmniVideo("purple", video_list=[MADE])
    assert to_wire(request)["video_list"] == [
        {"video_url": CLIP, "refer_type": "base", "keep_original_sound": "yes"},
    ]
    assert ENDPOINT.problems(request, {}) == []
    assert "secret" not in repr(request)
    [old] = ENDPOINT.problems(request, {}, now=datetime(2026, 11, 30, tzinfo=UTC))
    assert (old.field, old.only_warns) == ("video_list[0].video", True)


@pytest.mark.parametrize(
    "parameters",
    [
        {"prompt": "x" * 2500},
        {"duration": 3, "mode": "std"},
        {"duration": 15, "mode": "4k", "sound": "on"},
        {"image_list": [URL] * 7},
        {"image_list": [URL] * 4, "element_list": [1, 2, 3]},
        {"element_list": [1, 2, 3, 4, 5, 6, 7]},
        {"image_list": [Path("a.png"), b"not looked into without facts"]},
        {**FRAMED, "duration": 7},
        {**FRAMED, "image_list": [FIRST, END], **INTELLIGENCE},
        {**FRAMED, "image_list": [URL, FIRST, URL], "element_list": [1, 2, 3]},
        {**FRAMED, "model_name": "kling-v9", "image_list": [FIRST], "element_list": [1, 2, 3, 4]},
        {"video_list": [FEATURE], "image_list": [URL] * 4},
        {"video_list": [FEATURE], "image_list": [URL], "element_list": [1, 2, 3], "duration": 15},
        {"video_list": [FEATURE], **INTELLIGENCE},
        {"video_list": [{**FEATURE, "keep_original_sound": "no"}]},
        {"video_list": ["HTTPS://H.EXAMPLE/CLIP"], "aspect_ratio": None},
        {**EDIT, "image_list": [URL, URL], "element_list": [1, 2], "sound": False, "multi_shot": False},
        {"sound": True, "voice_list": ["a", "b"]},
        {"prompt": None, **CUSTOM},
        {"prompt": None, **CUSTOM, "duration": 5},
        {**O1, "duration": 10},
        {**O1, **FRAMED, "duration": 5},
        {**O1, "image_list": [URL], "duration": 7},
        {**O1, "element_list": [1], "duration": 3},
        {**O1, "video_list": [FEATURE], "duration": 4},
        {**O1, **FRAMED, "image_list": [FIRST, URL], "duration": 9, "element_list": [1, 2, 3, 4]},
        {**O1, **FRAMED, "image_list": [FIRST, END], "duration": 4},  # whether only 5 and 10 are is uncertain
        {"model_name": "kling-v9", "mode": "ultra", "duration": 60, "sound": True, "aspect_ratio": "4:3"},
        {"watermark_info": {"enabled": True}, "external_task_id": "", "callback_url": ""},
        {"image_list": [], "element_list": [], "video_list": [], "voice_list": []},
    ],
    ids=str,
)
def test_what_passes(parameters: dict[str, Any]) -> None:
    """Documented parameters are valid up to each limit, as are those whose support is unknown."""
    assert problems_of(**parameters) == []


@pytest.mark.parametrize(
    ("parameters", "field", "text", "by_map"),
    [
        ({"prompt": None}, "prompt", "is required", False),
        ({"prompt": "", **INTELLIGENCE}, "prompt", "is required", False),
        ({"prompt": "x" * 2501}, "prompt", "2501 characters", False),
        ({"prompt": "cat.png"}, "prompt", "give the picture in image_list", False),
        ({"model_name": ""}, "model_name", "is empty", False),
        ({"mode": "4k", **O1}, "mode", "use std or pro", False),
        ({"mode": "best"}, "mode", "use std, pro or 4k", False),
        ({"duration": 2}, "duration", "use 3 to 15", False),
        ({"duration": 16}, "duration", "use 3 to 15", False),
        ({"duration": 11, "image_list": [URL], **O1}, "duration", "use 3 to 10", False),
        ({"duration": 2, **O1}, "duration", "use 3 to 10", False),
        ({"duration": 11, **O1}, "duration", "use 3 to 10", False),
        ({"duration": 3, **O1}, "duration", "from words or a first frame alone; use 5 or 10", True),
        ({"duration": 7, **O1}, "duration", "from words or a first frame alone; use 5 or 10", True),
        ({"duration": 7, **O1, **FRAMED}, "duration", "from words or a first frame alone; use 5 or 10", True),
        ({"duration": "long"}, "duration", "expected a whole number", False),
        ({"duration": [5]}, "duration", "expected a whole number", False),
        ({"sound": "loud"}, "sound", "expected True or False", False),
        ({"sound": True, **O1}, "sound", "needs model_name kling-v3-omni", False),
        ({**INTELLIGENCE, **O1}, "multi_shot", "needs model_name kling-v3-omni", True),
        ({"multi_shot": True}, "shot_type", "use customize or intelligence", False),
        ({**CUSTOM, "multi_prompt": None}, "multi_prompt", "is required", False),
        ({**CUSTOM, "multi_prompt": SHOTS[:1]}, "multi_prompt", "last 2 s together, duration is 5 where it is", False),
        ({**CUSTOM, "duration": 6}, "multi_prompt", "last 5 s together, duration is 6", False),
        ({"image_list": URL}, "image_list", "expected a list", False),
        ({"image_list": [None]}, "image_list[0]", "expected InputImage, got None", False),
        ({"image_list": [{"url": URL}]}, "image_list[0]", "missing key 'image_url'", False),
        ({"image_list": [{"image_url": None}]}, "image_list[0].image_url", "is required", False),
        ({"image_list": [URL, "data:image/png;base64,AAAA"]}, "image_list[1].image_url", "'data:' address", False),
        ({"image_list": [5]}, "image_list[0].image_url", "expected a path", False),
        ({"image_list": [{"image_url": URL, "type": 0}]}, "image_list[0].type", "first_frame or end_frame", False),
        ({"image_list": [{"image_url": URL, "type": "last"}]}, "image_list[0].type", "first_frame or end_frame", False),
        ({**FRAMED, "image_list": [FIRST, FIRST]}, "image_list", "2 pictures of type first_frame", False),
        ({**FRAMED, "image_list": [FIRST, END, END]}, "image_list", "2 pictures of type end_frame", False),
        ({"image_list": [END]}, "image_list", "without a first_frame", False),
        ({**FRAMED, "image_list": [FIRST, END, URL]}, "image_list", "allows no others", False),
        ({"image_list": [URL] * 8}, "image_list", "8 pictures and elements are given; at most 7", False),
        ({"image_list": [URL] * 5, "element_list": [1, 2, 3]}, "image_list", "8 pictures and elements", False),
        ({"element_list": [*range(1, 9)]}, "element_list", "8 pictures and elements", False),
        ({"video_list": [FEATURE], "image_list": [URL] * 5}, "image_list", "at most 4 together are possible", False),
        ({**EDIT, "image_list": [URL] * 3, "element_list": [1, 2]}, "image_list", "beside a video", False),
        ({**FRAMED, "element_list": [1, 2, 3, 4]}, "element_list", "at most 3 are possible", True),
        ({**O1, **FRAMED, "image_list": [FIRST, END], "element_list": [1]}, "element_list", "an end_frame", True),
        ({"element_list": ["seven"]}, "element_list[0].element_id", "expected a whole number", False),
        ({"video_list": CLIP}, "video_list", "expected a list", False),
        ({"video_list": [CLIP, CLIP], "aspect_ratio": None}, "video_list", "at most 1", False),
        ({**EDIT, "video_list": [{"video_url": ""}]}, "video_list[0].video_url", "give video_url or video", False),
        (
            {**EDIT, "video_list": [{"video_url": CLIP, "video": MADE}]},
            "video_list[0].video",
            "video_url and video exclude each other",
            False,
        ),
        ({**EDIT, "video_list": [{"video": CLIP}]}, "video_list[0].video", "expected what an earlier request", False),
        ({**EDIT, "video_list": ["clip.mp4"]}, "video_list[0].video_url", "host the clip", False),
        ({**EDIT, "video_list": [b"clip"]}, "video_list[0].video_url", "got a value of type bytes", False),
        ({**EDIT, "video_list": [Path("clip.mp4")]}, "video_list[0].video_url", "got a path", False),
        ({**EDIT, "video_list": ["data:video/mp4;base64,A"]}, "video_list[0].video_url", "'data:' address", False),
        ({"video_list": [{**FEATURE, "refer_type": "copy"}]}, "video_list[0].refer_type", "base or feature", False),
        (
            {"video_list": [{**FEATURE, "keep_original_sound": "on"}]},
            "video_list[0].keep_original_sound",
            "expected True or False, got 'on'",
            False,
        ),
        (
            {"video_list": [{**FEATURE, "keep_original_sound": None}]},
            "video_list[0].keep_original_sound",
            "expected True or False, got None",
            False,
        ),
        ({"video_list": [{**FEATURE, "sound": "yes"}]}, "video_list[0]", "unknown key 'sound'", False),
        ({**EDIT, "sound": True}, "sound", "is not possible with a video", False),
        ({"video_list": [FEATURE], "sound": True}, "sound", "is not possible with a video", False),
        ({**EDIT, "image_list": [FIRST]}, "image_list", "first_frame cannot be used with a video that is edit", False),
        ({**EDIT, "image_list": [FIRST, END]}, "image_list", "first_frame and end_frame cannot be used", False),
        ({**EDIT, **INTELLIGENCE}, "multi_shot", "is not possible with a video that is edited", False),
        ({"voice_list": 5}, "voice_list", "expected a list", False),
        ({"voice_list": ["a", ""], "sound": True}, "voice_list[1].voice_id", "is empty", False),
        ({"aspect_ratio": None}, "aspect_ratio", "is required without a first_frame or a video that is", False),
        ({"aspect_ratio": None, "image_list": [URL]}, "aspect_ratio", "use 16:9, 9:16 or 1:1", False),
        ({"aspect_ratio": None, "video_list": [FEATURE]}, "aspect_ratio", "is required", False),
        ({"aspect_ratio": "4:3"}, "aspect_ratio", "use 16:9, 9:16 or 1:1", True),
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


@pytest.mark.parametrize(
    ("parameters", "end"),
    [
        ({"sound": True, **O1}, "this needs model_name kling-v3-omni"),
        ({"sound": True, "mode": "std", "duration": 3, "image_list": [URL], **O1}, "needs model_name kling-v3-omni"),
        ({"image_list": [URL] * 8}, "at most 7 together are possible"),
        ({"image_list": [URL] * 8, "video_list": [FEATURE]}, "at most 4 together are possible beside a video"),
    ],
)
def test_no_more_is_advised_than_helps(parameters: dict[str, Any], end: str) -> None:
    """A message requires no change of valid parameters, such as of an omitted duration."""
    [problem] = problems_of(**parameters)
    assert problem.message.endswith(end)


@pytest.mark.parametrize(
    ("parameters", "field", "text"),
    [
        ({**FRAMED, "aspect_ratio": "16:9"}, "aspect_ratio", "may be refused"),
        ({**EDIT, "aspect_ratio": "16:9"}, "aspect_ratio", "may be refused"),
        ({**EDIT, "duration": 2}, "duration", "has no effect"),
        ({"voice_list": ["a"]}, "voice_list", "only with sound"),
        ({"voice_list": ["a", "b", "c"], "sound": True}, "voice_list", "at most 2"),
    ],
)
def test_what_only_warns(parameters: dict[str, Any], field: str, text: str) -> None:
    """A parameter that has no effect, or may be refused, is sent with a warning."""
    [problem] = problems_of(**parameters)
    assert (problem.field, problem.only_warns) == (field, True)
    assert text in problem.message


@pytest.mark.parametrize(("duration", "refused"), [("long", True), (0, True), (1, False)])
def test_the_duration_of_an_edit(duration: Any, *, refused: bool) -> None:
    """The duration of an edit has no effect, but must be valid."""
    problems = problems_of(**EDIT, duration=duration)
    assert [problem.only_warns for problem in problems] == [False] * refused + [True]


def test_all_problems_are_reported_together() -> None:
    """All problems of a request are reported together."""
    found = problems_of(
        prompt="", mode="por", duration=99, image_list=[5, END], video_list=["clip.mp4", FEATURE], sound=True
    )
    fields = ["image_list[0].image_url", "prompt", "mode", "duration", "image_list", "video_list"]
    assert [field for field in fields if field not in {problem.field for problem in found}] == []


@pytest.mark.parametrize("name", ["error_1201_omni_sound_with_video", "error_1201_video_url_invalid"])
def test_recorded_refusals(name: str) -> None:
    """The error has the message of the service."""
    with pytest.raises(ApiError) as caught:
        responses.created(recorded(name), ENDPOINT.name, None)
    assert OTHERS[name]["body"]["message"] in str(caught.value)


def test_recorded_tasks() -> None:
    """The official example of a finished task, and a failed one, are parsed."""
    finished = responses.task(recorded("omni_video_query_succeed"), ENDPOINT.name, "867283741759110126")
    failed = responses.task(recorded("omni_video_query_failed"), ENDPOINT.name, "867283741759110152")
    [video] = finished.videos
    assert (finished.reference, str(video.duration), finished.watermark) == (
        "omni-video:867283741759110126",
        "5.041",
        True,
    )
    assert (failed.status_msg, failed.videos) == ("Failure to pass the risk control system", ())


def test_the_endpoint() -> None:
    """The endpoint is found by its record and by the first half of its references; it supports external ids."""
    assert endpoint_of(OmniVideo("a cat")) is ENDPOINT
    assert endpoint_named("omni-video") is ENDPOINT
    assert ENDPOINT.finds_by_external_id
    assert ENDPOINT.kind_of(OmniVideo("a cat", duration=5)) == "omni-video/kling-v3-omni/pro/5"
