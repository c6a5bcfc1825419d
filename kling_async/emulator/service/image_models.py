"""Common properties of the models that make pictures: sizes, prices, generation times."""

import math
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any, Final

import attrs

from .checks import fields
from .errors import invalid

RESOLUTIONS: Final[dict[str, int]] = {"1k": 1, "2k": 2, "4k": 4}
"""Factor of a picture's sides compared with 1k. The service's actual sizes are not documented."""

ASPECT_RATIOS: Final = {
    "16:9": (16, 9),
    "9:16": (9, 16),
    "1:1": (1, 1),
    "4:3": (4, 3),
    "3:4": (3, 4),
    "3:2": (3, 2),
    "2:3": (2, 3),
    "21:9": (21, 9),
}
"""Aspect ratios of pictures."""

MOST: Final = 9
"""Pictures of one task, at most."""

_SIDE: Final = 1024  # pixels of a square's side in 1k; other ratios have about the same area
_GRAIN: Final = 16  # sides in 1k are multiples of it
_EFFORT: Final = {"1k": 1.0, "2k": 1.3, "4k": 2.0}
_NEXT: Final = 0.1  # part of the first picture's time that each further picture adds


@attrs.frozen(kw_only=True)
class ImageModel:
    """The facts about one `model_name`.

    Attributes:
        units: Price of a picture in units.
        special_units: Prices that differ: by "image" for a picture made from a picture, or by resolution.
        resolutions: Resolutions that it makes.
        lacks: Members that it refuses.
    """

    units: int
    special_units: Mapping[str, int] = attrs.field(factory=dict)
    resolutions: Collection[str] = ("1k", "2k")
    lacks: Collection[str] = ()

    def price(self, *special: object) -> Decimal:
        """Returns the price of a picture, by the keys of `special_units` that apply to it."""
        return Decimal(next((units for word, units in self.special_units.items() if word in special), self.units))


def model_of(body: Mapping[str, Any], models: Mapping[str, ImageModel], default: str) -> str:
    """Checks the model and the members that it lacks, and returns its name."""
    name = fields.text(body, "model_name") or default
    if name not in models:
        raise invalid("model is not supported")
    for member in models[name].lacks:
        if body.get(member):
            raise invalid(f"{member} is not supported by the current model: {name}")
    return name


def unchecked_model(body: Mapping[str, Any], models: Mapping[str, ImageModel], default: str) -> ImageModel | None:
    """Returns the model of an unchecked request, None if it is invalid."""
    name = body.get("model_name") or default
    return models.get(name) if isinstance(name, str) else None


def resolution_of(body: Mapping[str, Any], models: Mapping[str, ImageModel], name: str) -> str:
    """Checks the resolution, and returns it."""
    every = {each: None for model in models.values() for each in model.resolutions}
    resolution = fields.choice(body, "resolution", every, "1k")
    if resolution not in models[name].resolutions:
        raise invalid(f"resolution {resolution} is not supported by the current model: {name}")
    return resolution


def count_of(body: Mapping[str, Any]) -> int:
    """Checks `n`, and returns it."""
    count: int | None = fields.member(body, "n", int)
    if count is not None and not 1 <= count <= MOST:
        raise invalid(f"n must be between 1 and {MOST}")
    return count or 1


def unchecked_count(body: Mapping[str, Any]) -> int:
    """Returns `n` of an unchecked request, 1 if it is invalid."""
    count = body.get("n")
    return count if isinstance(count, int) and 1 <= count <= MOST else 1


def size(ratio: tuple[float, float], resolution: str = "1k") -> tuple[int, int]:
    """Returns the size of a picture in pixels.

    Args:
        ratio: Width and height, of any size with the same ratio.
        resolution: A known resolution.
    """
    stretch, times = math.sqrt(ratio[0] / ratio[1]), RESOLUTIONS[resolution]
    width, height = (max(int(side / _GRAIN), 1) * _GRAIN for side in (_SIDE * stretch, _SIDE / stretch))
    return width * times, height * times


def seconds(first: float, count: int, resolution: object = "1k") -> float:
    """Returns the mean time from submitted to succeed in real seconds.

    Args:
        first: Seconds of one picture in 1k.
        count: Number of pictures.
        resolution: Their resolution; an invalid one counts as 1k.
    """
    effort = _EFFORT.get(resolution, 1.0) if isinstance(resolution, str) else 1.0
    return first * effort * (1 + _NEXT * (count - 1))
