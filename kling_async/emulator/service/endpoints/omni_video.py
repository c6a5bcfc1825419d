"""Omni video: a clip from words, pictures, elements and a video, in any combination."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import attrs

from kling_async.emulator.results.rendering.spec import RenderSpec
from kling_async.emulator.results.videos import VideoResult
from kling_async.emulator.service.checks import fields, members
from kling_async.emulator.service.checks.capabilities import MULTI_SHOT, SOUND, Capabilities, Row
from kling_async.emulator.service.checks.earlier import clip_of, lasting
from kling_async.emulator.service.checks.every_task import every_task
from kling_async.emulator.service.checks.pictures import SubmittedImage, damage, read_all, without_data
from kling_async.emulator.service.checks.shots import is_customized, shot_features
from kling_async.emulator.service.checks.text import check_content, prompts
from kling_async.emulator.service.checks.videos import CLIP_SECONDS, keeps_sound, video
from kling_async.emulator.service.checks.voices import element_features, sound_features
from kling_async.emulator.service.endpoint import AcceptedRequest, Body, Earlier, Endpoint
from kling_async.emulator.service.errors import invalid
from kling_async.emulator.service.video_models import ASPECT_RATIOS, Model, VideoModels, per_second

_MEMBERS: Final[dict[str, Any]] = {
    "model_name": str,
    "prompt": str,
    "image_list": [{"image_url": str, "type": str}],
    "video_list": [{"video_url": str, "refer_type": str, "keep_original_sound": str}],
    "sound": str,
    "mode": str,
    "aspect_ratio": str,
    "duration": str,
    **members.SHOTS,
    **members.ELEMENTS,
    **members.VOICES,
    **members.EVERY_TASK,
}

_O1: Final = "kling-video-o1"
_V3: Final = "kling-v3-omni"

# Prices of the table of 2026-09. No source has measured times, so they are those of image to video.
_MODELS: Final = VideoModels(
    typical_seconds=164.0,
    models={
        _O1: Model(
            fps=24, units=per_second("0.6", "0.8"), units_video=per_second("0.9", "1.2"), durations=range(3, 11)
        ),
        _V3: Model(
            fps=24,
            units=per_second("0.6", "0.8", "3"),
            units_sound=per_second("0.8", "1.0", "3"),
            units_video=per_second("0.9", "1.2"),
            durations=range(3, 16),
        ),
    },
    default=_O1,
    default_mode="pro",
)

# It is not documented which models accept voices: they pass.
_CAPABILITIES: Final = Capabilities(modes=_MODELS.modes, rows=(Row(_O1, "", 0, {SOUND, MULTI_SHOT}),))


@attrs.frozen(kw_only=True)
class _Inputs:
    """The inputs of a request.

    Attributes:
        images: Its pictures, by place.
        frames: The role of each picture: "first_frame", "end_frame", or "" for a reference.
        elements: Number of elements.
        video: "base" for a video to edit, "feature" for a reference, "" when there is none.
    """

    images: dict[str, SubmittedImage]
    frames: list[str]
    elements: int
    video: str

    @property
    def has_frame(self) -> bool:
        """Whether a picture is a frame of the clip, which then has its ratio."""
        return any(self.frames)


def _accept(body: Body) -> AcceptedRequest:
    """Checks a request against all rules, in the order in which they are met."""
    model_name, mode, duration = _MODELS.read(_timed(body))
    prompt = prompts(body)
    features = sound_features(body) | shot_features(body, duration)
    inputs = _inputs(body)
    if is_customized(body):
        prompt = " / ".join(shot["prompt"] for shot in body["multi_prompt"])
    elif not prompt:
        raise invalid("prompt can not be null")
    _CAPABILITIES.check(model_name, mode, duration, features)
    _check_video(inputs, features)
    _check_pictures(inputs)
    _check_model(model_name, duration, inputs)
    ratio = _ratio(body, inputs)
    check_content(prompt)
    every = every_task(body)
    width, height = _MODELS.size(model_name, mode, ratio)
    spec = RenderSpec(
        width=width,
        height=height,
        fps=_MODELS.models[model_name].fps,
        seconds=duration,
        title=f"{model_name} {mode}",
        prompt=prompt,
        sound=SOUND in features or any(map(keeps_sound, body.get("video_list") or ())),
        **_shown(inputs, prompt),
    )
    return AcceptedRequest(
        **every,
        model_name=model_name,
        mode=mode,
        duration=duration,
        units=_price(body),
        prompt=prompt,
        parameters=without_data(body, tuple(_pictures(body)), inputs.images),
        result=VideoResult(spec=spec, watermark=every["watermark"]),
        damage=damage(_pictures(body), *inputs.images.values()),
    )


# ------------------------------------------------------------------------------------------------------ inputs


def _inputs(body: Body) -> _Inputs:
    """Checks each input separately."""
    pictures = fields.objects(body, "image_list", limit=7)
    for each in pictures:
        fields.required(each, "image_url", str, "image_list")
    element_features(body, limit=7)
    videos = fields.objects(body, "video_list", limit=1)
    for each in videos:
        fields.required(each, "video_url", str, "video_list")
        video(each, "video_url")
        keeps_sound(each)
    kinds = [fields.choice(each, "refer_type", ("base", "feature"), "base") for each in videos]
    return _Inputs(
        images=read_all(_pictures(body)),
        frames=[fields.choice(each, "type", ("first_frame", "end_frame"), "") for each in pictures],
        elements=len(body.get("element_list") or ()),
        video=kinds[0] if kinds else "",
    )


def _check_video(inputs: _Inputs, features: set[str]) -> None:
    if inputs.video and SOUND in features:
        raise invalid("sound on is not supported with video input")
    if inputs.video == "base" and inputs.has_frame:
        raise invalid("first_frame and end_frame are not supported with refer_type base")
    if inputs.video == "base" and MULTI_SHOT in features:
        raise invalid("multi_shot is not supported with refer_type base")


def _check_pictures(inputs: _Inputs) -> None:
    for name in ("first_frame", "end_frame"):
        if inputs.frames.count(name) > 1:
            raise invalid(f"image_list can not have more than one {name}")
    if "end_frame" in inputs.frames:
        if "first_frame" not in inputs.frames:
            raise invalid("end_frame is not supported without first_frame")
        if len(inputs.frames) > 2:
            raise invalid("end_frame is not supported with more than 2 images")
    most = 4 if inputs.video else 7
    if len(inputs.images) + inputs.elements > most:
        raise invalid(f"image_list and element_list can not exceed {most} items")


def _check_model(model_name: str, duration: int, inputs: _Inputs) -> None:
    """Checks the rules that depend on the model. The kind of an element is not known here."""
    if model_name == _V3 and inputs.has_frame and inputs.elements > 3:
        raise invalid("element_list can not exceed 3 items with first_frame")
    if model_name == _O1:
        if "end_frame" in inputs.frames and inputs.elements:
            raise invalid("element_list is not supported with end_frame")
        is_plain = not inputs.video and not inputs.elements and inputs.frames in ([], ["first_frame"])
        if is_plain and duration not in {5, 10}:
            raise invalid(f"duration value '{duration}' is invalid")


def _ratio(body: Body, inputs: _Inputs) -> tuple[int, int]:
    """Checks and returns the clip's ratio: that of its first frame if it has one; that of a video is known later."""
    ratio = fields.choice(body, "aspect_ratio", ASPECT_RATIOS, "")
    if inputs.has_frame or inputs.video == "base":
        if ratio:
            raise invalid("aspect_ratio is not supported with first_frame or refer_type base")
        if not inputs.has_frame:
            return ASPECT_RATIOS["16:9"]
        first = inputs.images[f"image_list.{inputs.frames.index('first_frame')}"]
        return first.width, first.height
    if not ratio:
        raise invalid("aspect_ratio can not be null")
    return ASPECT_RATIOS[ratio]


