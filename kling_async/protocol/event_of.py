"""Which event it is: out of errors, states of a create, and ends of tasks."""

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
    """The attributes of `WorkEvent` by which its work is known."""

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
    """An error as text, without what nobody may read: the service may repeat addresses that are signed.

    Of an error that is not of this package there is the type alone, and of the system's the number by name, as
    `ENOSPC`: a caller's own code may put anything into its words, also where its class is derived from ours.
    """
    if error is None:
        return Failed(error="", error_type="", code=None)
    kind = type(error).__name__
    if isinstance(error, KlingError) and type(error).__module__.partition(".")[0] == __name__.partition(".")[0]:
        return Failed(error=service_text(error.message), error_type=kind, code=error.code)
    number = error.errno if isinstance(error, OSError) else None
    return Failed(error=errno.errorcode.get(number, "") if isinstance(number, int) else "", error_type=kind, code=None)


def failed_send(state: CreateState, error: KlingError, at: float, ids: Ids) -> events.Failure | None:
    """What a send that failed has come to; None where that is the end, which is another event.

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
    """What a create, or a call, has come to that ended without a task.

    Args:
        error: its end.
        at: the time.
        ids: of the work.
        undecided: whether it was cut off when there could be one.
    """
    if undecided or isinstance(error, InDoubt | UnexpectedAnswer):
        return events.InDoubt(at=at, final=True, **failed(error), **ids)
    return events.Refused(at=at, **failed(error), **ids)


def ended(end: Task | KlingError, at: float, ids: Ids, seconds: float) -> events.Ended:
    """What the end of a following tells."""
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
    """What was paid; None where nothing was, or nobody has said what."""
    return events.Paid(at=at, cost=cost, **ids) if cost is not None and (cost.units or cost.amount) else None


def task_of(end: Task | KlingError) -> Task | None:
    """The task that has ended, if that is the end."""
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
    """What came of a question about tasks."""
    named = tuple(references)
    return events.Polled(at=at, endpoint=endpoint, references=named, page=page, seconds=seconds, **failed(error))
