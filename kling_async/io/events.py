"""Where a client tells what happens: to whom it was given, and to the log. No event is made that nobody hears."""

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

if TYPE_CHECKING:  # they take time to import, and are needed where somebody listens
    from kling_async.protocol import events
    from kling_async.protocol.event_of import Ids

logger = logging.getLogger("kling_async")

OnEvent = Callable[["events.Event"], object]

SLOW_SECONDS: Final = 0.5
"""Seconds that `on_event` may take for one event until that is said: it should take a thousandth of that."""
TRACE_LETTERS: Final = 512
"""Letters that a trace may have which goes into the journal."""

_NUMBERS: Final = itertools.count(1)
"""Of all pieces of work of this process, so that a listener may hear of several clients."""


class Events:
    """The events of one client.

    Args:
        on_event: hears each; None for the log alone.
        wall: this machine's time of day, in seconds since 1970.
    """

    def __init__(self, on_event: OnEvent | None = None, wall: Callable[[], float] = lambda: 0.0) -> None:
        self._on_event = on_event
        self.now = wall
        self._paid: set[str] = set()
        """References of tasks whose cost was told: none is told twice."""
        self._waiting: collections.deque[events.Event] = collections.deque()
        self._is_emitting = False
        self._complained: set[str] = set()

    @property
    def has_listener(self) -> bool:
        """Whether anybody listens, be it the log."""
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
        """The events of another piece of work."""
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
        """The events of a piece of work, told to the log at least."""
        from kling_async.io.emitting_work_events import EmittingWorkEvents  # noqa: PLC0415  (not where nobody listens)

        return EmittingWorkEvents(self, ids)

    def attached(self, watch: TaskWatch, kept: Kept | None = None) -> None:
        """A task is followed that was made elsewhere; `kept` is what the journal knows of its work."""
        reference = watch.reference
        work_events = self.of(reference.endpoint, key=kept.key if kept is not None else None, task_id=reference.id)
        if kept is not None:
            work_events.trace, work_events.is_counted = kept.trace, kept.is_counted
        work_events.attached()
        self.follow(watch, work_events)

    def follow(self, watch: TaskWatch, work_events: WorkEvents) -> None:
        """Tells what becomes of the task of a piece of work."""
        if not work_events.has_listener:
            return
        if watch.events is None:
            watch.events = work_events
        counting = _Counting(watch, work_events)
        if watch.end is not None:
            counting.ended(watch.end)
        elif self._on_event is not None:
            # Of those who have to know what it cost: where a callback does not tell that, it is asked for.
            watch.accounts.append(counting)
            watch.listeners.append(work_events)
        else:
            watch.listeners += [work_events, counting]

    def polled(
        self,
        endpoint: str,
        references: Iterable[object],
        begun: float,
        error: BaseException | None = None,
        page: int | None = None,
    ) -> None:
        """A question about tasks is over, which began at this time of the loop."""
        if self.has_listener:
            from kling_async.protocol import event_of  # noqa: PLC0415  (not where nobody listens)

            seconds = asyncio.get_running_loop().time() - begun
            names = [str(reference) for reference in references]
            self.emit(event_of.polled(endpoint, names, self.now(), seconds, error=error, page=page), error=error)

    def count(self, reference: str) -> bool:
        """Notes that the cost of a task is told now; False where it was already."""
        if reference in self._paid:
            return False
        self._paid.add(reference)
        return True

    # ----------------------------------------------------------------------------------- the listener

    def trace_of(self, work: int) -> str | None:
        """What the tracing of a piece of work wants to be kept with it: `trace_of` of the listener, if it has that."""
        ask = getattr(self._on_event, "trace_of", None)
        if ask is None:
            return None
        try:
            trace = ask(work)
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
        """Tells it, to the log first.

        Args:
            event: that has happened.
            level: of the log.
            error: that it tells of, for those who explain it to people.
            reference: by which its task can be found, where the event itself does not know that.
        """
        if logger.isEnabledFor(level):
            _log(event, level, error, reference)
        if self._on_event is None:
            return
        self._waiting.append(event)
        if self._is_emitting:  # what the listener itself has caused comes behind what it is told of
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
        except BaseException as error:  # noqa: BLE001  (whatever it is, nothing is lost by it)
            self._raised("on_event raised; what it is told of goes on, and it is told on", error)
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
        """Takes what the listener has raised; what ends the program does that by itself, a moment later.

        Here it would end whatever happens to tell: a create that is paid, or a question for which others wait.
        """
        if isinstance(error, KeyboardInterrupt | SystemExit):
            asyncio.get_running_loop().call_soon(_raise, error)
        else:
            self._complain(text, error)

    def _complain(self, text: str, error: BaseException | None = None) -> None:
        """Says something about the listener, once."""
        if text not in self._complained:
            self._complained.add(text)
            logger.error(text, exc_info=error, extra={"kling_event": "on_event_failed"})


def _raise(error: BaseException) -> None:
    raise error


async def emit_saved(work_events: WorkEvents, paths: Sequence[Path], begun: float) -> None:
    """Tells that files are whole, also where this is cancelled while their size is read.

    Args:
        work_events: the events of their work.
        paths: where they are.
        begun: when the end of their task was known, by the loop's clock.
    """
    if not work_events.has_listener:
        return
    reading = threads.begin(_size_of, paths)
    try:
        await threads.finished(reading)
    finally:
        work_events.saved(paths, reading.result(), asyncio.get_running_loop().time() - begun)


def _size_of(paths: Sequence[Path]) -> int:
    """Bytes of all files that are there."""
    size = 0
    for path in paths:
        with contextlib.suppress(OSError):
            size += path.stat().st_size
    return size


class _Counting:
    """Hears what a task has cost, of those who have to know; as a `Listener`.

    Args:
        watch: of the task.
        work_events: the events of its work.
    """

    __slots__ = ("_watch", "_work_events")

    def __init__(self, watch: TaskWatch, work_events: WorkEvents) -> None:
        self._watch = watch
        self._work_events = work_events

    def changed(self, _task: Task, /) -> None:
        """A status on the way costs nothing."""

    def ended(self, end: Task | KlingError) -> None:
        """The end comes before what it has cost, which is told by the client that follows the task."""
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
