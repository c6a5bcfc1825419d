"""At which ages a task is best looked at, so that its end is seen soon, for few looks."""

import bisect
import math

from kling_async.protocol.polling.age_bins import BINS, EDGES, LONGEST, WIDTHS, bin_of


class LookSchedule:
    """When to look at a task so that its end is seen soon after it came, for as few looks as can be.

    The least looks for a mean delay come from looking at a rate proportional to the square root of the hazard.

    Args:
        hazards: of each bin, in 1 per second.
    """

    def __init__(self, hazards: list[float]) -> None:
        self._roots: list[float] = [math.sqrt(hazard) for hazard in hazards]
        self._looks = [0.0]
        self.effort = 0.0
        """Integral of the root of density times survival: looks times mean delay are half its square at best."""
        self.median = LONGEST
        """Seconds after which half of the tasks have ended."""
        self.third_quartile = LONGEST
        """Seconds after which three of four have."""
        survival = 1.0
        for index, (hazard, root, width) in enumerate(zip(hazards, self._roots, WIDTHS, strict=True)):
            self._looks.append(self._looks[-1] + root * width)
            left = survival * math.exp(-hazard * width)
            if left <= 0.5 < survival:
                self.median = EDGES[index] + math.log(survival / 0.5) / hazard
            if left <= 0.25 < survival:
                self.third_quartile = EDGES[index] + math.log(survival / 0.25) / hazard
            self.effort += (survival - left) / root  # the integral of survival is what ended, by the hazard
            survival = left

    def age_when_left(self, age: float, share: float) -> float:
        """The age at which this share is left of the tasks that run at another age.

        Args:
            age: seconds.
            share: above 0, below 1.
        """
        passed, place = -math.log(share), bin_of(age)
        while place < BINS - 1 and (passing := self._roots[place] ** 2 * (EDGES[place + 1] - age)) < passed:
            passed -= passing
            place += 1
            age = EDGES[place]
        return age + passed / self._roots[place] ** 2

    def next_look(self, age: float, delay: float, step: float = 1.0) -> float:
        """The age at which to look next.

        Args:
            age: seconds, when it was looked at last; 0 for never.
            delay: mean seconds from an end to the look that sees it.
            step: 1, or a little around it, so that not all look at once.
        """
        place = bin_of(age)
        looks = self._looks[place] + self._roots[place] * (age - EDGES[place]) + step * 2 * delay / self.effort
        place = min(bisect.bisect_right(self._looks, looks) - 1, BINS - 1)
        return EDGES[place] + (looks - self._looks[place]) / self._roots[place]
