"""Bins of task ages. Each is a tenth wider than the one before: narrow for young tasks, and few up to two hours."""

import bisect
import itertools
from collections.abc import Iterator
from typing import Final

_WIDENING: Final = 1.1
_FIRST: Final = 0.5
LONGEST: Final = 8000.0
"""The least age in seconds that the bins cover."""


def _edges() -> Iterator[float]:
    yield 0.0
    yield from itertools.takewhile(
        lambda edge: edge < LONGEST * _WIDENING, (_FIRST * _WIDENING**step for step in itertools.count())
    )


EDGES: Final = tuple(_edges())
"""Edges of the bins in seconds; bin `i` is between `EDGES[i]` and `EDGES[i + 1]`."""
BINS: Final = len(EDGES) - 1
WIDTHS: Final = tuple(right - left for left, right in itertools.pairwise(EDGES))
"""Width of each bin, in seconds."""


def bin_of(age: float) -> int:
    """Returns the index of the bin that contains an age of 0 or more; the last bin for ages beyond all edges."""
    return min(bisect.bisect_right(EDGES, age) - 1, BINS - 1)
