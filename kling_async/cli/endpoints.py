"""The endpoints as the shell command offers them: a subcommand each, named as the client's method.

This module alone knows where endpoints and their records are found; the others ask here.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from kling_async.protocol.endpoints import IMAGE_TO_VIDEO, Endpoint
from kling_async.protocol.polling.estimates import published_median
from kling_async.protocol.wire.requests import PAGE_SIZE_MAXIMUM

DEFAULT: Final = "image-to-video"
"""What `generate` makes and `list` shows."""

DURATION_MAXIMUM: Final = 3600
"""Seconds; no endpoint makes videos of more."""

_ENDPOINTS: Final[Mapping[str, Callable[[], Endpoint]]] = {"image-to-video": lambda: IMAGE_TO_VIDEO}


def names() -> list[str]:
    """The subcommands; no record is imported for that."""
    return list(_ENDPOINTS)


def record(name: str) -> type:
    """The record that the subcommand's options make."""
    return _ENDPOINTS[name]().request


def kind(text: str) -> str:
    """First half of the references of an endpoint's tasks.

    Args:
        text: a subcommand, also written as the client's method; anything else is given back, for the client to judge.
    """
    name = text.replace("_", "-")
    return _ENDPOINTS[name]().name if name in _ENDPOINTS else text


def page_maximum(text: str) -> int:  # noqa: ARG001  (not every endpoint has the same)
    """Tasks that a page of an endpoint's list can hold."""
    return PAGE_SIZE_MAXIMUM


def typical_seconds(request: Any) -> float:
    """Seconds after which the service has usually done what is requested."""
    duration = getattr(request, "duration", None)
    # What is no duration is refused by the checks, which come later.
    if not isinstance(duration, int) or not 0 < duration < DURATION_MAXIMUM:
        duration = 5
    return published_median(getattr(request, "mode", None), duration)
