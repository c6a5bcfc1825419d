"""The life of a task, as one table, and what each piece of news about it means. It may live nowhere else."""

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
"""Status known -> statuses it may turn into. Any other news is a late or doubled message and changes nothing."""

NOT_FOUND_PATIENCE: Final = 300.0
"""Seconds, at least, in which "not found" about a task that the service accepted only means that it is slow to show
it: no page promises when it does."""
REFUSALS: Final = 2
"""Refusals of credentials in a row, with which a task was heard of, that are taken for a fault in passing."""


class Verdict(NamedTuple):
    """What a piece of news means.

    Attributes:
        snapshot: the task with a status that is new.
        end: what ends the following: the finished task, or the error its waiters get.
        failing: whether the question failed in passing and is asked again by the retry schedule.
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
    """Decides what an answer, or the lack of one, means for those who wait.

    Args:
        known: the status seen last.
        answer: the answer to a query, or the error that came instead.
        age: seconds since the service accepted the task, or last told of it; infinity where it was not this client
            that created it.
        reference: of the task, for the errors.
        patience: seconds of age in which "not found" ends nothing.
        refusals: how often in a row the credentials were refused, with this news.
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
            # Token and address were good enough to hear of the task before, so they will be again.
            return Verdict(failing=True)
        case AuthenticationError() if known is not None and refusals <= REFUSALS:
            return Verdict(failing=True)
        case _ if is_transient(answer):
            return Verdict(failing=True)
        case _:
            return Verdict(end=answer.about(reference))


def may_follow(known: TaskStatus | None, status: TaskStatus) -> bool:
    """Whether a status can be the next one that is heard of."""
    return status in TRANSITIONS[known]


def is_change(known: Task | None, told: Task) -> bool:
    """Whether a callback tells something new: one may come twice, late, or after a later one.

    Args:
        known: what is known of the task; None for nothing.
        told: what the callback says.
    """
    if known is None:
        return True
    if known.updated_at is not None and told.updated_at is not None and told.updated_at < known.updated_at:
        return False
    return may_follow(known.status, told.status)


def is_missing(answer: Task | KlingError) -> bool:
    """Whether the service itself says that it has no such task: 1201, 1203, or an empty answer ("Query task").

    Its text is not read: 1201 also stands for bad values, of which a query by id has none.
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
    """The error for a task that ended without a result."""
    reason = task.status_msg or "the service gave no reason"
    return TaskFailed(
        f"the service could not make it: {reason.rstrip('.')}; change the request and submit it anew",
        reference=task.reference,
        task=task,
    )


def not_found(answer: KlingError, reference: str, *, accepted: bool = False) -> TaskNotFound:
    """The error for a reference that the service does not know.

    Args:
        answer: what it answered.
        reference: of the task.
        accepted: whether it had accepted the task.
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
