"""What the models of an endpoint that makes videos have in common: sizes, prices, how long they take."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import attrs

from .checks import fields
from .errors import invalid

SHORT_SIDE: Final[dict[str, int]] = {"std": 720, "pro": 1080, "4k": 2160}
"""Pixels of the shorter side of a video, by mode, unless the model says otherwise."""

ASPECT_RATIOS: Final = {"16:9": (16, 9), "9:16": (9, 16), "1:1": (1, 1)}
"""What a video that has no picture's ratio may be asked for."""

_EFFORT: Final = {"std": 0.65, "pro": 1.0, "4k": 2.0}

FIVE_OR_TEN: Final = range(5, 11, 5)
"""Seconds that most models may be asked for."""


@attrs.frozen(kw_only=True)
class Model:
    """The facts about one `model_name`.

    Attributes:
        fps: Frames per second of its videos.
        units: Price in units per second of video, silent, by mode.
        units_sound: The same with `sound` on; empty where there is no sound.
        units_voice: The same with a `voice_list`.
        units_video: The same with a video in the request; empty where it does not matter.
        durations: Whole seconds that it may be asked for.
        short_side: Shorter side in pixels whatever the mode, or None to go by the mode.
        pace: Generation time compared with other models.
        surplus_frames: Frames by which the length in answers exceeds what was asked for.
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
    """Give prices by mode."""
    prices = {"std": Decimal(std), "pro": Decimal(pro)}
    return prices if four_k is None else prices | {"4k": Decimal(four_k)}


@attrs.frozen(kw_only=True)
class VideoModels:
    """The models of one endpoint.

    Attributes:
        models: By name.
        typical_seconds: Mean time from submitted to succeed of 5 s in pro, by a model of pace 1.
        default: The model of a request that names none.
        default_mode: The mode of such a request, "" where it has to name one.
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
        """Check model, mode and duration, each on its own, and give them."""
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
        """Give the price of a clip in units, of a request that need not have been checked: 0 where it makes no sense.

        It is the asked whole seconds times the price of one. A combination that has no price of its own costs what the
        silent clip costs.
        """
        asked = self._asked(body)
        if asked is None:
            return Decimal(0)
        name, mode, seconds = asked
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
        """Give the mean time from submitted to succeed in real seconds, None where the request makes no sense.

        Public clients measured means by endpoint, 100 to 250 s for 5 s in pro, 3 to 5 minutes for 15 s of kling-v3 pro;
        the rest is between these.
        """
        asked = self._asked(body)
        if asked is None or asked[1] not in _EFFORT:
            return None
        name, mode, seconds = asked
        return self.typical_seconds * _EFFORT[mode] * self.models[name].pace * (0.6 + 0.08 * seconds)

    def size(self, name: str, mode: str, ratio: tuple[int, int]) -> tuple[int, int]:
        """Give the size in pixels of a video, whose shorter side comes from model and mode.

        Args:
            name: A known model.
            mode: A known mode.
            ratio: Width and height of what has the same ratio.
        """
        return frame_size(self.models[name].short_side or SHORT_SIDE[mode], ratio)

    def _asked(self, body: Mapping[str, Any]) -> tuple[str, str, int] | None:
        """Give model, mode and seconds of a request that was not checked, as far as they make sense."""
        name = body.get("model_name") or self.default
        mode = body.get("mode") or self.default_mode
        duration = body.get("duration") or "5"
        if not (isinstance(name, str) and name in self.models and isinstance(mode, str)):
            return None
        if not (isinstance(duration, str) and re.fullmatch("[0-9]{1,2}", duration, re.ASCII)):
            return None
        return name, mode, int(duration)


def frame_size(short: int, ratio: tuple[int, int]) -> tuple[int, int]:
    """Give width and height in pixels: the longer side keeps the ratio, rounded to an even number."""
    width, height = ratio
    if width >= height:
        return _even(short * width / height), short
    return short, _even(short * height / width)


def _even(pixels: float) -> int:
    return 2 * round(pixels / 2)
