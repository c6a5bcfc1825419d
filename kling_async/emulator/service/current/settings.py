"""The settings of a request, as the service was observed to read them: it refuses some values and ignores others."""

import re
from collections.abc import Mapping
from typing import Any, Final

import attrs

from kling_async.emulator.service.checks import fields
from kling_async.emulator.service.errors import invalid

from .rows import CLIP_SECONDS, RATIOS, SHORT_SIDE, Row

# The service's refusal lists the first of these as valid, but it is refused as well.
_LISTED: Final = ("480p", *SHORT_SIDE)
_AUDIO: Final = ("native", "original", "off")
_NUMBER: Final = re.compile("[0-9]{1,9}", re.ASCII)


@attrs.frozen(kw_only=True)
class Settings:
    """The settings of a request.

    Attributes:
        resolution: The requested resolution, or the default.
        requested_seconds: The requested seconds, any number; None if there are none.
        seconds: Seconds of the clip.
        ratio: The requested aspect ratio, or "".
        audio: The requested audio mode, or the default.
        multi_shot: Whether the prompt may cut the clip.
        orientation: "image" or "video": the input that determines the character's orientation, or "".
    """

    resolution: str
    requested_seconds: int | None
    seconds: int
    ratio: str
    audio: str
    multi_shot: bool
    orientation: str


def read(body: Mapping[str, Any], row: Row) -> Settings:
    """Reads the settings of a request.

    Raises:
        Refusal: 1201, with the observed message.
    """
    settings = fields.member(body, "settings", dict) or {}
    requested_seconds = _duration(settings)
    resolution = _choice(settings, "resolution", _LISTED) or "720p"
    if resolution not in row.resolutions:
        raise invalid(f"video resolution value '{resolution}' is invalid")
    ratio = _choice(settings, "aspect_ratio", row.ratios or RATIOS)
    audio = _choice(settings, "audio", _AUDIO) or row.default_audio
    if row.audio and audio not in row.audio:
        raise invalid(f"audio mode '{audio}' is not supported by the current model")
    multi_shot = fields.member(settings, "multi_shot", bool)
    orientation = _choice(settings, "character_orientation", ("image", "video"))
    if not row.durations and not orientation:
        raise invalid("settings.character_orientation is required")
    if settings.get("seed") is not None and type(settings["seed"]) is not int:
        raise invalid(f"settings.seed value '{settings['seed']}' is invalid")
    return Settings(
        resolution=resolution,
        requested_seconds=requested_seconds,
        seconds=row.lasting(CLIP_SECONDS if requested_seconds is None else requested_seconds),
        ratio=ratio,
        audio=audio,
        multi_shot=row.has_shots if multi_shot is None else multi_shot,
        orientation=orientation,
    )


def _duration(settings: Mapping[str, Any]) -> int | None:
    """Accepts any whole number, also in a string: the service was not observed to check a range."""
    value = settings.get("duration")
    if value is None:
        return None
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return int(value)
    if type(value) is not int or value < 0:
        raise invalid(f"settings.duration value '{value}' is invalid")
    return value


def _choice(settings: Mapping[str, Any], name: str, choices: Any) -> str:
    value = settings.get(name)
    if value is None or value == "":
        return ""
    if not isinstance(value, str) or value not in choices:
        raise invalid(f"settings.{name} value '{value}' is invalid")
    return value
