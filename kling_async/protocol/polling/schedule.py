"""When to ask next: aimed at the end, or by growing delays; with the randomness injected."""

import math
from typing import Final

import attrs

from kling_async.protocol.polling.durations import DurationEstimate
from kling_async.protocol.retry import Uniform, seconds

EARLY: Final = 0.9
"""Share of a delay after which a page that comes early is taken for the question of a beat that grows."""
SHORTEST_DELAY: Final = 0.5
"""Seconds between two aimed questions at least: they would cost more than the moment is worth."""
KNOWN_EFFORT: Final = 0.6
"""`LookSchedule.effort` squared, for its median, of a kind that is known well; for others the lag grows with it, so
that at the default lag no kind that takes as long as is known of it takes more than 10 questions on average."""


@attrs.frozen
class AimedPolling:
    """Asks when a result can be expected: the client learns how long tasks of a model, mode and duration take.

    For a mean lag no schedule needs fewer questions than one whose rate follows the square root of the chance that
    the task ends in the next moment; this is that one.

    Attributes:
        lag: how long a result waits on average until it is seen, as a share of the time that such a task takes. As
            long as that time is hardly known it waits longer.
        deadline: seconds from acceptance to `TaskTimeout`.
    """

    lag: float = attrs.field(default=0.03, validator=seconds(0.001))
    deadline: float = attrs.field(default=7200.0, validator=seconds(0.001))

    def delay(self, estimate: DurationEstimate, age: float, uniform: Uniform, stretch: float = 1.0) -> float:
        """Seconds until the next question to a task that was asked for at this age, give or take 5 %.

        Args:
            estimate: how long such tasks take.
            age: of the task, in seconds.
            uniform: random numbers.
            stretch: what the lag is multiplied by.
        """
        looks = estimate.look_schedule()
        lag = self.lag * stretch * max(looks.median, looks.effort**2 / KNOWN_EFFORT)
        return max(SHORTEST_DELAY, looks.next_look(age, lag, 0.95 + 0.1 * uniform()) - age)


@attrs.frozen
class Polling:
    """A fixed beat: a task is asked for after `first`, then `first * factor`, `first * factor**2`, ... up to `maximum`.

    Attributes:
        first: seconds from acceptance to the first question.
        factor: growth of the delay from question to question, at least 1.
        maximum: seconds between two questions at most.
        deadline: seconds from acceptance to `TaskTimeout`.
    """

    first: float = attrs.field(default=10.0, validator=seconds(0.001))
    factor: float = attrs.field(default=1.5, validator=seconds(1.0))
    maximum: float = attrs.field(default=15.0, validator=seconds(0.001))
    deadline: float = attrs.field(default=7200.0, validator=seconds(0.001))

    def delay(self, asked: int, uniform: Uniform) -> float:
        """Seconds before the question after `asked` others; within 5 %, so that tasks begun together spread out."""
        return self._grown(asked) * (0.95 + 0.1 * uniform())

    def asked_after(self, asked: int, waited: float) -> int | None:
        """The number of the next question, now that an answer came; None where the one that is due stays as it is.

        Args:
            asked: number of the question that was waited for.
            waited: share of the delay before it that has passed; below 1 where a page came first.
        """
        if waited >= 1 or (waited >= EARLY and not self.is_steady(asked)):
            return asked + 1
        # In a steady beat the same delay again: no two looks are further apart. One that has not begun, or grows, asks
        # when it says.
        return asked if self.is_steady(asked) else None

    def is_steady(self, asked: int) -> bool:
        """Whether the delay before question number `asked` is as long as the one before that."""
        return asked >= 2 and self._grown(asked - 1) == self._grown(asked - 2)

    def _grown(self, asked: int) -> float:
        below = asked * math.log(self.factor) <= math.log(self.maximum / self.first)
        return self.first * self.factor**asked if below else self.maximum
