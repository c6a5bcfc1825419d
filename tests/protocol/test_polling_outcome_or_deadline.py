"""The outcomes of answers about one task, and the duration learned from its end."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from kling_async.protocol.errors import (
    ApiError,
    BadResponse,
    ConnectionFailed,
    KlingError,
    RequestTimeout,
    ServerError,
    TaskNotFound,
    TaskTimeout,
)
from kling_async.protocol.polling.age_bins import bin_of
from kling_async.protocol.polling.durations import DurationEstimate
from kling_async.protocol.polling.followed import FollowedTask, age_of
from kling_async.protocol.polling.outcome_or_deadline import OutcomeRules, checked, learn
from kling_async.protocol.polling.queue import PollQueue
from kling_async.protocol.polling.schedule import AimedPolling, Polling
from kling_async.protocol.reference import Reference
from kling_async.protocol.retry import Retry
from kling_async.protocol.tasks import Task, TaskStatus

EPOCH: Final = 1_800_000_000.0
DEADLINE: Final = 60.0
BEGAN: Final = 100.0


def middle() -> float:
    """A constant random number: delays of polls are whole, those of retries three quarters."""
    return 0.5


def task(status: str = "submitted", **fields: Any) -> Task:
    """Task 1 as the service reports it."""
    return Task(
        **{"endpoint": "image2video", "task_id": "1", "status": TaskStatus(status), "external_task_id": "e1", **fields}
    )


def followed(*, created_here: bool = True, status: str | None = "submitted") -> FollowedTask:
    """Task 1, followed for a minute from second 100 on."""
    each = FollowedTask(
        Reference("image2video", "1"), BEGAN, DEADLINE, DurationEstimate(150.0), created_here=created_here
    )
    if status is not None:
        each.snapshots.append(task(status))
    return each


RULES: Final = OutcomeRules(Polling(first=10, factor=1, maximum=10), Retry(first=4, factor=2, maximum=30), middle)


@pytest.mark.parametrize(
    ("made_at", "age"), [(-100, 100), (-0.5, 0.5), (0, 0), (50, 0), (-8000, 8000), (-9000, 0), (-1e6, 0)]
)
def test_an_impossible_age_is_none(made_at: float, age: float) -> None:
    """A task from the future, or older than the maximum, has no age: a clock is wrong."""
    assert age_of(task(created_at=datetime.fromtimestamp(EPOCH + made_at, UTC)), EPOCH) == age
    assert age_of(task(), EPOCH) == 0


@pytest.mark.parametrize(
    ("answer", "now", "due"),
    [
        (task(), 120, 130),
        (task("processing"), 120, 130),
        (task(), 155, 160),  # there is a poll at the deadline
        (RequestTimeout("slow"), 120, 123),
        (ServerError("down", code=5000), 120, 123),
        (ServerError("down", code=5000), 158, 160),
        (ServerError("down", code=5000), 160, 160),
        (TaskNotFound("no such task"), 129, 132),
    ],
)
def test_when_to_ask_again(answer: Task | KlingError, now: float, due: float) -> None:
    """The next poll is due after the fixed delay, or the retry's after a failure, but not after the deadline."""
    outcome = RULES.of(followed(), answer, now, EPOCH)
    assert (outcome.end, outcome.due) == (None, due)
    assert outcome.snapshot == (answer if isinstance(answer, Task) and answer.status is TaskStatus.PROCESSING else None)


def test_a_new_status_is_kept_and_reported_once() -> None:
    """A new status is reported once."""
    each = followed()
    processing = task("processing")
    assert RULES.of(each, processing, 110, EPOCH).snapshot is processing
    assert RULES.of(each, task("processing"), 120, EPOCH).snapshot is None
    assert [snapshot.status for snapshot in each.snapshots] == [TaskStatus.SUBMITTED, TaskStatus.PROCESSING]


