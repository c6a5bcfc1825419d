"""What the service's clock shows more than this machine's, as far as its answers tell."""

from typing import Final, NamedTuple

NEGLIGIBLE: Final = 5.0
"""Seconds of difference that are not corrected: the `Date` header has whole seconds, and the network takes time."""
ABSURD: Final = 86_400.0
"""Seconds of difference from which a `Date` is not believed: a cache or a proxy wrote it."""

MADE_ERROR: Final = 1.0
"""Seconds by which a task may seem older than it is, where the time of another that was just made is known."""
DATE_ERROR: Final = 10.0
"""The same where only a `Date` is known: whoever writes that need not have the clock of who makes tasks."""
UNSEEN_ERROR: Final = 3600.0
"""The same where no answer has shown the service's clock: as of a machine whose clock is an hour wrong."""


class _Made(NamedTuple):
    """Differences between which that of the clocks is, as the time of a new task shows."""

    least: float
    most: float


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
        self._is_dated = False
        self._made: _Made | None = None

    @property
    def of_tasks(self) -> float:
        """Seconds by which the clock that tasks get their times from is ahead, at least; 0 where nothing has shown it.

        A `Date` has whole seconds and no upload in it, but need not be of that clock: what a task showed bounds it.
        """
        if self._made is None:
            return self.seen
        return min(max(self.seen, self._made.least), self._made.most) if self._is_dated else self._made.least

    @property
    def task_error(self) -> float:
        """Seconds by which a task may be younger than its time and `of_tasks` say."""
        if self._made is not None:
            return MADE_ERROR
        return DATE_ERROR if self._is_dated else UNSEEN_ERROR

    def made(self, created_at: float, sent_at: float, answered_at: float) -> None:
        """Takes the time of a task that a request has made just now, in seconds since 1970.

        Args:
            created_at: by the service's clock.
            sent_at: when the request was sent, by this machine's.
            answered_at: when it was answered, by the same.
        """
        shown = _Made(created_at - answered_at, created_at - sent_at)
        if max(abs(shown.least), abs(shown.most)) <= ABSURD:
            self._made = shown

    def observe(self, service_time: float | None, machine_time: float) -> None:
        """Takes the `Date` of an answer of the service, both in seconds since 1970; None where it has none."""
        self._last = None if service_time is None else service_time - machine_time
        if self._last is not None and abs(self._last) <= ABSURD:
            self.seen = self._last
            self._is_dated = True

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
