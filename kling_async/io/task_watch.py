"""One task that is followed, and the listeners to tell."""

from collections.abc import Callable
from typing import Protocol

from kling_async.io.work_events import WorkEvents
from kling_async.protocol.errors import KlingError
from kling_async.protocol.polling.durations import DurationEstimate
from kling_async.protocol.polling.followed import FollowedTask
from kling_async.protocol.reference import Reference
from kling_async.protocol.tasks import Task


class Listener(Protocol):
    """Hears what becomes of a task."""

    def changed(self, task: Task, /) -> None:
        """The task has a new status."""

    def ended(self, end: Task | KlingError, /) -> None:
        """There is nothing more to come."""


class Visitor(Listener, Protocol):
    """A listener that comes and goes."""

    place: int | None
    """Where it is among them, kept by the watch, so that leaving costs no search; None where it is not."""


class TaskWatch(FollowedTask):
    """One task that is followed, however many handles there are to it.

    Args:
        reference: of the task.
        now: when the following begins, in seconds of the loop's clock.
        deadline: seconds from now until it is given up.
        estimate: how long tasks of its kind take.
        created_here: whether this client created it, so that its age is known.
        calls_back: whether the service was asked to tell of its changes where this client hears them.
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
        """Those who hear of the end only, and have to know what the task has cost."""
        self._visitors: list[Visitor] = []
        self.events: WorkEvents | None = None
        """The events of the first piece of work whose task it is here, where somebody listens."""
        self._on_end = on_end

    def join(self, visitor: Visitor) -> None:
        """Tells it, too, until it leaves."""
        visitor.place = len(self._visitors)
        self._visitors.append(visitor)

    def leave(self, visitor: Visitor) -> None:
        """Tells it no longer; pages come and leave by thousands, so its place is filled, and not searched."""
        last = self._visitors.pop()
        if last is not visitor and visitor.place is not None:
            last.place = visitor.place
            self._visitors[visitor.place] = last
        visitor.place = None

    def publish(
        self, snapshot: Task | None, end: Task | KlingError | None, *, uncounted: bool = False
    ) -> list[Listener]:
        """Tells all listeners of a new status, and of the end, if that is what came.

        Args:
            snapshot: with the new status, if there is one.
            end: if it came.
            uncounted: whether it does not tell what the task has cost.

        Returns:
            Those who have to know what the task has cost, and were not told of its end.
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
