"""Detects a wrong base_url: after a few foreign answers the client stops retrying."""

from typing import Final

from kling_async.protocol.errors import BadResponse, NotTheService, Remedy

FOREIGN_ANSWERS: Final = 3
"""Foreign answers, with none of the service before, after which base_url counts as wrong. A foreign answer is one that
the service did not send: a page of another web server, a gateway or a proxy."""
FOREIGN_SECONDS: Final = 5.0
"""Seconds between the first and the last of these answers at least."""
OUTAGE_SECONDS: Final = 30.0
"""The same if the last answer has a status of an outage: a gateway in front of the service may send it for a while."""

_OUTAGE_STATUSES: Final = frozenset({408, 425, 429, *range(500, 600)})


class Recognition:
    """What was answered at base_url so far. All times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self.recognized = False
        """Whether the service itself has ever answered there."""
        self._foreign = 0
        self._first_at = 0.0

    def answered(self) -> None:
        """The service itself answered: base_url is right, and later foreign answers are an outage."""
        self.recognized = True

    def foreign(self, now: float, answer: BadResponse) -> BadResponse:
        """Counts a foreign answer.

        Returns:
            The error to raise: `NotTheService` once base_url counts as wrong, else `answer`.
        """
        if self.recognized:
            return answer
        self._foreign += 1
        if self._foreign == 1:
            self._first_at = now
        needed = OUTAGE_SECONDS if answer.http_status in _OUTAGE_STATUSES else FOREIGN_SECONDS
        if self._foreign < FOREIGN_ANSWERS or now - self._first_at < needed:
            return answer
        return NotTheService(
            f"base_url does not lead to the service: {self._foreign} answers in {now - self._first_at:.0f} s, none of "
            f"them its own; the last one was {answer.message}",
            remedy=Remedy.BASE_URL,
            code=answer.code,
            http_status=answer.http_status,
        )
