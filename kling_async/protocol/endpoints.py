"""One row per endpoint of the legacy protocol: create with POST, query with GET path/{id}, list with GET path."""

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

from kling_async.protocol.records import ImageToVideo


class Endpoint(NamedTuple):
    """Where tasks of one kind are made.

    Attributes:
        name: first half of a reference (`image2video:<id>`).
        path: of create and list; a task's is `path/<id>`.
        request: the record that creates one.
    """

    name: str
    path: str
    request: type


IMAGE_TO_VIDEO = Endpoint("image2video", "/v1/videos/image2video", ImageToVideo)

ENDPOINTS: dict[str, Endpoint] = {endpoint.name: endpoint for endpoint in (IMAGE_TO_VIDEO,)}


def endpoint_for(request: object) -> Endpoint | None:
    """The endpoint that takes this record, or None."""
    return next((endpoint for endpoint in ENDPOINTS.values() if type(request) is endpoint.request), None)


# The service's documentation tells no times; users do: 5 s of video in 60 to 90 s ("std") and 100 to 250 s ("pro"),
# 10 s in 90 to 120 s, 15 s in "pro" in 3 to 5 minutes, 164 s on average over all; some take ten minutes and more.
_MEDIANS: Final[Mapping[str, float]] = {"std": 85.0, "pro": 150.0}
_GROWTH: Final = 0.45  # of the time with the length of the video, as a power


def typical_seconds(mode: str | None, duration: float) -> float:
    """Seconds after which half of such tasks have ended, as published.

    Args:
        mode: `std` where it is None; what is not known takes as long as `pro`.
        duration: of the video in seconds.
    """
    return _MEDIANS.get(mode or "std", _MEDIANS["pro"]) * math.pow(max(duration, 1.0) / 5, _GROWTH)


def kind_of(endpoint: Endpoint, request: ImageToVideo) -> str:
    """The tasks that take about as long as this one, as `Durations` names them: `image2video/kling-v2-6/std/5`."""
    return f"{endpoint.name}/{request.model_name}/{request.mode or 'std'}/{float(request.duration):g}"
