"""Rules for single parameters that hold for every model; from the image2video documentation unless said otherwise."""

import unicodedata
from collections.abc import Iterator
from typing import Any

from kling_async.protocol.errors import Problem
from kling_async.protocol.media.image import host_of
from kling_async.protocol.records import CameraConfig, CameraControl, ImageToVideo, ShotPrompt, WatermarkInfo
from kling_async.protocol.rules.values import in_words, listed, number, one_of, shown, switch, text, unread, whole
from kling_async.protocol.tasks import Element, Voice

PROMPT_MOST = 2500  # characters
SHOT_PROMPT_MOST = 512  # characters
SHOTS_MOST = 6
ELEMENTS_MOST = 3
VOICES_MOST = 2
EXTERNAL_TASK_ID_MOST = 256  # characters; not documented: our own limit, as the id has to fit into an address
SHOT_TYPES = ("customize", "intelligence")
CAMERA_PRESETS = ("down_back", "forward_up", "right_turn_forward", "left_turn_forward")
AXES = ("horizontal", "vertical", "pan", "tilt", "roll", "zoom")
LONG_MOST = 2**63 - 1  # the documentation's "long"


def prompts(request: ImageToVideo) -> Iterator[Problem]:
    """Both prompts: at most 2500 characters."""
    for field in ("prompt", "negative_prompt"):
        value = getattr(request, field)
        if value is not None:
            yield from text(field, value, most=PROMPT_MOST)


def cfg_scale(request: ImageToVideo) -> Iterator[Problem]:
    """0 to 1."""
    if request.cfg_scale is not None:
        yield from number("cfg_scale", request.cfg_scale, 0, 1)


def watermark_info(request: ImageToVideo) -> Iterator[Problem]:
    """A record with a switch."""
    value: Any = request.watermark_info
    if isinstance(value, WatermarkInfo):
        enabled: Any = value.enabled
        if not isinstance(enabled, bool):
            yield Problem("watermark_info.enabled", f"expected True or False, got {shown(enabled)}")
    elif value is not None:
        yield Problem("watermark_info", unread(value, WatermarkInfo))


def callback_url(request: ImageToVideo) -> Iterator[Problem]:
    """An address that the service can post to. The message does not repeat it: it may hold a secret."""
    value: Any = request.callback_url
    if value is None:
        return
    problems = list(text("callback_url", value))
    yield from problems
    if not problems and not _is_address(value):
        yield Problem("callback_url", "expected an http:// or https:// address with a host and without spaces")


def _is_address(value: str) -> bool:
    return (
        " " not in value
        and value.isprintable()
        and value.lower().startswith(("http://", "https://"))
        and bool(host_of(value))
    )


def external_task_id(request: ImageToVideo) -> Iterator[Problem]:
    """Text that survives as a segment of an address, since the task is looked up by it.

    The documentation says only that it is unique. Refused is what would break the look-up: control characters, `.` and
    `..` (which addresses resolve away), spaces at the ends (which a reference loses), and more than 256 characters.
    A slash passes: it is sent as `%2F`.
    """
    value: Any = request.external_task_id
    if value is None:
        return
    problems = list(text("external_task_id", value, most=EXTERNAL_TASK_ID_MOST))
    yield from problems
    if problems:
        return
    if value in {".", ".."} or value != value.strip() or any(unicodedata.category(one) == "Cc" for one in value):
        yield Problem(
            "external_task_id",
            f"{shown(value)} cannot be looked up: it must not be '.' or '..', begin or end with a space, or contain "
            "control characters",
        )


# ------------------------------------------------------------------------------------------ nested values


def camera_control(request: ImageToVideo) -> Iterator[Problem]:
    """A documented type; a config exactly with `simple`."""
    control: Any = request.camera_control
    if control is None:
        return
    if not isinstance(control, CameraControl):
        yield Problem("camera_control", unread(control, CameraControl))
        return
    yield from one_of("camera_control.type", control.type, ("simple", *CAMERA_PRESETS))
    config: Any = control.config
    if control.type == "simple" and config is None:
        yield Problem("camera_control.config", "is required with type 'simple'")
    elif config is None:
        return
    elif control.type in CAMERA_PRESETS:
        yield Problem("camera_control.config", "goes with type 'simple' only; leave it out")
    elif isinstance(config, CameraConfig):
        yield from _camera_config(config)
    else:
        yield Problem("camera_control.config", unread(config, CameraConfig))


