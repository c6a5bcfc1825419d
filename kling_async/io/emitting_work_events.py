"""Emits the events of a piece of work, for clients with a listener."""

import asyncio
import logging
from collections.abc import Iterable
from typing import Final, Protocol

from kling_async.io.work_events import WorkEvents
from kling_async.protocol import event_of, events
from kling_async.protocol.cost import Cost
from kling_async.protocol.create_recovery import Create
from kling_async.protocol.create_states import CreateState
from kling_async.protocol.errors import BadResponse, InDoubt, KlingError
from kling_async.protocol.event_of import Ids
from kling_async.protocol.tasks import Task

_QUIET: Final = frozenset({CreateState.FULL, CreateState.CLAIMED})
"""States after a failed send that are not worth a warning: the create waits for a slot, or is looked up at once."""


class Emitter(Protocol):
    """The events of a client that has a listener."""

    def now(self) -> float:
        """The time of day, in seconds since 1970."""
        ...

    def emit(
        self,
        event: events.Event,
        *,
        level: int = logging.DEBUG,
        error: BaseException | None = None,
        reference: str | None = None,
    ) -> None:
        """Emits an event."""
        ...

    def count(self, reference: str) -> bool:
        """Marks the cost of a task as emitted; returns False if it was before."""
        ...

    def trace_of(self, work: int) -> str | None:
        """Returns the trace to store with a piece of work."""
        ...

    def emitting(self, ids: Ids) -> WorkEvents:
        """Returns the events of a piece of work."""
        ...


class EmittingWorkEvents(WorkEvents):
    """`WorkEvents` that are emitted.

    Args:
        emitter: of the client.
        ids: of the work.
    """

    __slots__ = ("_emitter", "_ended", "_found", "_sends", "_since")

    has_listener = True

    def __init__(self, emitter: Emitter, ids: Ids) -> None:
        super().__init__(emitter, ids)
        self._emitter = emitter
        self._since: float | None = None
        """When the current stage began, by the loop's clock; None before the first event."""
        self._sends = 0
        self._found = False
        self._ended = False

    def _passed(self) -> float:
        """Begins the next stage; returns the seconds spent in the previous one, 0.0 if there was none."""
        before, self._since = self._since, asyncio.get_running_loop().time()
        return 0.0 if before is None else self._since - before

    def queued(self, slots: int) -> None:
        """As `WorkEvents.queued`."""
        self._passed()
        self._emitter.emit(events.Queued(at=self._emitter.now(), slots=slots, **self.ids))
        if self.trace is None:
            self.trace = self._emitter.trace_of(self.ids["work"])

    def sent(self) -> None:
        """As `WorkEvents.sent`."""
        self._sends += 1
        self._found = False
        seconds = self._passed()
        self._emitter.emit(events.Sent(at=self._emitter.now(), send=self._sends, seconds=seconds, **self.ids))

    def answered(self, create: Create, outcome: Task | KlingError) -> None:
        """As `WorkEvents.answered`."""
        error = outcome
        if isinstance(error, Task):
            if not create.undecided:
                return
            error = BadResponse("the answer is about the task of another create")
        event = event_of.failed_send(create.state, error, self._emitter.now(), self.ids)
        if event is not None:
            level = logging.DEBUG if create.state in _QUIET or outcome is not error else logging.WARNING
            self._emitter.emit(event, level=level, error=error, reference=create.reference)

    def looked_up(self) -> None:
        """As `WorkEvents.looked_up`."""
        self._found = True

    def left_in_doubt(self) -> None:
        """As `WorkEvents.left_in_doubt`."""
        error = "an earlier attempt left it undecided"
        at = self._emitter.now()
        self._emitter.emit(events.InDoubt(at=at, final=False, error=error, trace=self.trace, **self.ids))

    def not_created(self, error: BaseException, *, undecided: bool) -> None:
        """As `WorkEvents.not_created`."""
        event = event_of.not_created(error, self._emitter.now(), self.ids, undecided=undecided)
        level = logging.WARNING if isinstance(error, InDoubt) else logging.DEBUG
        self._emitter.emit(event, level=level)

    def accepted(self, task: Task) -> None:
        """As `WorkEvents.accepted`."""
        passed = self._passed()
        self._learn_ids(task)
        found = self._found or not self._sends
        seconds = passed if self._sends else 0.0
        self._emitter.emit(events.Accepted(at=self._emitter.now(), seconds=seconds, found=found, **self.ids))

    def attached(self) -> None:
        """As `WorkEvents.attached`."""
        self._passed()
        self._emitter.emit(events.Attached(at=self._emitter.now(), trace=self.trace, **self.ids))

    def changed(self, task: Task, /) -> None:
        """As `WorkEvents.changed`."""
        self._learn_ids(task)
        self._emitter.emit(events.Changed(at=self._emitter.now(), status=task.status.value, **self.ids))

    def ended(self, end: Task | KlingError) -> None:
        """As `WorkEvents.ended`; once."""
        if not self._ended:
            self._ended = True
            self._emitter.emit(event_of.ended(end, self._emitter.now(), self.ids, self._passed()))

    def paid(self, end: Task | KlingError) -> None:
        """As `WorkEvents.paid`."""
        task = event_of.task_of(end)
        if task is not None:
            self._learn_ids(task)
            self._count(task.cost, task.reference)

    def repeated(self, error: KlingError) -> None:
        """As `WorkEvents.repeated`; the error was logged before."""
        event = event_of.failed_send(CreateState.UNSENT, error, self._emitter.now(), self.ids)
        if event is not None:
            self._emitter.emit(event)

    def called(self, cost: Cost | None) -> None:
        """As `WorkEvents.called`."""
        at, seconds = self._emitter.now(), self._passed()
        self._emitter.emit(events.Ended(at=at, status="succeed", seconds=seconds, cost=cost, **self.ids))
        self._count(cost, None)

    def _count(self, cost: Cost | None, reference: str | None) -> None:
        event = event_of.paid(cost, self._emitter.now(), self.ids)
        if event is None or self.is_counted or (reference is not None and not self._emitter.count(reference)):
            return
        self._emitter.emit(event)

    def _learn_ids(self, task: Task) -> None:
        self.ids["task_id"] = task.task_id
        if self.ids["external_task_id"] is None:
            self.ids["external_task_id"] = task.external_task_id

    def saving(self, *, watermark: bool) -> None:
        """As `WorkEvents.saving`."""
        self._emitter.emit(events.Saving(at=self._emitter.now(), watermark=watermark, **self.ids))

    def saved(self, paths: Iterable[object], size: int, seconds: float) -> None:
        """As `WorkEvents.saved`."""
        names = tuple(map(str, paths))
        self._emitter.emit(events.Saved(at=self._emitter.now(), paths=names, size=size, seconds=seconds, **self.ids))

    def not_saved(self, error: BaseException, seconds: float | None) -> None:
        """As `WorkEvents.not_saved`."""
        failed = event_of.failed(error)
        self._emitter.emit(events.NotSaved(at=self._emitter.now(), seconds=seconds, **failed, **self.ids))
