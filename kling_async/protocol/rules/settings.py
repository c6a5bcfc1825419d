"""Rules for single settings that several endpoints have."""

from collections.abc import Iterator
from typing import Any, Protocol

import attrs

from kling_async.protocol.capability import CapabilityMap
from kling_async.protocol.errors import Problem
from kling_async.protocol.rules.models import HasModel
from kling_async.protocol.rules.values import number, one_of, switch, text

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


class HasRatio(HasModel, Protocol):
    """A request of a model that names the ratio of the result."""

    @property
    def aspect_ratio(self) -> str | None:
        """Width to height."""
        ...


class HasResolution(HasModel, Protocol):
    """A request of a model that names the size of the result."""

    @property
    def resolution(self) -> str | None:
        """`1k` and so on."""
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


@attrs.frozen
class Words:
    """The ratios and sizes that the models of a map take: of newer models the service may take more.

    Attributes:
        capabilities: the map.
        ratios: words for `aspect_ratio`.
        resolutions: words for `resolution`; which model has which is in the map.
    """

    capabilities: CapabilityMap[Any]
    ratios: tuple[str, ...] = ASPECT_RATIOS
    resolutions: tuple[str, ...] = ()

    def aspect_ratio(self, request: HasRatio) -> Iterator[Problem]:
        """A documented ratio; with a model that the map does not know, any text."""
        yield from self._word(request, "aspect_ratio", request.aspect_ratio, self.ratios)

    def resolution(self, request: HasResolution) -> Iterator[Problem]:
        """A documented size; with a model that the map does not know, any text."""
        yield from self._word(request, "resolution", request.resolution, self.resolutions)

    def _word(self, request: HasModel, field: str, value: Any, words: tuple[str, ...]) -> Iterator[Problem]:
        if value is None:
            return
        if not isinstance(value, str) or request.model_name not in self.capabilities.models:
            yield from text(field, value)
            return
        for problem in one_of(field, value, words):
            yield attrs.evolve(problem, by_map=True)
