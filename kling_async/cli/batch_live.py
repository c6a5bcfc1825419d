"""A live display of a batch, drawn by rich: a bar, rows by status, money, and the last rows that went wrong."""

from collections import deque
from types import TracebackType
from typing import Final

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from kling_async.batch.report_text import time_text
from kling_async.batch.result import RowResult
from kling_async.cli.batch_state import Moment, is_reported, row_text
from kling_async.cli.output import Output, printable
from kling_async.cli.progress_rich import LiveDisplay, bar_width

_LAST: Final = 4
"""Rows that went wrong which the display shows: the last ones."""


class BatchLive(LiveDisplay):
    """Lines that show the progress of a batch.

    Args:
        output: gets the last rows that went wrong, at the end.
    """

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        self._moment: Moment | None = None
        self._wrong: deque[str] = deque(maxlen=_LAST)
        self._count = 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Clears the display; prints the last rows that went wrong."""
        super().__exit__(kind, error, trace)
        if (earlier := self._count - len(self._wrong)) > 0:
            self._output.note(f"{earlier} more rows that are not done; the report has them all")
        for text in self._wrong:
            self._output.note(text)

    def row(self, result: RowResult) -> None:
        """Keeps a row that went wrong."""
        if is_reported(result):
            self._count += 1
            self._wrong.append(row_text(result))

    def moment(self, moment: Moment) -> None:
        """Stores the progress to show."""
        self._moment = moment

    def rendered(self) -> RenderableType:
        """Returns the lines to draw."""
        if self._moment is None:
            return self._spinner
        lines = [self._moment.counted(), self._moment.money()]
        return Group(
            self._first(self._moment),
            *(_line(text) for text in lines),
            *(_line(printable(text, self._console.encoding), "red") for text in self._wrong),
        )

    def _first(self, moment: Moment) -> Table:
        ended = f"{moment.ended} of {moment.total}"
        at_end = time_text(moment.elapsed) + (f", about {time_text(moment.left)} left" if moment.left else "")
        cells: list[RenderableType] = [self._spinner, Text(ended, style="bold", no_wrap=True)]
        if width := bar_width(self._console.width, len(ended) + len(at_end)):
            cells.append(ProgressBar(total=moment.total, completed=moment.ended, width=width))
        line = Table.grid(padding=(0, 1))
        line.add_row(*cells, Text(at_end, style="dim", no_wrap=True))
        return line


def _line(text: str, style: str = "") -> Text:
    return Text(f"  {text}", style=style, no_wrap=True, overflow="ellipsis")
