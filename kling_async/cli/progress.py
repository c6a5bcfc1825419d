"""What is shown while a video is made: a live line on a terminal that has rich, else a line for each status."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from kling_async.cli.output import Output

SECONDS_USUALLY = 164.0
"""Mean of image to video in pro, 5 s, as users of the service measured it."""


class Progress(Protocol):
    """Shows how far a task is."""

    def status(self, text: str, detail: str = "") -> None:
        """There is a new status; the detail is worth a look once."""


# ------------------------------------------------------------------------------------------------- decisions


def expected_seconds(mode: str | None, duration: int) -> float:
    """About how long the service takes: less for std, more for 4k and for long videos."""
    effort = {"pro": 1.0, "4k": 2.0}.get(mode or "std", 0.65)
    return SECONDS_USUALLY * effort * (0.6 + 0.08 * duration)


def fraction(elapsed: float, expected: float) -> float:
    """How full a bar is: in step with time up to nine tenths, then ever slower, since nobody knows."""
    done = elapsed / expected
    return done if done < 0.9 else 1 - 0.09 / done


def clock_time(seconds: float) -> str:
    """As `1:05`, or `1:02:03`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def times(elapsed: float, expected: float | None) -> str:
    """How long it took, and about how long it takes."""
    if expected is None:
        return clock_time(elapsed)
    return f"{clock_time(elapsed)} / about {clock_time(expected)}"


def bar_width(columns: int, others: int) -> int:
    """What is left of a terminal's line for a bar; none where it would be a stub."""
    room = min(40, columns - others - 4)
    return room if room >= 8 else 0


# --------------------------------------------------------------------------------------------------- display


@contextmanager
def shown(output: Output, expected: float | None = None) -> Iterator[Progress]:
    """The display that suits: none for programs and with `--quiet`, live on a terminal with rich, else lines.

    Args:
        output: where lines go.
        expected: seconds that it takes about; None where that is not known.
    """
    if output.json or output.quiet:
        yield _Nothing()
        return
    live = _live(output, expected) if _can_move(os.environ.get("TERM")) else None
    if live is None:
        yield _Lines(output)
        return
    with live as progress:
        yield progress


def _can_move(term: str | None) -> bool:
    return sys.stderr is not None and sys.stderr.isatty() and term != "dumb"


class _Nothing:
    def status(self, text: str, detail: str = "") -> None:
        """Shows nothing."""


class _Lines:
    """One line for each status, with the seconds since the beginning."""

    def __init__(self, output: Output, now: Callable[[], float] = time.monotonic) -> None:
        self._output = output
        self._now = now
        self._began = now()

    def status(self, text: str, detail: str = "") -> None:
        seconds = self._now() - self._began
        self._output.note(f"{seconds:7.1f} s  {text}" + (f"  {detail}" if detail else ""))


def _live(output: Output, expected: float | None) -> AbstractContextManager[Progress] | None:
    try:
        from kling_async.cli.live import Live  # noqa: PLC0415  (rich is an extra, and slow to import)
    except ImportError:
        return None
    return Live(output, expected)
