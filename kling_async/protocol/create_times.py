"""When a create was sent, by this machine's clock and by the service's, and which tasks that fits."""

from datetime import UTC, datetime, timedelta
from typing import Final

CLOCK_TOLERANCE: Final = 10.0
"""Seconds by which a task may seem older than our first send and still be ours: clocks agree to about a second."""

CLOCKS_AGREE: Final = 1.0
"""Seconds by which a task may seem older and be taken for ours without its id; a `Date` is up to one more behind."""

SEND_SECONDS: Final = 60.0
"""Seconds that a send may have taken whose end nobody has seen."""


class SendTimes:
    """The sends of one create of which any may have made its task.

    Times are seconds since 1970 by this machine's own clock. How far the service's is ahead of it is known as far as
    its answers show: before the first send, and later.
    """

    def __init__(self) -> None:
        self._first = 0.0
        self._last = 0.0
        self._last_took = SEND_SECONDS
        self._offset_then = 0.0
        self._offset_now = 0.0

    def sending(self, wall: float, clock_offset: float, *, is_first: bool) -> None:
        """A send begins.

        Args:
            wall: now.
            clock_offset: how far the service's clock is ahead, in seconds.
            is_first: whether those before it surely made nothing.
        """
        if is_first:
            self._first = wall
            self._offset_then = self._offset_now = clock_offset
        self._last = wall

    def sent_before(self, wall: float) -> None:
        """A process that is gone may have sent it, at this time or later."""
        self._first = self._last = wall

    def took(self, seconds: float) -> None:
        """The last send has ended, after so many seconds."""
        self._last_took = seconds

    def seen(self, clock_offset: float) -> None:
        """The service's clock is so many seconds ahead, as its answers show now."""
        self._offset_now = clock_offset

    @property
    def sent_at(self) -> datetime:
        """When it was sent first, by the service's clock."""
        return datetime.fromtimestamp(self._first + self._offset_then, UTC)

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
        return datetime.fromtimestamp(self._first + min(self._offset_then, self._offset_now) - clock_error, UTC)

    def is_older(self, created_at: datetime | None) -> bool:
        """Whether a task of this age is surely older; one of which that is not told is not."""
        return created_at is not None and created_at.timestamp() < self._first + self._offset_now - CLOCK_TOLERANCE

    def was_under_way(self, created_at: datetime) -> bool:
        """Whether a send was under way when a task was made, also if the clocks agree no better than `CLOCKS_AGREE`."""
        made_at = (created_at - timedelta(seconds=max(self._offset_then, self._offset_now))).timestamp()
        return self._first - CLOCKS_AGREE <= made_at <= self.ended.timestamp() + 2 * CLOCKS_AGREE
