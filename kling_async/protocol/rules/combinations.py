"""Rules on what goes together: exclusions, and what the model can do in this mode and duration."""

from collections.abc import Iterator
from typing import Any

from kling_async.protocol.capabilities import (
    CAPABILITIES,
    Capability,
    Cell,
    Feature,
    durations_of,
    mode_in_effect,
    modes_of,
    nearest,
)
from kling_async.protocol.errors import Problem
from kling_async.protocol.records import CameraControl, ImageToVideo
from kling_async.protocol.rules.settings import CAMERA_PRESETS
from kling_async.protocol.rules.values import in_words, is_whole, one_of, shown, switch, text, whole

MODES = ("std", "pro", "4k")
SECONDS_MOST = 3600  # our own limit, far from any real one, for models that the map does not know


def exclusions(request: ImageToVideo) -> Iterator[Problem]:
    """The last frame, the masks and the camera exclude each other (image2video documentation)."""
    groups = {
        "image_tail": request.image_tail is not None,
        "static_mask": request.static_mask is not None,
        "dynamic_masks": bool(request.dynamic_masks),
        "camera_control": request.camera_control is not None,
    }
    used = [field for field, is_used in groups.items() if is_used]
    if len(used) > 1 and used != ["static_mask", "dynamic_masks"]:
        yield Problem(
            used[-1], f"{in_words(used, last='and')} exclude each other: use image_tail, masks or camera_control"
        )


def model_name(request: ImageToVideo) -> Iterator[Problem]:
    """Any text: models come and go, and the service knows its own."""
    yield from text("model_name", request.model_name)
    if isinstance(request.model_name, str) and not request.model_name.strip():
        yield Problem("model_name", "is empty")


def mode(request: ImageToVideo) -> Iterator[Problem]:
    """A documented word, and one that the model has. `4k` is documented for kling-v3 only; the rest is the map's."""
    value: Any = request.mode
    if value is None:
        return
    modes = modes_of(request.model_name)
    if not modes:
        yield from text("mode", value)
        if value == "":
            yield Problem("mode", "is empty; leave it out")
        return
    problems = list(one_of("mode", value, MODES))
    yield from problems
    if problems or mode_in_effect(request.model_name, value) in modes:
        return
    named = [name for name in modes if name is not None]
    what = f"use {in_words(named)}" if named else "it has no modes: leave it out"
    yield Problem("mode", f"{value} is not possible with {request.model_name}; {what}", by_map=value != "4k")


def duration(request: ImageToVideo) -> Iterator[Problem]:
    """5 or 10 seconds, 3 to 15 with kling-v3 (image2video documentation)."""
    value: Any = request.duration
    durations = durations_of(request.model_name)
    if not is_whole(value) or not durations:
        yield from whole("duration", value, 1, SECONDS_MOST)
    elif value not in durations:
        span = f"{durations[0]} to {durations[-1]}" if len(durations) > 2 else in_words([str(one) for one in durations])
        yield Problem("duration", f"{shown(value)} is not possible with {request.model_name}; use {span}")


def sound(request: ImageToVideo) -> Iterator[Problem]:
    """A switch; which models have sound is in the map."""
    yield from switch("sound", request.sound)


# ---------------------------------------------------------------------------------------------- the map

_NAMES = {
    Feature.IMAGE_ONLY: "image",
    Feature.TAIL: "image_tail",
    Feature.TAIL_ONLY: "image_tail alone",
    Feature.TAIL_WITH_SOUND: "image_tail",
    Feature.BRUSH: "static_mask or dynamic_masks",
    Feature.CAMERA: "camera_control",
    Feature.CAMERA_PRESETS: "camera_control of another type than 'simple'",
    Feature.SOUND: "sound",
    Feature.VOICE_LIST: "voice_list",
    Feature.CFG_SCALE: "cfg_scale",
    Feature.ELEMENT_LIST: "element_list",
    Feature.MULTI_SHOT: "multi_shot",
}
_WITHOUT = {feature: f"no {name}" for feature, name in _NAMES.items()} | {
    Feature.TAIL_ONLY: "an image beside image_tail",
    Feature.SOUND: "sound off",
}
# The image2video documentation itself says this ("v2-6 and later; v2-6 only with mode pro"); all other refusals here
# rest on the map alone.
_DOCUMENTED = frozenset({Feature.SOUND})


