"""The offset between the service's clock and this machine's, as far as the service's answers show it."""

from typing import Final, NamedTuple

NEGLIGIBLE: Final = 5.0
"""Seconds of offset that are not corrected: the `Date` header has whole seconds, and the network takes time."""
ABSURD: Final = 86_400.0
"""Seconds of offset from which a `Date` is ignored: a cache or a proxy wrote it."""

MADE_ERROR: Final = 1.0
"""Seconds by which a task may seem older than it is, if the creation time of another new task is known."""
DATE_ERROR: Final = 10.0
"""The same if only a `Date` is known: the server that writes it need not share the clock that dates tasks."""
UNSEEN_ERROR: Final = 3600.0
"""The same if no answer has shown the service's clock: this machine's clock may be wrong by an hour."""


class _Made(NamedTuple):
    """Bounds of the offset, as the creation time of a new task shows them."""

    least: float
    most: float


class ClockOffset:
    """The offset of the service's clock: observed in each answer, applied to tokens once one was refused.

    Each observation replaces the last one, so that a wrong `Date`, or a clock that is set, has no lasting effect.
    """

    def __init__(self) -> None:
        self.seen = 0.0
        """Seconds by which the service's clock was ahead at its last answer with a plausible `Date`."""
        self.used = 0.0
        """Seconds that are added to this machine's time in tokens."""
        self._last: float | None = None
        self._is_dated = False
        self._made: _Made | None = None

    @property
    def of_tasks(self) -> float:
        """Seconds by which the clock that dates tasks is ahead, at least; 0 if no answer has shown it.

        A `Date` is written after the upload, but has whole seconds and need not be of that clock: a new task bounds it.
        """
        if self._made is None:
            return self.seen
        return min(max(self.seen, self._made.least), self._made.most) if self._is_dated else self._made.least

    @property
    def task_error(self) -> float:
        """Seconds by which a task may be younger than its creation time and `of_tasks` indicate."""
        if self._made is not None:
            return MADE_ERROR
        return DATE_ERROR if self._is_dated else UNSEEN_ERROR

    def made(self, created_at: float, sent_at: float, answered_at: float) -> None:
        """Records the creation time of a task that a request has just made. All times are in seconds since 1970.

        Args:
            created_at: when the task was made, by the service's clock.
            sent_at: when the request was sent, by this machine's clock.
            answered_at: when it was answered, by this machine's clock.
        """
        shown = _Made(created_at - answered_at, created_at - sent_at)
        if max(abs(shown.least), abs(shown.most)) <= ABSURD:
            self._made = shown

    def observe(self, service_time: float | None, machine_time: float) -> None:
        """Records the `Date` of an answer, None if it has none. Both times are in seconds since 1970."""
        self._last = None if service_time is None else service_time - machine_time
        if self._last is not None and abs(self._last) <= ABSURD:
            self.seen = self._last
            self._is_dated = True

    def correct(self) -> bool:
        """Applies the last observed offset, after a token was refused; returns whether that changes anything."""
        offset = self.seen if abs(self.seen) > NEGLIGIBLE else 0.0
        changed = abs(offset - self.used) > NEGLIGIBLE
        self.used = offset
        return changed

    def describe(self) -> str:
        """Describes the offset in words."""
        if self._last is None:
            return "the service's answer carries no Date, so the clocks cannot be compared"
        side = "behind" if self._last > 0 else "ahead of"
        text = f"this machine's clock is {abs(self._last):.0f} s {side} the service's"
        return f"{text}, by a Date that is too far off to be believed" if abs(self._last) > ABSURD else text
