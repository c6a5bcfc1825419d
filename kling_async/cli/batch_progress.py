"""Progress of a running batch: a live display on a terminal with rich, else lines; with `--json` events."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, Protocol

from kling_async.batch.report_text import time_text
from kling_async.batch.result import RowResult
from kling_async.cli.batch_state import Moment, is_reported, row_data, row_text
from kling_async.cli.output import Output
from kling_async.cli.progress import can_move

BEAT: Final = 1.0
"""Seconds between two progress updates of a batch."""
_SECONDS: Final = 30.0
_SHARE: Final = 0.1


class BatchProgress(Protocol):
    """Shows the progress of a batch."""

    def row(self, result: RowResult) -> None:
        """Called when a row has ended."""
        ...

    def moment(self, moment: Moment) -> None:
        """Called every second with the progress of all rows."""
        ...


@contextmanager
def shown(output: Output) -> Iterator[BatchProgress]:
    """Yields the display that suits the output.

    Args:
        output: gets lines and events.
    """
    if output.json:
        yield _Events(output)
    elif output.quiet:
        yield _Nothing()
    elif (live := _live(output) if can_move() else None) is not None:
        with live as progress:
            yield progress
    else:
        yield _Lines(output)


class _Nothing:
    def row(self, result: RowResult) -> None:
        """Shows nothing."""

    def moment(self, moment: Moment) -> None:
        """Shows nothing."""


class _NowAndThen:
    """Limits progress messages to one after a while, or when much has changed."""

    def __init__(self) -> None:
        self._last: Moment | None = None

    def is_due(self, moment: Moment) -> bool:
        """Whether progress is due at this moment; the first moment always is."""
        last = self._last
        due = (
            last is None
            or moment.elapsed - last.elapsed >= _SECONDS
            or moment.ended - last.ended >= max(1, _SHARE * moment.total)
        )
        if due:
            self._last = moment
        return due


class _Events:
    """Writes each row, and progress now and then, as JSON."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._now_and_then = _NowAndThen()

    def row(self, result: RowResult) -> None:
        self._output.event({"event": "row", **row_data(result)})

    def moment(self, moment: Moment) -> None:
        if self._now_and_then.is_due(moment):
            self._output.event({"event": "progress", **moment.data()})


class _Lines:
    """Writes each row that is not done, and progress now and then, as lines."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._now_and_then = _NowAndThen()

    def row(self, result: RowResult) -> None:
        if is_reported(result):
            self._output.note(row_text(result))

    def moment(self, moment: Moment) -> None:
        if self._now_and_then.is_due(moment):
            left = f"; about {time_text(moment.left)} left" if moment.left else ""
            self._output.note(f"{time_text(moment.elapsed):>7}  {moment.counted()}; {moment.money()}{left}")


def _live(output: Output) -> AbstractContextManager[BatchProgress] | None:
    try:
        from kling_async.cli.batch_live import BatchLive  # noqa: PLC0415  (rich is an extra, and slow to import)
    except ImportError:
        return None
    return BatchLive(output)
