"""The settings of a request, as the service was seen to read them: some values are refused, others only ignored."""

import re
from collections.abc import Mapping
from typing import Any, Final

import attrs

from kling_async.emulator.service.checks import fields
from kling_async.emulator.service.errors import invalid

from .rows import CLIP_SECONDS, RATIOS, SHORT_SIDE, Row

# The service's own refusal lists the first of these, which is refused all the same.
_LISTED: Final = ("480p", *SHORT_SIDE)
_AUDIO: Final = ("native", "original", "off")
_NUMBER: Final = re.compile("[0-9]{1,9}", re.ASCII)


@attrs.frozen(kw_only=True)
class Settings:
    """What is asked for.

    Attributes:
        resolution: As asked.
        asked: Seconds as asked, whatever they are; None where none are.
        seconds: Seconds of the clip.
        ratio: What is asked for, "" for nothing.
        audio: What is asked for, or the default.
        multi_shot: Whether the prompt may cut the clip.
        orientation: Whose, of the picture or of the video, "" where there is none.
    """

    resolution: str
    asked: int | None
    seconds: int
    ratio: str
    audio: str
    multi_shot: bool
    orientation: str


def read(body: Mapping[str, Any], row: Row) -> Settings:
    """Read the settings of a request.

    Raises:
        Refusal: 1201, worded as seen.
    """
    settings = fields.member(body, "settings", dict) or {}
    asked = _duration(settings)
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
        asked=asked,
        seconds=row.lasting(CLIP_SECONDS if asked is None else asked),
        ratio=ratio,
        audio=audio,
        multi_shot=row.has_shots if multi_shot is None else multi_shot,
        orientation=orientation,
    )


def _duration(settings: Mapping[str, Any]) -> int | None:
    """Take any whole number, in a string too: no range was seen to be checked."""
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
