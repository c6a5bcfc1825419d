"""Price and typical time of clips, for the endpoints whose requests have a model, a mode and a duration."""

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from kling_async.protocol.capability import DURATION_LEFT_OUT, CapabilityMap
from kling_async.protocol.rules.models import SECONDS_MOST, MakesClip

# The documentation gives no times. Users report: 5 s of video in 60 to 90 s ("std") and 100 to 250 s ("pro"), 10 s in
# 90 to 120 s, 15 s in "pro" in 3 to 5 minutes, 164 s on average over all; some take ten minutes and more.
_MEDIANS: Final[Mapping[str, float]] = {"std": 85.0, "pro": 150.0}
_GROWTH: Final = 0.45  # the time grows with this power of the video's duration


def typical_seconds(mode: str | None, duration: float) -> float:
    """Returns the seconds after which half of such tasks have ended, as users of the service report it.

    Args:
        mode: None means `std`; an unknown mode counts as `pro`.
        duration: of the video in seconds.
    """
    return _MEDIANS.get(mode or "std", _MEDIANS["pro"]) * math.pow(max(duration, 1.0) / 5, _GROWTH)


def typical_seconds_of(request: MakesClip | None) -> float:
    """Returns `typical_seconds` of a request.

    For None, which means unknown parameters, and for parameters that the rules refuse: those of a clip of ten seconds.
    """
    if request is None:
        return typical_seconds(None, 10)
    mode: Any = request.mode
    duration: Any = DURATION_LEFT_OUT if request.duration is None else request.duration
    known = isinstance(mode, str | None) and isinstance(duration, int) and duration < SECONDS_MOST
    return typical_seconds(mode, duration) if known else typical_seconds(None, 10)


def units_by(capabilities: CapabilityMap[Any]) -> Callable[[MakesClip], Decimal | None]:
    """Returns a function that prices requests by a map: by their seconds, and by the features they use."""

    def units(request: MakesClip) -> Decimal | None:
        given: tuple[Any, Any, Any] = (request.model_name, request.mode, request.duration)
        if not all(map(isinstance, given, (str, str | None, int | None))):
            return None  # the rules refuse it
        return capabilities.units(*given, using={feature.name for feature in capabilities.features_used(request)})

    return units
