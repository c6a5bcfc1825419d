"""Image to video: a clip that begins with a picture, or ends with one, or both."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import attrs

from kling_async.emulator.results.rendering.camera import Camera
from kling_async.emulator.results.rendering.spec import Brush, RenderSpec
from kling_async.emulator.results.videos import VideoResult
from kling_async.emulator.service.checks import fields, members
from kling_async.emulator.service.checks.camera import camera_features, camera_movement
from kling_async.emulator.service.checks.capabilities import (
    BRUSH,
    CAMERA,
    CAMERA_SIMPLE,
    ELEMENTS,
    MULTI_SHOT,
    SOUND,
    TAIL,
    TAIL_ALONE,
    VOICES,
    Capabilities,
    Row,
    unsupported,
)
from kling_async.emulator.service.checks.every_task import every_task
from kling_async.emulator.service.checks.pictures import SubmittedImage, brief, damage, picture, read_image
from kling_async.emulator.service.checks.shots import shot_features
from kling_async.emulator.service.checks.text import check_content, check_scale, prompts
from kling_async.emulator.service.checks.voices import element_features, sound_features
from kling_async.emulator.service.endpoint import AcceptedRequest, Body, Endpoint
from kling_async.emulator.service.errors import invalid
from kling_async.emulator.service.video_models import Model, VideoModels, per_second

_MEMBERS: Final[dict[str, Any]] = {
    "model_name": str,
    "image": str,
    "image_tail": str,
    "prompt": str,
    "negative_prompt": str,
    "cfg_scale": float,
    "mode": str,
    "duration": str,
    "sound": str,
    "static_mask": str,
    "dynamic_masks": [{"mask": str, "trajectories": [{"x": int, "y": int}]}],
    **members.VOICES,
    **members.ELEMENTS,
    **members.SHOTS,
    **members.CAMERA,
    **members.EVERY_TASK,
}

# Prices of the table of 2026-09; of the three oldest and the masters, the last published ones. Frame rates of the
# documented table, except kling-v2-1 std and kling-v3, which are guesses. Public clients measured 164 s in the mean.
_MODELS: Final = VideoModels(
    typical_seconds=164.0,
    models={
        "kling-v1": Model(fps=30, units=per_second("0.2", "0.7"), short_side=720),
        "kling-v1-5": Model(fps=30, units=per_second("0.4", "0.7")),
        "kling-v1-6": Model(fps=30, units=per_second("0.4", "0.7")),
        "kling-v2-master": Model(fps=24, units=per_second("2", "2"), short_side=720, pace=1.4),
        "kling-v2-1": Model(fps=24, units=per_second("0.4", "0.7")),
        "kling-v2-1-master": Model(fps=24, units=per_second("2", "2"), short_side=1080, pace=1.4),
        "kling-v2-5-turbo": Model(fps=24, units=per_second("0.3", "0.5"), pace=0.6),
        "kling-v2-6": Model(
            fps=24,
            units=per_second("0.3", "0.5"),
            units_sound={"pro": Decimal("1.0")},
            units_voice={"pro": Decimal("1.2")},
        ),
        "kling-v3": Model(
            fps=24,
            units=per_second("0.6", "0.8", "3"),
            units_sound=per_second("0.9", "1.2", "3"),
            durations=range(3, 16),
        ),
    },
)

_SILENT: Final = frozenset({SOUND, VOICES})
_PLAIN: Final = frozenset({TAIL, TAIL_ALONE, BRUSH, CAMERA}) | _SILENT

_CAPABILITIES: Final = Capabilities(
    modes=_MODELS.modes,
    rows=(
        Row("kling-v1", "", 0, _SILENT),
        Row("kling-v1", "", 10, _PLAIN),
        Row("kling-v1-5", "std", 0, _PLAIN),
        Row("kling-v1-5", "pro", 0, _SILENT),
        Row("kling-v1-5", "pro", 10, {CAMERA}),
        Row("kling-v1-6", "std", 0, _PLAIN),
        Row("kling-v1-6", "pro", 0, _SILENT | {BRUSH, CAMERA}),
        Row("kling-v2-master", "", 0, _PLAIN),
        Row("kling-v2-1", "std", 0, _PLAIN),
        Row("kling-v2-1", "pro", 0, _SILENT | {BRUSH, CAMERA}),
        Row("kling-v2-1-master", "", 0, _PLAIN),
        Row("kling-v2-5-turbo", "std", 0, _PLAIN),
        Row("kling-v2-5-turbo", "pro", 0, _PLAIN - {TAIL}),
        Row("kling-v2-6", "std", 0, _PLAIN),
        Row("kling-v2-6", "pro", 0, {TAIL_ALONE, BRUSH, CAMERA}),
        Row("kling-v3", "", 0, {TAIL_ALONE, VOICES}),
        Row("kling-v3", "4k", 0, {BRUSH, CAMERA}),
        *(Row(name, "", 0, {ELEMENTS, MULTI_SHOT}) for name in _MODELS.models if name != "kling-v3"),
    ),
)


def _accept(body: Body) -> AcceptedRequest:
    """Checks a request against all rules, in the order in which they are met."""
    model_name, mode, duration = _MODELS.read(body)
    prompt = prompts(body)
    image, tail = picture(body, "image"), picture(body, "image_tail")
    first = image or tail
    if first is None:
        raise invalid("image can not be null")
    features = _features(body, first, image, tail, duration)
    request = AcceptedRequest(
        **every_task(body),
        model_name=model_name,
        mode=mode,
        duration=duration,
        units=_MODELS.price(body),
        prompt=prompt,
        parameters=_without_data(body, image, tail),
        result=_video(body, first, (model_name, mode, duration), prompt),
        damage=damage(_pictures(body), image, tail),  # masks need not have the documented sides
    )
    _CAPABILITIES.check(model_name, mode, duration, features)
    if model_name == "kling-v2-6" and {TAIL, SOUND} <= features:
        raise unsupported(model_name, mode, duration, f"{TAIL} and sound on")
    if model_name == "kling-v1-5" and CAMERA in features and CAMERA_SIMPLE not in features:
        raise unsupported(model_name, mode, duration, "camera_control of a type other than simple")
    check_content(prompt)
    return request


def _features(
    body: Body, first: SubmittedImage, image: SubmittedImage | None, tail: SubmittedImage | None, duration: int
) -> set[str]:
    """Checks the members that not every model has, and returns the features that they use."""
    features = _brush_features(body, first)
    check_scale(body)
    features |= sound_features(body) | element_features(body)
    if {VOICES, ELEMENTS} <= features:
        raise invalid("voice_list and element_list can not be used at the same time")
    features |= camera_features(body) | shot_features(body, duration)
    if tail is not None:
        features.add(TAIL_ALONE if image is None else TAIL)
    if len(features & {TAIL, BRUSH, CAMERA}) > 1:
        raise invalid("image_tail, dynamic_masks/static_mask and camera_control can not be used at the same time")
    return features


def _brush_features(body: Body, first: SubmittedImage) -> set[str]:
    """Checks the motion brush: all masks must have the image's ratio and the same resolution."""
    static = picture(body, "static_mask")
    masks = [] if static is None else [static]
    for brush in fields.objects(body, "dynamic_masks", limit=6):
        masks.append(read_image(fields.required(brush, "mask", str, "dynamic_masks"), "mask"))
        points = fields.required(brush, "trajectories", list, "dynamic_masks")
        if not 2 <= len(points) <= 77:
            raise invalid("trajectories must have 2 to 77 points")
        for point in points:
            if not isinstance(point, dict):
                raise invalid("each item of trajectories must be an object")
            fields.required(point, "x", int, "trajectories")
            fields.required(point, "y", int, "trajectories")
    seen = [mask for mask in masks if mask.format != "url"]
    if len({(mask.width, mask.height) for mask in seen}) > 1:
        raise invalid("the resolution of static_mask and dynamic_masks must be the same")
    if seen and first.format != "url" and not _same_ratio(seen[0], first):
        raise invalid("the aspect ratio of the mask must be the same as that of the image")
    return {BRUSH} if masks else set()


