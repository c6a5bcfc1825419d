"""How far the callbacks of one client have proved to come, and which questions that saves.

What counts is who tells of a change first. A task is asked for as if there were no callbacks until many changes in a
row were told by them; then a question that is due is put off once, to when it is likely that the task has ended and
its callback is lost. One change that a question tells first, and all that were put off are asked at once. Of many
tasks one is asked for sooner, if no callback tells of an end while several are to be expected.
"""

import math
from typing import Final, Generic, TypeVar

from kling_async.protocol.polling.followed import FollowedTask
from kling_async.protocol.tasks import TaskStatus

PROOF: Final = 14
"""Changes that callbacks tell first in a row until they save questions: if half are lost, once in 16,384."""
_MOST: Final = 2 * PROOF
_LOSS: Final = 4
"""What one change that a question tells first divides their number by: far below `PROOF`, and not to nothing, since
the question may just have been a moment quicker."""
_UNHEARD: Final = 3
"""Ends that are to be expected of all tasks that were put off until one of them is asked for."""
LEFT_RUNNING: Final = 0.1
"""Share of the tasks that run on, when one whose end was not told is asked for after all."""

_F = TypeVar("_F", bound=FollowedTask)


class CallbackTrust(Generic[_F]):
    """What the callbacks of one client have proved."""

    def __init__(self) -> None:
        self._row = 0
        self._reported: set[TaskStatus] = set()
        """Statuses that callbacks have told of; that of others nothing comes proves nothing."""
        self._end_reported_at = -math.inf
        """When a callback last told of an end, or one was asked for."""
        self._put_off: dict[_F, tuple[float, float]] = {}
        """Of each task whose question was put off, since when and until when."""

    @property
    def proven(self) -> bool:
        """Whether they have proved to come."""
        return self._row >= PROOF

    def observed(self, followed: _F, now: float, *, by_callback: bool) -> None:
        """Takes note of who told first of a task's last status."""
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
            followed.overlooked = True
            self._row //= _LOSS

    def put_off(self, followed: _F, now: float) -> float | None:
        """Until when the question that is due can wait; None where it is to be asked now."""
        if not followed.calls_back or followed.overlooked:
            return None
        self._count(followed)
        since, until = self._put_off.get(followed, (now, math.inf))
        if not (self.proven and _runs_well(followed) and now < min(until, followed.deadline_at)):
            self.answered(followed)
            return None
        if until == math.inf:
            until = min(_when_left(followed, since, LEFT_RUNNING), followed.deadline_at)
            self._put_off[followed] = since, until
        silent = self._silent_until(followed, since)
        if now < silent:
            return min(until, silent)
        self._end_reported_at = now
        self.answered(followed)
        return None

    def _silent_until(self, followed: _F, since: float) -> float:
        """Until when it is no wonder that no callback tells of an end."""
        share = _UNHEARD / len(self._put_off)
        if share >= 1:
            return math.inf
        between = followed.estimate.look_schedule().median * share
        return max(self._end_reported_at + between, _when_left(followed, since, 1 - share))

    def answered(self, followed: _F) -> None:
        """A question about it was answered, maybe another one than its own: the next one may be put off again."""
        self._put_off.pop(followed, None)

    def called_in(self) -> list[_F]:
        """All whose questions were put off, once, when callbacks are not to be relied on any more."""
        if self.proven or not self._put_off:
            return []
        waiting = list(self._put_off)
        self._put_off.clear()
        return waiting

    def _count(self, followed: _F) -> None:
        """Counts what was told of a task, now that a question would have shown whether something was left out."""
        self._row = min(_MOST, self._row + followed.reported_first)
        followed.reported_first = 0


def _when_left(followed: FollowedTask, since: float, share: float) -> float:
    """When this share is left of the tasks like this one that ran at a time."""
    age = followed.estimate.look_schedule().age_when_left(since - followed.begun_at, share)
    return followed.begun_at + age


def _runs_well(followed: FollowedTask) -> bool:
    """Whether nothing but the end of a task can be heard of, and no question about it is needed otherwise."""
    return followed.status is TaskStatus.PROCESSING and followed.attempts is None and not followed.prompted
