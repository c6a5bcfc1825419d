"""The expected progress of a task, and its remaining time, estimated from tasks of its kind."""

import bisect
import math
from typing import Final

import attrs

from kling_async.protocol.polling.age_bins import EDGES, WIDTHS, bin_of

MOST: Final = 0.999
"""The largest share before the end."""


@attrs.frozen
class Progress:
    """The expected progress of a task, estimated by the client: the service does not report it.

    Attributes:
        share: share of the time that such tasks take, from 0 to 1. It never falls, and is 1 only once the task has
            ended.
        seconds_left: seconds after which half of the tasks of this kind and age have ended; it may grow if a task is
            late. None if unknown: the task was not polled yet, or could not be followed to its end.
    """

    share: float
    seconds_left: float | None


class Expectation:
    """The expected progress of tasks by age.

    The share is a share of the mean duration: the mean time that tasks have spent up to this age, divided by the mean
    of their whole time. So it grows with the clock until the first tasks have ended, and ever more slowly after that.

    Args:
        hazards: the hazard of each bin of ages, in 1 per second.
    """

    def __init__(self, hazards: list[float]) -> None:
        self._hazards = hazards
        self._risks = [0.0]  # sum of the hazards up to each edge: the logarithm of how many are left
        self._spent = [0.0]  # mean seconds that tasks have spent up to each edge
        for hazard, width in zip(hazards, WIDTHS, strict=True):
            self._spent.append(self._spent[-1] + self._spent_in(len(self._risks) - 1, width))
            self._risks.append(self._risks[-1] + hazard * width)
        self._mean = self._spent[-1] + math.exp(-self._risks[-1]) / hazards[-1]

    def share(self, age: float) -> float:
        """Returns the share of the mean duration that has passed at this age in seconds; below 1."""
        place = bin_of(age)
        return min((self._spent[place] + self._spent_in(place, age - EDGES[place])) / self._mean, MOST)

    def seconds_left(self, age: float) -> float:
        """Returns the seconds after which half of the tasks still running at this age have ended."""
        place = bin_of(age)
        risk = self._risks[place] + self._hazards[place] * (age - EDGES[place]) + math.log(2)
        place = min(bisect.bisect_right(self._risks, risk) - 1, len(self._hazards) - 1)
        return EDGES[place] + (risk - self._risks[place]) / self._hazards[place] - age

    def _spent_in(self, place: int, seconds: float) -> float:
        """Returns the mean seconds that tasks spend in the first `seconds` of a bin."""
        hazard = self._hazards[place]
        return math.exp(-self._risks[place]) * -math.expm1(-hazard * seconds) / hazard
