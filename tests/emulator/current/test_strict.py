"""The switch that makes the emulator refuse undocumented and forbidden requests."""

from typing import Any

import pytest

from kling_async.emulator.service.errors import Refusal
from tests.emulator.conftest import Caller

from .bodies import (
    IMAGE,
    MOTION,
    MOTION_V2_6,
    O1,
    OMNI,
    TEXT_TURBO,
    TEXT_V2_5,
    TEXT_V2_6,
    TEXT_V3,
    TURBO,
    V2_5,
    V2_6,
    V3,
    Body,
    is_refused,
    item,
    named,
    of,
    taken,
    words,
)

FIRST = item("first_frame")
LAST = item("last_frame")
BASE = ("prompt", named("base_video", "clip"))
FEATURE = ("prompt", named("feature_video", "clip"))
SHAPED = {"aspect_ratio": "16:9"}
VIDEO = {"character_orientation": "video"}


def elements(number: int) -> list[Body]:
    """Returns elements, each with a name."""
    return [named("element", f"element_{chr(97 + each)}") for each in range(number)]


def images(number: int) -> list[Body]:
    """Returns references."""
    return [item("refer_image")] * number


def shots(*seconds: int, words: str = "a boat") -> str:
    """Returns a prompt of several shots."""
    return " ".join(f"shot {number}, {each}, {words};" for number, each in enumerate(seconds, 1))


UNKNOWN: list[tuple[str, Body, str]] = [
    (TURBO, of(FIRST) | {"mode": "pro"}, "mode is not supported here"),
    (TURBO, of(FIRST) | {"prompt": "a cat"}, "prompt is not supported here"),
    (TEXT_V3, words() | {"contents": []}, "contents is not supported here"),
    (TEXT_V3, words() | {"model_name": "kling-v3"}, "model_name is not supported here"),
    (TEXT_V3, words(cfg_scale=0.5), "settings.cfg_scale is not supported here"),
    (TEXT_V3, words() | {"options": {"seed": 1}}, "options.seed is not supported here"),
    (TEXT_V3, words() | {"options": {"watermark_info": {"url": "x"}}}, "options.watermark_info.url is not supported"),
    (TEXT_TURBO, words(audio="off"), "settings.audio is not supported here"),
    (TEXT_V2_5, words(audio="off"), "settings.audio is not supported here"),
    (TEXT_TURBO, words(multi_shot=True), "settings.multi_shot is not supported here"),
    (TURBO, of(FIRST, **SHAPED), "settings.aspect_ratio is not supported here"),
    (MOTION, of("image", "video", duration=5, **VIDEO), "settings.duration is not supported here"),
    (MOTION, of("image", "video", **SHAPED, **VIDEO), "settings.aspect_ratio is not supported here"),
    (V3, of(FIRST, character_orientation="image"), "settings.character_orientation is not supported here"),
    (V3, of(FIRST | {"name": "x"}), "contents[0].name is not supported here"),
    (V3, of(FIRST | {"id": "x"}), "contents[0].id is not supported here"),
    (OMNI, of("prompt", FIRST | {"text": "x"}), "contents[1].text is not supported here"),
    (TURBO, of(FIRST, LAST), "contents[1].type value 'last_frame' is not supported here"),
    (TURBO, of(FIRST, named("element", "x")), "contents[1].type value 'element' is not supported here"),
    (V2_6, of(FIRST, named("element", "x")), "contents[1].type value 'element' is not supported here"),
    (V3, of(FIRST, named("voice", "x")), "contents[1].type value 'voice' is not supported here"),
    (V2_5, of(FIRST, item("refer_image")), "contents[1].type value 'refer_image' is not supported here"),
    (OMNI, of("prompt", FIRST, item("video")), "contents[2].type value 'video' is not supported here"),
    (OMNI, of("prompt", FIRST, item("middle_frame")), "contents[2].type value 'middle_frame' is not supported here"),
    (MOTION_V2_6, of("image", "video", named("element", "x"), **VIDEO), "type value 'element' is not supported here"),
]

