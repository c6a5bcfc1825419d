"""Determines the result of a row from its journal entries and the error with which it ended."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final, TypedDict

import attrs

from kling_async.batch.result import RowResult, RowStatus
from kling_async.batch.row import Row
from kling_async.io.target import shown as shown_path
from kling_async.journal.entry import Entry, EntryState
from kling_async.protocol.budget import shown
from kling_async.protocol.cost import Cost, total
from kling_async.protocol.endpoint import Endpoint
from kling_async.protocol.errors import (
    BudgetExceeded,
    InvalidRequest,
    KeyConflict,
    KlingError,
    TargetError,
    TargetExists,
)
from kling_async.protocol.tasks import Task

_ANEW: Final = "look at the account's list of tasks; another id for the row makes it anew, which may pay twice"
_AGAIN: Final = "the same batch, started again, goes on with it"
_THEN_SAVED: Final = "{}, then the same batch, started again, saves it; it is made already, so that costs nothing"


def outcome(row: Row, endpoint: Endpoint, attempts: Sequence[Entry], error: KlingError | None) -> RowResult:
    """Returns the result of an ended row.

    Args:
        row: the row.
        endpoint: the row's endpoint.
        attempts: all entries of its key, oldest first.
        error: the error with which it ended; None without one.
    """
    last = attempts[-1] if attempts else None
    status = _status(last, error)
    result = RowResult(
        id=row.id,
        line=row.line,
        row=row,
        status=status,
        task_id=last.task_id if last else None,
        files=tuple(Path(file.path) for file in last.files) if last and status is RowStatus.DONE else (),
        **_money(endpoint, attempts),
        seconds=_seconds(last),
        error="" if status is RowStatus.DONE else _text(status, last, error),
        attempts=len(attempts),
        lost=status is RowStatus.UNKNOWN and _is_lost(last),
    )
    if not isinstance(error, KeyConflict):
        return result
    # The journal's entries belong to another request, whose cost still counts.
    text = _of_another(error, last)
    return attrs.evolve(result, status=RowStatus.FAILED, task_id=None, seconds=None, error=text, attempts=0)


def begun(row: Row, endpoint: Endpoint, attempts: Sequence[Entry], status: RowStatus) -> RowResult:
    """Returns the preliminary result of a running row, with its cost by the price table until the service reports it.

    Args:
        row: the row, which may be paid for.
        endpoint: the row's endpoint.
        attempts: all entries of its key, oldest first.
        status: its status.
    """
    return RowResult(
        id=row.id,
        line=row.line,
        row=row,
        status=status,
        task_id=attempts[-1].task_id if attempts else None,
        **_money(endpoint, attempts),
        attempts=len(attempts),
    )


def with_cost(attempts: Sequence[Entry], task: Task) -> list[Entry]:
    """Adds the cost of an ended task to its entry, as the journal may not have it yet."""
    cost = task.cost
    if cost is None or not attempts:
        return [*attempts]
    last = attrs.evolve(attempts[-1], units=cost.units, quota=cost.amount, currency=cost.currency)
    return [*attempts[:-1], last]


def unknown(row: Row, error: KlingError) -> RowResult:
    """Returns the result of a row whose journal entries cannot be read."""
    text = f"{error.message}; {_AGAIN}"
    return RowResult(id=row.id, line=row.line, row=row, status=RowStatus.UNKNOWN, error=text)


def _status(last: Entry | None, error: KlingError | None) -> RowStatus:
    if last is None or last.state is EntryState.REFUSED:
        match error:
            case BudgetExceeded():
                return RowStatus.OVER_BUDGET
            case InvalidRequest():
                return RowStatus.INVALID
            case _:
                return RowStatus.FAILED
    if last.failed:
        return RowStatus.FAILED
    if error is None:
        return RowStatus.DONE
    made = last.state in {EntryState.ENDED, EntryState.SAVED}
    return RowStatus.UNSAVED if made else RowStatus.UNKNOWN


def _text(status: RowStatus, last: Entry | None, error: KlingError | None) -> str:
    text = error.message if error is not None else last.error if last is not None else ""
    if status is RowStatus.FAILED and last is not None and last.failed:
        return last.error or text  # the text that a later run shows, too
    if isinstance(error, BudgetExceeded):
        return f"needs {shown(error.asked)}, and the budget has {shown(error.left)} left: a larger one sends it"
    if status is RowStatus.UNKNOWN and _is_lost(last):
        return f"{text}; {_ANEW}"
    if status is RowStatus.UNSAVED and last is not None and isinstance(error, TargetError):
        return _of_its_place(error, last)
    return f"{text}; {_AGAIN}" if status in {RowStatus.UNSAVED, RowStatus.UNKNOWN} and last is not None else text


def _of_its_place(error: TargetError, last: Entry) -> str:
    """Explains why a result is not saved, and what to change, as just another run would fail the same way."""
    if not isinstance(error, TargetExists):
        return f"{error.message}; {_THEN_SAVED.format('put that right')}"
    is_changed = any(error.message.startswith(f"{shown_path(Path(file.path))} ") for file in last.files)
    changed = ", and is not what was saved there: it was changed since" * is_changed
    return f"{error.message}{changed}; {_THEN_SAVED.format('move it away')}"


def _is_lost(last: Entry | None) -> bool:
    """Whether it can never be determined whether a task exists, or its result can never be fetched."""
    if last is None or last.state is EntryState.LOST:
        return last is not None
    return last.state is EntryState.INTENT and last.external_task_id is None


def _of_another(error: KeyConflict, last: Entry | None) -> str:
    """Explains that a row's id belongs to another request."""
    listed = "; ".join(map(str, error.differences))
    text = f"this id was used for another request ({listed}); give the row an id of its own, or make it as it was"
    is_open = last is not None and last.state in {EntryState.INTENT, EntryState.ACCEPTED, EntryState.ENDED}
    if not is_open or last is None or last.failed or last.reference is None:
        return text
    return f"{text}; what was begun is paid for and not saved: kling-async save {last.reference}"


class _Money(TypedDict):
    """The members of `RowResult` with the cost of a row."""

    units: Decimal | None
    usd: Decimal | None
    amount: Decimal | None
    currency: str | None
    estimated: bool


def _money(endpoint: Endpoint, attempts: Sequence[Entry]) -> _Money:
    """Returns the cost of all attempts; uses the price table where the service has not reported it."""
    costs: list[Cost] = []
    estimated = False
    for entry in attempts:
        if entry.cost is not None:
            costs.append(entry.cost)
        elif entry.state is not EntryState.REFUSED and not entry.failed and entry.estimate.units is not None:
            costs.append(Cost(units=entry.estimate.units))
            estimated = True
    known = total(costs)
    usd = None if known is None else endpoint.usd_of(known)
    cost = known or Cost()
    return {
        "units": cost.units,
        "usd": usd,
        "amount": cost.amount,
        "currency": cost.currency,
        "estimated": estimated and known is not None,
    }


def _seconds(last: Entry | None) -> float | None:
    if last is None or last.accepted_at is None or last.ended_at is None:
        return None
    return (last.ended_at - last.accepted_at).total_seconds()
