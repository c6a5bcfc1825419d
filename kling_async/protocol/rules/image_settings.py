"""Rules for the settings of requests for pictures: their number, and the fidelity to given pictures."""

from collections.abc import Iterator
from typing import Any, Protocol

from kling_async.protocol.errors import Problem
from kling_async.protocol.rules.values import number, whole
from kling_async.protocol.rules.voices import elements

PICTURES_MOST = 9  # "n": [1, 9]
INPUTS_MOST = 10  # pictures and elements together
RESOLUTIONS = ("1k", "2k")
RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "21:9")


class MakesPictures(Protocol):
    """A request for some pictures."""

    @property
    def n(self) -> int:
        """Number of pictures."""
        ...


def n(request: MakesPictures) -> Iterator[Problem]:
    """Requires 1 to 9 pictures."""
    yield from whole("n", request.n, 1, PICTURES_MOST)


def fidelity(field: str, value: float | None) -> Iterator[Problem]:
    """Requires a number from 0 to 1."""
    if value is not None:
        yield from number(field, value, 0, 1)


def inputs(field: str, request: Any, pictures: int) -> Iterator[Problem]:
    """Allows at most 10 elements, and at most 10 pictures and elements together.

    Args:
        field: for which the problem is reported.
        request: with an `element_list`.
        pictures: number of its pictures.
    """
    yield from elements(request, most=INPUTS_MOST)
    given = len(request.element_list) if isinstance(request.element_list, tuple) else 0
    if given <= INPUTS_MOST and pictures <= INPUTS_MOST < pictures + given:
        yield Problem(field, f"{pictures} pictures and {given} elements are given; at most {INPUTS_MOST} are possible")
