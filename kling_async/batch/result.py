"""What came of a row of a batch."""

import enum
from decimal import Decimal
from pathlib import Path

import attrs

from kling_async.batch.row import Row


class RowStatus(enum.StrEnum):
    """How far a row has come."""

    WAITING = "waiting"
    """Nothing was sent."""
    RUNNING = "running"
    """The service has the task, or may have it: the same batch, started again, goes on with it."""
    SAVING = "saving"
    """It is made, and being saved."""
    DONE = "done"
    """It is made, and its files are saved whole, where it has any."""
    UNSAVED = "unsaved"
    """It is made and paid for, and not saved: the same batch, started again, saves it."""
    FAILED = "failed"
    """The service refused it or could not make it; `error` says why."""
    UNKNOWN = "unknown"
    """What became of it is not known, or not yet; `error` says why, and what to do."""
    OVER_BUDGET = "over budget"
    """Nothing was sent, since it might have cost more than what is left of the budget."""
    INVALID = "invalid"
    """Nothing was sent, since the row is wrong; `error` says how."""


@attrs.frozen(kw_only=True)
class RowResult:
    """What came of a row.

    Attributes:
        id: of the row.
        line: of the jobs; None where they came from no file.
        row: what was asked for; None where that could not be read.
        status: how far it has come.
        task_id: the service's id.
        files: that were saved, absolute.
        units: that it cost as the service said, else by the price table; None where neither is known.
        usd: the same in dollars, units at list price; None where it is no dollars.
        amount: money that it cost, of an account that pays so; None where there was none.
        currency: of that, where the service named it.
        estimated: whether that is from the price table.
        seconds: from its acceptance by the service to its end.
        error: why it failed, is unknown or invalid; empty otherwise.
        attempts: how many tasks were made for it.
        lost: whether nothing more can be found out or done about it, however often the batch is started again.
    """

    id: str
    line: int | None = None
    row: Row | None = None
    status: RowStatus
    task_id: str | None = None
    files: tuple[Path, ...] = ()
    units: Decimal | None = None
    usd: Decimal | None = None
    amount: Decimal | None = None
    currency: str | None = None
    estimated: bool = False
    seconds: float | None = None
    error: str = ""
    attempts: int = 0
    lost: bool = False
