"""What the service's clock shows more than this machine's, as far as its answers tell."""

from typing import Final

NEGLIGIBLE: Final = 5.0
"""Seconds of difference that are not corrected: the `Date` header has whole seconds, and the network takes time."""
ABSURD: Final = 86_400.0
"""Seconds of difference from which a `Date` is not believed: a cache or a proxy wrote it."""


class ClockOffset:
    """The difference of two clocks: seen at each answer, used for tokens once one was refused.

    What an answer showed is forgotten with the next one, so that a wrong `Date`, or a clock that was set meanwhile,
    spoils nothing for longer than that.
    """

    def __init__(self) -> None:
        self.seen = 0.0
        """Seconds by which the service's clock was ahead at its last answer with a believable `Date`."""
        self.used = 0.0
        """Seconds that are added to this machine's time in tokens."""
        self._last: float | None = None

    def observe(self, service_time: float | None, machine_time: float) -> None:
        """Takes the `Date` of an answer of the service, both in seconds since 1970; None where it has none."""
        self._last = None if service_time is None else service_time - machine_time
        if self._last is not None and abs(self._last) <= ABSURD:
            self.seen = self._last

    def correct(self) -> bool:
        """Uses what was seen last, after a token was refused; returns whether that changes anything."""
        offset = self.seen if abs(self.seen) > NEGLIGIBLE else 0.0
        changed = abs(offset - self.used) > NEGLIGIBLE
        self.used = offset
        return changed

    def describe(self) -> str:
        """How far the clocks are apart, in words."""
        if self._last is None:
            return "the service's answer carries no Date, so the clocks cannot be compared"
        side = "behind" if self._last > 0 else "ahead of"
        text = f"this machine's clock is {abs(self._last):.0f} s {side} the service's"
        return f"{text}, by a Date that is too far off to be believed" if abs(self._last) > ABSURD else text
