"""What the endpoints that make clips of some model, mode and duration have in common: price and typical time."""

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from kling_async.protocol.capability import DURATION_LEFT_OUT, CapabilityMap
from kling_async.protocol.rules.models import SECONDS_MOST, MakesClip

# The documentation names no times; users do: 5 s of video in 60 to 90 s ("std") and 100 to 250 s ("pro"), 10 s in 90
# to 120 s, 15 s in "pro" in 3 to 5 minutes, 164 s on average over all; some take ten minutes and more.
_MEDIANS: Final[Mapping[str, float]] = {"std": 85.0, "pro": 150.0}
_GROWTH: Final = 0.45  # of the time with the length of the video, as a power


def typical_seconds(mode: str | None, duration: float) -> float:
    """Seconds after which half of such tasks have ended, as users of the service report it.

    Args:
        mode: `std` where it is None; what is not known takes as long as `pro`.
        duration: of the video in seconds.
    """
    return _MEDIANS.get(mode or "std", _MEDIANS["pro"]) * math.pow(max(duration, 1.0) / 5, _GROWTH)


def typical_seconds_of(request: MakesClip | None) -> float:
    """As `typical_seconds`; for None, a task of which nothing is known, those of a clip of ten seconds.

    What the rules refuse takes as long as what is not known.
    """
    if request is None:
        return typical_seconds(None, 10)
    mode: Any = request.mode
    duration: Any = DURATION_LEFT_OUT if request.duration is None else request.duration
    known = isinstance(mode, str | None) and isinstance(duration, int) and duration < SECONDS_MOST
    return typical_seconds(mode, duration) if known else typical_seconds(None, 10)


def units_by(capabilities: CapabilityMap[Any]) -> Callable[[MakesClip], Decimal | None]:
    """What requests cost by the prices of a map: their seconds, and what they use that changes the price."""

    def units(request: MakesClip) -> Decimal | None:
        given: tuple[Any, Any, Any] = (request.model_name, request.mode, request.duration)
        if not all(map(isinstance, given, (str, str | None, int | None))):
            return None  # the rules refuse it
        return capabilities.units(*given, using={feature.name for feature in capabilities.features_used(request)})

    return units
