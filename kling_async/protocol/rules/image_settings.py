"""Rules for the settings of requests for pictures: how many, their ratio and size, and how closely they follow others.

Ratios and sizes are refused for the models of a map only: of newer ones the service may take more.
"""

from collections.abc import Iterator
from typing import Any, Protocol

import attrs

from kling_async.protocol.capability import CapabilityMap
from kling_async.protocol.errors import Problem
from kling_async.protocol.rules.models import HasModel
from kling_async.protocol.rules.values import number, one_of, text, whole
from kling_async.protocol.rules.voices import elements

PICTURES_MOST = 9  # "n": [1, 9]
INPUTS_MOST = 10  # pictures and elements together
RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "21:9")


class MakesPictures(Protocol):
    """A request for some pictures."""

    @property
    def n(self) -> int:
        """How many."""
        ...


class HasRatio(HasModel, Protocol):
    """A request of a model that says how wide the pictures are."""

    @property
    def aspect_ratio(self) -> str | None:
        """Width to height."""
        ...


class HasResolution(HasModel, Protocol):
    """A request of a model that says how large the pictures are."""

    @property
    def resolution(self) -> str | None:
        """`1k` and so on."""
        ...


def n(request: MakesPictures) -> Iterator[Problem]:
    """1 to 9 pictures."""
    yield from whole("n", request.n, 1, PICTURES_MOST)


def fidelity(field: str, value: float | None) -> Iterator[Problem]:
    """0 to 1."""
    if value is not None:
        yield from number(field, value, 0, 1)


def inputs(field: str, request: Any, pictures: int) -> Iterator[Problem]:
    """At most 10 elements, and at most 10 pictures and elements together.

    Args:
        field: which has one too many.
        request: with an `element_list`.
        pictures: how many it has.
    """
    yield from elements(request, most=INPUTS_MOST)
    given = len(request.element_list) if isinstance(request.element_list, tuple) else 0
    if given <= INPUTS_MOST and pictures <= INPUTS_MOST < pictures + given:
        yield Problem(field, f"{pictures} pictures and {given} elements are given; at most {INPUTS_MOST} are possible")


@attrs.frozen
class Words:
    """The ratios and sizes that the models of a map take.

    Attributes:
        capabilities: the map.
        ratios: words for `aspect_ratio`.
        resolutions: words for `resolution`; which model has which is in the map.
    """

    capabilities: CapabilityMap[Any]
    ratios: tuple[str, ...] = RATIOS
    resolutions: tuple[str, ...] = ("1k", "2k")

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
