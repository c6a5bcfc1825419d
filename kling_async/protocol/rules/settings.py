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
    """A request with a setting for how closely its prompt is followed."""

    @property
    def cfg_scale(self) -> float | None:
        """0 to 1."""
        ...


class HasMode(Protocol):
    """A request without a model that sets the quality of the result."""

    @property
    def mode(self) -> str | None:
        """`std` or `pro`."""
        ...


class HasSound(Protocol):
    """A request for a video that may have sound."""

    @property
    def sound(self) -> bool | None:
        """Whether it has sound."""
        ...


class HasRatio(HasModel, Protocol):
    """A request with a model that sets the aspect ratio of the result."""

    @property
    def aspect_ratio(self) -> str | None:
        """Width to height."""
        ...


class HasResolution(HasModel, Protocol):
    """A request with a model that sets the size of the result."""

    @property
    def resolution(self) -> str | None:
        """`1k` and so on."""
        ...


def cfg_scale(request: HasCfgScale) -> Iterator[Problem]:
    """Requires a number from 0 to 1."""
    if request.cfg_scale is not None:
        yield from number("cfg_scale", request.cfg_scale, 0, 1)


def mode(request: HasMode) -> Iterator[Problem]:
    """Requires `std` or `pro`, as documented; `strict=False` lets others pass, since the service may add some."""
    value: Any = request.mode
    if isinstance(value, str):
        for problem in one_of("mode", value, MODES):
            yield attrs.evolve(problem, by_map=True)
    elif value is not None:
        yield from one_of("mode", value, MODES)


def sound(request: HasSound) -> Iterator[Problem]:
    """Requires a boolean; the map contains which models have sound."""
    yield from switch("sound", request.sound)


@attrs.frozen
class Words:
    """The ratios and sizes that the models of a map accept; newer models may accept more.

    Attributes:
        capabilities: the map.
        ratios: words for `aspect_ratio`.
        resolutions: words for `resolution`; the map contains which model has which.
    """

    capabilities: CapabilityMap[Any]
    ratios: tuple[str, ...] = ASPECT_RATIOS
    resolutions: tuple[str, ...] = ()

    def aspect_ratio(self, request: HasRatio) -> Iterator[Problem]:
        """Requires a documented ratio; any text with a model that the map does not have."""
        yield from self._word(request, "aspect_ratio", request.aspect_ratio, self.ratios)

    def resolution(self, request: HasResolution) -> Iterator[Problem]:
        """Requires a documented size; any text with a model that the map does not have."""
        yield from self._word(request, "resolution", request.resolution, self.resolutions)

    def _word(self, request: HasModel, field: str, value: Any, words: tuple[str, ...]) -> Iterator[Problem]:
        if value is None:
            return
        if not isinstance(value, str) or request.model_name not in self.capabilities.models:
            yield from text(field, value)
            return
        for problem in one_of(field, value, words):
            yield attrs.evolve(problem, by_map=True)
