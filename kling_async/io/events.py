"""Emits the events of a client to its listener and to the log; without either, no event is created."""

import asyncio
import collections
import contextlib
import inspect
import itertools
import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kling_async.io import threads
from kling_async.io.task_watch import TaskWatch
from kling_async.io.work_events import Kept, WorkEvents
from kling_async.protocol.errors import KlingError
from kling_async.protocol.tasks import Task

if TYPE_CHECKING:  # slow to import, and needed only if there is a listener
    from kling_async.protocol import events
    from kling_async.protocol.event_of import Ids

logger = logging.getLogger("kling_async")

OnEvent = Callable[["events.Event"], object]

SLOW_SECONDS: Final = 0.5
"""Seconds per event after which a slow `on_event` is logged; it should take a thousandth of that."""
TRACE_LETTERS: Final = 512
"""Maximum length of a trace that is stored in the journal, in characters."""

_NUMBERS: Final = itertools.count(1)
"""Numbers all pieces of work of this process, so that clients can share a listener."""


class Events:
    """The events of one client.

    Args:
        on_event: the listener, called with each event; None for the log alone.
        wall: this machine's time of day, in seconds since 1970.
    """

    def __init__(self, on_event: OnEvent | None = None, wall: Callable[[], float] = lambda: 0.0) -> None:
        self._on_event = on_event
        self.now = wall
        self._paid: set[str] = set()
        """References of tasks whose cost was emitted; each is emitted once."""
        self._waiting: collections.deque[events.Event] = collections.deque()
        self._is_emitting = False
        self._complained: set[str] = set()

    @property
    def has_listener(self) -> bool:
        """Whether events are emitted, to a listener or to the log."""
        return self._on_event is not None or logger.isEnabledFor(logging.DEBUG)

    # -------------------------------------------------------------------------------- pieces of work

    def of(
        self,
        endpoint: str,
        *,
        line: str = "",
        key: str | None = None,
        external_task_id: str | None = None,
        task_id: str | None = None,
    ) -> WorkEvents:
        """Returns the events of a new piece of work."""
        ids: Ids = {
            "work": next(_NUMBERS),
            "endpoint": endpoint,
            "line": line,
            "key": key,
            "external_task_id": external_task_id,
            "task_id": task_id,
        }
        return self.emitting(ids) if self.has_listener else WorkEvents(self, ids)

    def emitting(self, ids: "Ids") -> WorkEvents:
        """Returns the events of a piece of work, emitted at least to the log."""
        from kling_async.io.emitting_work_events import EmittingWorkEvents  # noqa: PLC0415  (only with a listener)

        return EmittingWorkEvents(self, ids)

    def attached(self, watch: TaskWatch, kept: Kept | None = None) -> None:
        """Emits that an existing task is followed; `kept` is the journal's entry of its work."""
        reference = watch.reference
        work_events = self.of(reference.endpoint, key=kept.key if kept is not None else None, task_id=reference.id)
        if kept is not None:
            work_events.trace, work_events.is_counted = kept.trace, kept.is_counted
        work_events.attached()
        self.follow(watch, work_events)

    def follow(self, watch: TaskWatch, work_events: WorkEvents) -> None:
        """Emits the further events of the task of a piece of work."""
        if not work_events.has_listener:
            return
        if watch.events is None:
            watch.events = work_events
        emitter = _EndEmitter(watch, work_events)
        if watch.end is not None:
            emitter.ended(watch.end)
        elif self._on_event is not None:
            # As an account: if a callback does not contain the cost, it is queried.
            watch.accounts.append(emitter)
            watch.listeners.append(work_events)
        else:
            watch.listeners += [work_events, emitter]

    def polled(
        self,
        endpoint: str,
        references: Iterable[object],
        begun: float,
        error: BaseException | None = None,
        page: int | None = None,
    ) -> None:
        """Emits that a poll of tasks has ended; `begun` is its start by the loop's clock."""
        if self.has_listener:
            from kling_async.protocol import event_of  # noqa: PLC0415  (only with a listener)

            seconds = asyncio.get_running_loop().time() - begun
            names = [str(reference) for reference in references]
            self.emit(event_of.polled(endpoint, names, self.now(), seconds, error=error, page=page), error=error)

    def count(self, reference: str) -> bool:
        """Marks the cost of a task as emitted; returns False if it was before."""
        if reference in self._paid:
            return False
        self._paid.add(reference)
        return True

    # ----------------------------------------------------------------------------------- the listener

    def trace_of(self, work: int) -> str | None:
        """Returns the trace to store with a piece of work, from `trace_of` of the listener if it has one."""
        trace_of = getattr(self._on_event, "trace_of", None)
        if trace_of is None:
            return None
        try:
            trace = trace_of(work)
        except BaseException as error:  # noqa: BLE001  (as `_hand_over`)
            self._raised("trace_of of on_event raised; what is resumed elsewhere has no link to here", error)
            return None
        return trace if isinstance(trace, str) and len(trace) <= TRACE_LETTERS and trace.isprintable() else None

    def emit(
        self,
        event: "events.Event",
        *,
        level: int = logging.DEBUG,
        error: BaseException | None = None,
        reference: str | None = None,
    ) -> None:
        """Emits an event, to the log first.

        Args:
            event: to emit.
            level: of the log record.
            error: that the event is about, appended to the log message.
            reference: of its task, if the event itself does not contain it.
        """
        if logger.isEnabledFor(level):
            _log(event, level, error, reference)
        if self._on_event is None:
            return
        self._waiting.append(event)
        if self._is_emitting:  # an event that the listener itself causes is emitted after the current one
            return
        self._is_emitting = True
        try:
            while self._waiting:
                self._hand_over(self._on_event, self._waiting.popleft())
        finally:
            self._is_emitting = False

    def _hand_over(self, on_event: OnEvent, event: "events.Event") -> None:
        clock = asyncio.get_running_loop().time
        begun = clock()
        try:
            result = on_event(event)
        except BaseException as error:  # noqa: BLE001  (a failing listener must not disturb the work)
            self._raised("on_event raised; the work goes on, and further events are emitted", error)
        else:
            if inspect.iscoroutine(result):
                result.close()
                self._complain("on_event gave a coroutine, which nobody awaits: it must be a plain function")
        if clock() - begun > SLOW_SECONDS:
            self._complain(
                f"on_event took more than {SLOW_SECONDS:g} s for one event, in which nothing else could happen: let it "
                "put events into a queue"
            )

    def _raised(self, text: str, error: BaseException) -> None:
        """Logs an error of the listener; KeyboardInterrupt and SystemExit are raised from the loop instead.

        Raised here, they would end the code that emits: a paid create, or a query that serves other waiters.
        """
        if isinstance(error, KeyboardInterrupt | SystemExit):
            asyncio.get_running_loop().call_soon(_raise, error)
        else:
            self._complain(text, error)

    def _complain(self, text: str, error: BaseException | None = None) -> None:
        """Logs an error about the listener, once."""
        if text not in self._complained:
            self._complained.add(text)
            logger.error(text, exc_info=error, extra={"kling_event": "on_event_failed"})


