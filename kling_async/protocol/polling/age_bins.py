"""Ages of tasks, cut into bins that widen by a tenth: fine where tasks end soon, few up to two hours."""

import bisect
import itertools
from collections.abc import Iterator
from typing import Final

_WIDENING: Final = 1.1
_FIRST: Final = 0.5
LONGEST: Final = 8000.0
"""Seconds that the bins reach at least."""


def _edges() -> Iterator[float]:
    yield 0.0
    yield from itertools.takewhile(
        lambda edge: edge < LONGEST * _WIDENING, (_FIRST * _WIDENING**step for step in itertools.count())
    )


EDGES: Final = tuple(_edges())
"""Seconds between which the bins are."""
BINS: Final = len(EDGES) - 1
WIDTHS: Final = tuple(right - left for left, right in itertools.pairwise(EDGES))
"""Of each bin, in seconds."""


def bin_of(age: float) -> int:
    """The bin that an age from 0 up is in; the last one for what is beyond all."""
    return min(bisect.bisect_right(EDGES, age) - 1, BINS - 1)
