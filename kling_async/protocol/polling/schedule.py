"""When to poll next: aimed at the expected end, or after growing delays. Random numbers are injected."""

import math
from typing import Final

import attrs

from kling_async.protocol.polling.durations import DurationEstimate
from kling_async.protocol.retry import Uniform, seconds

EARLY: Final = 0.9
"""Share of a growing delay after which a page that arrives early counts as the poll that was due."""
SHORTEST_DELAY: Final = 0.5
"""Minimum seconds between two aimed polls: more frequent ones would cost more than they gain."""
KNOWN_EFFORT: Final = 0.6
"""`LookSchedule.effort` squared, divided by the median, of a kind whose durations are well known. For other kinds the
lag grows with it, so that at the default lag no kind needs more than 10 polls on average if its estimate is right."""


@attrs.frozen
class AimedPolling:
    """Polls when a result can be expected: the client learns how long tasks of a model, mode and duration take.

    For a given mean lag, the fewest polls come from polling at a rate proportional to the square root of the chance
    that the task ends in the next moment. This schedule does that.

    Attributes:
        lag: mean time from the end of a task until it is seen, as a share of the time that such a task takes. The lag
            is longer as long as that time is hardly known.
        deadline: seconds from acceptance to `TaskTimeout`.
    """

    lag: float = attrs.field(default=0.03, validator=seconds(0.001))
    deadline: float = attrs.field(default=7200.0, validator=seconds(0.001))

    def delay(self, estimate: DurationEstimate, age: float, uniform: Uniform, stretch: float = 1.0) -> float:
        """Returns the seconds until the next poll of a task that was polled at this age, with a jitter of 5 %.

        Args:
            estimate: how long such tasks take.
            age: age of the task, in seconds.
            uniform: random numbers.
            stretch: factor on the lag.
        """
        looks = estimate.look_schedule()
        lag = self.lag * stretch * max(looks.median, looks.effort**2 / KNOWN_EFFORT)
        return max(SHORTEST_DELAY, looks.next_look(age, lag, 0.95 + 0.1 * uniform()) - age)


@attrs.frozen
class Polling:
    """Fixed delays: a task is polled after `first`, then `first * factor`, `first * factor**2`, ... up to `maximum`.

    Attributes:
        first: seconds from acceptance to the first poll.
        factor: growth of the delay from poll to poll, at least 1.
        maximum: maximum seconds between two polls.
        deadline: seconds from acceptance to `TaskTimeout`.
    """

    first: float = attrs.field(default=10.0, validator=seconds(0.001))
    factor: float = attrs.field(default=1.5, validator=seconds(1.0))
    maximum: float = attrs.field(default=15.0, validator=seconds(0.001))
    deadline: float = attrs.field(default=7200.0, validator=seconds(0.001))

    def delay(self, asked: int, uniform: Uniform) -> float:
        """Returns the seconds before the poll after `asked` others, with a jitter of 5 % to spread out tasks."""
        return self._grown(asked) * (0.95 + 0.1 * uniform())

    def asked_after(self, asked: int, waited: float) -> int | None:
        """Returns the number of the next poll after an answer; None if the poll that is scheduled stays.

        Args:
            asked: number of the poll that was scheduled.
            waited: share of the delay before it that has passed; below 1 if a page came first.
        """
        if waited >= 1 or (waited >= EARLY and not self.is_steady(asked)):
            return asked + 1
        # Once the delay is steady, it starts over: no two polls are further apart. Until then the scheduled poll stays.
        return asked if self.is_steady(asked) else None

    def is_steady(self, asked: int) -> bool:
        """Whether the delay before poll number `asked` is as long as the one before it."""
        return asked >= 2 and self._grown(asked - 1) == self._grown(asked - 2)

    def _grown(self, asked: int) -> float:
        below = asked * math.log(self.factor) <= math.log(self.maximum / self.first)
        return self.first * self.factor**asked if below else self.maximum
