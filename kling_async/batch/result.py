"""The result of a row of a batch."""

import enum
from decimal import Decimal
from pathlib import Path

import attrs

from kling_async.batch.row import Row


class RowStatus(enum.StrEnum):
    """Status of a row."""

    WAITING = "waiting"
    """Nothing was sent."""
    RUNNING = "running"
    """The service has, or may have, the task; restarting the batch continues it."""
    SAVING = "saving"
    """The result is ready, and is being saved."""
    DONE = "done"
    """The result is ready, and its files, if any, are completely saved."""
    UNSAVED = "unsaved"
    """The result is ready and paid for, but not saved; restarting the batch saves it."""
    FAILED = "failed"
    """The service refused the request or could not generate the result; see `error`."""
    UNKNOWN = "unknown"
    """The outcome is not known, or not yet; `error` contains the reason and what to do."""
    OVER_BUDGET = "over budget"
    """Nothing was sent, because it might have cost more than the rest of the budget."""
    INVALID = "invalid"
    """Nothing was sent, because the row is invalid; see `error`."""


@attrs.frozen(kw_only=True)
class RowResult:
    """The result of a row.

    Attributes:
        id: id of the row.
        line: line of the jobs; None if they do not come from a file.
        row: the row; None if it could not be read.
        status: its status.
        task_id: the service's task id.
        files: absolute paths of the saved files.
        units: units that it cost, as reported by the service, else by the price table; None if neither is known.
        usd: the cost in dollars, with units at list price; None if it cannot be expressed in dollars.
        amount: money that it cost, for an account that pays in money; None otherwise.
        currency: currency of `amount`, if the service named it.
        estimated: whether the cost comes from the price table.
        seconds: seconds from acceptance by the service to the end of the task.
        error: why it failed, is unknown or is invalid; empty otherwise.
        attempts: number of tasks created for it.
        lost: whether restarting the batch can neither clarify nor change its outcome.
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
