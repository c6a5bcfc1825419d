"""Rules for single settings that several endpoints have."""

from collections.abc import Iterator
from typing import Any, Protocol

import attrs

from kling_async.protocol.errors import Problem
from kling_async.protocol.rules.values import number, one_of, switch

ASPECT_RATIOS = ("16:9", "9:16", "1:1")
MODES = ("std", "pro")


class HasCfgScale(Protocol):
    """A request that says how closely its prompt is followed."""

    @property
    def cfg_scale(self) -> float | None:
        """0 to 1."""
        ...


class HasMode(Protocol):
    """A request of no model that says how good the result is to be."""

    @property
    def mode(self) -> str | None:
        """`std` or `pro`."""
        ...


class HasSound(Protocol):
    """A request for a video that may have sound."""

    @property
    def sound(self) -> bool | None:
        """Whether it has."""
        ...


class HasAspectRatio(Protocol):
    """A request that says how wide the result is."""

    @property
    def aspect_ratio(self) -> str | None:
        """Width to height."""
        ...


def cfg_scale(request: HasCfgScale) -> Iterator[Problem]:
    """0 to 1."""
    if request.cfg_scale is not None:
        yield from number("cfg_scale", request.cfg_scale, 0, 1)


def mode(request: HasMode) -> Iterator[Problem]:
    """`std` or `pro`, as the documentation says; the service may come to take others."""
    value: Any = request.mode
    if isinstance(value, str):
        for problem in one_of("mode", value, MODES):
            yield attrs.evolve(problem, by_map=True)
    elif value is not None:
        yield from one_of("mode", value, MODES)


def sound(request: HasSound) -> Iterator[Problem]:
    """A switch; which models have sound is in the map."""
    yield from switch("sound", request.sound)


def aspect_ratio(request: HasAspectRatio) -> Iterator[Problem]:
    """One of the three ratios that videos have."""
    value: Any = request.aspect_ratio
    if value is not None:
        yield from one_of("aspect_ratio", value, ASPECT_RATIOS)