# ------------------------------------------------------------------------------------------------------ result


def _shown(inputs: _Inputs, prompt: str) -> dict[str, Any]:
    """Returns what the clip shows: its frames, or its first and last reference, or the prompt."""
    if not inputs.images:
        return {"card": prompt}
    places = list(range(len(inputs.images)))
    places.sort(key=lambda place: ("first_frame", "", "end_frame").index(inputs.frames[place]))
    shown = {"image": f"image_list.{places[0]}"}
    goes_on = len(places) > 1 and inputs.frames[places[-1]] == inputs.frames[places[0]]
    return shown | ({"tail": f"image_list.{places[-1]}"} if goes_on or "end_frame" in inputs.frames else {})


def _complete(request: AcceptedRequest, earlier: Earlier) -> AcceptedRequest:
    """Sets the clip's length, ratio and pictures to those of the edited video, if the account has made that."""
    edited = _edited(request.parameters)
    found = None if edited is None else earlier("videos", edited["video_url"])
    own, other = request.result, clip_of(found)
    if found is None or other is None or not isinstance(own, VideoResult):
        return request
    seconds, possible = other.spec.seconds, _MODELS.models[request.model_name].durations
    if seconds not in possible:
        raise invalid(f"the duration of the video must be between {possible[0]} and {possible[-1]} seconds")
    width, height = _MODELS.size(request.model_name, request.mode, other.size)
    spec = own.spec
    if spec.card:
        spec = attrs.evolve(other.spec, fps=spec.fps, title=spec.title, prompt=spec.prompt, sound=spec.sound)
        request = attrs.evolve(request, images=found.request.images)
    spec = attrs.evolve(spec, width=width, height=height)
    request = attrs.evolve(request, result=attrs.evolve(own, spec=spec))
    return lasting(request, seconds, request.units / request.duration * seconds)


def _edited(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns the video to edit of an unchecked request, None if there is none."""
    videos = body.get("video_list")
    first = videos[0] if isinstance(videos, list) and videos else None
    return first if isinstance(first, dict) and (first.get("refer_type") or "base") == "base" else None


def _timed(body: Mapping[str, Any]) -> dict[str, Any]:
    """Returns an unchecked request, with the assumed length of the video to edit, if any, as its duration."""
    return dict(body) if _edited(body) is None else {**body, "duration": str(CLIP_SECONDS)}


def _price(body: Mapping[str, Any]) -> Decimal:
    return _MODELS.price(_timed(body))


def _generation_seconds(body: Mapping[str, Any]) -> float | None:
    return _MODELS.generation_seconds(_timed(body))


def _pictures(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for number, each in enumerate(body.get("image_list") or ()):
        yield f"image_list.{number}", each["image_url"]


ENDPOINT: Final = Endpoint(
    path="/v1/videos/omni-video",
    members=_MEMBERS,
    accept=_accept,
    complete=_complete,
    estimate=_price,
    generation_seconds=_generation_seconds,
    pictures=_pictures,
    finds_by_external_id=True,
)