OUT_OF_RANGE: list[tuple[str, Body, str]] = [
    (TEXT_V3, words(duration=2), "settings.duration value '2' is invalid"),
    (TEXT_V3, words(duration=16), "settings.duration value '16' is invalid"),
    (TEXT_V3, words(duration="5"), "settings.duration value '5' is invalid"),
    (TEXT_V2_6, words(duration=7), "settings.duration value '7' is invalid"),
    (V2_5, of(FIRST, duration=3), "settings.duration value '3' is invalid"),
    (O1, of("prompt", FIRST, item("refer_image"), duration=11), "settings.duration value '11' is invalid"),
    (TEXT_V3, words(resolution=""), "settings.resolution value '' is invalid"),
    (TEXT_V3, words(audio=None), "settings.audio value 'None' is invalid"),
    (TEXT_V2_6, words("x" * 2501), "prompt: size must be between 0 and 2500"),
]

COMBINED: list[tuple[str, Body, str]] = [
    (V3, of(FIRST, FIRST), "more than one first_frame"),
    (V3, of("prompt", "prompt", FIRST), "more than one prompt"),
    (V3, of(FIRST, LAST, LAST), "more than one last_frame"),
    (MOTION, of("image", "image", "video", **VIDEO), "more than one image"),
    (MOTION, of("image", "video", "video", **VIDEO), "more than one video"),
    (OMNI, of("prompt", LAST, **SHAPED), "last_frame is not supported without first_frame"),
    (TEXT_V2_6, words(audio="native"), "audio mode 'native' is only supported with resolution 1080p"),
    (V2_6, of(FIRST, audio="native", resolution="720p"), "audio mode 'native' is only supported with resolution 1080p"),
    (V2_6, of(FIRST, LAST), "last_frame is only supported with resolution 1080p"),
    (V2_5, of(FIRST, LAST, resolution="720p"), "last_frame is only supported with resolution 1080p"),
    (V2_6, of(FIRST, named("voice", "v"), resolution="1080p"), "voice is only supported with audio mode 'native'"),
    (
        V2_6,
        of(FIRST, *(named("voice", each) for each in "abc"), resolution="1080p", audio="native"),
        "more than 2 voices",
    ),
    (V3, of(FIRST, *elements(4)), "more than 3 elements"),
    (OMNI, of(*BASE, item("feature_video")), "more than 1 video"),
    (O1, of(*BASE, item("base_video")), "more than 1 video"),
    (OMNI, of(*FEATURE, audio="native"), "audio is not supported with feature_video"),
    (OMNI, of(*FEATURE, audio="original"), "audio is not supported with feature_video"),
    (OMNI, of(*BASE, audio="native"), "audio mode 'native' is not supported with base_video"),
    (OMNI, of(*BASE, FIRST), "frames are not supported with base_video"),
    (O1, of(*BASE, FIRST, LAST), "frames are not supported with base_video"),
    (
        OMNI,
        of(item("prompt", shots(2, 3)), item("base_video"), multi_shot=False),
        "several shots are not supported with base_video",
    ),
    (OMNI, of("prompt", *images(5), *elements(3), **SHAPED), "more than 7 reference images and elements"),
    (O1, of("prompt", *images(8), **SHAPED), "more than 7 reference images and elements"),
    (OMNI, of(*FEATURE, *images(4), *elements(1)), "more than 4 reference images and elements"),
    (O1, of(*BASE, *images(5)), "more than 4 reference images and elements"),
    (OMNI, of("prompt", FIRST, *elements(4)), "more than 3 elements with frames"),
    (O1, of("prompt", FIRST, LAST, *elements(1)), "last_frame is only supported with first_frame"),
    (O1, of("prompt", FIRST, LAST, *images(1)), "last_frame is only supported with first_frame"),
    (O1, of(*FEATURE, FIRST, LAST), "last_frame is only supported with first_frame"),
    (OMNI, of(FIRST), "content item of type 'prompt' is required"),
    (MOTION, of("image", "video", *elements(2), **VIDEO), "more than one element"),
    (
        MOTION,
        of("image", "video", *elements(1), character_orientation="image"),
        "element is only supported with character_orientation 'video'",
    ),
    (V3, of(FIRST, item("element")), "must have a non-blank id"),
    (V2_6, of(FIRST, item("voice"), resolution="1080p", audio="native"), "must have a non-blank id"),
    (V3, of(FIRST, named("element", "a"), named("element", "a")), "none can be a part of another"),
    (OMNI, of("prompt", named("refer_image", "Zhang"), named("refer_image", "ZhangSan"), **SHAPED), "part of another"),
    (TEXT_TURBO, words(shots(2, 2)), "the durations of shots must sum to settings.duration"),
    (TEXT_V3, words(shots(3, 4), duration=8), "the durations of shots must sum to settings.duration"),
    (TEXT_V3, words(shots(*[1] * 7), duration=7), "shots must be numbered 1, 2, 3 and so on, up to 6"),
    (TEXT_V3, words("shot 2, 5, a boat;"), "shots must be numbered 1, 2, 3 and so on, up to 6"),
    (TEXT_TURBO, words("shot 1, 2, a boat; it turns; shot 2, 3, a whale"), "shots must be written as"),
    (TEXT_V3, words("shot 1, 0, a boat; shot 2, 5, a whale;"), "a shot takes at least 1 second"),
    (TEXT_V3, words(shots(5, words="x" * 513)), "at most 512 characters"),
]