def _camera_config(config: CameraConfig) -> Iterator[Problem]:
    """Each value -10 to 10, exactly one not zero."""
    values = {axis: getattr(config, axis) for axis in AXES}
    problems = [
        problem for axis, value in values.items() for problem in number(f"camera_control.config.{axis}", value, -10, 10)
    ]
    yield from problems
    if problems:
        return
    moving = [axis for axis, value in values.items() if value != 0]
    if len(moving) != 1:
        found = in_words(moving, last="and") if moving else "none"
        yield Problem("camera_control.config", f"exactly one value must differ from zero; now {found} does")


def shots(request: ImageToVideo) -> Iterator[Problem]:
    """`multi_shot` and what goes with it. That `customize` ignores the prompt is no problem."""
    yield from switch("multi_shot", request.multi_shot)
    yield from _shot_list(request)
    if request.shot_type is not None:
        yield from one_of("shot_type", request.shot_type, SHOT_TYPES)
    if request.multi_shot is True:
        if request.shot_type is None:
            yield Problem("shot_type", "is required with multi_shot; use customize or intelligence")
        if request.shot_type == "customize" and request.multi_prompt is None:
            yield Problem("multi_prompt", "is required with shot_type 'customize'")
        return
    for field in ("shot_type", "multi_prompt"):
        if getattr(request, field) is not None:
            yield Problem(field, "has an effect with multi_shot only; set that or leave this out")


def _shot_list(request: ImageToVideo) -> Iterator[Problem]:
    read = yield from listed("multi_prompt", request.multi_prompt, ShotPrompt, most=SHOTS_MOST)
    if request.multi_prompt == ():
        yield Problem("multi_prompt", f"is empty; give 1 to {SHOTS_MOST} shots")
    problems = [problem for path, shot in read for problem in _shot(path, shot)]
    yield from problems
    if problems or not read or len(read) != len(request.multi_prompt or ()):
        return
    indexes = [shot.index for _, shot in read]
    if len(set(indexes)) != len(indexes):
        yield Problem("multi_prompt", f"two shots have the same index; number them 1 to {len(indexes)}")
    seconds = sum(shot.duration for _, shot in read)
    if not list(whole("", request.duration, 1)) and seconds != request.duration:
        yield Problem(
            "multi_prompt", f"the shots last {shown(seconds)} s together, duration is {shown(request.duration)}"
        )


def _shot(path: str, shot: ShotPrompt) -> Iterator[Problem]:
    yield from whole(f"{path}.index", shot.index, 1)
    yield from text(f"{path}.prompt", shot.prompt, most=SHOT_PROMPT_MOST)
    yield from whole(f"{path}.duration", shot.duration, 1)


def elements(request: ImageToVideo) -> Iterator[Problem]:
    """At most 3 ids of 64 bits."""
    read = yield from listed("element_list", request.element_list, Element, most=ELEMENTS_MOST)
    for path, element in read:
        yield from whole(f"{path}.element_id", element.element_id, 1, LONG_MOST)


def voices(request: ImageToVideo) -> Iterator[Problem]:
    """At most 2 voices, only with sound, and not beside elements."""
    read = yield from listed("voice_list", request.voice_list, Voice, most=VOICES_MOST)
    for path, voice in read:
        yield from text(f"{path}.voice_id", voice.voice_id)
        if voice.voice_id == "":
            yield Problem(f"{path}.voice_id", "is empty")
    if not request.voice_list:
        return
    if request.sound is not True:
        yield Problem("voice_list", "needs sound")
    if request.element_list:
        yield Problem("voice_list", "voice_list and element_list exclude each other; use one")
