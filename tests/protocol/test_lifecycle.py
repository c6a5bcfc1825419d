from collections.abc import Callable
from itertools import product

import pytest

from kling_async.protocol.errors import (
    AccountError,
    ApiError,
    AuthenticationError,
    BadResponse,
    ConcurrencyExceeded,
    ConnectionFailed,
    ContentRefused,
    InsufficientBalance,
    KlingError,
    NotTheService,
    PermissionRefused,
    RateLimited,
    RequestRefused,
    RequestTimeout,
    ServerError,
    TaskFailed,
    TaskNotFound,
    TokenTimeError,
    UnknownStatus,
)
from kling_async.protocol.lifecycle import Verdict, classify, failure
from kling_async.protocol.tasks import Task, TaskStatus

REFERENCE = "image2video:8"
SUBMITTED, PROCESSING, SUCCEED, FAILED = TaskStatus

# What is known -> what an answer with each status means: an `update`, `done` with the task, `failed`, or nothing.
TABLE = {
    None: {SUBMITTED: "update", PROCESSING: "update", SUCCEED: "done", FAILED: "failed"},
    SUBMITTED: {SUBMITTED: "", PROCESSING: "update", SUCCEED: "done", FAILED: "failed"},
    PROCESSING: {SUBMITTED: "", PROCESSING: "", SUCCEED: "done", FAILED: "failed"},
    SUCCEED: {SUBMITTED: "", PROCESSING: "", SUCCEED: "", FAILED: ""},
    FAILED: {SUBMITTED: "", PROCESSING: "", SUCCEED: "", FAILED: ""},
}


def of(known: TaskStatus | None, answer: Task | KlingError, age: float = 60) -> Verdict:
    """The result of an answer about a task that the service accepted `age` seconds ago."""
    return classify(known, answer, age=age, reference=REFERENCE)


@pytest.mark.parametrize(("known", "status"), [*product(TABLE, TaskStatus)])
def test_a_task_goes_forward_only(known: TaskStatus | None, status: TaskStatus) -> None:
    """A later status is an update, a final one ends the task; a late or duplicate answer changes nothing."""
    task = Task(endpoint="image2video", task_id="8", status=status)
    verdict = of(known, task)
    match TABLE[known][status]:
        case "update":
            assert verdict == Verdict(snapshot=task)
        case "done":
            assert verdict == Verdict(snapshot=task, end=task)
        case "failed":
            assert verdict.snapshot is task
            assert isinstance(verdict.end, TaskFailed)
            assert (verdict.end.task, verdict.end.reference, verdict.failing) == (task, REFERENCE, False)
        case _:
            assert verdict == Verdict()


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("", "could not make it: the service gave no reason; change"),
        (
            "Failure to pass the risk control system.",
            "could not make it: Failure to pass the risk control system; change",
        ),
    ],
)
def test_a_failure_has_the_services_reason(reason: str, text: str) -> None:
    """The error of a failed task has the service's reason and the task."""
    task = Task(endpoint="image2video", task_id="8", status=FAILED, status_msg=reason)
    assert text in str(failure(task))
    assert failure(task).task is task


@pytest.mark.parametrize("known", [None, SUBMITTED, PROCESSING])
@pytest.mark.parametrize(
    "error",
    [
        ConnectionFailed("reset"),
        ConnectionFailed("refused", sent=False),
        RequestTimeout("slow"),
        BadResponse("html", http_status=200),
        RateLimited("slow down", code=1302, http_status=429),
        ConcurrencyExceeded("full", code=1303, http_status=429),
        ServerError("error", code=5000, http_status=500),
        ServerError("maintenance", code=5001, http_status=503),
        ServerError("timeout", code=5002, http_status=504),
        BadResponse("a page", http_status=404, foreign=True),
        BadResponse("a login page", http_status=302, foreign=True),
        BadResponse("another gateway", code=200, http_status=200, foreign=True),
        ApiError("new", code=1305, http_status=429),
        AuthenticationError("new", code=1005, http_status=401),
    ],
)
@pytest.mark.parametrize("age", [0.0, 60.0, float("inf")])
def test_a_failing_question_is_no_failing_task(known: TaskStatus | None, error: KlingError, age: float) -> None:
    """Transient failures of a query are retried, whatever the age of the task."""
    assert Verdict(failing=True) == of(known, error, age)


@pytest.mark.parametrize("known", [None, SUBMITTED])
@pytest.mark.parametrize(
    "made",
    [
        lambda: TokenTimeError("expired", code=1004, http_status=401),
        lambda: ConnectionFailed("certificate", sent=False, permanent=True),
    ],
)
def test_a_wrong_token_or_address_after_an_answer_is_retried(
    known: TaskStatus | None, made: Callable[[], KlingError]
) -> None:
    """A refused token or unusable address ends a wait only if no answer about the task was ever received."""
    error = made()
    assert of(known, error, 60.0).failing is (known is not None)
    assert (of(known, error, 60.0).end is error) is (known is None)


@pytest.mark.parametrize(
    "error",
    [
        UnknownStatus("queued", http_status=200),
        NotTheService("a page", http_status=404),
        AccountError("abnormal", code=1100, http_status=429),
        InsufficientBalance("empty", code=1102, http_status=429),
        PermissionRefused("address", code=1304, http_status=429),
        ContentRefused("policy", code=1301, http_status=400),
        KlingError("other"),
    ],
)
def test_a_permanent_error_ends_a_wait(error: KlingError) -> None:
    """A refusal of the account, an unknown status or a wrong address ends with that error, which names the task."""
    assert Verdict(end=error) == of(SUBMITTED, error)
    assert error.reference == REFERENCE


@pytest.mark.parametrize(
    ("known", "refusals", "failing"), [(SUBMITTED, 2, True), (SUBMITTED, 3, False), (None, 1, False)]
)
def test_refused_credentials_end_a_wait_soon(known: TaskStatus | None, refusals: int, *, failing: bool) -> None:
    """The first refusal of credentials ends a wait; the third in a row if they worked for the task before."""
    error = AuthenticationError("key", code=1002, http_status=401)
    verdict = classify(known, error, age=60, reference=REFERENCE, refusals=refusals)
    assert verdict == (Verdict(failing=True) if failing else Verdict(end=error))


NOT_FOUND: list[Callable[[], KlingError]] = [
    lambda: RequestRefused("Task not found by id", code=1201, http_status=400, request_id="r"),
    lambda: RequestRefused("no such resource", code=1203, http_status=404, request_id="r"),
    lambda: TaskNotFound("no data", http_status=200, request_id="r"),
]


@pytest.mark.parametrize("made", NOT_FOUND)
@pytest.mark.parametrize("age", [0.0, 299.9])
def test_not_found_is_retried_at_first(made: Callable[[], KlingError], age: float) -> None:
    """For five minutes after a create, "not found" in any form means that the service shows the task late."""
    assert Verdict(failing=True) == of(None, made(), age)


@pytest.mark.parametrize("made", NOT_FOUND)
@pytest.mark.parametrize("age", [300.0, 7200.0, float("inf")])
def test_not_found_ends_later(made: Callable[[], KlingError], age: float) -> None:
    """Later, and for a task of another process, "not found" is `TaskNotFound` with all details of the answer."""
    answer = made()
    end = of(None, answer, age).end
    assert type(end) is TaskNotFound
    expected = (answer.code, answer.http_status, "r", REFERENCE)
    assert expected == (end.code, end.http_status, end.request_id, end.reference)
    assert answer.message in str(end)
    assert ("may go on and be billed" in str(end)) == (age < float("inf")) != ("the credentials are" in str(end))
