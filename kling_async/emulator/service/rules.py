"""What the service accepts as a request to make a video: the rules of the image2video documentation.

This is the emulator's own reading of them, on purpose not shared with the client's: a mistake in one shows
against the other. Messages are the recorded ones where there is a record.
"""

import json
import math
import re
from decimal import Decimal
from typing import Any, Final

import attrs

from kling_async.emulator.results.images import SubmittedImage, is_reachable, read_image

from . import catalog, fields, members
from .capabilities import check_capabilities
from .errors import Refusal, invalid

PROMPT_LIMIT: Final = 2500
"""Characters of `prompt` and of `negative_prompt`."""

UNREACHABLE_MESSAGE: Final = "Something went wrong when we tried to get the contents of the file."
"""Why a task fails whose image cannot be fetched."""

CAMERA_TYPES: Final = ("simple", "down_back", "forward_up", "right_turn_forward", "left_turn_forward")
CAMERA_AXES: Final = ("horizontal", "vertical", "pan", "tilt", "roll", "zoom")

_REFUSED: Final = re.compile(r"\brefused\b", re.IGNORECASE)


@attrs.frozen(kw_only=True)
class AcceptedRequest:
    """A request that may become a task, reduced to what the emulator goes by.

    Attributes:
        duration: Asked seconds.
        units: Price of the clip.
        external_task_id: The caller's own id, "" when there is none.
        callback_url: Where status changes are posted, "" when nowhere.
        picture: The image whose ratio the video keeps: `image`, or else `image_tail`.
        acceptable: Whether the images have documented sides; if not, the task will fail. Masks are not held to it.
        parameters: What is documented of the request, with a short description in place of each image's data.
        images: Where the images are kept, by member ("dynamic_masks.0" is the first mask); empty if they are not.
        damage: Why the task will fail though the images have documented sides, or "".
    """

    model_name: str
    mode: str
    duration: int
    units: Decimal
    prompt: str
    watermark: bool
    external_task_id: str
    callback_url: str
    picture: SubmittedImage
    acceptable: bool
    parameters: dict[str, Any]
    images: dict[str, str] = attrs.field(factory=dict)
    damage: str = ""


def parse(pieces: list[bytes], *, strict: bool) -> dict[str, Any]:
    """Read the body of a request, received in pieces. The list is emptied, to have few copies at once.

    Unknown members are ignored, as the service does; the old name `model` is one of them, so that such a request
    is one for kling-v1.

    Args:
        pieces: Its bytes.
        strict: Whether values must have the documented JSON types.

    Returns:
        Its documented members, unchecked.

    Raises:
        Refusal: 1200, when it is no JSON object.
    """
    try:
        raw = b"".join(pieces)
        pieces.clear()
        body = json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refusal(1200, "request body is not valid JSON") from None
    if not isinstance(body, dict):
        raise Refusal(1200, "request body must be a JSON object")
    return members.documented(body, strict=strict)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def estimate(body: dict[str, Any]) -> Decimal:
    """Give the price of a request that was not checked yet, 0 where it makes no sense.

    The balance is looked at before the parameters are.
    """
    name, mode, duration = body.get("model_name"), body.get("mode"), body.get("duration")
    name = name or "kling-v1"
    mode = mode or "std"
    duration = duration or "5"
    if not (isinstance(name, str) and name in catalog.MODELS and isinstance(mode, str)):
        return Decimal(0)
    if not (isinstance(duration, str) and re.fullmatch("[0-9]{1,2}", duration, re.ASCII)):
        return Decimal(0)
    voices = bool(body.get("voice_list"))
    return catalog.price(name, mode, int(duration), sound=body.get("sound") == "on", voices=voices)


