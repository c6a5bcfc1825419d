"""What the models of an endpoint that makes pictures have in common: sizes, prices, how long they take."""

import math
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any, Final

import attrs

from .checks import fields
from .errors import invalid

RESOLUTIONS: Final[dict[str, int]] = {"1k": 1, "2k": 2, "4k": 4}
"""How many times as long as in 1k the sides of a picture are. What the service really gives is not documented."""

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
"""What a picture may be asked for."""

MOST: Final = 9
"""Pictures of one task."""

_SIDE: Final = 1024  # pixels of a square in 1k; others have about as many pixels in all
_GRAIN: Final = 16  # sides in 1k are multiples of it
_EFFORT: Final = {"1k": 1.0, "2k": 1.3, "4k": 2.0}
_NEXT: Final = 0.1  # what each further picture adds to the time of the first


@attrs.frozen(kw_only=True)
class ImageModel:
    """The facts about one `model_name`.

    Attributes:
        units: Price of a picture in units.
        special_units: The same of what has another price: "image" for a picture made of one, or a resolution.
        resolutions: What it may be asked for.
        lacks: Members that are refused with it.
    """

    units: int
    special_units: Mapping[str, int] = attrs.field(factory=dict)
    resolutions: Collection[str] = ("1k", "2k")
    lacks: Collection[str] = ()

    def price(self, *special: object) -> Decimal:
        """Give the price of a picture of which some words are true."""
        return Decimal(next((units for word, units in self.special_units.items() if word in special), self.units))


def model_of(body: Mapping[str, Any], models: Mapping[str, ImageModel], default: str) -> str:
    """Check the model, and what it lacks, and give its name."""
    name = fields.text(body, "model_name") or default
    if name not in models:
        raise invalid("model is not supported")
    for member in models[name].lacks:
        if body.get(member):
            raise invalid(f"{member} is not supported by the current model: {name}")
    return name


def asked_model(body: Mapping[str, Any], models: Mapping[str, ImageModel], default: str) -> ImageModel | None:
    """Give the model of a request that was not checked, None where it makes no sense."""
    name = body.get("model_name") or default
    return models.get(name) if isinstance(name, str) else None


def resolution_of(body: Mapping[str, Any], models: Mapping[str, ImageModel], name: str) -> str:
    """Check the resolution, and give it."""
    every = {each: None for model in models.values() for each in model.resolutions}
    resolution = fields.choice(body, "resolution", every, "1k")
    if resolution not in models[name].resolutions:
        raise invalid(f"resolution {resolution} is not supported by the current model: {name}")
    return resolution


def count_of(body: Mapping[str, Any]) -> int:
    """Check `n`, and give it."""
    count: int | None = fields.member(body, "n", int)
    if count is not None and not 1 <= count <= MOST:
        raise invalid(f"n must be between 1 and {MOST}")
    return count or 1


def asked_count(body: Mapping[str, Any]) -> int:
    """Give `n` of a request that was not checked; 1 where it makes no sense."""
    count = body.get("n")
    return count if isinstance(count, int) and 1 <= count <= MOST else 1


def size(ratio: tuple[float, float], resolution: str = "1k") -> tuple[int, int]:
    """Give the size of a picture in pixels.

    Args:
        ratio: Width and height of what has the same ratio.
        resolution: A known one.
    """
    stretch, times = math.sqrt(ratio[0] / ratio[1]), RESOLUTIONS[resolution]
    width, height = (max(int(side / _GRAIN), 1) * _GRAIN for side in (_SIDE * stretch, _SIDE / stretch))
    return width * times, height * times


def seconds(first: float, count: int, resolution: object = "1k") -> float:
    """Give the mean time from submitted to succeed in real seconds.

    Args:
        first: Of one picture in 1k.
        count: How many there are.
        resolution: How large they are; what is no resolution counts as 1k.
    """
    effort = _EFFORT.get(resolution, 1.0) if isinstance(resolution, str) else 1.0
    return first * effort * (1 + _NEXT * (count - 1))
