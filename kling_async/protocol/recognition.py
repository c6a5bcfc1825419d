"""Whether the address leads to the service at all: a wrong one is noticed in seconds, not after a budget."""

from typing import Final

from kling_async.protocol.errors import BadResponse, NotTheService, Remedy

FOREIGN_ANSWERS: Final = 3
"""Answers that are not the service's, with none of its own before, after which the address counts as wrong."""
FOREIGN_SECONDS: Final = 5.0
"""Seconds that these answers must span at least."""
OUTAGE_SECONDS: Final = 30.0
"""The same where the answers say that something is down for the moment: a gateway before the service looks so too."""

_OUTAGES: Final = frozenset({408, 425, 429, *range(500, 600)})


class Recognition:
    """What one address has answered so far. All times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self.recognized = False
        """Whether the service itself has answered there, once."""
        self._foreign = 0
        self._first_at = 0.0

    def answered(self) -> None:
        """The service answered: what comes in its place later will pass."""
        self.recognized = True

    def foreign(self, now: float, answer: BadResponse) -> BadResponse:
        """Counts an answer that is not the service's.

        Returns:
            The error to go on with: `NotTheService` once the address counts as wrong, else the answer's own.
        """
        if self.recognized:
            return answer
        self._foreign += 1
        if self._foreign == 1:
            self._first_at = now
        needed = OUTAGE_SECONDS if answer.http_status in _OUTAGES else FOREIGN_SECONDS
        if self._foreign < FOREIGN_ANSWERS or now - self._first_at < needed:
            return answer
        return NotTheService(
            f"base_url does not lead to the service: {self._foreign} answers in {now - self._first_at:.0f} s, none of "
            f"them its own; the last one was {answer.message}",
            remedy=Remedy.BASE_URL,
            code=answer.code,
            http_status=answer.http_status,
        )
