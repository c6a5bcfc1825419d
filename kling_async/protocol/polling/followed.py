"""One followed task: what is known of it, as a value that the plan changes."""

import math
from typing import Final, Self

from kling_async.protocol.endpoint import IDS_AT_ONCE
from kling_async.protocol.errors import ConnectionFailed, KlingError, Remedy, TaskFailed, TaskTimeout
from kling_async.protocol.polling.age_bins import EDGES
from kling_async.protocol.polling.durations import DurationEstimate
from kling_async.protocol.polling.progress import Progress
from kling_async.protocol.polling.queue import QueueEntry
from kling_async.protocol.reference import Reference
from kling_async.protocol.retry import Attempts
from kling_async.protocol.tasks import Task, TaskStatus

SLOW_ANSWER: Final = 5.0
"""Seconds that a task may be older than its create's answer, by the clocks, and still be taken for new."""


class FollowedTask(QueueEntry):
    """One task that is followed until it ends. All times are seconds of one monotonic clock.

    Args:
        reference: of the task.
        now: when the following begins.
        deadline: seconds from now until it is given up.
        estimate: how long tasks of its kind take.
        created_here: whether this client created it, so that its age is known.
        calls_back: whether the service was asked to tell of its changes where this client hears them.
    """

    __slots__ = (
        "accepted_at",
        "apart_until",
        "asked",
        "attempts",
        "begun_at",
        "calls_back",
        "created_here",
        "deadline_at",
        "end",
        "estimate",
        "gives_up_at",
        "held",
        "hinted",
        "is_new",
        "last_error",
        "last_seen_at",
        "missed",
        "missing_at",
        "names",
        "overlooked",
        "prompted",
        "reference",
        "refusals",
        "reported_first",
        "share",
        "snapshots",
        "stretch",
        "together_at_most",
        "twins",
    )

    def __init__(
        self,
        reference: Reference,
        now: float,
        deadline: float,
        estimate: DurationEstimate,
        *,
        created_here: bool,
        calls_back: bool = False,
    ) -> None:
        super().__init__()
        self.reference = reference
        self.accepted_at = now
        self.begun_at = now
        """When the service began with it, as far as that is known."""
        self.last_seen_at = now
        """When the last answer about it came."""
        self.deadline_at = now + deadline
        self.gives_up_at: float | None = None
        """When the last look ends; None before it began, which is at the deadline or after it."""
        self.estimate = estimate
        self.created_here = self.is_new = created_here
        """Whether it was accepted when the following began, or a moment before: the service may be slow to show it."""
        self.asked = 0
        """Questions of a fixed beat that were answered."""
        self.missed = False
        """Whether the last page that was to answer about it did not hold it."""
        self.stretch = 1.0
        """What the aimed lag is multiplied by, since questions for other tasks tell of this one, too."""
        self.together_at_most = IDS_AT_ONCE
        """Tasks in a question about it at most: half as many whenever one was refused that it may be to blame for."""
        self.apart_until = -math.inf
        """Until when it is not asked for with tasks of the other generation."""
        self.missing_at: float | None = None
        """Since when answers about several tasks have left it out; None where the last one told of it."""
        self.refusals = 0
        """Refusals of the credentials since the last answer about it."""
        self.twins: tuple[Self, ...] = ()
        """Followings of the same task by another name, from before its id was known: they hear what this one hears."""
        self.attempts: Attempts | None = None
        """The questions since one failed in passing, until one is answered."""
        self.calls_back = calls_back
        self.held = False
        """Whether another client follows it, of which its end is heard: questions are for the case that it is not."""
        self.reported_first = 0
        """Changes that callbacks told first, and that prove nothing yet."""
        self.overlooked = False
        """Whether a callback about it was lost, or slower than a question."""
        self.prompted = False
        """Whether a callback that proves nothing says that there is news."""
        self.hinted: TaskStatus | None = None
        """The status that it names, if it came while a question was under way, whose answer may be older."""
        self.names: tuple[str, ...] = ()
        """The ids that it can be found by."""
        self.last_error: KlingError | None = None
        """What came instead of an answer about it, since the last such answer."""
        self.snapshots: list[Task] = []
        self.end: Task | KlingError | None = None
        self.share = 0.0
        """The largest share of its time that anybody was given."""

    @property
    def status(self) -> TaskStatus | None:
        """The last known status."""
        return self.snapshots[-1].status if self.snapshots else None

    @property
    def external_task_id(self) -> str | None:
        """The caller's id, or the one made for the task, as far as it is known."""
        return self.snapshots[-1].external_task_id if self.snapshots else None

    def progress(self, now: float) -> Progress:
        """How far it is."""
        if isinstance(self.end, Task | TaskFailed):
            return Progress(1.0, 0.0)
        if self.end is not None:
            return Progress(self.share, None)
        age, expected = max(0.0, now - self.begun_at), self.estimate.expectation()
        self.share = max(self.share, expected.share(age))
        return Progress(self.share, expected.seconds_left(age))

    def note(self, error: KlingError) -> None:
        """Keeps what came last; a question without any answer does not hide what an earlier one was answered with."""
        if not isinstance(error, ConnectionFailed) or isinstance(self.last_error, ConnectionFailed | None):
            self.last_error = error

    def timeout(self) -> TaskTimeout:
        """The error for a task that did not end before its deadline, with all that came last."""
        last = self.last_error
        return TaskTimeout(
            f"the task did not end within {self.deadline_at - self.accepted_at:g} s; it goes on and is billed"
            + (f" (what came last: {last.message})" if last else ""),
            remedy=Remedy.WAIT_LONGER,
            code=last.code if last else None,
            http_status=last.http_status if last else None,
            request_id=last.request_id if last else None,
            reference=str(self.reference),
        )


def age_of(task: Task, service_time: float) -> float:
    """Seconds since the service accepted a task; 0 where its answers do not tell.

    Args:
        task: as the service answered.
        service_time: its time of day, as far as its answers tell, in seconds since 1970.
    """
    if task.created_at is None:
        return 0.0
    age = service_time - task.created_at.timestamp()
    return age if 0 < age < EDGES[-1] else 0.0  # else a clock is wrong, or it ended long ago
