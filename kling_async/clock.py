"""The seam for time.

Delays and deadlines run on the event loop's clock. This one tells the time of day, which tokens need, and what the
service's clock shows more.
"""

import logging
from collections.abc import Callable

logger = logging.getLogger("kling_async")

WORTH_MENTIONING = 5.0
"""Seconds of difference that are told and corrected: less is the whole second of the `Date` header and the network."""


class ServiceClock:
    """The time of day at the service, as far as its answers show it.

    Args:
        wall: this machine's clock, in seconds since 1970.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._offset = 0.0
        self._told = False
        self.seen_offset = 0.0
        """Seconds that the service's clock showed more at its last answer."""

    def wall(self) -> float:
        """This machine's time, uncorrected."""
        return self._wall()

    def now(self) -> float:
        """The time to put into a token."""
        return self._wall() + self._offset

    def observe(self, service_time: float | None) -> None:
        """Takes the `Date` of an answer."""
        if service_time is not None:
            self.seen_offset = service_time - self._wall()

    def correct(self) -> None:
        """Goes by the service's clock from now on, if this machine's is wrong; called when a token was refused."""
        if abs(self.seen_offset) <= WORTH_MENTIONING:
            return
        self._offset = self.seen_offset
        if not self._told:
            self._told = True
            logger.warning("%s; tokens are corrected for it, but set the clock right", self.describe())

    def describe(self) -> str:
        """How far the clocks are apart, in words."""
        side = "behind" if self.seen_offset > 0 else "ahead of"
        return f"this machine's clock is {abs(self.seen_offset):.0f} s {side} the service's"
