"""Runs a command on an event loop; turns signals, warnings and errors into messages and an exit code."""

import asyncio
import contextlib
import logging
import os
import signal
import threading
import traceback
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from types import FrameType
from typing import Any, Final, TypeVar

from kling_async.cli import report
from kling_async.cli.exit_codes import Exit, UsageError
from kling_async.cli.job import Job
from kling_async.cli.output import Output
from kling_async.cli.record_fields import in_options
from kling_async.cli.report import Ending
from kling_async.protocol.errors import CapabilityWarning, KlingError
from kling_async.protocol.retry import is_transient

_T = TypeVar("_T")

LEAVE_SECONDS: Final = 10.0
"""Seconds after a second signal in which tasks may be cancelled and the end reported, before the process exits."""


class Stopped(Exception):
    """The command was ended by a signal; its work has ended.

    Args:
        number: of the signal.
    """

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number.name)
        self.number = number


class Leaving:
    """Ends the process even if a thread is stuck, such as in a file system that hangs: threads cannot be cancelled.

    Like a kill it leaves the journal and partial files in a consistent state.

    Args:
        output: gets the report of the end.
        job: state of the command's task.
    """

    def __init__(self, output: Output, job: Job) -> None:
        self._output = output
        self._job = job
        self._timer: threading.Timer | None = None
        self.number = signal.SIGINT
        """The first signal, once there has been a second one."""

    def begin(self, number: signal.Signals) -> None:
        """Starts the timer after a second signal.

        Args:
            number: of the first signal.
        """
        self.number = number
        if self._timer is None:
            self._timer = threading.Timer(LEAVE_SECONDS, self._leave)
            self._timer.daemon = True
            self._timer.start()

    def end(self) -> None:
        """Stops the timer, since nothing was stuck."""
        if self._timer is not None:
            self._timer.cancel()

    def _leave(self) -> None:
        try:
            _report_end(self._output, report.of_stop(self.number, self._job))
            self._output.close()
        finally:
            os._exit(report.exit_of(self.number))


