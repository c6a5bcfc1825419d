"""How reliable the callbacks of one client have proved to be, and which polls they replace.

What counts is whether a callback or a poll reports a change first. Tasks are polled as if there were no callbacks until
callbacks have reported many changes in a row. From then on a due poll is postponed once, until the task has probably
ended and its callback is probably lost. As soon as a poll is first to report a change, all postponed tasks are polled
at once. Among many postponed tasks, one is polled sooner if no callback reports an end while several are expected.
"""

import math
from typing import Final, Generic, TypeVar

from kling_async.protocol.polling.followed import FollowedTask
from kling_async.protocol.tasks import TaskStatus

PROOF: Final = 14
"""Changes in a row that callbacks must report first before they replace polls: if half of all callbacks are lost, that
happens by chance once in 16,384 times."""
_MOST: Final = 2 * PROOF
_LOSS: Final = 4
"""The streak is divided by this when a poll is first to report a change: it falls far below `PROOF`, but not to zero,
since the poll may just have been a moment quicker."""
_MISSING_ENDS: Final = 3
"""Expected ends among all postponed tasks, without any callback, after which one of them is polled."""
LEFT_RUNNING: Final = 0.1
"""A postponed task is polled at the age at which this share of such tasks would still be running."""

_F = TypeVar("_F", bound=FollowedTask)


class CallbackTrust(Generic[_F]):
    """How reliable the callbacks of one client have proved to be."""

    def __init__(self) -> None:
        self._streak = 0
        self._reported: set[TaskStatus] = set()
        """Statuses that callbacks have reported; the absence of a callback about any other status proves nothing."""
        self._end_reported_at = -math.inf
        """When a callback last reported an end, or a task was last polled because none did."""
        self._postponed: dict[_F, tuple[float, float]] = {}
        """Each task whose poll was postponed, with the times since when and until when."""

    @property
    def proven(self) -> bool:
        """Whether callbacks have proved reliable."""
        return self._streak >= PROOF

    def observed(self, followed: _F, now: float, *, by_callback: bool) -> None:
        """Records whether a callback or a poll was first to report a task's last status."""
        status = followed.status
        if not followed.calls_back or status is None:
            return
        if by_callback:
            self._reported.add(status)
            followed.reported_first += 1
            if status.is_final:
                self._end_reported_at = now
                self._count(followed)
        elif status.is_final or status in self._reported:
            followed.reported_first = 0
            followed.callback_missed = True
            self._streak //= _LOSS

    def postpone(self, followed: _F, now: float) -> float | None:
        """Returns until when a due poll can be postponed; None if the task must be polled now."""
        if not followed.calls_back or followed.callback_missed:
            return None
        self._count(followed)
        since, until = self._postponed.get(followed, (now, math.inf))
        if not (self.proven and _only_end_expected(followed) and now < min(until, followed.deadline_at)):
            self.answered(followed)
            return None
        if until == math.inf:
            until = min(_time_when_left(followed, since, LEFT_RUNNING), followed.deadline_at)
            self._postponed[followed] = since, until
        silence_until = self._silence_expected_until(followed, since)
        if now < silence_until:
            return min(until, silence_until)
        self._end_reported_at = now
        self.answered(followed)
        return None

    def _silence_expected_until(self, followed: _F, since: float) -> float:
        """Returns until when it is plausible that no callback has reported an end."""
        share = _MISSING_ENDS / len(self._postponed)
        if share >= 1:
            return math.inf
        between = followed.estimate.look_schedule().median * share
        return max(self._end_reported_at + between, _time_when_left(followed, since, 1 - share))

    def answered(self, followed: _F) -> None:
        """Notes that a poll of the task, or of others with it, was answered: the next one may be postponed again."""
        self._postponed.pop(followed, None)

    def take_recalled(self) -> list[_F]:
        """Returns all postponed tasks, once, when callbacks are no longer reliable."""
        if self.proven or not self._postponed:
            return []
        waiting = list(self._postponed)
        self._postponed.clear()
        return waiting

    def _count(self, followed: _F) -> None:
        """Adds the changes that callbacks reported to the streak, now that a poll would have shown any missing one."""
        self._streak = min(_MOST, self._streak + followed.reported_first)
        followed.reported_first = 0


def _time_when_left(followed: FollowedTask, since: float, share: float) -> float:
    """Returns when only this share of the tasks of this kind that were running at `since` is still running."""
    age = followed.estimate.look_schedule().age_when_left(since - followed.begun_at, share)
    return followed.begun_at + age


def _only_end_expected(followed: FollowedTask) -> bool:
    """Whether the end is the only change to expect of a task, and nothing else requires that it is polled."""
    return followed.status is TaskStatus.PROCESSING and followed.attempts is None and not followed.has_unsigned_callback
