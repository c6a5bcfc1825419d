"""Progress of a task: a live line on a terminal with rich, else a line for each status."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from kling_async.cli.output import Output


class Progress(Protocol):
    """Shows the progress of a task."""

    def status(self, text: str, detail: str = "") -> None:
        """Shows a new status; the detail is shown once."""


@contextmanager
def shown(output: Output, expected: float | None = None) -> Iterator[Progress]:
    """Yields the display: none with `--json` or `--quiet`, live on a terminal with rich, else lines.

    Args:
        output: gets the lines.
        expected: typical seconds of the task; None where unknown.
    """
    if output.json or output.quiet:
        yield _Nothing()
        return
    live = _live(output, expected) if can_move() else None
    if live is None:
        yield _Lines(output)
        return
    with live as progress:
        yield progress


def can_move() -> bool:
    """Whether stderr is a terminal that can move its cursor."""
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


class _Nothing:
    def status(self, text: str, detail: str = "") -> None:
        """Shows nothing."""


class _Lines:
    """Prints one line for each status, with the seconds since the beginning."""

    def __init__(self, output: Output, now: Callable[[], float] = time.monotonic) -> None:
        self._output = output
        self._now = now
        self._began = now()

    def status(self, text: str, detail: str = "") -> None:
        seconds = self._now() - self._began
        self._output.note(f"{seconds:7.1f} s  {text}" + (f"  {detail}" if detail else ""))


def _live(output: Output, expected: float | None) -> AbstractContextManager[Progress] | None:
    try:
        from kling_async.cli.progress_rich import Live  # noqa: PLC0415  (rich is an extra, and slow to import)
    except ImportError:
        return None
    return Live(output, expected)
