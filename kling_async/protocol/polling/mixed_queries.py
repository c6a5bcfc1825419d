"""Whether one query may contain tasks of both generations: this is not documented, so it is tried out per account."""

from typing import Final

TRIAL_AGAIN: Final = 600.0
"""Seconds until the next trial, after one that proved nothing, or after a mixed query with a transient failure."""


class MixedQuerySupport:
    """Whether an account supports mixed queries: unknown until a trial, which no task depends on."""

    def __init__(self) -> None:
        self._supported: bool | None = None
        self._trying = False
        self._next_trial = 0.0

    @property
    def is_on(self) -> bool:
        """Whether legacy tasks may be put into queries with tasks of the current generation."""
        return self._supported is True

    def may_try(self, now: float) -> bool:
        """Whether to send a trial now."""
        return self._supported is None and not self._trying and now >= self._next_trial

    def begin(self) -> None:
        """Notes that a trial was sent: a query for one task of each generation, both known to the service."""
        self._trying = True

    def tried(self, now: float, *, legacy: bool, current: bool) -> None:
        """Applies the answer to a trial; it proves nothing if it omits the task of the current generation.

        Args:
            now: seconds of the monotonic clock.
            legacy: whether it contains the legacy task.
            current: whether it contains the task of the current generation.
        """
        self._trying = False
        if current:
            self._supported = legacy
        else:
            self._next_trial = now + TRIAL_AGAIN

    def failed(self, now: float, *, in_passing: bool) -> None:
        """Notes that a mixed query, a trial or another, failed.

        Args:
            now: seconds of the monotonic clock.
            in_passing: whether the failure may be transient; otherwise no mixed query is sent any more.
        """
        self._trying = False
        self._supported = None if in_passing and self._supported is not False else False
        self._next_trial = now + TRIAL_AGAIN
