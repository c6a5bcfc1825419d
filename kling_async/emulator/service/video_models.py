"""Common properties of the models that make videos: sizes, prices, generation times."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import attrs

from .checks import fields
from .errors import invalid

SHORT_SIDE: Final[dict[str, int]] = {"std": 720, "pro": 1080, "4k": 2160}
"""Pixels of the shorter side of a video, by mode, unless the model has its own."""

ASPECT_RATIOS: Final = {"16:9": (16, 9), "9:16": (9, 16), "1:1": (1, 1)}
"""Aspect ratios of videos that do not take the ratio of a picture."""

_EFFORT: Final = {"std": 0.65, "pro": 1.0, "4k": 2.0}

FIVE_OR_TEN: Final = range(5, 11, 5)
"""Durations of most models, in seconds."""


@attrs.frozen(kw_only=True)
class Model:
    """The facts about one `model_name`.

    Attributes:
        fps: Frames per second of its videos.
        units: Price in units per second of video, silent, by mode.
        units_sound: Price with `sound` on; empty if the model has no sound.
        units_voice: Price with a `voice_list`.
        units_video: Price with a video in the request; empty if it is the same.
        durations: Durations in whole seconds.
        short_side: Shorter side in pixels in every mode, or None if it depends on the mode.
        pace: Generation time relative to other models.
        surplus_frames: Frames by which the length in answers exceeds the requested one.
    """

    fps: int
    units: Mapping[str, Decimal]
    units_sound: Mapping[str, Decimal] = attrs.field(factory=dict)
    units_voice: Mapping[str, Decimal] = attrs.field(factory=dict)
    units_video: Mapping[str, Decimal] = attrs.field(factory=dict)
    durations: range = FIVE_OR_TEN
    short_side: int | None = None
    pace: float = 1.0
    surplus_frames: int = 1


def per_second(std: str, pro: str, four_k: str | None = None) -> dict[str, Decimal]:
    """Returns prices by mode."""
    prices = {"std": Decimal(std), "pro": Decimal(pro)}
    return prices if four_k is None else prices | {"4k": Decimal(four_k)}


@attrs.frozen(kw_only=True)
class VideoModels:
    """The models of one endpoint.

    Attributes:
        models: By name.
        typical_seconds: Mean time from submitted to succeed of 5 s in pro, by a model of pace 1.
        default: The model of a request without one.
        default_mode: The mode of a request without one, "" if it is required.
    """

    models: Mapping[str, Model]
    typical_seconds: float
    default: str = "kling-v1"
    default_mode: str = "std"

    @property
    def modes(self) -> dict[str, Mapping[str, Decimal]]:
        """The modes of each model."""
        return {name: model.units for name, model in self.models.items()}

    def read(self, body: Mapping[str, Any]) -> tuple[str, str, int]:
        """Checks model, mode and duration, each separately, and returns them."""
        name = fields.text(body, "model_name") or self.default
        if name not in self.models:
            raise invalid("model is not supported")
        mode = fields.choice(body, "mode", SHORT_SIDE, self.default_mode)
        if not mode:
            raise invalid("mode can not be null")
        duration = fields.text(body, "duration") or "5"
        if duration not in map(str, self.models[name].durations):
            raise invalid(f"duration value '{duration}' is invalid")
        return name, mode, int(duration)

    def price(self, body: Mapping[str, Any]) -> Decimal:
        """Returns the price in units of an unchecked request, 0 if it is invalid.

        It is the requested whole seconds times the price of one. A combination without a price costs as much as the
        silent clip.
        """
        choice = self._unchecked(body)
        if choice is None:
            return Decimal(0)
        name, mode, seconds = choice
        model = self.models[name]
        units = model.units.get(mode, Decimal(0))
        if body.get("sound") == "on":
            units = model.units_sound.get(mode, units)
            if body.get("voice_list"):
                units = model.units_voice.get(mode, units)
        if body.get("video_list"):
            units = model.units_video.get(mode, units)
        return units * seconds

    def generation_seconds(self, body: Mapping[str, Any]) -> float | None:
        """Returns the mean time from submitted to succeed in real seconds, None if the request is invalid.

        Public clients measured means by endpoint, 100 to 250 s for 5 s in pro, 3 to 5 minutes for 15 s of kling-v3 pro;
        the rest is interpolated.
        """
        choice = self._unchecked(body)
        if choice is None or choice[1] not in _EFFORT:
            return None
        name, mode, seconds = choice
        return self.typical_seconds * _EFFORT[mode] * self.models[name].pace * (0.6 + 0.08 * seconds)

    def size(self, name: str, mode: str, ratio: tuple[int, int]) -> tuple[int, int]:
        """Returns the size of a video in pixels; model and mode determine the shorter side.

        Args:
            name: A known model.
            mode: A known mode.
            ratio: Width and height, of any size with the same ratio.
        """
        return frame_size(self.models[name].short_side or SHORT_SIDE[mode], ratio)

    def _unchecked(self, body: Mapping[str, Any]) -> tuple[str, str, int] | None:
        """Returns model, mode and seconds of an unchecked request, None if one of them is invalid."""
        name = body.get("model_name") or self.default
        mode = body.get("mode") or self.default_mode
        duration = body.get("duration") or "5"
        if not (isinstance(name, str) and name in self.models and isinstance(mode, str)):
            return None
        if not (isinstance(duration, str) and re.fullmatch("[0-9]{1,2}", duration, re.ASCII)):
            return None
        return name, mode, int(duration)


def frame_size(short: int, ratio: tuple[int, int]) -> tuple[int, int]:
    """Returns width and height in pixels: the longer side keeps the ratio, rounded to an even number."""
    width, height = ratio
    if width >= height:
        return _even(short * width / height), short
    return short, _even(short * height / width)


def _even(pixels: float) -> int:
    return 2 * round(pixels / 2)