def test_failures_grow_until_an_answer_comes() -> None:
    """Retry delays are three quarters of 4, 8 and 16 s, and start over after an answer."""
    each, down = followed(), ServerError("down", code=5000)
    dues = [RULES.of(each, down, 101, EPOCH).due for _ in range(3)]
    assert dues == [104, 107, 113]
    RULES.of(each, task(), 110, EPOCH)
    assert (each.last_error, each.last_seen_at) == (None, 110)
    assert RULES.of(each, down, 111, EPOCH).due == 114


@pytest.mark.parametrize(
    ("answer", "now", "due"),
    [
        (task("processing"), 162, None),
        (ServerError("down", code=5000), 162, 165),
        (ServerError("down", code=5000), 167, None),  # three seconds later it would be over
        (ServerError("down", code=5000), 171, None),
    ],
)
def test_the_last_look(answer: Task | KlingError, now: float, due: float | None) -> None:
    """After the deadline a task that has not ended is given up; a failed poll is repeated while there is time."""
    each = followed()
    each.gives_up_at = 170
    outcome = RULES.of(each, answer, now, EPOCH)
    assert outcome.due == due
    assert isinstance(outcome.end, TaskTimeout) == (due is None)


def test_a_late_end_counts() -> None:
    """A task that has ended is reported as such, however late."""
    each = followed()
    each.gives_up_at = 170
    done = task("succeed")
    assert RULES.of(each, done, 169, EPOCH) == (done, done, None)


@pytest.mark.parametrize(("created_here", "now", "ends"), [(True, 399, False), (True, 401, True), (False, 101, True)])
def test_a_task_that_is_not_found(now: float, *, created_here: bool, ends: bool) -> None:
    """A missing task is waited for if it was seen within five minutes; an attached one must exist."""
    each = followed(created_here=created_here)
    each.deadline_at = 7200
    outcome = RULES.of(each, TaskNotFound("none"), now, EPOCH)
    assert isinstance(outcome.end, TaskNotFound) == ends
    assert outcome.end is None or outcome.end.reference == "image2video:1"


def test_an_attached_task_has_the_age_that_the_service_reports() -> None:
    """The first answer sets an attached task's id and beginning; later ones do not change them."""
    each = followed(created_here=False, status=None)
    each.reference = Reference("image2video", "e1")
    RULES.of(each, task(created_at=datetime.fromtimestamp(EPOCH - 50, UTC)), 110, EPOCH)
    assert (each.begun_at, str(each.reference)) == (60, "image2video:1")
    RULES.of(each, task(created_at=datetime.fromtimestamp(EPOCH - 20, UTC)), 120, EPOCH)
    assert each.begun_at == 60


def test_a_task_made_here_began_when_it_was_accepted() -> None:
    """The age of a created task ignores the service's times."""
    each = followed(status=None)
    RULES.of(each, task(created_at=datetime.fromtimestamp(EPOCH - 50, UTC)), 110, EPOCH)
    assert each.begun_at == BEGAN


def test_answers_are_checked() -> None:
    """An answer about another task is an error, and a missing external id is filled in."""
    each = followed()
    assert checked(each, task(external_task_id=None)) == task()
    assert checked(each, task(external_task_id="other")).external_task_id == "other"  # type: ignore[union-attr]  # it is a task
    error = ConnectionFailed("gone")
    assert checked(each, error) is error
    other = checked(each, task(task_id="2"))
    assert isinstance(other, BadResponse)
    assert "asked for task 1, the service answered about another one" in other.message
    first = task(task_id="2")
    assert checked(followed(status=None), first) is first


@pytest.mark.parametrize(("now", "due", "polls"), [(105, None, 1), (110, 130, 2)])
def test_an_early_answer_and_the_beat(now: float, due: float | None, polls: int) -> None:
    """While delays grow, an early answer from a page does not move the next poll."""
    rules = OutcomeRules(Polling(first=10, factor=2, maximum=80), Retry(), middle)
    each = followed()
    assert rules.unchanged(each, 100).due == 110
    PollQueue[FollowedTask]().put(each, 100, 110)
    assert (rules.unchanged(each, now).due, each.poll_number) == (due, polls)