@pytest.mark.parametrize(("path", "body", "message"), UNKNOWN + OUT_OF_RANGE + COMBINED)
def test_only_a_strict_emulator_refuses(path: str, body: Body, message: str) -> None:
    """Requests that are not documented or forbidden are refused by a strict emulator, and accepted by others."""
    with pytest.raises(Refusal) as caught:
        taken(path, body, strict=True)

    assert caught.value.code == 1201
    assert message in caught.value.message
    assert taken(path, body).model_name == path.rpartition("/")[2]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (TEXT_V3, words(seed=5)),  # undocumented, although the service was observed to use it
        (TURBO, of(FIRST)),  # the documentation does not require a prompt
        (TEXT_TURBO, words("x" * 3072)),
        (TEXT_V3, words(shots(*[2] * 6, words="x" * 480), duration=12, multi_shot=True)),
        (TEXT_V3, words(shots(2, 2), multi_shot=False)),  # does not support cuts
        (OMNI, of(*FEATURE, FIRST, *elements(4))),
        (TEXT_TURBO, words("In the harbour. " + shots(2, 3))),
        (
            V2_6,
            of(FIRST, LAST, resolution="1080p", audio="native"),
        ),  # excluded by one capability table, but not by the page
        (V2_5, of(FIRST, duration=10)),
        (OMNI, of("prompt", *images(4), *elements(3), duration=15, **SHAPED)),
        (OMNI, of(*FEATURE, duration=12)),
        (OMNI, of(*BASE, duration=5, audio="original")),
        (OMNI, of("prompt", FIRST, *elements(3), multi_shot=False, resolution="4k")),
        (O1, of("prompt", FIRST, LAST, duration=10)),
        (O1, of(*FEATURE, FIRST, duration=7)),
        (MOTION, of("image", "video", character_orientation="image", audio="off")),
        (TEXT_V3, words() | {"options": {"external_task_id": "", "watermark_info": {"enabled": False}}}),
    ],
)
def test_what_is_documented_or_unsure_passes(path: str, body: Body) -> None:
    """A strict emulator accepts all documented requests, and those about which the sources differ."""
    assert taken(path, body, strict=True).units > 0


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"image": IMAGE, "seed": 5}, "seed is not supported here"),
        ({"image": IMAGE, "camera_control": {"type": "simple", "config": {"x": 1}}}, "camera_control.config.x"),
        ({"image": IMAGE, "duration": 5}, "duration must be a string"),
    ],
)
async def test_legacy_requests_with_unknown_members(strict: Caller, body: dict[str, Any], message: str) -> None:
    """On legacy paths a strict emulator refuses unknown members, too, and other types than documented."""
    assert is_refused(await strict.create(**body), message)


async def test_both_kinds_of_ids(caller: Caller, strict: Caller) -> None:
    """Tasks may be queried by both kinds of ids at once, unless the emulator is strict."""
    query = "/tasks?task_ids=1&external_task_ids=2"

    assert (await caller.get(query)).body["data"] == []
    assert is_refused(await strict.get(query), "can not be used at the same time")
