"""Makes events from errors, states of a create, and ends of tasks."""

import errno
from collections.abc import Sequence
from typing import TypedDict

from kling_async.protocol import events
from kling_async.protocol.cost import Cost
from kling_async.protocol.create_states import CreateState
from kling_async.protocol.errors import (
    ConcurrencyExceeded,
    InDoubt,
    KlingError,
    RateLimited,
    TaskFailed,
    UnexpectedAnswer,
)
from kling_async.protocol.redaction import service_text
from kling_async.protocol.tasks import Task


class Ids(TypedDict):
    """The attributes of `WorkEvent` that identify the work."""

    work: int
    endpoint: str
    line: str
    key: str | None
    external_task_id: str | None
    task_id: str | None


class Failed(TypedDict):
    """The attributes of `Failure`."""

    error: str
    error_type: str
    code: int | None


def failed(error: BaseException | None) -> Failed:
    """Returns an error as text without secrets: the service may repeat signed addresses.

    Only the type of an error from outside this package is given, and the symbol of a system error, such as `ENOSPC`: a
    caller's own code may put anything into its messages, even if its class is derived from ours.
    """
    if error is None:
        return Failed(error="", error_type="", code=None)
    kind = type(error).__name__
    if isinstance(error, KlingError) and type(error).__module__.partition(".")[0] == __name__.partition(".")[0]:
        return Failed(error=service_text(error.message), error_type=kind, code=error.code)
    number = error.errno if isinstance(error, OSError) else None
    return Failed(error=errno.errorcode.get(number, "") if isinstance(number, int) else "", error_type=kind, code=None)


def failed_send(state: CreateState, error: KlingError, at: float, ids: Ids) -> events.Failure | None:
    """Returns the event of a failed send; None if the send ended the create, which is another event.

    Args:
        state: of the create, after the send.
        error: of the send.
        at: the time.
        ids: of the work.
    """
    if state is CreateState.REFUSED:
        return None
    if state in {CreateState.FULL, CreateState.UNSENT}:
        if isinstance(error, ConcurrencyExceeded | RateLimited):
            return events.Throttled(at=at, full=state is CreateState.FULL, **failed(error), **ids)
        return events.SendFailed(at=at, **failed(error), **ids)
    return events.InDoubt(at=at, final=False, **failed(error), **ids)


def not_created(error: BaseException, at: float, ids: Ids, *, undecided: bool) -> events.Failure:
    """Returns the event of a create, or a call, that ended without a task.

    Args:
        error: that ended it.
        at: the time.
        ids: of the work.
        undecided: whether it was cut off while there could be a task.
    """
    if undecided or isinstance(error, InDoubt | UnexpectedAnswer):
        return events.InDoubt(at=at, final=True, **failed(error), **ids)
    return events.Refused(at=at, **failed(error), **ids)


def ended(end: Task | KlingError, at: float, ids: Ids, seconds: float) -> events.Ended:
    """Returns the event of a task that has ended or is no longer followed."""
    task = task_of(end)
    return events.Ended(
        at=at,
        status=task.status.value if task is not None else None,
        seconds=seconds,
        cost=task.cost if task is not None else None,
        **failed(None if isinstance(end, Task) else end),
        **ids,
    )


def paid(cost: Cost | None, at: float, ids: Ids) -> events.Paid | None:
    """Returns the event of a cost; None if nothing was taken, or if the cost is not known."""
    return events.Paid(at=at, cost=cost, **ids) if cost is not None and (cost.units or cost.amount) else None


def task_of(end: Task | KlingError) -> Task | None:
    """Returns the task that has ended; None for an error without one."""
    return end if isinstance(end, Task) else end.task if isinstance(end, TaskFailed) else None


def polled(
    endpoint: str,
    references: Sequence[str],
    at: float,
    seconds: float,
    *,
    error: BaseException | None,
    page: int | None,
) -> events.Polled:
    """Returns the event of a query about tasks."""
    named = tuple(references)
    return events.Polled(at=at, endpoint=endpoint, references=named, page=page, seconds=seconds, **failed(error))
