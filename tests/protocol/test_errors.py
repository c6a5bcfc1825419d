import copy
import inspect
import traceback
from typing import Any

import pytest

from kling_async.protocol import errors
from kling_async.protocol.error_codes import CODES, row_for
from kling_async.protocol.errors import (
    AccountError,
    ApiError,
    AuthenticationError,
    BadResponse,
    ConcurrencyExceeded,
    ConnectionFailed,
    ContentRefused,
    ExternalTaskIdConflict,
    ImageFileMissing,
    InsufficientBalance,
    InvalidRequest,
    KlingError,
    MediaFileMissing,
    ModelRetired,
    PermissionRefused,
    Problem,
    RateLimited,
    Remedy,
    RequestRefused,
    RequestTimeout,
    ServerError,
    TargetExists,
    TaskFailed,
    TaskTimeout,
    TokenTimeError,
)
from kling_async.protocol.tasks import Task, TaskStatus
from tests.repeatable import pickled

NO, YES = False, True

# The documentation's error table (the row of code 0 is no error): HTTP status, code, class, and whether the same read
# may be sent again, whether a create answered so may have made a task.
Row = tuple[int, int, type[ApiError], bool, bool]
TABLE: list[Row] = [
    (401, 1000, AuthenticationError, NO, NO),
    (401, 1001, AuthenticationError, NO, NO),
    (401, 1002, AuthenticationError, NO, NO),
    (401, 1003, TokenTimeError, NO, NO),
    (401, 1004, TokenTimeError, NO, NO),
    (429, 1100, AccountError, NO, NO),
    (429, 1101, InsufficientBalance, NO, NO),
    (429, 1102, InsufficientBalance, NO, NO),
    (403, 1103, PermissionRefused, NO, NO),
    (400, 1200, RequestRefused, NO, NO),
    (400, 1201, RequestRefused, NO, NO),
    (404, 1202, RequestRefused, NO, NO),
    (404, 1203, RequestRefused, NO, NO),
    (400, 1300, ContentRefused, NO, NO),
    (400, 1301, ContentRefused, NO, NO),
    (429, 1302, RateLimited, YES, NO),
    (429, 1303, ConcurrencyExceeded, YES, NO),
    (429, 1304, PermissionRefused, NO, NO),
    (500, 5000, ServerError, YES, YES),
    (503, 5001, ServerError, YES, YES),
    (504, 5002, ServerError, YES, YES),
]
# Codes that the table does not list: those of its families, and those that are not the service's.
FAMILIES: list[Row] = [
    (401, 1005, AuthenticationError, YES, NO),
    (403, 1104, ApiError, YES, NO),
    (400, 1299, ApiError, YES, NO),
    (429, 1399, ApiError, YES, NO),
    (500, 5003, ServerError, YES, YES),
    (500, 5099, ServerError, YES, YES),
]


@pytest.mark.parametrize("expected", TABLE + FAMILIES)
def test_the_error_table(expected: Row) -> None:
    """Each code has one class, which determines whether a read is repeated and a create is in doubt."""
    _, code, *meaning = expected
    row = row_for(code)
    assert row is not None
    assert meaning == [row.error, row.transient, row.in_doubt]


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (1203, "The model is discontinued", ModelRetired),
        (1203, "This API is no longer available", ModelRetired),
        (1202, "This API is no longer available", ModelRetired),  # its code is not certain
        (1203, "no such model", RequestRefused),
        (1201, "model is not supported", RequestRefused),
        (1201, "External_task_id discontinued-7 already exists", RequestRefused),
        (5000, "The model is discontinued", ServerError),
    ],
)
def test_retired_models_are_distinguished_from_unknown_ones(code: int, text: str, kind: type[ApiError]) -> None:
    """The text of the response counts for 1203 and 1202 alone, which repeat no text of the user."""
    row = row_for(code, text)
    assert row is not None
    assert row.error is kind


@pytest.mark.parametrize("code", [None, 0, -1, 200, 400, 999, 1400, 4999, 5100, 9999])
def test_other_codes_are_not_the_services(code: int | None) -> None:
    """Codes outside of the table's families have no row."""
    assert row_for(code) is None


def test_the_table_has_all_codes_and_no_other() -> None:
    """The table has exactly the 21 error codes of the documentation (1104 does not exist)."""
    assert [code for _, code, *_ in TABLE] == [*CODES]


