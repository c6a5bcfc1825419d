"""Construction of events, and their log records."""

import errno
from decimal import Decimal

import pytest

from kling_async.protocol import event_log, event_of, events
from kling_async.protocol.cost import Cost
from kling_async.protocol.create_states import CreateState
from kling_async.protocol.errors import (
    BadResponse,
    ConcurrencyExceeded,
    ConnectionFailed,
    CreateInDoubt,
    KlingError,
    RateLimited,
    RequestRefused,
    TaskFailed,
    TaskTimeout,
    UnexpectedAnswer,
)
from kling_async.protocol.event_of import Ids
from kling_async.protocol.tasks import Task, TaskStatus

IDS = Ids(work=1, endpoint="text2video", line="kling-v2-6", key="cat", external_task_id="ka-1", task_id=None)
MADE = Ids(work=1, endpoint="text2video", line="kling-v2-6", key="cat", external_task_id="ka-1", task_id="7")
FULL = ConcurrencyExceeded("full", code=1303)


@pytest.mark.parametrize(
    ("state", "error", "kind", "logged"),
    [
        (CreateState.FULL, FULL, events.Throttled, "throttled"),
        (CreateState.UNSENT, RateLimited("fast", code=1302), events.Throttled, "create_failed"),
        (CreateState.UNSENT, ConnectionFailed("no host"), events.SendFailed, "create_failed"),
        (CreateState.SETTLING, ConnectionFailed("reset"), events.InDoubt, "create_failed"),
        (CreateState.CLAIMED, RequestRefused("no", code=1201), events.InDoubt, "create_failed"),
        (CreateState.EXPECTED, BadResponse("?"), events.InDoubt, "create_failed"),
    ],
)
def test_a_failed_send(state: CreateState, error: KlingError, kind: type[events.Failure], logged: str) -> None:
    """The event of a failed send depends on the state of the create; all are logged alike if it is retried."""
    event = event_of.failed_send(state, error, 5.0, IDS)
    assert event is not None
    assert type(event) is kind
    assert (event.at, event.error, event.error_type, event.code) == (
        5.0,
        error.message,
        type(error).__name__,
        error.code,
    )
    assert event_log.name(event) == logged


def test_the_end_of_a_create_is_no_failed_send() -> None:
    """A send that ends the create causes the event of that end instead."""
    assert event_of.failed_send(CreateState.REFUSED, FULL, 5.0, IDS) is None


class _TheirError(KlingError):
    """An error of a caller's hook, with its own message and without the attributes of the package's errors."""

    def __init__(self) -> None:
        Exception.__init__(self, "sesame")


def test_an_error_of_the_callers_own_class() -> None:
    """An event has only the type of an error class that is defined outside the package."""
    event = event_of.not_created(_TheirError(), 5.0, IDS, undecided=False)
    assert (event.error, event.error_type, event.code) == ("", "_TheirError", None)
    assert str(_TheirError()) == ""


@pytest.mark.parametrize(
    ("error", "undecided", "kind"),
    [
        (RequestRefused("no", code=1201), False, events.Refused),
        (RequestRefused("no", code=1201), True, events.InDoubt),
        (CreateInDoubt("lost"), False, events.InDoubt),
        (UnexpectedAnswer("yes"), False, events.InDoubt),
        (RuntimeError("?"), False, events.Refused),
    ],
)
def test_a_create_without_a_task(error: BaseException, *, undecided: bool, kind: type[events.Failure]) -> None:
    """Only a create that surely made nothing is refused; any other may be billed."""
    event = event_of.not_created(error, 5.0, IDS, undecided=undecided)
    assert type(event) is kind
    assert getattr(event, "final", True)


def test_ends() -> None:
    """An end has the task's status and cost, unless they are unknown."""
    task = Task(task_id="7", status=TaskStatus.FAILED, endpoint="text2video", final_unit_deduction=Decimal(0))
    failed = event_of.ended(TaskFailed("no", task=task), 5.0, MADE, 60.0)
    assert (failed.status, failed.cost, failed.error_type) == ("failed", Cost(units=Decimal(0)), "TaskFailed")
    late = event_of.ended(TaskTimeout("late"), 5.0, MADE, 60.0)
    assert (late.status, late.cost, late.error_type, late.seconds) == (None, None, "TaskTimeout", 60.0)