def read_order(body: dict[str, Any]) -> AcceptedRequest:
    """Check a request against all the rules, in the order in which they are met.

    Values of another JSON type than documented are refused here; `parse` has converted what may be.

    A `prompt` that holds the word "refused" is refused as content (1301): a switch of the emulator.

    Raises:
        Refusal: 1201 with the first problem found, or 1301.
    """
    model_name = _model_name(body)
    mode = fields.choice(body, "mode", catalog.MODES, "std")
    duration = _duration(body, model_name)
    prompt = _prompt(body, "prompt", "prompt")
    _prompt(body, "negative_prompt", "negativePrompt")
    image, tail = _image(body, "image"), _image(body, "image_tail")
    picture = image or tail
    if picture is None:
        raise invalid("image can not be null")
    masks = _masks(body, picture)
    features = _features(body, duration)
    if tail is not None:
        features.add("image_tail alone" if image is None else "image_tail")
    if masks:
        features.add("static_mask/dynamic_masks")
    if len(features & {"image_tail", "static_mask/dynamic_masks", "camera_control"}) > 1:
        raise invalid("image_tail, dynamic_masks/static_mask and camera_control can not be used at the same time")
    order = AcceptedRequest(
        model_name=model_name,
        mode=mode,
        duration=duration,
        units=catalog.price(model_name, mode, duration, sound="sound" in features, voices="voice_list" in features),
        prompt=prompt,
        watermark=fields.member(fields.member(body, "watermark_info", dict) or {}, "enabled", bool) or False,
        external_task_id=fields.text(body, "external_task_id"),
        callback_url=_callback_url(body),
        picture=picture,
        acceptable=all(each.acceptable for each in (image, tail) if each is not None),
        parameters=_without_data(body, image, tail),
        damage="" if all(map(is_reachable, _addresses(body))) else UNREACHABLE_MESSAGE,
    )
    check_capabilities(model_name, mode, duration, features)
    if _REFUSED.search(prompt):
        raise Refusal(1301, "the request was refused by the content safety policy")
    return order


def _features(body: dict[str, Any], duration: int) -> set[str]:
    """Check the members that not every model has, and name those that ask for something."""
    _check_scale(body)
    sound = fields.choice(body, "sound", ("on", "off"), "off") == "on"
    voices = _voices(body, sound=sound)
    elements = _elements(body)
    if voices and elements:
        raise invalid("voice_list and element_list can not be used at the same time")
    camera = _camera(body)
    used = {
        "camera_control": camera != "",
        "camera_control simple": camera == "simple",
        "sound": sound,
        "voice_list": voices,
        "element_list": elements,
        "multi_shot": _shots(body, duration),
    }
    return {name for name, is_used in used.items() if is_used}


def _prompt(body: dict[str, Any], name: str, known_as: str) -> str:
    value = fields.text(body, name)
    if len(value) > PROMPT_LIMIT:
        raise invalid(f"{known_as}: size must be between 0 and {PROMPT_LIMIT}")
    return value


def _check_scale(body: dict[str, Any]) -> None:
    """Only its range is checked, of all models alike, although the documentation says that v2.x does not have it."""
    scale = fields.number(body, "cfg_scale", -math.inf, math.inf)
    if scale is not None and not 0 <= scale <= 1:
        raise invalid(f"cfgScale: must be {'less' if scale > 1 else 'greater'} than or equal to {int(scale > 1)}")


def _addresses(body: dict[str, Any]) -> list[str]:
    """Give the images of a checked request that are to be fetched."""
    texts = [body.get(name) or "" for name in ("image", "image_tail", "static_mask")]
    texts += [brush["mask"] for brush in body.get("dynamic_masks") or ()]
    return [text for text in texts if text.startswith(("http://", "https://"))]


def _model_name(body: dict[str, Any]) -> str:
    name = fields.text(body, "model_name") or "kling-v1"
    if name not in catalog.MODELS:
        raise invalid("model is not supported")
    return name


def _duration(body: dict[str, Any], model_name: str) -> int:
    value = fields.text(body, "duration") or "5"
    if value not in map(str, catalog.durations(model_name)):
        raise invalid(f"duration value '{value}' is invalid")
    return int(value)


def _callback_url(body: dict[str, Any]) -> str:
    url = fields.text(body, "callback_url")
    if url and not url.startswith(("http://", "https://")):
        raise invalid("callback_url is invalid")
    return url


