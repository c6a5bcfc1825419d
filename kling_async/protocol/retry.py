"""Retries: which errors are transient, growing delays between attempts, and when to give up."""

from collections.abc import Callable, Iterator
from typing import Any

import attrs

from kling_async.protocol.error_codes import row_for
from kling_async.protocol.errors import (
    ApiError,
    BadResponse,
    ConfigurationError,
    ConnectionFailed,
    KlingError,
    NotTheService,
    UnexpectedAnswer,
    UnknownStatus,
)

Uniform = Callable[[], float]
"""A source of random numbers in [0, 1)."""


_MAXIMUM = 1e9  # thirty years; powers of it do not overflow a float


def seconds(minimum: float) -> Callable[[Any, "attrs.Attribute[float]", float], None]:
    """Returns a validator of settings: a number of seconds from `minimum` up."""

    def validate(record: Any, attribute: "attrs.Attribute[float]", value: float) -> None:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (number and minimum <= value <= _MAXIMUM):
            raise ConfigurationError(
                f"{type(record).__name__}.{attribute.name}: expected a number from {minimum:g} to {_MAXIMUM:g}, "
                f"got {repr(value)[:60]}"
            )

    return validate


@attrs.frozen
class Retry:
    """The schedule of retries after transient failures: after `first`, `first * factor`, ... up to `maximum` seconds.

    Attributes:
        first: seconds before the first retry.
        factor: growth from one delay to the next, at least 1.
        maximum: maximum seconds before a retry.
        settle: seconds for which a create in doubt is looked up before it is sent again; four times that after a
            timeout.
        budget: seconds after which the last attempt is made: for a call since its start, for a create since its first
            failure, for a download since its last progress (polls continue until their deadline).
    """

    first: float = attrs.field(default=1.0, validator=seconds(0.001))
    factor: float = attrs.field(default=2.0, validator=seconds(1.0))
    maximum: float = attrs.field(default=30.0, validator=seconds(0.001))
    settle: float = attrs.field(default=15.0, validator=seconds(0.0))
    budget: float = attrs.field(default=300.0, validator=seconds(0.0))

    def attempts(self, uniform: Uniform, ends_at: float = float("inf")) -> "Attempts":
        """Returns the attempts of one operation: a call, a create, a poll or a download.

        Args:
            uniform: random numbers for the delays.
            ends_at: when the last attempt begins, in seconds of the clock used with `Attempts.failed`.
        """
        return Attempts(self, uniform, ends_at)

    def delays(self, uniform: Uniform) -> Iterator[float]:
        """Returns the seconds before each retry, without end; each between half and all of the growing delay."""
        return (delay * (0.5 + 0.5 * uniform()) for delay in growing(self.first, self.factor, self.maximum))


class Attempts:
    """The attempts of one operation: how long to wait after each transient failure, and when to give up.

    The delays grow as configured in `Retry`. The last attempt begins exactly at `ends_at`: the delay before it is
    shortened accordingly. All times are seconds of one monotonic clock.

    Args:
        retry: the schedule of the delays.
        uniform: random numbers for the delays.
        ends_at: when the last attempt begins; infinity if there is always a next one.

    Attributes:
        ends_at: as above. Setting a later time allows further attempts, even after the last one.
        failures: number of failed attempts since the first, or since the last progress.
    """

    def __init__(self, retry: Retry, uniform: Uniform, ends_at: float) -> None:
        self.ends_at = ends_at
        self.failures = 0
        self._retry = retry
        self._uniform = uniform
        self._delays = retry.delays(uniform)
        self._last_at: float | None = None

    def failed(self, now: float) -> float | None:
        """Counts a failed attempt; returns the seconds to wait before the next one, or None if it was the last."""
        self.failures += 1
        if self.is_over(now):
            return None
        delay = next(self._delays)
        if now + delay < self.ends_at:
            return delay
        self._last_at = self.ends_at
        return self.ends_at - now

    def progressed(self) -> None:
        """Restarts the delays with the shortest one, after an attempt that made progress; `ends_at` is unchanged."""
        self.failures = 0
        self._delays = self._retry.delays(self._uniform)

    def is_over(self, now: float) -> bool:
        """Whether an attempt that fails now was the last one."""
        # Timers fire slightly early (15 ms with a coarse clock), so the time alone would allow one more attempt.
        return now >= self.ends_at or self._last_at == self.ends_at


def is_transient(error: KlingError) -> bool:
    """Whether the same call may succeed if it is repeated; for creates, the create machine decides instead."""
    match error:
        case ConnectionFailed():
            return not error.permanent
        case BadResponse():
            return not isinstance(error, UnknownStatus | NotTheService | UnexpectedAnswer)
        case ApiError():
            row = row_for(error.code)
            return row is not None and row.transient
        case _:
            return False


def growing(first: float, factor: float, maximum: float) -> Iterator[float]:
    """Yields `first`, `first * factor`, `first * factor**2`, ... but never more than `maximum`."""
    import backoff  # noqa: PLC0415  (imported on first use: its decorators, unused here, pull in half of asyncio)

    delays = backoff.expo(base=factor, factor=first, max_value=maximum)
    next(delays)  # primes the generator: its first value is for the decorators
    yield from delays