@pytest.mark.parametrize("code", range(1000, 1305))
def test_codes_to_1304_never_leave_a_create_in_doubt(code: int) -> None:
    """A create that was answered with a code from 1000 to 1304 created nothing."""
    assert code not in CODES or not CODES[code].in_doubt


# ------------------------------------------------------------------------------------------------- errors

CLASSES = sorted(
    (kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, KlingError)),
    key=lambda kind: kind.__name__,
)


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_can_be_printed_copied_and_pickled(kind: type[KlingError]) -> None:
    """Every class takes the same arguments, shows its ids, and is pickled with all its attributes."""
    task = Task(endpoint="image2video", task_id="8", status=TaskStatus.FAILED)
    error = kind("text", code=1, http_status=2, request_id="r", reference="image2video:8", task=task)
    for twin in (error, pickled(error), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is kind
        assert str(twin) == "text (code 1, HTTP 2, request_id r, reference image2video:8)"
        assert vars(twin) == vars(error)
        assert repr(twin) == repr(error)
        assert str(twin) in "".join(traceback.format_exception(twin))


def test_an_error_without_ids_is_its_message() -> None:
    """The text of an error without ids is its message alone."""
    assert str(KlingError("text")) == "text"


def test_a_remedy_is_data() -> None:
    """The message is followed by the remedy, in the words of the interface that shows it."""
    error = TargetExists("cat.mp4 exists", remedy=Remedy.OVERWRITE, reference="image2video:8")
    assert error.message == "cat.mp4 exists"
    assert str(error) == "cat.mp4 exists; overwrite=True replaces it (reference image2video:8)"
    assert error.explained({Remedy.OVERWRITE: "--overwrite replaces it"}) == "cat.mp4 exists; --overwrite replaces it"
    assert error.explained({Remedy.OVERWRITE: ""}) == "cat.mp4 exists"
    assert pickled(error).remedy is Remedy.OVERWRITE


def test_an_error_keeps_the_reference_it_has() -> None:
    """`about` sets the reference once, and returns the same error."""
    error = KlingError("text")
    assert error.about("image2video:1") is error
    assert error.about("image2video:2").reference == "image2video:1"


def test_a_changed_message_survives_pickling() -> None:
    """A later addition to the message is pickled as well."""
    error = BadResponse("text")
    error.message += ", and more"
    assert str(pickled(error)) == "text, and more"


@pytest.mark.parametrize("kind", [ConnectionFailed, RequestTimeout])
def test_a_failed_connection_may_have_been_sent(kind: type[ConnectionFailed]) -> None:
    """A request counts as sent unless it surely was not, also after pickling."""
    assert kind("text").sent
    assert not pickled(kind("text", sent=False)).sent


@pytest.mark.parametrize("kind", [TaskFailed, ExternalTaskIdConflict])
def test_an_error_about_a_task_carries_it(kind: type[TaskFailed | ExternalTaskIdConflict]) -> None:
    """Further details of an error are attributes."""
    task = Task(endpoint="image2video", task_id="8", status=TaskStatus.FAILED)
    assert kind("text", task=task).task is task


@pytest.mark.parametrize(
    ("problems", "kind", "text"),
    [
        ([Problem("a", "b")], InvalidRequest, "a: b"),
        ([Problem("a", "b"), Problem("c[0].d", "e")], InvalidRequest, "2 problems:\n  - a: b\n  - c[0].d: e"),
        (
            [Problem("a", "b"), Problem("c", "d", missing_file="sound"), Problem("e", "f", missing_file="image")],
            ImageFileMissing,
            "3 problems:\n  - a: b\n  - c: d\n  - e: f",
        ),
        ([Problem("c", "d", missing_file="sound")], MediaFileMissing, "c: d"),
    ],
)
def test_all_problems_are_reported_at_once(problems: list[Problem], kind: type[InvalidRequest], text: str) -> None:
    """A refused request names every problem with its field; a missing file makes it a `FileNotFoundError`."""
    error = InvalidRequest.of(problems)
    assert (type(error), str(error), error.problems) == (kind, text, tuple(problems))
    twin: Any = pickled(error)
    assert twin.problems == error.problems


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [(MediaFileMissing, FileNotFoundError), (TaskTimeout, TimeoutError), (TargetExists, FileExistsError)],
)
def test_errors_are_caught_as_python_names_them(kind: type[KlingError], builtin: type[Exception]) -> None:
    """An error with a builtin equivalent is a subclass of it, also of `OSError`."""
    error = kind("text")
    assert isinstance(error, builtin)
    assert isinstance(error, OSError)
    assert (error.errno, error.filename) == (None, None)