def _image(body: dict[str, Any], name: str) -> SubmittedImage | None:
    value = fields.text(body, name)
    return read_image(value, name) if value else None


def _masks(body: dict[str, Any], picture: SubmittedImage) -> list[SubmittedImage]:
    """Check the motion brush: masks have the image's ratio and one resolution among themselves."""
    static = _image(body, "static_mask")
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
    if seen and picture.format != "url" and not _same_ratio(seen[0], picture):
        raise invalid("the aspect ratio of the mask must be the same as that of the image")
    return masks


def _same_ratio(mask: SubmittedImage, picture: SubmittedImage) -> bool:
    # How exact the service is about it is not documented; 1 % lets the rounding of a scaled mask pass.
    ratio = (mask.width * picture.height) / (mask.height * picture.width)
    return 0.99 <= ratio <= 1.01


def _camera(body: dict[str, Any]) -> str:
    """Check `camera_control`, and give its type or "" when there is none."""
    control = fields.member(body, "camera_control", dict)
    if control is None:
        return ""
    kind = fields.choice(control, "type", CAMERA_TYPES, "")
    config = fields.member(control, "config", dict)
    if kind != "simple":
        if not kind:
            raise invalid("camera_control: type can not be null")
        if config is not None:
            raise invalid("camera_control: config is only supported with type simple")
        return kind
    if config is None:
        raise invalid("camera_control: config can not be null")
    if sum(1 for axis in CAMERA_AXES if fields.number(config, axis, -10, 10)) != 1:
        raise invalid("camera_control: exactly one value of config must be non-zero")
    return kind


def _voices(body: dict[str, Any], *, sound: bool) -> bool:
    voices = fields.objects(body, "voice_list", limit=2)
    for voice in voices:
        fields.required(voice, "voice_id", str, "voice_list")
    if voices and not sound:
        raise invalid("voice_list needs sound to be on")
    return bool(voices)


def _elements(body: dict[str, Any]) -> bool:
    elements = fields.objects(body, "element_list", limit=3)
    for element in elements:
        if (number := fields.required(element, "element_id", int, "element_list")) < 1:
            raise invalid(f"Element id not found: {number}")
    return bool(elements)


def _shots(body: dict[str, Any], duration: int) -> bool:
    """Check the members about several shots, and tell whether they are asked for."""
    multi_shot: bool = fields.member(body, "multi_shot", bool) or False
    shot_type = fields.choice(body, "shot_type", ("customize", "intelligence"), "")
    shots = fields.objects(body, "multi_prompt", limit=6)
    total = 0
    for shot in shots:
        fields.required(shot, "index", int, "multi_prompt")
        if len(fields.required(shot, "prompt", str, "multi_prompt")) > 512:
            raise invalid("multi_prompt: prompt can not exceed 512 characters")
        length = fields.required(shot, "duration", str, "multi_prompt")
        if not re.fullmatch("[1-9][0-9]?", length, re.ASCII):
            raise invalid(f"multi_prompt: duration value '{length}' is invalid")
        total += int(length)
    if multi_shot and not shot_type:
        raise invalid("shot_type can not be null")
    if multi_shot and shot_type == "customize":
        if not shots:
            raise invalid("multi_prompt can not be null")
        if total != duration:
            raise invalid("the durations of multi_prompt must sum to duration")
    return multi_shot


def _without_data(body: dict[str, Any], image: SubmittedImage | None, tail: SubmittedImage | None) -> dict[str, Any]:
    """Copy a checked request without the images' data, which would fill the memory."""
    parameters = dict(body)
    for name, picture in (("image", image), ("image_tail", tail)):
        if picture is not None and picture.format != "url":
            parameters[name] = picture.summary()
    if parameters.get("static_mask"):
        parameters["static_mask"] = _brief(parameters["static_mask"])
    if parameters.get("dynamic_masks"):
        parameters["dynamic_masks"] = [brush | {"mask": _brief(brush["mask"])} for brush in parameters["dynamic_masks"]]
    return parameters


def _brief(value: str) -> str:
    return value if value.startswith(("http://", "https://")) else f"<image, {len(value)} characters of base64>"
