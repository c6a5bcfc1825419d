"""A live line, drawn by rich: a spinner, the status, a bar, and the time."""

import time
from types import TracebackType
from typing import Self

from rich import live
from rich.console import Console, RenderableType
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from kling_async.cli.output import Output


class LiveDisplay:
    """Lines on stderr that are redrawn repeatedly, and erased at the end.

    Args:
        output: gets lines that stay.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._console = Console(stderr=True)
        # Not every encoding has the dots.
        self._spinner = Spinner("line" if self._console.options.ascii_only else "dots", style="cyan")

    def rendered(self) -> RenderableType:
        """Returns the lines to draw."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Starts drawing."""
        # Only stderr is redirected above the lines: stdout is for the result, which is printed after them.
        self._live = live.Live(
            console=self._console,
            get_renderable=self.rendered,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,
        )
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Erases the lines."""
        self._live.stop()


class Live(LiveDisplay):
    """One line that shows the progress of a task; details are printed above it and stay.

    Args:
        output: gets the details.
        expected: typical seconds of the task; None for no bar.
    """

    def __init__(self, output: Output, expected: float | None) -> None:
        super().__init__(output)
        self._expected = expected
        self._began = time.monotonic()
        self._status = ""

    def status(self, text: str, detail: str = "") -> None:
        """Shows a status in the line, and prints the detail."""
        self._status = text
        if detail:
            self._output.note(f"{text}: {detail}")

    def rendered(self) -> Table:
        """Returns the line to draw."""
        elapsed = time.monotonic() - self._began
        at_end = times(elapsed, self._expected)
        line = Table.grid(padding=(0, 1))
        cells: list[RenderableType] = [self._spinner, Text(self._status, style="bold", no_wrap=True)]
        width = bar_width(self._console.width, len(self._status) + len(at_end))
        if self._expected is not None and width:
            cells.append(ProgressBar(total=1.0, completed=fraction(elapsed, self._expected), width=width))
        line.add_row(*cells, Text(at_end, style="dim", no_wrap=True))
        return line


def fraction(elapsed: float, expected: float) -> float:
    """Returns the filled part of a bar: linear up to nine tenths, then ever slower, since the end is not known."""
    done = elapsed / expected
    return done if done < 0.9 else 1 - 0.09 / done


def clock_time(seconds: float) -> str:
    """Returns seconds as `1:05` or `1:02:03`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def times(elapsed: float, expected: float | None) -> str:
    """Returns the elapsed and the expected time as text."""
    if expected is None:
        return clock_time(elapsed)
    return f"{clock_time(elapsed)} / about {clock_time(expected)}"


def bar_width(columns: int, others: int) -> int:
    """Returns the width that is left for a bar, at most 40; 0 if it would be too short."""
    room = min(40, columns - others - 4)
    return room if room >= 8 else 0
