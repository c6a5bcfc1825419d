"""The state of one followed task, which is polled until it ends."""

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
"""Seconds by which a task may be older than the response to its create, by the clocks, and still count as new."""


class FollowedTask(QueueEntry):
    """One task that is followed until it ends. All times are seconds of one monotonic clock.

    Args:
        reference: reference of the task.
        now: when following begins.
        deadline: seconds from now until it fails with `TaskTimeout`.
        estimate: how long tasks of its kind take.
        created_here: whether this client created it, so that its age is known.
        calls_back: whether the service was given a callback address at which this client receives its changes.
    """

    __slots__ = (
        "accepted_at",
        "aliases",
        "attempts",
        "begun_at",
        "callback_missed",
        "calls_back",
        "created_here",
        "deadline_at",
        "end",
        "estimate",
        "gives_up_at",
        "has_unsigned_callback",
        "held",
        "is_new",
        "largest_share",
        "last_error",
        "last_seen_at",
        "max_batch",
        "missing_on_page",
        "missing_since",
        "names",
        "poll_number",
        "reference",
        "refusals",
        "reported_first",
        "snapshots",
        "stretch",
        "unmixed_until",
        "unsigned_status",
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
        """When the service accepted the task, as far as known."""
        self.last_seen_at = now
        """When the last answer about it arrived."""
        self.deadline_at = now + deadline
        self.gives_up_at: float | None = None
        """When the last poll times out; None until that poll is sent, at the deadline or after it."""
        self.estimate = estimate
        self.created_here = self.is_new = created_here
        """Whether it was accepted when following began, or just before: the service may not show it yet."""
        self.poll_number = 0
        """Number of the next poll at fixed delays (`Polling`), from 1; 0 until the first is scheduled."""
        self.missing_on_page = False
        """Whether the last scan of the list that was begun for it did not contain it."""
        self.stretch = 1.0
        """Factor on the targeted lag (`AimedPolling`), above 1 since queries for other tasks also report this one."""
        self.max_batch = IDS_AT_ONCE
        """Maximum number of tasks in a query with it: halved whenever a query was refused that it may have caused."""
        self.unmixed_until = -math.inf
        """Until when it is not put into one query with tasks of the other generation."""
        self.missing_since: float | None = None
        """Since when answers about several tasks have omitted it; None if the last one contained it."""
        self.refusals = 0
        """Times the credentials were refused since the last answer about it."""
        self.aliases: tuple[Self, ...] = ()
        """Other entries for the same task, followed by another name before its id was known; they get its updates."""
        self.attempts: Attempts | None = None
        """The retry state since a poll failed; None once one is answered."""
        self.calls_back = calls_back
        self.held = False
        """Whether another client follows it and reports its end; this one polls only in case that report is lost."""
        self.reported_first = 0
        """Changes that callbacks reported first and that are not yet counted in `CallbackTrust`."""
        self.callback_missed = False
        """Whether a callback about it was lost, or slower than a poll."""
        self.has_unsigned_callback = False
        """Whether an unsigned callback has reported a change that no poll has confirmed yet."""
        self.unsigned_status: TaskStatus | None = None
        """The status in that callback, if it arrived during a poll, whose answer may be older."""
        self.names: tuple[str, ...] = ()
        """The ids under which it is registered."""
        self.last_error: KlingError | None = None
        """The last error since the last answer about it."""
        self.snapshots: list[Task] = []
        self.end: Task | KlingError | None = None
        self.largest_share = 0.0
        """The largest share of its time that was reported as progress."""

    @property
    def status(self) -> TaskStatus | None:
        """The last known status."""
        return self.snapshots[-1].status if self.snapshots else None

    @property
    def external_task_id(self) -> str | None:
        """The external id, which the caller gave or the client generated; None if not known."""
        return self.snapshots[-1].external_task_id if self.snapshots else None

    def progress(self, now: float) -> Progress:
        """Returns the progress of the task at `now`; its share never falls."""
        if isinstance(self.end, Task | TaskFailed):
            return Progress(1.0, 0.0)
        if self.end is not None:
            return Progress(self.largest_share, None)
        age, expected = max(0.0, now - self.begun_at), self.estimate.expectation()
        self.largest_share = max(self.largest_share, expected.share(age))
        return Progress(self.largest_share, expected.seconds_left(age))

    def note(self, error: KlingError) -> None:
        """Keeps the last error; a failed connection does not replace an error from the service."""
        if not isinstance(error, ConnectionFailed) or isinstance(self.last_error, ConnectionFailed | None):
            self.last_error = error

    def timeout(self) -> TaskTimeout:
        """Returns the error for a task that did not end before its deadline, with the details of the last error."""
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
    """Returns the seconds since the service accepted a task; 0 if its answers do not contain that.

    Args:
        task: the task in the service's answer.
        service_time: the service's time of day, estimated from its answers, in seconds since 1970.
    """
    if task.created_at is None:
        return 0.0
    age = service_time - task.created_at.timestamp()
    return age if 0 < age < EDGES[-1] else 0.0  # otherwise a clock is wrong, or it ended long ago
