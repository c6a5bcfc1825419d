"""Runs a command on an event loop: signals, warnings and errors become words and an exit code."""

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
"""After a second signal, in which all that is under way is dropped, and the end is told."""


class Stopped(Exception):
    """A signal asked the command to end; what was under way has ended.

    Args:
        number: of the signal.
    """

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number.name)
        self.number = number


class Leaving:
    """Ends the process though a thread is stuck, as in a file system that does not answer: no thread can be cancelled.

    That is as a kill is, after which the journal and the parts of files are as they should be.

    Args:
        output: where the end is reported.
        job: what is known of its task.
    """

    def __init__(self, output: Output, job: Job) -> None:
        self._output = output
        self._job = job
        self._timer: threading.Timer | None = None
        self.number = signal.SIGINT
        """The first signal, once there were two."""

    def begin(self, number: signal.Signals) -> None:
        """A second signal came after the one of this number."""
        self.number = number
        if self._timer is None:
            self._timer = threading.Timer(LEAVE_SECONDS, self._leave)
            self._timer.daemon = True
            self._timer.start()

    def end(self) -> None:
        """Nothing was stuck."""
        if self._timer is not None:
            self._timer.cancel()

    def _leave(self) -> None:
        try:
            _report_end(self._output, report.of_stop(self.number, self._job))
            self._output.close()
        finally:
            os._exit(report.exit_of(self.number))


class Stop:
    """The wish to end. The second one does not wait for anything to be found out.

    Args:
        leaving: what ends the process where the second one does not.
    """

    def __init__(self, leaving: Leaving) -> None:
        self._leaving = leaving
        self._number: signal.Signals | None = None
        self._asked = asyncio.Event()
        self._main = asyncio.current_task()

    @property
    def number(self) -> signal.Signals | None:
        """The signal, once there was one."""
        return self._number

    def ask(self, number: signal.Signals) -> None:
        """A signal came."""
        if self._number is None:
            self._number = number
            self._asked.set()
        elif self._main is not None:
            self._leaving.begin(self._number)
            # What is dropped now ends with errors that nobody waits for; the words at the end say the same.
            asyncio.get_running_loop().set_exception_handler(_without_ours)
            for task in asyncio.all_tasks():  # closing is a task of its own, which waits for what is in doubt
                task.cancel()

    async def asked(self) -> signal.Signals:
        """Waits for a signal."""
        await self._asked.wait()
        if self._number is None:
            raise AssertionError("set together with the number")
        return self._number

    async def or_result(self, work: Coroutine[Any, Any, _T], end: Callable[[], Awaitable[None]] | None = None) -> _T:
        """The result of the work, unless a signal comes first.

        Args:
            work: to be done.
            end: brings the work to its end after a signal; its result still counts, for the words at the end.
                Without it the work is cancelled.

        Raises:
            Stopped: a signal came, and the work has ended without a result or an error.
        """
        loop = asyncio.get_running_loop()
        working, asked = loop.create_task(work), loop.create_task(self.asked())
        try:
            await asyncio.wait({working, asked}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done() and end is not None:
                await end()
                return await working
            if not working.done():
                raise Stopped(asked.result())
            return working.result()
        finally:
            asked.cancel()
            working.cancel()
            await asyncio.gather(asked, working, return_exceptions=True)


def _without_ours(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not isinstance(context.get("exception"), KlingError):
        loop.default_exception_handler(context)


def run(job: Job, output: Output, work: Callable[[Stop], Coroutine[Any, Any, int | None]]) -> int:
    """Runs a command to its end, whatever that is.

    Args:
        job: what is known of its task; the command keeps it up to date.
        output: where the end is reported.
        work: the command; prints its own result, and gives the exit code if it is not 0.

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
    """Leads SIGINT and SIGTERM to `stop`, by `signal.signal`, as Windows knows no other way."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()

    def ask(number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stop.ask, signal.Signals(number))

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # a shell's choice for what runs in its background
            signal.signal(number, ask)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _warnings_shown(output: Output, job: Job) -> Iterator[None]:
    """Shows the library's warnings as lines, without the places in its code."""
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

_NEWS: Final = {"queue_served", "job_saved", "handed_over"}
"""What a worker tells while it works: it has no other result."""


class _Lines(logging.Handler):
    """The library's log, from warnings up, and what is tried again; each line once."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output
        self._shown: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        event = getattr(record, "kling_event", None)
        arguments = record.args if isinstance(record.args, tuple) else ()
        error = next((each for each in arguments if isinstance(each, KlingError)), None)
        if event in _RETRIED and error is not None and (event in _TRIED_AGAIN or is_transient(error)):
            # Minutes may pass before it is given up; until then nothing else would say why nothing happens.
            if not self._output.quiet:
                self.once(f"{error.explained(report.SHELL_WORDS)}; still trying")
        elif event in _NEWS:
            if not self._output.quiet:
                self._output.note(record.getMessage())
        # What is unfinished when a command is interrupted is reported at its end, with the way to go on.
        elif record.levelno >= logging.WARNING and event not in _REPORTED_AT_THE_END:
            self.once(f"warning: {record.getMessage()}")

    def once(self, line: str) -> None:
        """Shows a line that was not shown yet."""
        if line not in self._shown:
            self._shown.add(line)
            self._output.note(line)