class Stop:
    """Signals that request the command to end. The second one cancels all tasks.

    Args:
        leaving: ends the process if the second signal does not.
    """

    def __init__(self, leaving: Leaving) -> None:
        self._leaving = leaving
        self._number: signal.Signals | None = None
        self._requested = asyncio.Event()
        self._main = asyncio.current_task()

    @property
    def number(self) -> signal.Signals | None:
        """The first signal, once there has been one."""
        return self._number

    def request(self, number: signal.Signals) -> None:
        """Handles a signal: the first requests the end, the second cancels all tasks."""
        if self._number is None:
            self._number = number
            self._requested.set()
        elif self._main is not None:
            self._leaving.begin(self._number)
            # Cancelled tasks raise errors that no task awaits; the message at the end reports the same.
            asyncio.get_running_loop().set_exception_handler(_without_ours)
            for task in asyncio.all_tasks():  # the client is closed in a separate task, which waits for look-ups
                task.cancel()

    async def requested(self) -> signal.Signals:
        """Waits for a signal."""
        await self._requested.wait()
        if self._number is None:
            raise AssertionError("set together with the number")
        return self._number

    async def or_result(self, work: Coroutine[Any, Any, _T], end: Callable[[], Awaitable[None]] | None = None) -> _T:
        """Returns the result of the work, unless a signal arrives first.

        Args:
            work: to run.
            end: makes the work end after a signal; its result is still returned, for the message at the end.
                Without it the work is cancelled.

        Raises:
            Stopped: by a signal, before the work ended.
        """
        loop = asyncio.get_running_loop()
        working, requested = loop.create_task(work), loop.create_task(self.requested())
        try:
            await asyncio.wait({working, requested}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done() and end is not None:
                await end()
                return await working
            if not working.done():
                raise Stopped(requested.result())
            return working.result()
        finally:
            requested.cancel()
            working.cancel()
            await asyncio.gather(requested, working, return_exceptions=True)


def _without_ours(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not isinstance(context.get("exception"), KlingError):
        loop.default_exception_handler(context)


def run(job: Job, output: Output, work: Callable[[Stop], Coroutine[Any, Any, int | None]]) -> int:
    """Runs a command and reports how it ended.

    Args:
        job: state of the command's task; the command keeps it up to date.
        output: gets the report of the end.
        work: the command; prints its result, and returns the exit code if it is not 0.

    Returns:
        The exit code.
    """
    leaving = Leaving(output, job)
    try:
        with _warnings_shown(output, job):
            return asyncio.run(_with_signals(work, leaving)) or Exit.OK
    except Stopped as stopped:
        return _report_end(output, report.of_stop(stopped.number, job))
    except asyncio.CancelledError:  # the second signal; the first may have left something unknown
        return _report_end(output, report.of_stop(leaving.number, job))
    except KeyboardInterrupt as interrupt:
        number = signal.SIGINT if type(interrupt) is KeyboardInterrupt else signal.SIGTERM
        return _report_end(output, report.of_stop(number, job))
    except KlingError as error:
        return _report_end(output, report.of_error(error, job))
    except UsageError:
        raise
    except Exception as error:  # noqa: BLE001  (a bug must not hide what was paid for)
        output.traceback(traceback.format_exc())
        return _report_end(output, report.of_bug(error, job))
    finally:
        leaving.end()


def _report_end(output: Output, ending: Ending) -> Exit:
    output.failed(ending.text, ending.data)
    return ending.code


async def _with_signals(work: Callable[[Stop], Coroutine[Any, Any, int | None]], leaving: Leaving) -> int | None:
    stop = Stop(leaving)
    with _signals_to(stop):
        return await work(stop)


@contextlib.contextmanager
def _signals_to(stop: Stop) -> Iterator[None]:
    """Passes SIGINT and SIGTERM to `stop`, by `signal.signal`, the only way that works on Windows."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()

    def request(number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stop.request, signal.Signals(number))

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # shells ignore SIGINT for background jobs
            signal.signal(number, request)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _warnings_shown(output: Output, job: Job) -> Iterator[None]:
    """Shows the library's warnings as lines, without positions in its code."""
    handler = _Lines(output)

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        handler.once(in_options(f"warning: {message}", job.options))

    logger = logging.getLogger("kling_async")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", CapabilityWarning)
            warnings.showwarning = show
            yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)


_REPORTED_AT_THE_END: Final = {"closed_unfinished", "create_cancelled", "create_abandoned", "in_doubt"}
_TRIED_AGAIN: Final = {"create_failed", "download_failed"}
_RETRIED: Final = {*_TRIED_AGAIN, "page_failed", "poll_failed", "read_failed"}

_WORKER_EVENTS: Final = {"queue_served", "job_saved", "handed_over"}
"""Events that a worker prints while it runs: it has no other result."""


class _Lines(logging.Handler):
    """Prints the library's log, from warnings up, and retries; each line once."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output
        self._shown: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        event = getattr(record, "kling_event", None)
        arguments = record.args if isinstance(record.args, tuple) else ()
        error = next((each for each in arguments if isinstance(each, KlingError)), None)
        if event in _RETRIED and error is not None and (event in _TRIED_AGAIN or is_transient(error)):
            # Retries may last minutes; without this line there would be no reason for the delay.
            if not self._output.quiet:
                self.once(f"{error.explained(report.SHELL_WORDS)}; still trying")
        elif event in _WORKER_EVENTS:
            if not self._output.quiet:
                self._output.note(record.getMessage())
        # Unfinished work of an interrupted command is reported at its end, with the way to go on.
        elif record.levelno >= logging.WARNING and event not in _REPORTED_AT_THE_END:
            self.once(f"warning: {record.getMessage()}")

    def once(self, line: str) -> None:
        """Prints a line unless it was printed before."""
        if line not in self._shown:
            self._shown.add(line)
            self._output.note(line)
