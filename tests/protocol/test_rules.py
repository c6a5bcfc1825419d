import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async.protocol.endpoints.videos.image_to_video import ENDPOINT, ImageToVideo
from kling_async.protocol.errors import InvalidRequest
from kling_async.protocol.media.image import Image
from kling_async.protocol.rules.files import files_of

from .requests_made import BRUSH, HALF, SOUND, URL, V3, WAY, camera, customize, mask, problems_of, shots

# ------------------------------------------------------------------------------------------ what is allowed


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"image": None, "image_tail": URL, "model_name": "kling-v1-6", "mode": "pro"},
        {"image_tail": URL, "mode": "pro"},
        {"image_tail": URL, "mode": "pro", "sound": False},
        {"image": "picture.jpg"},
        {"image": b"not looked into without facts"},
        {"prompt": "x" * 2500, "negative_prompt": "x" * 2500},
        {"prompt": "", "negative_prompt": "😀"},
        {"cfg_scale": 0, "model_name": "kling-v1"},
        {"cfg_scale": 1.0, "model_name": "kling-v1-6"},
        {"cfg_scale": 0.5, **V3},
        {"mode": "std"},
        {"mode": "pro"},
        {"mode": "4k", **V3},
        {"mode": "std", "model_name": "kling-v2-master"},
        {"mode": "pro", "model_name": "kling-v2-1-master"},
        {"model_name": "kling-v2-1-master"},
        {"duration": 10},
        {"duration": "10"},
        {"duration": 3, **V3},
        {"duration": 15, **V3},
        {"sound": True, "mode": "pro"},
        {"sound": "on", **V3},
        {"sound": "off", "model_name": "kling-v1"},
        {**SOUND, "voice_list": ["a", "b"]},
        {**SOUND, "voice_list": [{"voice_id": "a"}]},
        {"voice_list": [], "element_list": [], "dynamic_masks": []},
        {"element_list": [1, "829836802793406551", {"element_id": 2**63 - 1}], **V3},
        {"element_list": [1], "voice_list": [], **V3},
        {"multi_shot": False},
        {"multi_shot": True, "shot_type": "intelligence", **V3},
        {"multi_shot": True, "shot_type": "intelligence", "image_tail": URL, **V3},
        customize(5, shots(5)),
        customize(5, shots(2, "3", prompt="x" * 512)),
        customize(6, shots(1, 1, 1, 1, 1, 1)),
        customize(5, shots(5), prompt="ignored"),
        BRUSH,
        {**BRUSH, "static_mask": URL},
        {"model_name": "kling-v1", "static_mask": URL},
        {"model_name": "kling-v1", "dynamic_masks": [mask((0, 0), (1, 1))] * 6},
        {"model_name": "kling-v1", "dynamic_masks": [mask(*[(1, 1)] * 77)]},
        {"model_name": "kling-v1-5", "mode": "pro", "duration": 10, "dynamic_masks": [mask(*[(1, 1)] * 78)]},
        camera(zoom=1),
        camera(zoom=-10, pan=0),
        camera(horizontal=10.0),
        {**camera("down_back"), "model_name": "kling-v1"},
        {**camera("forward_up"), "model_name": "kling-v1"},
        {**camera("right_turn_forward"), "model_name": "kling-v1"},
        {**camera("left_turn_forward"), "model_name": "kling-v1"},
        {"multi_prompt": [], "element_list": [], "voice_list": [], "dynamic_masks": []},
        customize(4, shots(2, 2)[::-1]),
        {"watermark_info": {"enabled": True}},
        {"callback_url": "https://example.com:8443/kling?token=1"},
        {"callback_url": "HTTP://example.com"},
        {"callback_url": ""},
        {"external_task_id": ""},
        {"external_task_id": "x" * 256},
        {"external_task_id": "Bestellung 7/ä 😀👩‍👧 %2F?"},
    ],
    ids=str,
)
def test_allowed(parameters: dict[str, Any]) -> None:
    """What the documentation allows has no problems, up to and including each limit."""
    assert problems_of(**parameters) == []


