"""Converts a legacy request to one of this generation, for models that are retired."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, overload

from kling_async.protocol.endpoint import Endpoint
from kling_async.protocol.endpoints.current import table
from kling_async.protocol.endpoints.current.image_to_video import ImageToVideo
from kling_async.protocol.endpoints.current.materials import NamedElement, NamedImage, NamedVideo, NamedVoice, Shot
from kling_async.protocol.endpoints.current.motion_control import MotionControl
from kling_async.protocol.endpoints.current.omni_video import OmniVideo
from kling_async.protocol.endpoints.current.request import CurrentRequest
from kling_async.protocol.endpoints.current.text_to_video import TextToVideo
from kling_async.protocol.endpoints.videos import image_to_video, motion_control, omni_video, text_to_video
from kling_async.protocol.errors import InvalidRequest, Problem
from kling_async.protocol.records import ShotPrompt
from kling_async.protocol.rules.values import in_words, segment, shown


@overload
def from_legacy(request: image_to_video.ImageToVideo, model: str | None = None) -> ImageToVideo: ...


@overload
def from_legacy(request: text_to_video.TextToVideo, model: str | None = None) -> TextToVideo: ...


@overload
def from_legacy(request: omni_video.OmniVideo, model: str | None = None) -> OmniVideo: ...


@overload
def from_legacy(request: motion_control.MotionControl, model: str | None = None) -> MotionControl: ...


def from_legacy(request: Any, model: str | None = None) -> CurrentRequest:
    """Converts a legacy request to the equivalent one of the current generation.

    ```python
    request = ImageToVideo("cat.png", model_name="kling-v2-1", mode="pro", prompt="the cat yawns")  # retired
    handle = await kling.submit(current.from_legacy(request, model="kling-3.0"))
    ```

    `<<<element_1>>>` in a prompt becomes `@element_1`. With a reference video, kling-3.0-omni makes no sound:
    `keep_original_sound` has no effect there. Whether the model accepts the request is checked when it is submitted.

    Args:
        request: `ImageToVideo`, `TextToVideo`, `OmniVideo` or `MotionControl` of `kling_async`.
        model: the model of this generation; if omitted, the one that corresponds to the legacy model.

    Raises:
        InvalidRequest: the request uses something that this generation does not have, such as `negative_prompt`, or has
            other problems; the error lists all of them. Or it is not a legacy request.
    """
    translate = _TRANSLATIONS.get(type(request))
    if translate is None:
        names = in_words([each.__name__ for each in _TRANSLATIONS])
        raise InvalidRequest.of([Problem("request", f"expected a legacy {names}, got {type(request).__name__}")])
    problems = [each for each in _endpoint(request).problems(request, {}) if not (each.only_warns or each.by_map)]
    problems += _without_counterpart(request)
    name = _model(request.model_name) if model is None else model
    if model is not None:
        problems += segment("model", model)
    elif name is None:
        what = f"{shown(request.model_name)} has no counterpart; give one, such as kling-3.0"
        problems.append(Problem("model", what))
    row = table.row_of(f"{_family(request)}/{name}") if isinstance(name, str) else None
    problems += [*_sound(request, row), *_shots(request, row)]
    if problems:
        raise InvalidRequest.of(problems)
    return translate(request, name or "")


def _model(name: object) -> str | None:
    return table.OF_LEGACY.get(name) if isinstance(name, str) else None


# ----------------------------------------------------------------------------------------------- what is refused

_GONE: Final = {
    "negative_prompt": "say in the prompt what is not wanted",
    "cfg_scale": "leave it out",
    "camera_control": "say in the prompt how the camera moves",
    "static_mask": "say in the prompt what stays still",
    "dynamic_masks": "say in the prompt what moves, and how",
}


def _without_counterpart(request: Any) -> Iterator[Problem]:
    for name, advice in _GONE.items():
        if getattr(request, name, None) not in (None, "", ()):
            yield Problem(name, f"has no counterpart in the current generation; {advice}")
    if isinstance(request, image_to_video.ImageToVideo) and request.image is None and request.image_tail is not None:
        yield Problem("image_tail", "has no counterpart without a first frame; give image as well")
    frames = isinstance(request, image_to_video.ImageToVideo | text_to_video.TextToVideo)
    if frames and isinstance(request.prompt, str) and "<<<image_" in request.prompt:
        yield Problem("prompt", "names a picture, which only prompts of omni video can")
    if isinstance(request, text_to_video.TextToVideo) and request.voice_list:
        yield Problem("voice_list", "has no counterpart in a video from words")


def _sound(request: Any, row: table.Row | None) -> Iterator[Problem]:
    """Sound that the model cannot switch on or off."""
    sound = getattr(request, "sound", None)
    if row is None or row.audio or sound is None:
        return
    always = row.shots is table.Shots.BY_PROMPT  # kling-3.0-turbo, and what came after it
    if sound is not always:
        yield Problem("sound", f"{row.model} {'always' if always else 'never'} makes sound")


def _shots(request: Any, row: table.Row | None) -> Iterator[Problem]:
    """Several shots with a model that does not support them, or not with a plain prompt."""
    if row is None or row.shots is table.Shots.BY_MEMBER or getattr(request, "multi_shot", None) is not True:
        return
    if row.shots is table.Shots.NONE:
        yield Problem("multi_shot", f"{row.model} makes a single shot")
    elif request.shot_type != "customize":
        what = f"{row.model} makes several shots only of a prompt that lists them; give them as multi_prompt"
        yield Problem("multi_shot", f"{what}, with shot_type='customize'")


# --------------------------------------------------------------------------------------------------- translations


def _endpoint(request: Any) -> Endpoint:
    """Returns the legacy endpoint."""
    endpoints = (each.ENDPOINT for each in (image_to_video, text_to_video, omni_video, motion_control))
    found: Endpoint = next(each for each in endpoints if each.record is type(request))
    return found


def _family(request: Any) -> str:
    return {
        image_to_video.ImageToVideo: table.IMAGE_TO_VIDEO,
        text_to_video.TextToVideo: table.TEXT_TO_VIDEO,
        omni_video.OmniVideo: table.OMNI_VIDEO,
        motion_control.MotionControl: table.MOTION_CONTROL,
    }[type(request)]


def _image_to_video(request: image_to_video.ImageToVideo, model: str) -> ImageToVideo:
    return ImageToVideo(
        request.image,
        model=model,
        last_frame=request.image_tail,
        prompt=_prompt(request),
        elements=_elements(request),
        voices=_voices(request),
        **_clip(request, model),
    )


def _text_to_video(request: text_to_video.TextToVideo, model: str) -> TextToVideo:
    return TextToVideo(_prompt(request), model=model, aspect_ratio=request.aspect_ratio, **_clip(request, model))


def _omni_video(request: omni_video.OmniVideo, model: str) -> OmniVideo:
    images = omni_video.read(request.image_list, omni_video.InputImage)
    by_type: dict[str | None, list[NamedImage]] = {"first_frame": [], "end_frame": [], None: []}
    for place, image in enumerate(images, 1):
        by_type[image.type].append(NamedImage(image.image_url, id=f"image_{place}"))
    [video, *_] = [*omni_video.read(request.video_list, omni_video.InputVideo), None]
    named = None if video is None else NamedVideo(video.video or video.video_url, id="video_1")
    is_edit = video is not None and video.refer_type == "base"
    clip = _clip(request, model)
    if video is not None and clip["audio"] is None and (is_edit or model != "kling-3.0-omni"):
        clip["audio"] = _original(video.keep_original_sound)
    return OmniVideo(
        _prompt(request),
        model=model,
        first_frame=next(iter(by_type["first_frame"]), None),
        last_frame=next(iter(by_type["end_frame"]), None),
        refer_images=by_type[None] or None,
        feature_video=None if is_edit else named,
        base_video=named if is_edit else None,
        elements=_elements(request),
        voices=_voices(request),
        aspect_ratio=request.aspect_ratio,
        **clip,
    )


def _motion_control(request: motion_control.MotionControl, model: str) -> MotionControl:
    prompt: Any = _prompt(request)
    video: Any = request.video or request.video_url
    return MotionControl(
        request.image_url,
        model=model,
        video=None if video is None else NamedVideo(video),
        character_orientation=request.character_orientation,
        prompt=prompt,
        elements=_elements(request),
        audio=_original(request.keep_original_sound),
        **_every(request),
    )


_TRANSLATIONS: Final[dict[type, Callable[[Any, str], CurrentRequest]]] = {
    image_to_video.ImageToVideo: _image_to_video,
    text_to_video.TextToVideo: _text_to_video,
    omni_video.OmniVideo: _omni_video,
    motion_control.MotionControl: _motion_control,
}


# ------------------------------------------------------------------------------------------------------- members

_NAMED: Final = re.compile(r"<<<((?:image|video|element|voice)_[0-9]+)>>>(?=([A-Za-z0-9_]?))", re.ASCII)
"""The second group is not empty if the next character would be read as part of the name without its brackets."""


def _prompt(request: Any) -> Any:
    """Returns the prompt, or its shots, with names in the syntax of this generation."""
    if getattr(request, "multi_shot", None) is True and request.shot_type == "customize":
        given = [shot for shot in request.multi_prompt or () if isinstance(shot, ShotPrompt)]
        return [Shot(_renamed(shot.prompt), shot.duration) for shot in sorted(given, key=lambda shot: shot.index)]
    return _renamed(request.prompt)


def _renamed(prompt: Any) -> Any:
    if not isinstance(prompt, str):
        return prompt
    return _NAMED.sub(lambda match: f"@{match[1]} " if match[2] else f"@{match[1]}", prompt)


def _elements(request: Any) -> tuple[NamedElement, ...] | None:
    given = request.element_list or ()
    return tuple(NamedElement(one, id=f"element_{place}") for place, one in enumerate(given, 1)) or None


def _voices(request: Any) -> tuple[NamedVoice, ...] | None:
    given = request.voice_list or ()
    return tuple(NamedVoice(one, id=f"voice_{place}") for place, one in enumerate(given, 1)) or None


def _every(request: Any) -> dict[str, Any]:
    """Converts the fields that all legacy requests have; an omitted mode becomes the legacy model's default."""
    legacy = _endpoint(request).capabilities
    row = legacy.row(request.model_name, None, getattr(request, "duration", None)) if legacy is not None else None
    sizes = {"std": "720p", "pro": "1080p", None: row.size if row is not None else None}
    return {
        "resolution": sizes.get(request.mode, request.mode),
        **{name: getattr(request, name) for name in ("watermark_info", "callback_url", "external_task_id")},
    }


def _clip(request: Any, model: str) -> dict[str, Any]:
    """Converts the fields that requests for clips have in addition."""
    row = table.row_of(f"{_family(request)}/{model}")
    has_audio, by_member = (row is None or bool(row.audio)), row is None or row.shots is table.Shots.BY_MEMBER
    sound = "native" if request.sound is True else "off" if request.sound is False else None
    return {
        "duration": request.duration,
        "audio": sound if has_audio else None,
        "multi_shot": request.multi_shot if by_member else None,
        **_every(request),
    }


def _original(keep: Any) -> Any:
    return "original" if keep else "off"