def _raise(error: BaseException) -> None:
    raise error


async def emit_saved(work_events: WorkEvents, paths: Sequence[Path], begun: float) -> None:
    """Emits that files are complete, even if this is cancelled while their sizes are read.

    Args:
        work_events: of their work.
        paths: of the files.
        begun: when the end of their task became known, by the loop's clock.
    """
    if not work_events.has_listener:
        return
    reading = threads.begin(_size_of, paths)
    try:
        await threads.finished(reading)
    finally:
        work_events.saved(paths, reading.result(), asyncio.get_running_loop().time() - begun)


def _size_of(paths: Sequence[Path]) -> int:
    """Total bytes of the files that exist."""
    size = 0
    for path in paths:
        with contextlib.suppress(OSError):
            size += path.stat().st_size
    return size


class _EndEmitter:
    """Emits the end and the cost of a task; as a `Listener`.

    Args:
        watch: of the task.
        work_events: of its work.
    """

    __slots__ = ("_watch", "_work_events")

    def __init__(self, watch: TaskWatch, work_events: WorkEvents) -> None:
        self._watch = watch
        self._work_events = work_events

    def changed(self, _task: Task, /) -> None:
        """Does nothing: only the end of a task has a cost."""

    def ended(self, end: Task | KlingError) -> None:
        """Emits the end, then the cost unless another client follows the task and emits it."""
        self._work_events.ended(end)
        if not self._watch.held:
            self._work_events.paid(end)


def _log(event: "events.Event", level: int, error: BaseException | None, reference: str | None) -> None:
    from kling_async.protocol import event_log  # noqa: PLC0415  (with the events)

    name, attributes = event_log.name(event), event_log.attributes(event)
    if reference is not None:
        attributes["kling_reference"] = reference
    text = event_log.text(event, reference)
    if error is None:
        logger.log(level, "%s", text, extra={"kling_event": name, **attributes})
    else:
        logger.log(level, "%s: %s", text, error, extra={"kling_event": name, **attributes})