# ------------------------------------------------------------------------------------------ what is refused

REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"image": None}, "image", "give image (the first frame), image_tail (the last frame) or both"),
    ({"image": 5}, "image", "expected a path"),
    ({"image": ""}, "image", "empty"),
    ({"image": "data:image/png;base64,AAAA"}, "image", "data:"),
    ({"image": "https://example.com/" + HALF}, "image", "surrogate"),
    ({"image_tail": 5, "mode": "pro"}, "image_tail", "expected a path"),
    ({"static_mask": 5, "model_name": "kling-v1"}, "static_mask", "expected a path"),
    ({"model_name": ""}, "model_name", "is empty"),
    ({"model_name": " "}, "model_name", "is empty"),
    ({"model_name": None}, "model_name", "expected text, got None"),
    ({"model_name": ["kling-v1"]}, "model_name", "a value of type list"),
    ({"model_name": "kling" + HALF}, "model_name", "surrogate"),
    ({"prompt": "x" * 2501}, "prompt", "has 2501 characters; at most 2500"),
    ({"prompt": 5}, "prompt", "expected text, got 5"),
    ({"prompt": "ab" + HALF}, "prompt", "character 2 is half of a surrogate pair"),
    ({"negative_prompt": "x" * 2501}, "negative_prompt", "2501"),
    ({"negative_prompt": HALF}, "negative_prompt", "surrogate"),
    ({"negative_prompt": b"x"}, "negative_prompt", "a value of type bytes"),
    ({"cfg_scale": 1.01, **V3}, "cfg_scale", "1.01 is out of range; use 0 to 1"),
    ({"cfg_scale": -0.1, **V3}, "cfg_scale", "use 0 to 1"),
    ({"cfg_scale": math.nan, **V3}, "cfg_scale", "nan is out of range"),
    ({"cfg_scale": math.inf, **V3}, "cfg_scale", "inf is out of range"),
    ({"cfg_scale": True, **V3}, "cfg_scale", "expected a number, got True"),
    ({"cfg_scale": "0.5", **V3}, "cfg_scale", "expected a number, got '0.5'"),
    ({"mode": "PRO"}, "mode", "'PRO' is not possible; use std, pro or 4k"),
    ({"mode": 5}, "mode", "5 is not possible"),
    ({"mode": ""}, "mode", "'' is not possible"),
    ({"mode": "", "model_name": "kling-v9"}, "mode", "is empty"),
    ({"mode": 5, "model_name": "kling-v9"}, "mode", "expected text"),
    ({"mode": "4k"}, "mode", "4k is not possible with kling-v2-6; use std or pro"),
    ({"mode": "4k", "model_name": "kling-v2-master"}, "mode", "it has no modes: leave it out"),
    ({"duration": 7}, "duration", "7 is not possible with kling-v2-6; use 5 or 10"),
    ({"duration": 2, **V3}, "duration", "2 is not possible with kling-v3; use 3 to 15"),
    ({"duration": 16, **V3}, "duration", "use 3 to 15"),
    ({"duration": 5.5}, "duration", "expected a whole number, got 5.5"),
    ({"duration": True}, "duration", "expected a whole number, got True"),
    ({"duration": None}, "duration", "expected a whole number, got None"),
    ({"duration": "five"}, "duration", "expected a whole number, got 'five'"),
    ({"duration": 10**5000}, "duration", "a number of 16610 bits"),
    ({"duration": 0, "model_name": "kling-v9"}, "duration", "0 is out of range"),
    ({"duration": 3601, "model_name": "kling-v9"}, "duration", "3601 is out of range"),
    ({"sound": "loud", "mode": "pro"}, "sound", "expected True or False, got 'loud'"),
    ({"sound": 1, "mode": "pro"}, "sound", "expected True or False, got 1"),
    ({"sound": True, "mode": "std"}, "sound", "kling-v2-6 with sound needs mode pro"),
    ({"sound": True, "model_name": "kling-v2-5-turbo"}, "sound", "needs model_name kling-v3"),
    ({**SOUND, "voice_list": ["a", "b", "c"]}, "voice_list", "has 3 entries; at most 2"),
    ({"voice_list": ["a"], "mode": "pro"}, "voice_list", "needs sound"),
    ({"voice_list": ["a"], "mode": "pro", "sound": False}, "voice_list", "needs sound"),
    ({**SOUND, "voice_list": [""]}, "voice_list[0].voice_id", "is empty"),
    ({**SOUND, "voice_list": [{"voice_id": 5}]}, "voice_list[0].voice_id", "expected text"),
    ({**SOUND, "voice_list": ["a", HALF]}, "voice_list[1].voice_id", "surrogate"),
    ({**SOUND, "voice_list": [5]}, "voice_list[0]", "expected Voice or a dict"),
    ({**SOUND, "voice_list": "abc"}, "voice_list", "expected a list, got str"),
    ({"model_name": "kling-v9", **SOUND, "voice_list": ["a"], "element_list": [1]}, "voice_list", "exclude each other"),
    ({"element_list": [1, 2, 3, 4], **V3}, "element_list", "has 4 entries; at most 3"),
    ({"element_list": [0], **V3}, "element_list[0].element_id", f"use 1 to {2**63 - 1}"),
    ({"element_list": [1, -1], **V3}, "element_list[1].element_id", "-1 is out of range"),
    ({"element_list": [2**63], **V3}, "element_list[0].element_id", "out of range"),
    ({"element_list": [True], **V3}, "element_list[0].element_id", "expected a whole number, got True"),
    ({"element_list": ["cat"], **V3}, "element_list[0].element_id", "expected a whole number, got 'cat'"),
    ({"element_list": [None], **V3}, "element_list[0]", "expected Element, got None"),
    ({"element_list": [{"id": 5}], **V3}, "element_list[0]", "unknown key 'id'; missing key 'element_id'"),
    ({"element_list": 5, **V3}, "element_list", "expected a list, got int"),
    ({"multi_shot": "yes", **V3}, "multi_shot", "expected True or False, got 'yes'"),
    ({"multi_shot": True, **V3}, "shot_type", "is required with multi_shot"),
    (
        {"multi_shot": True, "shot_type": "wild", **V3},
        "shot_type",
        "'wild' is not possible; use customize or intelligence",
    ),
    ({"multi_shot": True, "shot_type": "customize", **V3}, "multi_prompt", "is required with shot_type 'customize'"),
    ({"shot_type": "intelligence", **V3}, "shot_type", "multi_shot only"),
    ({"multi_prompt": shots(5), **V3}, "multi_prompt", "multi_shot only"),
    ({"multi_shot": False, "multi_prompt": shots(5), **V3}, "multi_prompt", "multi_shot only"),
    (customize(5, []), "multi_prompt", "is empty; give 1 to 6 shots"),
    (customize(7, shots(1, 1, 1, 1, 1, 1, 1)), "multi_prompt", "has 7 entries; at most 6"),
    (customize(5, shots(2, 2)), "multi_prompt", "the shots last 4 s together, duration is 5"),
    (customize(5, shots(5, 0)), "multi_prompt[1].duration", "0 is out of range; use at least 1"),
    (customize(5, shots(2.5, 2)), "multi_prompt[0].duration", "expected a whole number, got 2.5"),
    (customize(5, shots(*[True, 4])), "multi_prompt[0].duration", "expected a whole number, got True"),
    (customize(5, shots(5, prompt="x" * 513)), "multi_prompt[0].prompt", "513 characters; at most 512"),
    (customize(5, shots(5, prompt=None)), "multi_prompt[0].prompt", "expected text"),
    (customize(5, shots(5, prompt=HALF)), "multi_prompt[0].prompt", "surrogate"),
    (customize(5, [{"index": 0, "prompt": "a", "duration": 5}]), "multi_prompt[0].index", "at least 1"),
    (customize(5, [{"index": "a", "prompt": "a", "duration": 5}]), "multi_prompt[0].index", "whole number"),
    (customize(4, shots(2)[:1] * 2), "multi_prompt", "two shots have the same index; number them 1 to 2"),
    (
        customize(4, [*shots(2), {"index": 3, "prompt": "a", "duration": 2}]),
        "multi_prompt",
        "a shot has index 3; number them 1 to 2",
    ),
    (customize(5, [{"prompt": "a"}]), "multi_prompt[0]", "missing key 'index'"),
    (customize(5, ["a"]), "multi_prompt[0]", "expected ShotPrompt or a dict"),
    (customize(5, "a"), "multi_prompt", "expected a list, got str"),
    ({**camera(), "camera_control": "simple"}, "camera_control", "expected CameraControl or a dict"),
    ({**camera(), "camera_control": {"kind": "simple"}}, "camera_control", "unknown key 'kind'"),
    (camera("spin"), "camera_control.type", "'spin' is not possible; use simple, down_back,"),
    (camera(None), "camera_control.type", "None is not possible"),
    (camera("simple"), "camera_control.config", "is required with type 'simple'"),
    (camera("down_back", zoom=1) | {"model_name": "kling-v1"}, "camera_control.config", "leave it out"),
    (camera(zoom=0), "camera_control.config", "exactly one value must differ from zero; now none does"),
    (camera(zoom=1, pan=-2), "camera_control.config", "now pan and zoom does"),
    (camera(horizontal=1, roll=1), "camera_control.config", "horizontal and roll"),
    (camera(vertical=1, tilt=1), "camera_control.config", "vertical and tilt"),
    (camera(zoom=10.5), "camera_control.config.zoom", "10.5 is out of range; use -10 to 10"),
    (camera(pan=-11), "camera_control.config.pan", "-11 is out of range"),
    (camera(tilt=math.nan), "camera_control.config.tilt", "nan is out of range"),
    (camera(roll=-math.inf), "camera_control.config.roll", "-inf is out of range"),
    (camera(vertical=True), "camera_control.config.vertical", "expected a number, got True"),
    (camera(horizontal="1"), "camera_control.config.horizontal", "expected a number, got '1'"),
    (camera(horizontal=None), "camera_control.config.horizontal", "expected a number, got None"),
    (camera("spin", zoom=99), "camera_control.config.zoom", "out of range"),
    (camera(speed=1), "camera_control.config", "unknown key 'speed'"),
    ({**BRUSH, "dynamic_masks": [mask((1, 1), (2, 2))] * 7}, "dynamic_masks", "has 7 entries; at most 6"),
    ({**BRUSH, "dynamic_masks": "mask.png"}, "dynamic_masks", "expected a list, got str"),
    ({**BRUSH, "dynamic_masks": [URL]}, "dynamic_masks[0]", "expected DynamicMask or a dict"),
    ({**BRUSH, "dynamic_masks": [{"mask": None, "trajectories": WAY}]}, "dynamic_masks[0].mask", "got None"),
    ({**BRUSH, "dynamic_masks": [{"mask": 5, "trajectories": WAY}]}, "dynamic_masks[0].mask", "expected a path"),
    ({**BRUSH, "dynamic_masks": [{"mask": URL, "trajectories": None}]}, "dynamic_masks[0].trajectories", "got None"),
    (
        {**BRUSH, "dynamic_masks": [{"mask": URL, "trajectories": 5}]},
        "dynamic_masks[0].trajectories",
        "a list, got int",
    ),
    ({**BRUSH, "dynamic_masks": [mask()]}, "dynamic_masks[0].trajectories", "has 0 points; at least 2"),
    ({**BRUSH, "dynamic_masks": [mask((1, 1))]}, "dynamic_masks[0].trajectories", "has 1 points; at least 2"),
    ({**BRUSH, "dynamic_masks": [mask(*[(1, 1)] * 78)]}, "dynamic_masks[0].trajectories", "has 78 entries; at most 77"),
    ({**BRUSH, "dynamic_masks": [mask((1, 1), (-1, 1))]}, "dynamic_masks[0].trajectories[1].x", "-1 is out of range"),
    ({**BRUSH, "dynamic_masks": [mask((1, 1), (1, -1))]}, "dynamic_masks[0].trajectories[1].y", "-1 is out of range"),
    (
        {**BRUSH, "dynamic_masks": [mask((1.5, 1), (1, 1))]},
        "dynamic_masks[0].trajectories[0].x",
        "whole number, got 1.5",
    ),
    ({**BRUSH, "dynamic_masks": [mask((1, True), (1, 1))]}, "dynamic_masks[0].trajectories[0].y", "got True"),
    (
        {**BRUSH, "dynamic_masks": [{"mask": URL, "trajectories": [[1, 2], [3, 4]]}]},
        "dynamic_masks[0].trajectories[1]",
        "expected Point or a dict with x, y",
    ),
    ({**BRUSH, "duration": "x", "dynamic_masks": [mask(*[(1, 1)] * 78)]}, "dynamic_masks[0].trajectories", "has 78"),
    ({"watermark_info": True}, "watermark_info", "expected WatermarkInfo or a dict with enabled"),
    ({"watermark_info": {"enabled": "yes"}}, "watermark_info.enabled", "expected True or False, got 'yes'"),
    ({"watermark_info": {"enabled": None}}, "watermark_info.enabled", "expected True or False, got None"),
    ({"callback_url": "example.com"}, "callback_url", "http:// or https://"),
    ({"callback_url": "ftp://example.com"}, "callback_url", "http:// or https://"),
    ({"callback_url": "https://"}, "callback_url", "with a host"),
    ({"callback_url": "https://[::1"}, "callback_url", "with a host"),
    ({"callback_url": "https://example.com/a b"}, "callback_url", "without spaces"),
    ({"callback_url": "https://example.com/\n"}, "callback_url", "without spaces"),
    ({"callback_url": "https://example.com/" + HALF}, "callback_url", "surrogate"),
    ({"callback_url": 5}, "callback_url", "expected text, got 5"),
    ({"external_task_id": 5}, "external_task_id", "expected text, got 5"),
    ({"external_task_id": "a" + HALF}, "external_task_id", "surrogate"),
    ({"external_task_id": "x" * 257}, "external_task_id", "has 257 characters; at most 256"),
    ({"external_task_id": "."}, "external_task_id", "cannot be looked up"),
    ({"external_task_id": ".."}, "external_task_id", "cannot be looked up"),
    ({"external_task_id": " "}, "external_task_id", "cannot be looked up"),
    ({"external_task_id": "a "}, "external_task_id", "cannot be looked up"),
    ({"external_task_id": "a\nb"}, "external_task_id", "cannot be looked up"),
    ({"external_task_id": "a\x7fb"}, "external_task_id", "cannot be looked up"),
    ({**BRUSH, "camera_control": {"type": "down_back"}}, "camera_control", "dynamic_masks and camera_control exclude"),
    ({**BRUSH, "image_tail": URL}, "dynamic_masks", "image_tail and dynamic_masks exclude each other"),
    ({"model_name": "kling-v1", "static_mask": URL, "image_tail": URL}, "static_mask", "exclude each other"),
    (
        {"model_name": "kling-v9", "static_mask": URL, "camera_control": {"type": "down_back"}},
        "camera_control",
        "exclude each other",
    ),
    ({**camera(zoom=1), "image_tail": URL}, "camera_control", "image_tail and camera_control exclude each other"),
    (
        {**BRUSH, "model_name": "kling-v9", "image_tail": URL, "camera_control": {"type": "down_back"}},
        "camera_control",
        "image_tail, dynamic_masks and camera_control exclude",
    ),
]