def _same_ratio(mask: SubmittedImage, first: SubmittedImage) -> bool:
    # The service's tolerance is not documented; 1 % allows for the rounding of a scaled mask.
    ratio = (mask.width * first.height) / (mask.height * first.width)
    return 0.99 <= ratio <= 1.01


def _pictures(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("image", "image_tail", "static_mask"):
        if body.get(name):
            yield name, body[name]
    for number, brush in enumerate(body.get("dynamic_masks") or ()):
        yield f"dynamic_masks.{number}", brush["mask"]


def _without_data(body: Body, image: SubmittedImage | None, tail: SubmittedImage | None) -> Body:
    """Copies a checked request without the images' data, which would fill the memory."""
    parameters = dict(body)
    for name, each in (("image", image), ("image_tail", tail)):
        if each is not None and each.format != "url":
            parameters[name] = each.summary()
    if parameters.get("static_mask"):
        parameters["static_mask"] = brief(parameters["static_mask"])
    if parameters.get("dynamic_masks"):
        parameters["dynamic_masks"] = [brush | {"mask": brief(brush["mask"])} for brush in parameters["dynamic_masks"]]
    return parameters


def _video(body: Body, first: SubmittedImage, choice: tuple[str, str, int], prompt: str) -> VideoResult:
    """Returns the result of a checked request: a clip with the picture's ratio."""
    model_name, mode, duration = choice
    model = _MODELS.models[model_name]
    width, height = _MODELS.size(model_name, mode, (first.width, first.height))
    masks: list[dict[str, Any]] = body.get("dynamic_masks") or []
    brushes = [
        Brush(
            mask=f"dynamic_masks.{number}",
            points=tuple((point["x"] / first.width, point["y"] / first.width) for point in brush["trajectories"]),
        )
        for number, brush in enumerate(masks)
    ]
    spec = RenderSpec(
        width=width,
        height=height,
        fps=model.fps,
        seconds=duration,
        image="image" if body.get("image") else "image_tail",
        backwards=not body.get("image"),
        camera=camera_movement(body),
        brushes=tuple(brushes),
        title=f"{model_name} {mode}",
        prompt=prompt,
        sound=body.get("sound") == "on",
    )
    if body.get("image") and body.get("image_tail"):
        spec = attrs.evolve(spec, tail="image_tail")
    if body.get("static_mask"):
        spec = attrs.evolve(spec, static_mask="static_mask")
    if brushes or spec.static_mask:
        spec = attrs.evolve(spec, camera=Camera(kind="brush"))
    watermark = every_task(body)["watermark"]
    return VideoResult(spec=spec, watermark=watermark, surplus_frames=model.surplus_frames)


ENDPOINT: Final = Endpoint(
    path="/v1/videos/image2video",
    members=_MEMBERS,
    accept=_accept,
    estimate=_MODELS.price,
    generation_seconds=_MODELS.generation_seconds,
    pictures=_pictures,
    finds_by_external_id=True,
)