@pytest.mark.parametrize(
    ("cost", "paid"),
    [
        (None, False),
        (Cost(), False),
        (Cost(units=Decimal(0)), False),
        (Cost(units=Decimal("1.5")), True),
        (Cost(amount=Decimal("0.2"), currency="USD"), True),
    ],
)
def test_what_was_paid(cost: Cost | None, *, paid: bool) -> None:
    """No cost, or a cost of 0, is no payment."""
    assert (event_of.paid(cost, 5.0, MADE) is not None) == paid


def test_secrets_are_left_out() -> None:
    """Error texts in events are truncated, without queries of addresses and long runs of letters."""
    error = KlingError("https://files.example/a.png?Signature=hush " + "x" * 100 + " and so on" * 100)
    text = event_of.failed(error)["error"]
    assert "hush" not in text
    assert "x" * 48 not in text
    assert len(text) <= 400


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (RuntimeError("sk-1 postgres://u:pw@h"), ""),
        (OSError("sk-1"), ""),
        (OSError("sk-1", "pw"), ""),
        (OSError(errno.ENOSPC, "sk-1", "pw"), "ENOSPC"),
    ],
)
def test_errors_of_others(error: Exception, text: str) -> None:
    """The message of an error from other code is left out; a system error has its symbol."""
    found = event_of.failed(error)
    assert (found["error"], found["error_type"], found["code"]) == (text, type(error).__name__, None)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (events.Queued(at=0, slots=1, **IDS), "text2video cat: waits for 1 of the slots of kling-v2-6"),
        (events.Sent(at=0, send=2, seconds=1, **IDS), "text2video cat: sent (send 2)"),
        (events.Throttled(at=0, full=True, error="full", **IDS), "text2video cat: throttled: full"),
        (events.Refused(at=0, error_type="CancelledError", **IDS), "text2video cat: refused: CancelledError"),
        (events.InDoubt(at=0, final=True, error="lost", **IDS), "text2video cat: in doubt: lost"),
        (events.SendFailed(at=0, error="no host", **IDS), "still creating text2video:ka-1"),
        (events.Accepted(at=0, seconds=0.25, found=False, **MADE), "text2video:7: accepted after 0.250 s"),
        (events.Accepted(at=0, seconds=0.25, found=True, **MADE), "text2video:7: found"),
        (events.Attached(at=0, **MADE), "text2video:7: attached"),
        (events.Changed(at=0, status="processing", **MADE), "text2video:7: processing"),
        (events.Ended(at=0, status="succeed", seconds=61, **MADE), "text2video:7: succeed after 61.0 s"),
        (events.Ended(at=0, status=None, seconds=61, error="late", **MADE), "text2video:7: ended: late"),
        (
            events.Paid(at=0, cost=Cost(units=Decimal("1.50"), amount=Decimal(2)), **MADE),
            "text2video:7: took 1.5 units and 2 of money",
        ),
        (events.Saving(at=0, watermark=False, **MADE), "text2video:7: saving"),
        (events.Saved(at=0, paths=("a",), size=9, seconds=1, **MADE), "text2video:7: saved 9 bytes in 1.000 s"),
        (events.NotSaved(at=0, error="full disk", seconds=1, **MADE), "text2video:7: not saved: full disk"),
        (events.Polled(at=0, endpoint="text2video", references=("a:1", "a:2"), seconds=1), "poll of a:1"),
        (events.Polled(at=0, endpoint="text2video", page=3, seconds=1), "page 3 of text2video"),
    ],
)
def test_lines(event: events.Event, text: str) -> None:
    """The text of each event names its subject and what happened."""
    assert event_log.text(event, "text2video:ka-1" if isinstance(event, events.SendFailed) else None) == text


def test_attributes() -> None:
    """The attributes of a record are the non-empty ones of its event; those of a cost are flattened."""
    cost = Cost(units=Decimal("1.5"), package_type="video")
    assert event_log.attributes(events.Paid(at=5.0, cost=cost, **MADE)) == {
        "kling_at": 5.0,
        "kling_work": 1,
        "kling_endpoint": "text2video",
        "kling_line": "kling-v2-6",
        "kling_key": "cat",
        "kling_external_task_id": "ka-1",
        "kling_task_id": "7",
        "kling_units": Decimal("1.5"),
        "kling_package_type": "video",
        "kling_reference": "text2video:7",
    }
    page = events.Polled(at=5.0, endpoint="text2video", page=1, seconds=0.5, error="down", error_type="ServerError")
    assert event_log.name(page) == "page_failed"
    assert event_log.name(events.Polled(at=5.0, endpoint="x", seconds=1, error_type="TimeoutError")) == "polled"
