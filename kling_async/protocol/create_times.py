"""When a create was sent, by this machine's clock and by the service's, and which tasks that fits."""

from datetime import UTC, datetime, timedelta
from typing import Final

from kling_async.protocol.clock_offset import ABSURD, DATE_ERROR, UNSEEN_ERROR

CLOCK_TOLERANCE: Final = 10.0
"""Seconds by which a task may seem older than our first send and still be ours: clocks agree to about a second."""

CLOCKS_AGREE: Final = 1.0
"""Seconds by which a task may seem older and be taken for ours without its id; a `Date` is up to one more behind."""

SEND_SECONDS: Final = 60.0
"""Seconds that a send may have taken whose end nobody has seen."""

ANOTHERS_ERROR: Final = UNSEEN_ERROR + DATE_ERROR
"""Seconds by which a task may seem older than the send of an earlier process and be taken by the id that was sent."""

ANOTHERS_CLOCK: Final = ABSURD
"""Seconds before the send of an earlier process from which tasks are looked at: no answer need have shown it that its
clock was ahead, by a wrong time zone or more."""


def error_of_refused(clock_error: float) -> float:
    """Seconds by which a task may seem older than a send, and be what somebody on the way made of it a moment before.

    Args:
        clock_error: how well the service's clock is known.
    """
    return clock_error if clock_error >= UNSEEN_ERROR else min(clock_error, 2 * CLOCKS_AGREE)


class SendTimes:
    """The sends of one create of which any may have made its task.

    Times are seconds since 1970 by this machine's own clock. How far the service's is ahead of it is known as far as
    its answers show: before the first send, and later. A clock may be set meanwhile: by how much, the clock that only
    counts shows for the sends of this process; those of an earlier one are no surer than the clock that it had.
    """

    def __init__(self) -> None:
        self._first = 0.0
        self._last = 0.0
        self._last_took = SEND_SECONDS
        self._offset_then = 0.0
        self._offset_now = 0.0
        self._counts_from = 0.0
        self._went_ahead = 0.0
        self._taken_up: float | None = None

    def sending(self, wall: float, clock_offset: float, *, is_first: bool, counts_from: float = 0.0) -> None:
        """A send begins.

        Args:
            wall: now.
            clock_offset: how far the service's clock is ahead, in seconds.
            is_first: whether those before it surely made nothing.
            counts_from: what this machine's clock showed when the one that only counts was 0.
        """
        if is_first:
            self._first = wall
            self._offset_then = self._offset_now = clock_offset
            self._counts_from = counts_from
        self._last = wall

    def sent_before(self, wall: float, now: float) -> None:
        """A process that is gone may have sent it, at this time or later by its clock."""
        self._first = wall
        self._last = min(wall, now)
        self._taken_up = now

    def took(self, seconds: float) -> None:
        """The last send has ended, after so many seconds."""
        self._last_took = seconds

    def seen(self, clock_offset: float, counts_from: float = 0.0) -> None:
        """The service's clock is so many seconds ahead, as its answers show now; the other as for `sending`."""
        self._offset_now = clock_offset
        if self._taken_up is None:
            self._went_ahead = counts_from - self._counts_from

    @property
    def is_anothers(self) -> bool:
        """Whether an earlier process may have sent it, whose clock nobody knows."""
        return self._taken_up is not None

    @property
    def is_unknown(self) -> bool:
        """Whether it was sent at no time that is known: by an earlier process, whose clock was surely wrong."""
        return self._taken_up is not None and self._first > self._latest_now + CLOCK_TOLERANCE

    @property
    def sent_at(self) -> datetime:
        """When it was sent first, by the service's clock."""
        first = self._first if self._taken_up is None else min(self._first, self._taken_up)
        return datetime.fromtimestamp(first + self._offset_then, UTC)

    @property
    def ended(self) -> datetime:
        """When the last send ended, by this machine's own clock."""
        return datetime.fromtimestamp(self._last + self._last_took, UTC)

    def made_since(self, clock_error: float) -> datetime:
        """When its task was made at the earliest, by the service's clock.

        Neither what was seen of that clock before the first send nor what was seen later is surely right for it.

        Args:
            clock_error: seconds by which a task may be younger than its time says.
        """
        error = max(clock_error, ANOTHERS_CLOCK if self.is_anothers else 0.0)
        since = self._earliest + min(self._offset_then, self._offset_now) - error
        return datetime.fromtimestamp(max(0.0, since), UTC)

    def is_older(self, created_at: datetime | None, clock_error: float) -> bool:
        """Whether a task of this age is surely older; one of which that is not told is not.

        Args:
            created_at: when it was made, by the service's clock.
            clock_error: seconds by which it may be younger than its time says.
        """
        error = max(clock_error, ANOTHERS_ERROR if self.is_anothers else 0.0)
        return created_at is not None and created_at.timestamp() < self._earliest + self._offset_now - error

    def was_under_way(self, created_at: datetime) -> bool:
        """Whether a send was under way when a task was made, also if the clocks agree no better than `CLOCKS_AGREE`."""
        if abs(self._went_ahead) > CLOCKS_AGREE:  # it was set, or the machine slept
            return False
        made_at = (created_at - timedelta(seconds=max(self._offset_then, self._offset_now))).timestamp()
        return self._first - CLOCKS_AGREE <= made_at <= self.ended.timestamp() + 2 * CLOCKS_AGREE

    @property
    def _earliest(self) -> float:
        """When it was sent first at the earliest, by this machine's clock as it is now."""
        if self._taken_up is not None and self.is_unknown:
            return self._taken_up - ANOTHERS_CLOCK
        return self._first + min(0.0, self._went_ahead)

    @property
    def _latest_now(self) -> float:
        """When it was taken up at the latest, by this machine's clock or by the service's."""
        return (self._taken_up or 0.0) + max(0.0, self._offset_now)