def test_aimed_questions_know_the_age() -> None:
    """Polls are frequent at the ages at which tasks of the kind end."""
    estimate = DurationEstimate(150.0)
    for _ in range(50):
        estimate.observe(40)
    rules, each = OutcomeRules(AimedPolling(deadline=DEADLINE), Retry(), middle), followed()
    each.estimate = estimate
    expected = 110 + AimedPolling().delay(estimate, 110 - 90, middle)
    each.begun_at = 90.0
    assert rules.unchanged(each, 110).due == pytest.approx(expected)
    assert expected != pytest.approx(110 + AimedPolling().delay(estimate, 10, middle))


@pytest.mark.parametrize(
    ("notes", "kept"),
    [
        (["down"], "down"),
        (["down", "gone"], "down"),
        (["gone", "down"], "down"),
        (["gone", "also gone"], "also gone"),
        (["down", "other"], "other"),
    ],
)
def test_silence_does_not_hide_an_answer(notes: list[str], kept: str) -> None:
    """A failed connection does not replace an error from the service."""
    each = followed()
    for text in notes:
        each.note(ConnectionFailed(text) if "gone" in text else ServerError(text, code=5000))
    assert each.last_error is not None
    assert each.last_error.message == kept


def test_a_timeout_has_the_details_of_the_last_answer() -> None:
    """The error has the deadline, the reference and the details of the last answer."""
    each = followed()
    assert "did not end within 60 s; it goes on and is billed" in each.timeout().message
    assert (each.timeout().code, each.timeout().http_status, each.timeout().request_id) == (None, None, None)
    each.note(ApiError("down", code=5000, http_status=503, request_id="r"))
    error = each.timeout()
    assert error.message.endswith("(what came last: down)")
    assert (error.code, error.http_status, error.request_id) == (5000, 503, "r")
    assert error.reference == "image2video:1"


def times(created: float, updated: float) -> dict[str, datetime]:
    """The service's times, in seconds from a common start."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return {"created_at": start + timedelta(seconds=created), "updated_at": start + timedelta(seconds=updated)}


@pytest.mark.parametrize(
    ("fields", "last_seen_at", "ended", "age"),
    [
        ({}, 120, True, 50),  # as seen from here
        (times(0, 40), 120, True, 40),  # as the service reports
        (times(0, 40), 145, True, 45),  # but not before it was last seen to run
        (times(0, 90), 120, True, 50),  # nor after it was seen to have ended
        (times(0, 40), 120, False, 50),
        ({"created_at": times(0, 40)["created_at"]}, 120, True, 50),
        ({"updated_at": times(0, 40)["updated_at"]}, 120, True, 50),
    ],
)
def test_what_is_learned_from_an_end(fields: dict[str, Any], last_seen_at: float, age: float, *, ended: bool) -> None:
    """All estimates learn the reported duration, within the bounds that the client has seen."""
    each = followed()
    each.last_seen_at = last_seen_at
    each.snapshots.append(task("succeed", **fields))
    estimates = (DurationEstimate(150.0), DurationEstimate(100.0))
    learn(each, estimates, 150, ended=ended)
    for estimate in estimates:
        assert [index for index, count in enumerate(estimate.ended) if count] == ([bin_of(age)] if ended else [])
        assert [index for index, count in enumerate(estimate.passed) if count > 0][-1] == bin_of(age)


@pytest.mark.parametrize(("created_here", "snapshots"), [(True, 1), (False, 2)])
def test_durations_that_are_not_observed(*, created_here: bool, snapshots: int) -> None:
    """An attached task, and one first seen after its end, have no known duration."""
    each = followed(created_here=created_here)
    each.snapshots = [task()] * snapshots
    estimate = DurationEstimate(150.0)
    learn(each, (estimate,), 150, ended=True)
    assert estimate.seen == 0