@pytest.mark.parametrize(("parameters", "field", "says"), REFUSED, ids=[f"{row[1]}-{row[2][:40]}" for row in REFUSED])
def test_refused_by_the_documentation(parameters: dict[str, Any], field: str, says: str) -> None:
    """Each documented rule is reported for its field, in words that help, and strict=False does not change it."""
    found = [problem for problem in problems_of(**parameters) if problem.field == field and says in problem.message]
    assert [problem.by_map for problem in found] == [False]


# ------------------------------------------------------------------------------------------------- together


def test_all_problems_together() -> None:
    """Every problem is reported at once, each with its field."""
    found = problems_of(
        image=None, prompt="x" * 2501, duration=7, mode="4k", cfg_scale=2, callback_url="x", camera_control=5, sound=3
    )
    fields = ["image", "mode", "duration", "sound", "prompt", "cfg_scale", "camera_control", "callback_url"]
    assert fields == [problem.field for problem in found][: len(fields)]
    assert "10 problems" in str(InvalidRequest.of(found))


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        (customize(5, []), "multi_prompt"),
        (customize(5, shots(2.5, 2)), "multi_prompt[0].duration"),
        (customize(5, ["a", *shots(2)]), "multi_prompt[0]"),
        (customize(7, shots(1, 1, 1, 1, 1, 1, 1)), "multi_prompt"),
        (customize("five", shots(2, 2)), "duration"),
        (camera(zoom=1, pan="1"), "camera_control.config.pan"),
    ],
    ids=str,
)
def test_no_problem_follows_from_another(parameters: dict[str, Any], field: str) -> None:
    """Sums and counts are looked at only where what they are made of is right."""
    assert [problem.field for problem in problems_of(**parameters)] == [field]


