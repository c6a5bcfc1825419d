"""Whether one question may be about tasks of both generations: no page promises it, so the account has to show it."""

from typing import Final

TRIAL_AGAIN: Final = 600.0
"""Seconds until it is tried again, after a trial that proved nothing, or after a question that failed in passing."""


class Sharing:
    """What the account has shown: it begins with a trial, for which no task waits, and ends with the first refusal."""

    def __init__(self) -> None:
        self._shown: bool | None = None
        self._trying = False
        self._next_trial = 0.0

    @property
    def is_on(self) -> bool:
        """Whether tasks of the legacy generation may be asked for with those of the current one."""
        return self._shown is True

    def may_try(self, now: float) -> bool:
        """Whether a trial is to be made now."""
        return self._shown is None and not self._trying and now >= self._next_trial

    def begin(self) -> None:
        """A trial is under way: a question about one task of each generation, both of which the service must know."""
        self._trying = True

    def tried(self, now: float, *, legacy: bool, current: bool) -> None:
        """Takes the answer to a trial; it proves something if the task of the current generation is there.

        Args:
            now: seconds of the monotonic clock.
            legacy: whether it tells of the legacy task.
            current: whether it tells of the other one.
        """
        self._trying = False
        if current:
            self._shown = legacy
        else:
            self._next_trial = now + TRIAL_AGAIN

    def failed(self, now: float, *, in_passing: bool) -> None:
        """A question about both generations, a trial or another, brought no answer.

        Args:
            now: seconds of the monotonic clock.
            in_passing: whether that may be nobody's fault; else no such question is asked any more.
        """
        self._trying = False
        self._shown = None if in_passing and self._shown is not False else False
        self._next_trial = now + TRIAL_AGAIN
