"""The life cycle of a task, in the one table that defines it, and the meaning of each answer about a task."""

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

from kling_async.protocol.errors import (
    ApiError,
    AuthenticationError,
    ConnectionFailed,
    KlingError,
    NotTheService,
    TaskFailed,
    TaskNotFound,
    TokenTimeError,
    UnknownStatus,
)
from kling_async.protocol.retry import is_transient
from kling_async.protocol.tasks import Task, TaskStatus

TRANSITIONS: Final[Mapping[TaskStatus | None, frozenset[TaskStatus]]] = {
    None: frozenset(TaskStatus),
    TaskStatus.SUBMITTED: frozenset({TaskStatus.PROCESSING, TaskStatus.SUCCEED, TaskStatus.FAILED}),
    TaskStatus.PROCESSING: frozenset({TaskStatus.SUCCEED, TaskStatus.FAILED}),
    TaskStatus.SUCCEED: frozenset(),
    TaskStatus.FAILED: frozenset(),
}
"""Known status -> possible next statuses. Any other status is a late or duplicate message and changes nothing."""

NOT_FOUND_PATIENCE: Final = 300.0
"""Minimum seconds for which "not found" about an accepted task only means that the service is slow to show it; the
documentation states no limit."""
REFUSALS: Final = 2
"""Consecutive refusals of credentials that worked for the task before which count as transient."""


class Verdict(NamedTuple):
    """What an answer means for a followed task.

    Attributes:
        snapshot: the task, if its status is new.
        end: the end of the task's tracking: the finished task, or the error that its waiters get.
        failing: whether the query failed for a transient reason and is repeated by the retry schedule.
    """

    snapshot: Task | None = None
    end: Task | KlingError | None = None
    failing: bool = False


def classify(
    known: TaskStatus | None,
    answer: Task | KlingError,
    *,
    age: float,
    reference: str,
    patience: float = NOT_FOUND_PATIENCE,
    refusals: int = 1,
) -> Verdict:
    """Decides what an answer, or the lack of one, means for the waiters of a task.

    Args:
        known: the last known status.
        answer: the answer to a query, or the error of the query.
        age: seconds since the service accepted the task, or last showed it; infinity if this client did not create it.
        reference: of the task, for the errors.
        patience: seconds of age for which "not found" does not end the tracking.
        refusals: number of consecutive refusals of the credentials, including this one.
    """
    match answer:
        case Task():
            return _of_task(known, answer)
        case UnknownStatus() | NotTheService():
            return Verdict(end=answer.about(reference))
        case _ if is_missing(answer):
            if age < patience:
                return Verdict(failing=True)
            return Verdict(end=not_found(answer, reference, accepted=age < math.inf))
        case TokenTimeError() | ConnectionFailed() if known is not None:
            # Token and address worked for this task before, so the failure is transient.
            return Verdict(failing=True)
        case AuthenticationError() if known is not None and refusals <= REFUSALS:
            return Verdict(failing=True)
        case _ if is_transient(answer):
            return Verdict(failing=True)
        case _:
            return Verdict(end=answer.about(reference))


def may_follow(known: TaskStatus | None, status: TaskStatus) -> bool:
    """Whether a status can follow the known one."""
    return status in TRANSITIONS[known]


def is_change(known: Task | None, update: Task) -> bool:
    """Whether a callback contains something new: callbacks may arrive twice, late, or out of order.

    Args:
        known: the task as known; None if it is not known yet.
        update: the task in the callback.
    """
    if known is None:
        return True
    if known.updated_at is not None and update.updated_at is not None and update.updated_at < known.updated_at:
        return False
    return may_follow(known.status, update.status)


def is_missing(answer: Task | KlingError) -> bool:
    """Whether the service itself reports that there is no such task: 1201, 1203, or an empty answer ("Query task").

    The text is ignored: 1201 also means invalid values, but a query by id has none.
    """
    return isinstance(answer, TaskNotFound) or (isinstance(answer, ApiError) and answer.code in {1201, 1203})


def _of_task(known: TaskStatus | None, task: Task) -> Verdict:
    if not may_follow(known, task.status):
        return Verdict()
    if task.status is TaskStatus.SUCCEED:
        return Verdict(snapshot=task, end=task)
    if task.status is TaskStatus.FAILED:
        return Verdict(snapshot=task, end=failure(task))
    return Verdict(snapshot=task)


def failure(task: Task) -> TaskFailed:
    """Returns the error for a task that ended without a result."""
    reason = task.status_msg or "the service gave no reason"
    return TaskFailed(
        f"the service could not make it: {reason.rstrip('.')}; change the request and submit it anew",
        reference=task.reference,
        task=task,
    )


def not_found(answer: KlingError, reference: str, *, accepted: bool = False) -> TaskNotFound:
    """Returns the error for a reference that the service does not know.

    Args:
        answer: the service's answer.
        reference: of the task.
        accepted: whether the service had accepted the task.
    """
    if accepted:
        text = "it had accepted the task, which may go on and be billed; attach the reference later to ask again"
    else:
        text = "check the reference, and that the credentials are of the account that made it"
    return TaskNotFound(
        f"the service does not know this task: {answer.message}; {text}",
        code=answer.code,
        http_status=answer.http_status,
        request_id=answer.request_id,
        reference=reference,
    )
