"""At which ages a task is best polled, so that few polls see its end soon. A look is one poll."""

import bisect
import math

from kling_async.protocol.polling.age_bins import BINS, EDGES, LONGEST, WIDTHS, bin_of


class LookSchedule:
    """When to look at a task so that its end is seen soon, with as few looks as possible.

    For a given mean delay, the fewest looks come from looking at a rate proportional to the square root of the hazard.

    Args:
        hazards: the hazard of each bin, in 1 per second.
    """

    def __init__(self, hazards: list[float]) -> None:
        self._roots: list[float] = [math.sqrt(hazard) for hazard in hazards]
        self._looks = [0.0]
        self.effort = 0.0
        """Integral of the root of density times survival; at best, looks times mean delay are half its square."""
        self.median = LONGEST
        """Seconds after which half of the tasks have ended."""
        self.third_quartile = LONGEST
        """Seconds after which three quarters of the tasks have ended."""
        survival = 1.0
        for index, (hazard, root, width) in enumerate(zip(hazards, self._roots, WIDTHS, strict=True)):
            self._looks.append(self._looks[-1] + root * width)
            left = survival * math.exp(-hazard * width)
            if left <= 0.5 < survival:
                self.median = EDGES[index] + math.log(survival / 0.5) / hazard
            if left <= 0.25 < survival:
                self.third_quartile = EDGES[index] + math.log(survival / 0.25) / hazard
            self.effort += (
                survival - left
            ) / root  # the integral of survival is the ended share, divided by the hazard
            survival = left

    def age_when_left(self, age: float, share: float) -> float:
        """Returns the age at which only this share of the tasks that run at `age` is still running.

        Args:
            age: age in seconds.
            share: above 0, below 1.
        """
        passed, place = -math.log(share), bin_of(age)
        while place < BINS - 1 and (passing := self._roots[place] ** 2 * (EDGES[place + 1] - age)) < passed:
            passed -= passing
            place += 1
            age = EDGES[place]
        return age + passed / self._roots[place] ** 2

    def next_look(self, age: float, delay: float, step: float = 1.0) -> float:
        """Returns the age at which to look next.

        Args:
            age: age in seconds at the last look; 0 for none.
            delay: mean seconds from an end to the look that sees it.
            step: 1 with some jitter, so that not all tasks are looked at together.
        """
        place = bin_of(age)
        looks = self._looks[place] + self._roots[place] * (age - EDGES[place]) + step * 2 * delay / self.effort
        place = min(bisect.bisect_right(self._looks, looks) - 1, BINS - 1)
        return EDGES[place] + (looks - self._looks[place]) / self._roots[place]
