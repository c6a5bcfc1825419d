"""One task that is followed: what is known of it, and the listeners to tell."""

from collections.abc import Callable, Iterator
from typing import Protocol

from kling_async.protocol.errors import ConnectionFailed, KlingError, Remedy, TaskTimeout
from kling_async.protocol.polling.estimates import DurationEstimate
from kling_async.protocol.polling.queue import QueueEntry
from kling_async.protocol.reference import Reference
from kling_async.protocol.tasks import Task, TaskStatus


class Listener(Protocol):
    """Is told about a task."""

    def told(self, task: Task) -> None:
        """The task has a new status."""

    def ended(self, end: Task | KlingError) -> None:
        """There is nothing more to come."""


class TaskWatch(QueueEntry):
    """One task that is followed, however many handles there are to it.

    Args:
        reference: of the task.
        now: seconds of the loop's clock; the deadline runs from here.
        deadline: when to give up, on the same clock.
        estimate: how long tasks of this kind take.
        created_here: whether this client created it, so that its age is known.
    """

    __slots__ = (
        "accepted_at",
        "asked",
        "begun_at",
        "created_here",
        "deadline",
        "end",
        "estimate",
        "failures",
        "gives_up_at",
        "heard_at",
        "last_error",
        "listeners",
        "missed",
        "names",
        "on_end",
        "reference",
        "snapshots",
    )

    def __init__(
        self, reference: Reference, now: float, deadline: float, estimate: DurationEstimate, *, created_here: bool
    ) -> None:
        super().__init__()
        self.reference = reference
        self.accepted_at = now
        self.begun_at = now
        """When the service began with it, as far as that is known."""
        self.heard_at = now
        """When the last answer about it came."""
        self.deadline = deadline
        self.gives_up_at: float | None = None
        """When the last look ends; None before it began, which is at the deadline or after it."""
        self.estimate = estimate
        self.created_here = created_here
        self.asked = 0
        """Questions of a fixed beat that were answered."""
        self.missed = False
        """Whether the last page that was to answer about it did not hold it."""
        self.failures: Iterator[float] | None = None
        self.names: tuple[str, ...] = ()
        self.last_error: KlingError | None = None
        """What came instead of an answer about it, since the last such answer."""
        self.snapshots: list[Task] = []
        self.listeners: list[Listener] = []
        self.on_end: Callable[[], None] | None = None
        self.end: Task | KlingError | None = None

    @property
    def status(self) -> TaskStatus | None:
        """The status last told."""
        return self.snapshots[-1].status if self.snapshots else None

    @property
    def external_task_id(self) -> str | None:
        """The caller's id, or the one made for the task, as far as it is known."""
        return self.snapshots[-1].external_task_id if self.snapshots else None

    def note(self, error: KlingError) -> None:
        """Keeps what came last; a question without any answer does not hide what an earlier one was answered with."""
        if not isinstance(error, ConnectionFailed) or isinstance(self.last_error, ConnectionFailed | None):
            self.last_error = error

    def timeout(self, deadline: float) -> TaskTimeout:
        """The error for a task that did not end within so many seconds, with all that came last."""
        last = self.last_error
        return TaskTimeout(
            f"the task did not end within {deadline:g} s; it goes on and is billed"
            + (f" (what came last: {last.message})" if last else ""),
            remedy=Remedy.WAIT_LONGER,
            code=last.code if last else None,
            http_status=last.http_status if last else None,
            request_id=last.request_id if last else None,
            reference=str(self.reference),
        )

    def learn(self, task: Task) -> None:
        """Takes a new status."""
        self.snapshots.append(task)
        for listener in self.listeners:
            listener.told(task)

    def finish(self, end: Task | KlingError) -> None:
        """Ends it, once."""
        if self.end is not None:
            return
        self.end = end
        if self.on_end is not None:
            self.on_end()
        listeners, self.listeners = self.listeners, []
        for listener in listeners:
            listener.ended(end)
