"""A followed task and its listeners."""

from collections.abc import Callable
from typing import Protocol

from kling_async.io.work_events import WorkEvents
from kling_async.protocol.errors import KlingError
from kling_async.protocol.polling.durations import DurationEstimate
from kling_async.protocol.polling.followed import FollowedTask
from kling_async.protocol.reference import Reference
from kling_async.protocol.tasks import Task


class Listener(Protocol):
    """Is notified of the progress of a task."""

    def changed(self, task: Task, /) -> None:
        """The task has a new status."""

    def ended(self, end: Task | KlingError, /) -> None:
        """The task has ended, or is no longer followed; the last notification."""


class Visitor(Listener, Protocol):
    """A listener that can be removed again."""

    place: int | None
    """Its index in the watch's list, so that removal needs no search; None if it is not in the list."""


class TaskWatch(FollowedTask):
    """A followed task, which any number of handles share.

    Args:
        reference: of the task.
        now: when following begins, by the loop's clock.
        deadline: seconds from now until following ends with `TaskTimeout`.
        estimate: how long tasks of its kind take.
        created_here: whether this client created it, so that its age is known.
        calls_back: whether the service sends callbacks about the task to this client.
        on_end: called once, when it ends.
    """

    __slots__ = ("_on_end", "_visitors", "accounts", "events", "listeners")

    def __init__(
        self,
        reference: Reference,
        now: float,
        deadline: float,
        estimate: DurationEstimate,
        *,
        created_here: bool,
        calls_back: bool = False,
        on_end: Callable[[], None],
    ) -> None:
        super().__init__(reference, now, deadline, estimate, created_here=created_here, calls_back=calls_back)
        self.listeners: list[Listener] = []
        self.accounts: list[Listener] = []
        """Listeners that are notified only of the end, and need the cost of the task."""
        self._visitors: list[Visitor] = []
        self.events: WorkEvents | None = None
        """The events of the first piece of work with this task, if events are emitted."""
        self._on_end = on_end

    def join(self, visitor: Visitor) -> None:
        """Adds a listener until it leaves."""
        visitor.place = len(self._visitors)
        self._visitors.append(visitor)

    def leave(self, visitor: Visitor) -> None:
        """Removes a listener in constant time: web pages come and go by thousands. The last one takes its index."""
        last = self._visitors.pop()
        if last is not visitor and visitor.place is not None:
            last.place = visitor.place
            self._visitors[visitor.place] = last
        visitor.place = None

    def publish(
        self, snapshot: Task | None, end: Task | KlingError | None, *, uncounted: bool = False
    ) -> list[Listener]:
        """Notifies all listeners of a new status and of the end.

        Args:
            snapshot: with the new status, if there is one.
            end: of the task, if it has ended.
            uncounted: whether `end` lacks the cost of the task.

        Returns:
            The listeners that need the cost, and have not been notified of the end.
        """
        if snapshot is not None:
            for listener in [*self.listeners, *self._visitors]:
                listener.changed(snapshot)
        if end is None:
            return []
        self._on_end()
        accounts, self.accounts = self.accounts, []
        listeners, self.listeners = self.listeners, []
        visitors, self._visitors = self._visitors, []
        for visitor in visitors:
            visitor.place = None
        for listener in [*([] if uncounted else accounts), *listeners, *visitors]:
            listener.ended(end)
        return accounts if uncounted else []
