"""What is shown while a batch runs: live on a terminal that has rich, else lines; events for programs."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, Protocol

from kling_async.batch.report_text import time_text
from kling_async.batch.result import RowResult
from kling_async.cli.batch_state import Moment, is_told, row_data, row_text
from kling_async.cli.output import Output
from kling_async.cli.progress import can_move

BEAT: Final = 1.0
"""Seconds between two looks at a batch."""
_SECONDS: Final = 30.0
_SHARE: Final = 0.1


class BatchProgress(Protocol):
    """Shows how far a batch is."""

    def row(self, result: RowResult) -> None:
        """A row has ended."""
        ...

    def moment(self, moment: Moment) -> None:
        """How far all is; comes every second."""
        ...


@contextmanager
def shown(output: Output) -> Iterator[BatchProgress]:
    """The display that suits.

    Args:
        output: where lines and events go.
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
    """Whether it is time to say how far all is: after a while, and when much has changed."""

    def __init__(self) -> None:
        self._last: Moment | None = None

    def is_due(self, moment: Moment) -> bool:
        """Whether this moment is worth a line; the first one is."""
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
    """Each row, and now and then how far all is, as JSON."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._now_and_then = _NowAndThen()

    def row(self, result: RowResult) -> None:
        self._output.event({"event": "row", **row_data(result)})

    def moment(self, moment: Moment) -> None:
        if self._now_and_then.is_due(moment):
            self._output.event({"event": "progress", **moment.data()})


class _Lines:
    """Each row that is not done, and now and then how far all is."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._now_and_then = _NowAndThen()

    def row(self, result: RowResult) -> None:
        if is_told(result):
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