def test_messages_do_not_carry_long_inputs() -> None:
    """A value in a message is cut; addresses of callbacks and pictures are not in it at all."""
    secret = "s3cret" * 20
    found = problems_of(
        mode=secret,
        callback_url=f"ftp://example.com/{secret}",
        external_task_id=secret + "\n",
        image="data:" + secret,
        element_list=[{secret * 9: 1}],
        shot_type=b"\x89PNG" * 1000,
    )
    assert len(found) >= 6
    for problem in found:
        assert len(problem.message) < 250
        assert secret not in problem.message
        assert "x89" not in problem.message


def test_files_of() -> None:
    """All pictures are listed by field path, also those that cannot be read; what is no mask is left out."""
    given: list[Any] = [{"mask": b"x", "trajectories": WAY}, 5, {"mask": 7, "trajectories": WAY}]
    request = ImageToVideo(image="a.jpg", image_tail=URL, static_mask=Path("s.png"), dynamic_masks=given)
    expected = {
        "image": Image.of("a.jpg"),
        "image_tail": Image.of(URL),
        "static_mask": Image.of("s.png"),
        "dynamic_masks[0].mask": Image.of(b"x"),
        "dynamic_masks[2].mask": Image.of(7),
    }
    assert expected == files_of(request)
    text: Any = "mask.png"
    assert files_of(ImageToVideo(dynamic_masks=text)) == {}


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(codec=None), max_size=5),
    st.binary(max_size=5),
    st.builds(lambda: 10**5000),
    st.just([]),
    st.just({}),
    st.builds(object),
    st.sampled_from(["simple", "customize", "std", "kling-v3", "on", 5]),
)
NESTED = st.recursive(
    ANYTHING,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.fixed_dictionaries({"x": inner, "y": inner}),
        st.fixed_dictionaries({"mask": inner, "trajectories": inner}),
        st.fixed_dictionaries({"index": inner, "prompt": inner, "duration": inner}),
        st.fixed_dictionaries({"type": inner, "config": inner}),
        st.fixed_dictionaries({"zoom": inner, "pan": inner}),
        st.fixed_dictionaries({"element_id": inner}),
        st.fixed_dictionaries({"voice_id": inner}),
        st.fixed_dictionaries({"enabled": inner}),
    ),
    max_leaves=6,
)
FIELDS = tuple(ImageToVideo.__annotations__)


@given(st.dictionaries(st.sampled_from(FIELDS), NESTED, max_size=6))
def test_whatever_is_given_is_reported_not_raised(parameters: dict[str, Any]) -> None:
    """Any values in any parameters give problems with a field of the request, never an exception."""
    for problem in ENDPOINT.problems(ImageToVideo(**parameters), {}):
        assert problem.field.partition(".")[0].partition("[")[0] in FIELDS
        assert problem.message
        assert len(problem.message) < 300
