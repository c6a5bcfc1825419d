"""The shell command `kling-async`."""

import importlib
import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn, Protocol, cast

from kling_async.cli.exit_codes import Exit, Shown, UsageError
from kling_async.cli.output import Output, failure

__all__ = ["Exit", "main"]


class _Command(Protocol):
    """The interface of each module in `commands`."""

    def run(self, options: Namespace, output: Output) -> int:
        """Runs the command; returns the exit code."""
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: the words after the program's name; by default those of this process.

    Returns:
        The exit code, an `Exit`.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    # Looked up before the options are parsed, since with --json parse errors are JSON too.
    output = Output(json="--json" in words, quiet="--quiet" in words or "-q" in words)
    try:
        code = _run(words, output)
    finally:
        output.close()
    return Exit.ERROR if output.lost and code == Exit.OK else code


def _run(words: Sequence[str], output: Output) -> int:
    try:
        with _terminated_raises():
            # Imported here, so that an interrupt during the import is reported too.
            from kling_async.cli.arguments import read  # noqa: PLC0415  (see above)

            options = read(words)
            # Commands import even more; `--help` must not wait for that.
            command = cast("_Command", importlib.import_module(f"kling_async.cli.commands.{options.module}"))
            return command.run(options, output)
    except UsageError as error:
        output.failed(str(error), failure(Exit.USAGE, "UsageError", error.message))
        return Exit.USAGE
    except _Terminated:
        return _goodbye(output, Exit.TERMINATED)
    except KeyboardInterrupt:
        return _goodbye(output, Exit.INTERRUPTED)
    except Shown as shown:
        output.text(shown.text)
        return Exit.OK


def _goodbye(output: Output, code: Exit) -> Exit:
    """Reports a signal that arrived before there was an event loop, so before anything can have been sent."""
    message = "interrupted: nothing was sent, nothing is billed"
    output.failed(message, failure(code, "Interrupted", message))
    return code


class _Terminated(KeyboardInterrupt):
    """SIGTERM was received."""


def _raise_terminated(_number: int, _frame: FrameType | None) -> NoReturn:
    raise _Terminated


@contextmanager
def _terminated_raises() -> Iterator[None]:
    """Makes SIGTERM unwind as Ctrl-C does, so that the message names what continues and is billed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    if before is not signal.SIG_IGN:  # shells ignore the signal for background jobs
        signal.signal(signal.SIGTERM, _raise_terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
