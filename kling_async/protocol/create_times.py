"""When a create was sent, by this machine's and the service's clock, and which tasks it can have made."""

from datetime import UTC, datetime, timedelta
from typing import Final

from kling_async.protocol.clock_offset import ABSURD, DATE_ERROR, UNSEEN_ERROR

CLOCK_TOLERANCE: Final = 10.0
"""Seconds by which a task may seem older than the first send and still be ours: clocks agree to about a second."""

CLOCKS_AGREE: Final = 1.0
"""Seconds by which a task may seem older and be accepted as ours without its id; a `Date` may lag by one more."""

SEND_SECONDS: Final = 60.0
"""Assumed duration in seconds of a send whose end was not observed."""

EARLIER_PROCESS_ERROR: Final = UNSEEN_ERROR + DATE_ERROR
"""Seconds by which a task may seem older than an earlier process's send and still be accepted by the id it sent."""

EARLIER_PROCESS_CLOCK: Final = ABSURD
"""Seconds before an earlier process's send from which tasks are searched: its clock may have been ahead by a wrong time
zone or more, and no answer need have shown it."""


def error_of_refused(clock_error: float) -> float:
    """Returns the seconds by which a task may seem older than a refused send and still be made from that request.

    A proxy may have sent the request twice and passed on only the refusal of the duplicate.

    Args:
        clock_error: seconds by which the service's clock may be misjudged.
    """
    return clock_error if clock_error >= UNSEEN_ERROR else min(clock_error, 2 * CLOCKS_AGREE)


class SendTimes:
    """The sends of one create, any of which may have made its task.

    Times are seconds since 1970 by this machine's clock. The offset of the service's clock is known as far as its
    answers show it, before the first send and later. If this machine's clock is set in between, the monotonic clock
    shows by how much, for the sends of this process; the times of an earlier process are only as good as its clock.
    """

    def __init__(self) -> None:
        self._first = 0.0
        self._last = 0.0
        self._last_took = SEND_SECONDS
        self._offset_then = 0.0
        self._offset_now = 0.0
        self._counts_from = 0.0
        self._went_ahead = 0.0
        self._taken_over_at: float | None = None

    def sending(self, wall: float, clock_offset: float, *, is_first: bool, counts_from: float = 0.0) -> None:
        """Records that a send begins.

        Args:
            wall: the time by this machine's clock.
            clock_offset: seconds by which the service's clock is ahead.
            is_first: whether all earlier sends certainly made nothing.
            counts_from: the time by this machine's clock when the monotonic clock was 0.
        """
        if is_first:
            self._first = wall
            self._offset_then = self._offset_now = clock_offset
            self._counts_from = counts_from
        self._last = wall

    def sent_before(self, wall: float, now: float) -> None:
        """Records that an earlier process may have sent it, at `wall` by its clock or later."""
        self._first = wall
        self._last = min(wall, now)
        self._taken_over_at = now

    def took(self, seconds: float) -> None:
        """Records how many seconds the last send took."""
        self._last_took = seconds

    def seen(self, clock_offset: float, counts_from: float = 0.0) -> None:
        """Records the offset of the service's clock, as its answers show it now; `counts_from` as for `sending`."""
        self._offset_now = clock_offset
        if self._taken_over_at is None:
            self._went_ahead = counts_from - self._counts_from

    @property
    def by_earlier_process(self) -> bool:
        """Whether an earlier process, whose clock is unknown, may have sent it."""
        return self._taken_over_at is not None

    @property
    def is_unknown(self) -> bool:
        """Whether the time of the send is unknown: an earlier process sent it, whose clock was certainly wrong."""
        return self._taken_over_at is not None and self._first > self._latest_now + CLOCK_TOLERANCE

    @property
    def sent_at(self) -> datetime:
        """When it was first sent, by the service's clock."""
        first = self._first if self._taken_over_at is None else min(self._first, self._taken_over_at)
        return datetime.fromtimestamp(first + self._offset_then, UTC)

    @property
    def ended(self) -> datetime:
        """When the last send ended, by this machine's clock."""
        return datetime.fromtimestamp(self._last + self._last_took, UTC)

    def made_since(self, clock_error: float) -> datetime:
        """Returns the earliest time at which its task can have been made, by the service's clock.

        The offset may have been misjudged before the first send or later, so the smaller of the two is used.

        Args:
            clock_error: seconds by which a task may be younger than its creation time.
        """
        error = max(clock_error, EARLIER_PROCESS_CLOCK if self.by_earlier_process else 0.0)
        since = self._earliest + min(self._offset_then, self._offset_now) - error
        return datetime.fromtimestamp(max(0.0, since), UTC)

    def is_older(self, created_at: datetime | None, clock_error: float) -> bool:
        """Whether a task is certainly older than the sends; False if its creation time is not known.

        Args:
            created_at: when it was made, by the service's clock.
            clock_error: seconds by which it may be younger than its creation time.
        """
        error = max(clock_error, EARLIER_PROCESS_ERROR if self.by_earlier_process else 0.0)
        return created_at is not None and created_at.timestamp() < self._earliest + self._offset_now - error

    def was_under_way(self, created_at: datetime) -> bool:
        """Whether a send was under way when a task was made, allowing for clocks that differ by `CLOCKS_AGREE`."""
        if abs(self._went_ahead) > CLOCKS_AGREE:  # the clock was set, or the machine was suspended
            return False
        made_at = (created_at - timedelta(seconds=max(self._offset_then, self._offset_now))).timestamp()
        return self._first - CLOCKS_AGREE <= made_at <= self.ended.timestamp() + 2 * CLOCKS_AGREE

    @property
    def _earliest(self) -> float:
        """The earliest time of the first send, by this machine's clock as it is now."""
        if self._taken_over_at is not None and self.is_unknown:
            return self._taken_over_at - EARLIER_PROCESS_CLOCK
        return self._first + min(0.0, self._went_ahead)

    @property
    def _latest_now(self) -> float:
        """The latest time at which this process can have taken it over, by this machine's clock or the service's."""
        return (self._taken_over_at or 0.0) + max(0.0, self._offset_now)
