"""What the emulated models make, what it costs and how long it takes: data, and the sums done with it."""

from decimal import Decimal
from typing import Final, Literal, get_args

import attrs

Mode = Literal["std", "pro", "4k"]
MODES: Final[tuple[str, ...]] = get_args(Mode)

SHORT_SIDE: Final[dict[str, int]] = {"std": 720, "pro": 1080, "4k": 2160}
"""Pixels of the shorter side of a video, by mode, unless the model says otherwise."""


@attrs.frozen(kw_only=True)
class Model:
    """The facts about one `model_name`.

    Attributes:
        fps: Frames per second of its videos (documented table; kling-v2-1 std and kling-v3 are a guess).
        units: Price in units per second of video, silent, by mode.
        units_sound: The same with `sound` on; empty where there is no sound.
        units_voice: The same with a `voice_list`.
        short_side: Shorter side in pixels whatever the mode, or None to go by the mode.
        pace: Generation time compared with other models.
    """

    fps: int
    units: dict[str, Decimal]
    units_sound: dict[str, Decimal] = attrs.field(factory=dict)
    units_voice: dict[str, Decimal] = attrs.field(factory=dict)
    short_side: int | None = None
    pace: float = 1.0


def _per_second(std: str, pro: str, four_k: str | None = None) -> dict[str, Decimal]:
    prices = {"std": Decimal(std), "pro": Decimal(pro)}
    return prices if four_k is None else prices | {"4k": Decimal(four_k)}


# The price table of 2026-09; the three oldest and the masters by their last published prices.
MODELS: Final[dict[str, Model]] = {
    "kling-v1": Model(fps=30, units=_per_second("0.2", "0.7"), short_side=720),
    "kling-v1-5": Model(fps=30, units=_per_second("0.4", "0.7")),
    "kling-v1-6": Model(fps=30, units=_per_second("0.4", "0.7")),
    "kling-v2-master": Model(fps=24, units=_per_second("2", "2"), short_side=720, pace=1.4),
    "kling-v2-1": Model(fps=24, units=_per_second("0.4", "0.7")),
    "kling-v2-1-master": Model(fps=24, units=_per_second("2", "2"), short_side=1080, pace=1.4),
    "kling-v2-5-turbo": Model(fps=24, units=_per_second("0.3", "0.5"), pace=0.6),
    "kling-v2-6": Model(
        fps=24,
        units=_per_second("0.3", "0.5"),
        units_sound={"pro": Decimal("1.0")},
        units_voice={"pro": Decimal("1.2")},
    ),
    "kling-v3": Model(
        fps=24,
        units=_per_second("0.6", "0.8", "3"),
        units_sound=_per_second("0.9", "1.2", "3"),
    ),
}


def durations(model_name: str) -> range:
    """Give the whole seconds that a model may be asked for, as a range (5 and 10, or 3 to 15)."""
    return range(3, 16) if model_name == "kling-v3" else range(5, 11, 5)


def price(model_name: str, mode: str, seconds: int, *, sound: bool, voices: bool) -> Decimal:
    """Give the price of a clip in units: whole asked seconds times the price of one.

    A combination that has no price of its own costs what the silent clip costs, so that the sum can be done
    before the request was checked; one without any price costs 0.
    """
    model = MODELS[model_name]
    per_second = model.units.get(mode, Decimal(0))
    if sound:
        per_second = model.units_sound.get(mode, per_second)
    if sound and voices:
        per_second = model.units_voice.get(mode, per_second)
    return per_second * seconds


def video_size(model_name: str, mode: str, width: int, height: int) -> tuple[int, int]:
    """Give the size in pixels of the video made from an image of `width` x `height`.

    The shorter side comes from model and mode, the longer one keeps the image's ratio, rounded to an even number.
    """
    short = MODELS[model_name].short_side or SHORT_SIDE[mode]
    if width >= height:
        return _even(short * width / height), short
    return short, _even(short * height / width)


def _even(pixels: float) -> int:
    return 2 * round(pixels / 2)


def mean_generation_seconds(model_name: str, mode: str, seconds: int) -> float:
    """Give the mean time from submitted to succeed, in real seconds.

    Public clients measured 164 s for image to video, 100 to 250 s for 5 s in pro, 3 to 5 minutes for 15 s of
    kling-v3 pro; the rest is between these.
    """
    effort = {"std": 0.65, "pro": 1.0, "4k": 2.0}[mode]
    return 164.0 * effort * MODELS[model_name].pace * (0.6 + 0.08 * seconds)
