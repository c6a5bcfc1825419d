"""How what failed in passing is repeated: growing delays, with the randomness injected."""

from collections.abc import Callable, Iterator
from typing import Any

import attrs

from kling_async.protocol.errors import ConfigurationError

Uniform = Callable[[], float]
"""A source of random numbers in [0, 1)."""


_MAXIMUM = 1e9  # thirty years; powers of it still fit a float


def seconds(minimum: float) -> Callable[[Any, "attrs.Attribute[float]", float], None]:
    """A validator of settings: a number of seconds from `minimum` up."""

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
    """How a call that failed in passing is repeated: after `first`, `first * factor`, ... up to `maximum`.

    Attributes:
        first: seconds before the first repetition.
        factor: growth from one to the next, at least 1.
        maximum: seconds before any repetition at most.
        settle: seconds of looking a doubtful create up before it is sent again; four times that after a timeout.
        budget: seconds after which a call that keeps failing is given up (polls go on until their deadline).
    """

    first: float = attrs.field(default=1.0, validator=seconds(0.001))
    factor: float = attrs.field(default=2.0, validator=seconds(1.0))
    maximum: float = attrs.field(default=30.0, validator=seconds(0.001))
    settle: float = attrs.field(default=15.0, validator=seconds(0.0))
    budget: float = attrs.field(default=300.0, validator=seconds(0.0))

    def delays(self, uniform: Uniform) -> Iterator[float]:
        """Seconds before each repetition, for ever; between half and all of the growing delay."""
        return (delay * (0.5 + 0.5 * uniform()) for delay in growing(self.first, self.factor, self.maximum))


def growing(first: float, factor: float, maximum: float) -> Iterator[float]:
    """`first`, `first * factor`, `first * factor**2`, ... never above `maximum`."""
    import backoff  # noqa: PLC0415  (imported on first use: its decorators, unused here, pull in half of asyncio)

    delays = backoff.expo(base=factor, factor=first, max_value=maximum)
    next(delays)  # primes the generator: its first value is for the decorators
    yield from delays
