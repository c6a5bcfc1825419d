"""When to ask next: aimed at the end, or by growing delays; with the randomness injected."""

import math
from collections.abc import Callable, Iterator
from typing import Any, Final

import attrs

from kling_async.protocol.errors import ConfigurationError
from kling_async.protocol.polling.estimates import DurationEstimate

Uniform = Callable[[], float]
"""A source of random numbers in [0, 1)."""


_MAXIMUM = 1e9  # thirty years; powers of it still fit a float


def _seconds(minimum: float) -> Callable[[Any, "attrs.Attribute[float]", float], None]:
    def validate(record: Any, attribute: "attrs.Attribute[float]", value: float) -> None:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (number and minimum <= value <= _MAXIMUM):
            raise ConfigurationError(
                f"{type(record).__name__}.{attribute.name}: expected a number from {minimum:g} to {_MAXIMUM:g}, "
                f"got {repr(value)[:60]}"
            )

    return validate


EARLY: Final = 0.9
"""Share of a delay after which a page that comes early is taken for the question of a beat that grows."""
SHORTEST_DELAY: Final = 0.5
"""Seconds between two aimed questions at least: they would cost more than the moment is worth."""
KNOWN_EFFORT: Final = 0.72
"""`PollPlan.effort` squared, for its median, of a kind that is known well; for others the lag grows with it, so that at
the default lag no kind takes more than 12 questions on average."""


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

    lag: float = attrs.field(default=0.03, validator=_seconds(0.001))
    deadline: float = attrs.field(default=7200.0, validator=_seconds(0.001))

    def delay(self, pace: DurationEstimate, age: float, uniform: Uniform) -> float:
        """Seconds until the next question to a task that was asked for at this age, give or take 5 %."""
        chart = pace.chart()
        lag = self.lag * max(chart.median, chart.effort**2 / KNOWN_EFFORT)
        return max(SHORTEST_DELAY, chart.next_look(age, lag, 0.95 + 0.1 * uniform()) - age)


@attrs.frozen
class Polling:
    """A fixed beat: a task is asked for after `first`, then `first * factor`, `first * factor**2`, ... up to `maximum`.

    Attributes:
        first: seconds from acceptance to the first question.
        factor: growth of the delay from question to question, at least 1.
        maximum: seconds between two questions at most.
        deadline: seconds from acceptance to `TaskTimeout`.
    """

    first: float = attrs.field(default=10.0, validator=_seconds(0.001))
    factor: float = attrs.field(default=1.5, validator=_seconds(1.0))
    maximum: float = attrs.field(default=15.0, validator=_seconds(0.001))
    deadline: float = attrs.field(default=7200.0, validator=_seconds(0.001))

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


@attrs.frozen
class Retry:
    """How a call that failed in passing is repeated: after `first`, `first * factor`, ... up to `maximum`.

    Attributes:
        first: seconds before the first repetition.
        factor: growth from one to the next, at least 1.
        maximum: seconds before any repetition at most.
        settle: seconds of looking a doubtful create up before it is sent again; four times that after a timeout.
        budget: seconds after which a call that keeps failing is given up (polls go on until their deadline).
    """

    first: float = attrs.field(default=1.0, validator=_seconds(0.001))
    factor: float = attrs.field(default=2.0, validator=_seconds(1.0))
    maximum: float = attrs.field(default=30.0, validator=_seconds(0.001))
    settle: float = attrs.field(default=15.0, validator=_seconds(0.0))
    budget: float = attrs.field(default=300.0, validator=_seconds(0.0))

    def delays(self, uniform: Uniform) -> Iterator[float]:
        """Seconds before each repetition, for ever; between half and all of the growing delay."""
        return (delay * (0.5 + 0.5 * uniform()) for delay in growing(self.first, self.factor, self.maximum))


def growing(first: float, factor: float, maximum: float) -> Iterator[float]:
    """`first`, `first * factor`, `first * factor**2`, ... never above `maximum`."""
    import backoff  # noqa: PLC0415  (imported on first use: its decorators, unused here, pull in half of asyncio)

    delays = backoff.expo(base=factor, factor=first, max_value=maximum)
    next(delays)  # primes the generator: its first value is for the decorators
    yield from delays