def abilities(request: ImageToVideo) -> Iterator[Problem]:
    """What the map says does not work, each with the nearest that does. `?` and unknown models pass.

    `cfg_scale` is "not for v2.x" in the documentation, where the service checks no more than its range: it only warns.
    """
    rows = _rows(request)
    if not rows:
        return
    used = _features(request)
    if used.pop(Feature.CFG_SCALE, None) is not None and all(row.cell(Feature.CFG_SCALE) is Cell.NO for row in rows):
        text = f"is not for {request.model_name}, as the documentation says; it is sent, and probably has no effect"
        yield Problem("cfg_scale", text, only_warns=True)
    refused = [feature for feature in Feature if feature in used and all(row.cell(feature) is Cell.NO for row in rows)]
    for feature in refused:
        if feature is Feature.TAIL_WITH_SOUND and {Feature.TAIL, Feature.SOUND} & set(refused):
            continue  # said already
        yield Problem(used[feature], _advice(request, feature, frozenset(used)), by_map=feature not in _DOCUMENTED)


def _features(request: ImageToVideo) -> dict[Feature, str]:
    """What a request uses, each with the field that a problem with it belongs to."""
    has_image, has_tail = request.image is not None, request.image_tail is not None
    control: Any = request.camera_control
    preset = isinstance(control, CameraControl) and control.type in CAMERA_PRESETS
    with_sound = request.sound is True
    found = {
        Feature.IMAGE_ONLY: ("image", has_image and not has_tail),
        Feature.TAIL: ("image_tail", has_image and has_tail),
        Feature.TAIL_ONLY: ("image_tail", has_tail and not has_image),
        Feature.TAIL_WITH_SOUND: ("image_tail", has_image and has_tail and with_sound),
        Feature.BRUSH: (
            "dynamic_masks" if request.dynamic_masks else "static_mask",
            bool(request.dynamic_masks) or request.static_mask is not None,
        ),
        Feature.CAMERA: ("camera_control", control is not None and not preset),
        Feature.CAMERA_PRESETS: ("camera_control", preset),
        Feature.SOUND: ("sound", with_sound),
        Feature.VOICE_LIST: ("voice_list", bool(request.voice_list)),
        Feature.CFG_SCALE: ("cfg_scale", request.cfg_scale is not None),
        Feature.ELEMENT_LIST: ("element_list", bool(request.element_list)),
        Feature.MULTI_SHOT: ("multi_shot", request.multi_shot is True),
    }
    return {feature: field for feature, (field, is_used) in found.items() if is_used}


def _rows(request: ImageToVideo) -> list[Capability]:
    """The rows a request may mean: one, or more where its mode or duration is wrong and said to be so elsewhere."""
    rows = [row for row in CAPABILITIES if row.model_name == request.model_name]
    wanted_mode = mode_in_effect(request.model_name, request.mode)
    rows = [row for row in rows if row.mode == wanted_mode] or rows
    return [row for row in rows if row.duration == request.duration] or rows


def _advice(request: ImageToVideo, feature: Feature, used: frozenset[Feature]) -> str:
    wanted = Feature.TAIL if feature is Feature.TAIL_WITH_SOUND else feature
    seconds = request.duration if is_whole(request.duration) else 0  # what it should be is said elsewhere
    best = nearest(request.model_name, request.mode, seconds, wanted, used)
    row = best.row
    changes = []
    if row.model_name != request.model_name:
        changes.append(f"model_name {row.model_name}")
    if row.mode != mode_in_effect(row.model_name, request.mode):
        changes.append(f"mode {row.mode}" if row.mode is not None else "no mode")
    if row.duration != seconds:
        changes.append(f"duration {row.duration}")
    changes += [_WITHOUT[other] for other in best.without]
    start = f"{request.model_name} with {_NAMES[feature]}"
    if row.model_name != request.model_name:
        start = f"{request.model_name} cannot do {_NAMES[feature]}: this"
    return f"{start} needs {in_words(changes, last='and')}" + ("" if best.sure else " (where it is not certain either)")
