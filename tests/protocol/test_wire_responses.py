import json
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from kling_async.protocol.errors import (
    AccountError,
    ApiError,
    AuthenticationError,
    BadResponse,
    ConcurrencyExceeded,
    InsufficientBalance,
    KlingError,
    ModelRetired,
    PermissionRefused,
    RateLimited,
    RequestRefused,
    ServerError,
    TaskNotFound,
    TokenTimeError,
    UnknownStatus,
)
from kling_async.protocol.results import BalanceDeduction, Video
from kling_async.protocol.tasks import Task, TaskStatus
from kling_async.protocol.wire import responses
from kling_async.protocol.wire.envelope import HttpResponse

from .recorded_bodies import NAMES, OTHERS, RECORDED, answer, enveloped, recorded

HTML = b"<html><body>Bad gateway, api-key-kling-SECRET</body></html>"
READERS: list[Callable[[HttpResponse], object]] = [
    lambda response: responses.task(response, "image2video", "8"),
    lambda response: responses.created(response, "image2video", "mine"),
    lambda response: responses.tasks(response, "image2video"),
    lambda response: responses.listed(response, "image2video", lambda _: TaskStatus.SUBMITTED),
]


def at(milliseconds: int) -> datetime:
    """A moment of the recorded day, 2026-03-29 in UTC, as milliseconds after 17:24:00."""
    return datetime.fromtimestamp(1774805040 + milliseconds / 1000, UTC)


def error_of(read: Callable[[HttpResponse], object], response: HttpResponse) -> KlingError:
    """The error that parsing an answer raises."""
    with pytest.raises(KlingError) as caught:
        read(response)
    return caught.value


# ------------------------------------------------------------------------------------------ recorded bodies

SUCCEEDED = Task(
    endpoint="image2video",
    task_id="867283741759110000",
    status=TaskStatus.SUCCEED,
    external_task_id="job-0001",
    created_at=at(36_166),
    updated_at=at(216_166),
    videos=(
        Video(
            id="867283741759110001",
            url="https://v1-kling.example.invalid/output/video-001.mp4",
            watermark_url="https://v1-kling.example.invalid/output/video-001-watermark.mp4",
            duration=Decimal("5.1"),
        ),
    ),
    watermark=True,
    final_unit_deduction=Decimal("1.5"),
    final_balance_deduction=BalanceDeduction(quota=Decimal(0), list_price=Decimal(0)),
)
TASKS = {
    "legacy_create_ok_with_external_id": Task(
        endpoint="image2video",
        task_id="867283741759110000",
        status=TaskStatus.SUBMITTED,
        external_task_id="job-0001",
        created_at=at(36_166),
        updated_at=at(36_166),
    ),
    "legacy_create_ok_without_external_id": Task(
        endpoint="image2video",
        task_id="829611643369430000",
        status=TaskStatus.SUBMITTED,
        created_at=datetime(2025, 12, 15, 18, 29, 7, 996_000, UTC),
        updated_at=datetime(2025, 12, 15, 18, 29, 7, 996_000, UTC),
    ),
    "legacy_query_processing": Task(
        endpoint="image2video",
        task_id="867283741759110000",
        status=TaskStatus.PROCESSING,
        external_task_id="job-0001",
        created_at=at(36_166),
        updated_at=at(51_166),
    ),
    "legacy_query_succeed": SUCCEEDED,
    "legacy_query_failed_risk_control": Task(
        endpoint="image2video",
        task_id="867283741759110000",
        status=TaskStatus.FAILED,
        status_msg="Failure to pass the risk control system",
        external_task_id="job-0001",
        created_at=at(36_166),
        updated_at=at(56_166),
    ),
    "legacy_query_failed_bad_image": Task(
        endpoint="image2video",
        task_id="867283741759110000",
        status=TaskStatus.FAILED,
        status_msg="The resolution or aspect ratio of the input image is invalid. "
        "Please ensure it meets the required specifications.",
        created_at=at(36_166),
        updated_at=at(45_166),
    ),
}
REFUSALS: dict[str, tuple[type[ApiError], int, int, str | None]] = {
    "error_1001_no_auth": (AuthenticationError, 401, 1001, None),
    "error_1002_aksk_on_new_path": (AuthenticationError, 401, 1002, "9984d27b-a408-4073-ae28-17ca6a130000"),
    "error_1002_malformed_key_legacy_path": (AuthenticationError, 401, 1002, "9984d27b-a408-4073-ae28-17ca6a130000"),
    "error_1002_unknown_api_key": (AuthenticationError, 401, 1002, None),
    "error_1003_token_not_yet_valid": (TokenTimeError, 401, 1003, "9984d27b-a408-4073-ae28-17ca6a130000"),
    "error_1004_token_expired": (TokenTimeError, 401, 1004, "9984d27b-a408-4073-ae28-17ca6a130000"),
    "error_1102_no_balance": (InsufficientBalance, 429, 1102, "9984d27b-a408-4073-ae28-17ca6a130000"),
    "error_1201_data_uri": (RequestRefused, 400, 1201, "9984d27b-a408-4073-ae28-17ca6a130000"),
    "error_1201_duplicate_external_task_id": (RequestRefused, 400, 1201, "9984d27b-a408-4073-ae28-17ca6a130000"),
    "error_1201_image_null": (RequestRefused, 400, 1201, "9984d27b-a408-4073-ae28-17ca6a130000"),
    "error_1201_image_tail_not_supported": (RequestRefused, 400, 1201, "9984d27b-a408-4073-ae28-17ca6a130000"),
    "error_1201_model_not_supported": (RequestRefused, 400, 1201, "9984d27b-a408-4073-ae28-17ca6a130000"),
    "error_1201_task_not_found": (RequestRefused, 400, 1201, "9984d27b-a408-4073-ae28-17ca6a130000"),
    "error_1201_tasks_cap": (RequestRefused, 400, 1201, "9984d27b-a408-4073-ae28-17ca6a130000"),
    "error_1201_tasks_missing": (RequestRefused, 400, 1201, "9984d27b-a408-4073-ae28-17ca6a130000"),
    "error_1303_concurrency": (ConcurrencyExceeded, 429, 1303, "9984d27b-a408-4073-ae28-17ca6a130000"),
}
LISTS = {"legacy_list_empty", "legacy_list_two"}
CALLBACKS = {"callback_legacy_failed", "callback_legacy_succeed", "callback_new_submitted_test"}
ELSEWHERE = {"account_costs_empty", "account_costs_ok", "shape_task_result_variants", "callback_new_test_vector"}


def test_every_recorded_body_is_looked_at() -> None:
    """No recorded body is forgotten: of the legacy protocol all are read, of the new one those with a task."""
    new = {name for name in NAMES if name.startswith("new_")}
    assert {*NAMES} == {*TASKS} | {*REFUSALS} | LISTS | CALLBACKS | ELSEWHERE | new


@pytest.mark.parametrize("name", TASKS)
def test_a_recorded_task_is_read(name: str) -> None:
    """The answer to a create or a query becomes a task with every documented member."""
    task = TASKS[name]
    assert task == responses.task(recorded(name), "image2video", task.external_task_id or task.task_id)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("name", REFUSALS)
def test_a_recorded_refusal_is_typed(name: str, read: Callable[[HttpResponse], object]) -> None:
    """A refusal becomes its class, with the code, the status, the request id and the service's own words."""
    error = error_of(read, recorded(name))
    assert REFUSALS[name] == (type(error), error.http_status, error.code, error.request_id)
    assert error.message.startswith(RECORDED[name]["body"]["message"])


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("name", ["error_1203_model_discontinued", "error_gone_multi_image2video"])
def test_a_recorded_retirement_is_typed(name: str, read: Callable[[HttpResponse], object]) -> None:
    """What is no more is `ModelRetired`, in the service's own words alone: the address is not at fault."""
    error = error_of(read, recorded(name))
    assert type(error) is ModelRetired
    assert error.explained() == OTHERS[name]["body"]["message"]
    assert (error.http_status, error.code) == (404, 1203)


def test_a_recorded_list_is_read() -> None:
    """A page is the tasks of a bare array, in its order; an empty one is the end."""
    first, second = responses.tasks(recorded("legacy_list_two"), "image2video").tasks
    assert (first.task_id, first.status, first.watermark) == ("867283741759110000", TaskStatus.SUCCEED, False)
    assert first.videos[0].watermark_url is None
    expected = Task(
        endpoint="image2video",
        task_id="867283741759100000",
        status=TaskStatus.PROCESSING,
        created_at=at(-23_834),
        updated_at=at(-13_834),
    )
    assert expected == second
    assert responses.tasks(recorded("legacy_list_empty"), "image2video") == (0, [], None)


@pytest.mark.parametrize(
    ("name", "task_id", "status", "videos", "units"),
    [
        ("callback_legacy_failed", "867283741759110000", TaskStatus.FAILED, 0, None),
        ("callback_legacy_succeed", "867283741759110000", TaskStatus.SUCCEED, 1, Decimal("1.5")),
        ("callback_new_submitted_test", "913827032734640000", TaskStatus.SUBMITTED, 0, None),
        ("callback_new_processing", "930831534075680000", TaskStatus.PROCESSING, 0, None),
        ("callback_new_succeeded", "930831534075680000", TaskStatus.SUCCEED, 1, Decimal("2.4")),
        ("callback_new_failed", "930831534075730000", TaskStatus.FAILED, 0, None),
    ],
)
def test_a_recorded_callback_is_read(
    name: str, task_id: str, status: TaskStatus, videos: int, units: Decimal | None
) -> None:
    """A callback's body is a bare task, in the shape of either generation."""
    task = responses.callback(recorded(name).body, "image2video")
    assert (task_id, status, videos, units) == (task.task_id, task.status, len(task.videos), task.final_unit_deduction)


@pytest.mark.parametrize("name", ["new_tasks_get_unknown_id"])
def test_an_empty_answer_is_not_found(name: str) -> None:
    """The new standard's answer for an unknown id is an empty array."""
    error = error_of(READERS[0], recorded(name))
    assert (type(error), error.http_status) == (TaskNotFound, 200)


def test_a_task_in_an_array() -> None:
    """The old lip-sync's page prints the answer about a task so; of several tasks none is the one."""
    one = {"task_id": "1", "task_status": "submitted"}
    assert responses.created(enveloped([one]), "advanced-lip-sync", None).task_id == "1"
    assert responses.task(enveloped([one]), "raw:/v1/videos/lip-sync", "1").task_id == "1"
    assert type(error_of(READERS[0], enveloped([one, one]))) is BadResponse


# ------------------------------------------------------------------------------- HTTP status and code together


@pytest.mark.parametrize("data", [None, [], {}])
def test_no_data_is_no_task(data: object) -> None:
    """The service's good answer without data knows no such task, is no answer to a create, and ends a list."""
    assert type(error_of(READERS[0], enveloped(data))) is TaskNotFound
    assert type(error_of(READERS[1], enveloped(data))) is BadResponse
    assert data == {} or responses.tasks(enveloped(data), "image2video") == (0, [], None)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (200, 1102, InsufficientBalance),
        (200, 1303, ConcurrencyExceeded),
        (200, 5000, ServerError),
        (502, 1201, RequestRefused),
        (200, 1099, AuthenticationError),
        (429, 1399, ApiError),
        (200, 5099, ServerError),
        (429, 1100, AccountError),
        (429, 1101, InsufficientBalance),
        (429, 1102, InsufficientBalance),
        (429, 1302, RateLimited),
        (429, 1303, ConcurrencyExceeded),
        (429, 1304, PermissionRefused),
    ],
)
@pytest.mark.parametrize("write", [int, str])
def test_the_code_decides(
    read: Callable[[HttpResponse], object], status: int, code: int, kind: type[ApiError], write: Callable[[int], object]
) -> None:
    """A code of the table, or of its families, is the service's word under any HTTP status, also as digits in text."""
    error = error_of(read, answer({"code": write(code), "message": "no", "request_id": "r"}, status))
    assert (kind, status, code, "r") == (type(error), error.http_status, error.code, error.request_id)


def test_digits_in_text_also_mean_success() -> None:
    """`"code": "0"` is a good answer."""
    good = answer({"code": "0", "data": {"task_id": "8", "task_status": "submitted"}})
    assert responses.task(good, "image2video", "8").task_id == "8"


FOREIGN = {
    "a page": HttpResponse(200, {"content-type": "text/html"}, HTML),
    "a page with 404": HttpResponse(404, {"content-type": "text/html"}, HTML),
    "a page with 429": HttpResponse(429, {"content-type": "text/html"}, HTML),
    "a page with 502": HttpResponse(502, {"content-type": "text/html"}, HTML),
    "a login page": HttpResponse(302, {"location": "https://login.example/?token=SIGNED"}, b""),
    "nothing": HttpResponse(401, {}, b""),
    "another gateway's task": answer({"id": "task_1", "task_id": "task_1", "object": "video", "status": "queued"}),
    "another gateway's error": answer({"code": "task_not_exist", "message": "no", "data": None}, 400),
    "another gateway's success": answer({"code": "success", "data": {"task_id": "8", "status": "SUCCESS"}}),
    "code 200": answer({"code": 200, "data": {"task_id": "8", "task_status": "submitted"}}),
    "an unknown code": answer({"code": 9999, "message": "no"}),
    "a negative code": answer({"code": -1, "message": "no"}),
    "code 1400": answer({"code": 1400, "message": "no"}, 400),
    "code 5100": answer({"code": 5100, "message": "no"}, 500),
    "success that is none": answer({"code": 0, "message": "ok"}),
    "success under 404": answer({"code": 0, "data": None}, 404),
    "success under 302": answer({"code": 0, "data": []}, 302),
    "a status code": answer({"base_resp": {"status_code": 1004}}),
    "a detail": answer({"detail": "Not Found"}, 404),
    "no number": answer({"code": 1303.0, "message": "full"}, 429),
    "a truth": answer({"code": False, "data": []}),
    "a huge number": answer({"code": 10**30}),
}


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("name", FOREIGN)
def test_answers_without_the_services_envelope_prove_nothing(read: Callable[[HttpResponse], object], name: str) -> None:
    """An answer of anything else is foreign, whatever its HTTP status: neither a refusal nor "not found"."""
    error = error_of(read, FOREIGN[name])
    assert isinstance(error, BadResponse)
    assert (type(error), error.foreign, error.http_status) == (BadResponse, True, FOREIGN[name].status)


def test_a_foreign_answer_shows_what_came() -> None:
    """Its error has the status, the code, the type and the first 200 characters, without what may be secret."""
    body = {
        "code": 777,
        "message": "x" * 20 + " y" * 900,
        "key": "api-key-kling-0123456789012345678901234567890123456789",
    }
    error = error_of(READERS[0], answer(body, 418, **{"content-type": "application/json"}))
    assert str(error).startswith('HTTP 418, not as the service answers, code 777, application/json: {"code": 777,')
    assert error.code == 777
    assert len(error.message.partition(": ")[2]) == 200
    redirect = str(error_of(READERS[0], FOREIGN["a login page"]))
    assert "redirecting to https://login.example/?…" in redirect
    assert "SIGNED" not in redirect


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"message": "plain"}, "plain"),
        ({"error": {"message": "nested"}}, "nested"),
        ({"error": "short"}, "short"),
        ({"msg": "other"}, "other"),
        ({"detail": "more"}, "more"),
        ({"message": "", "detail": "more"}, "more"),
        ({"message": '{"code": 1201, "message": "inside"}'}, "inside"),
        ({"message": '{"error": {"msg": "deep"}}'}, "deep"),
        ({"message": "{broken"}, "{broken"),
        (
            {"message": {"error": {"error": {"error": {"error": "bottomless"}}}}},
            "the service gave no reason (HTTP 400)",
        ),
        ({"message": 5, "error": [1]}, "the service gave no reason (HTTP 400)"),
        ({}, "the service gave no reason (HTTP 400)"),
    ],
)
def test_the_reason_is_found_wherever_it_is(body: dict[str, Any], text: str) -> None:
    """Gateways move the service's text to other members, and into JSON inside of a text."""
    assert error_of(READERS[0], answer({"code": 1201, **body}, 400)).message == text


@pytest.mark.parametrize("body", [b"", b"\xff", b"{", b"null", b"[]", b"5", b'"a"', b'{"code": NaN}', b"[" * 99999])
@pytest.mark.parametrize("status", [200, 204, 299])
def test_a_body_that_is_no_object_cannot_be_understood(body: bytes, status: int) -> None:
    """A good status with anything but a JSON object is a bad answer that names its status."""
    for read in READERS:
        error = error_of(read, HttpResponse(status, {}, body))
        assert (type(error), error.http_status) == (BadResponse, status)
    with pytest.raises(BadResponse):
        responses.callback(body, "image2video")


@pytest.mark.parametrize(
    ("read", "data"), [(READERS[0], [1]), (READERS[0], "a"), (READERS[1], [1]), (READERS[1], 5), (READERS[2], {"a": 1})]
)
def test_data_of_another_kind_cannot_be_understood(read: Callable[[HttpResponse], object], data: object) -> None:
    """Data that is no task, or no list of them, is a bad answer that names its status."""
    error = error_of(read, enveloped(data))
    assert (type(error), error.http_status) == (BadResponse, 200)


# ------------------------------------------------------------------------------------------- whose task it is


@pytest.mark.parametrize("info", [None, {}, [], "text", {"external_task_id": ""}, {"external_task_id": "mine"}])
def test_an_answer_that_names_no_other_id_is_ours(info: object) -> None:
    """The task in an answer is ours if it has our external id, or none; in that case it gets ours."""
    data = {"task_id": "9", "task_status": "submitted", "task_info": info}
    for read in (responses.created, responses.task):
        task = read(enveloped(data), "image2video", "mine")
        assert (task.task_id, task.external_task_id) == ("9", "mine")


def test_another_task_is_no_answer() -> None:
    """A task with another external id answers neither our create nor our query, except a query by its task id."""
    data = {"task_id": "9", "task_status": "succeed", "task_info": {"external_task_id": "theirs"}}
    for error in (
        error_of(lambda response: responses.created(response, "image2video", "mine"), enveloped(data)),
        error_of(lambda response: responses.task(response, "image2video", "mine"), enveloped(data)),
    ):
        assert isinstance(error, BadResponse)
        assert (error.foreign, error.http_status) == (False, 200)
        assert "asked for mine" in str(error)
    for queried in ("9", "theirs"):
        assert responses.task(enveloped(data), "image2video", queried).task_id == "9"


def test_our_id_in_another_case_is_ours() -> None:
    """It is kept as it was sent."""
    data = {"task_id": "9", "task_status": "submitted", "task_info": {"external_task_id": "OURS"}}
    for task in (
        responses.created(enveloped(data), "image2video", "ours"),
        responses.task(enveloped(data), "image2video", "ours"),
    ):
        assert (task.task_id, task.external_task_id) == ("9", "ours")


@pytest.mark.parametrize(
    ("queried", "answered"),
    [
        ("A", "B"),
        ("867283741759110000", "867283741759110001"),
        ("999999999999999999", "1000000000000000000"),
        ("CjikY2gHPbcAAAAABlkE-w", "CjikY2gHPbcAAAAABlkE-x"),
    ],
)
def test_a_task_of_another_id_answers_no_question_by_the_services(queried: str, answered: str) -> None:
    """Ids that look alike both count as the service's, unless ours is known to be the caller's."""
    data = {"task_id": answered, "task_status": "succeed", "task_info": {}}
    with pytest.raises(BadResponse, match=f"asked for {queried}, the answer is about task {answered}; where") as caught:
        responses.task(enveloped(data), "image2video", queried)
    assert (caught.value.foreign, caught.value.http_status) == (False, 200)
    task = responses.task(enveloped(data), "image2video", queried, by_external=True)
    assert (task.task_id, task.external_task_id) == (answered, queried)
    assert responses.created(enveloped(data), "image2video", queried) == task


@pytest.mark.parametrize(
    "queried", ["4711", "mine", "order-4711-of-today", "kling-async-0123456789abcdef0123456789abcdef"]
)
def test_an_id_that_looks_otherwise_is_the_callers(queried: str) -> None:
    """The service answers such a query with its own id, and not always with ours."""
    data = {"task_id": "867283741759110000", "task_status": "processing", "task_info": {}}
    task = responses.task(enveloped(data), "image2video", queried)
    assert (task.task_id, task.external_task_id) == ("867283741759110000", queried)


@pytest.mark.parametrize("status", [None, "", "queued", 5, {}])
def test_an_id_is_enough_to_be_accepted(status: object) -> None:
    """The answer to a create that names a task is an acceptance, whatever it calls the status."""
    task = responses.created(enveloped({"task_id": "9", "task_status": status}), "image2video", "mine")
    assert (task.task_id, task.status) == ("9", TaskStatus.SUBMITTED)


@pytest.mark.parametrize(
    "strange",
    [None, 5, "x", [], {}, {"task_id": "7"}, {"task_status": "succeed"}, {"task_id": "7", "task_status": "melting"}],
)
def test_an_item_that_cannot_be_read_hides_no_other(strange: object) -> None:
    """Of a page, what cannot be read is left out, and counts as an item of the page."""
    page = responses.tasks(enveloped([strange, {"task_id": "8", "task_status": "submitted"}, strange]), "image2video")
    assert (page.length, [task.task_id for task in page.tasks]) == (3, ["8"])


# -------------------------------------------------------------------------------------------------- secrets


@pytest.mark.parametrize(
    "secret",
    [
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJBSyIsImV4cCI6MTc3NH0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1g",
        "api-key-kling-0123456789012345678901234567890123456789012",
        "iVBORw0KGgoAAAANSUhEUgAAAoAAAAFoCAIAAABIUN0GAAAAyUlEQVR4nO3BMQEAAADCoPVPbQhfoAAA" * 5000,
    ],
)
@pytest.mark.parametrize("member", ["message", "request_id"])
def test_an_echoed_secret_is_not_repeated(secret: str, member: str) -> None:
    """A token, a key or a picture that the service echoes is in no text, repr or pickle of the error."""
    body = {"code": 1002, "message": "no", "request_id": "r", member: f"cannot read {secret}"}
    error = error_of(READERS[0], answer(body, 401))
    for shown in (str(error), repr(error), pickle.dumps(error).decode("latin-1")):
        assert secret[:20] not in shown
    assert "cannot read" in str(error)


def test_an_echoed_address_loses_its_signature() -> None:
    """The reason of a failed task may name an address; its query is left out of record and error alike."""
    data = {"task_id": "8", "task_status": "failed", "task_status_msg": "cannot fetch https://h/a?token=SIGNED now"}
    assert responses.task(enveloped(data), "image2video", "8").status_msg == "cannot fetch https://h/a?… now"


def test_an_answer_shows_neither_headers_nor_body() -> None:
    """The repr of an answer is its status: addresses of results in it are signed."""
    assert repr(HttpResponse(200, {"x": "SECRET"}, b"SECRET")) == "HttpResponse(status=200)"


# ---------------------------------------------------------------------------------------------------- clock


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Sun, 29 Mar 2026 17:24:36 GMT", 1774805076.0),
        ("Sun, 29 Mar 2026 19:24:36 +0200", 1774805076.0),
        ("Sun, 29 Mar 2026 17:24:36 -0000", 1774805076.0),
        ("", None),
        ("yesterday", None),
        ("Sun, 99 Mar 2026 17:24:36 GMT", None),
        ("Sun, 29 Mar 2026 17:24:36 +99999999999", None),
        ("1 1 1 1 1", None),
        ("\udcff", None),
    ],
)
def test_the_services_clock_is_read_from_the_date(date: str, seconds: float | None) -> None:
    """The `Date` header is a moment, whatever this machine's time zone; anything else is none."""
    assert seconds == responses.service_time(HttpResponse(200, {"date": date}))


def test_without_a_date_there_is_no_service_time() -> None:
    """An answer may come without the header."""
    assert responses.service_time(HttpResponse(200)) is None


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"1e999", b"9" * 4000])
def test_a_number_that_is_none_spoils_no_task(number: bytes) -> None:
    """A time or an amount that is no number is left out; the task that is paid for is there."""
    task = b'{"task_id": "8", "task_status": "failed", "created_at": %b, "final_unit_deduction": %b}' % (number, number)
    read = responses.task(HttpResponse(200, {}, b'{"code": 0, "data": %b}' % task), "image2video", "8")
    assert read == Task(endpoint="image2video", task_id="8", status=TaskStatus.FAILED)


def test_a_task_of_any_endpoint_is_named_after_it() -> None:
    """The queried endpoint is part of the task, and so of its reference."""
    data: Any = {"task_id": "8", "task_status": "submitted"}
    assert responses.task(enveloped(data), "text2video", "8").reference == "text2video:8"


def item(task_id: object, status: object = "processing", **members: Any) -> dict[str, Any]:
    """One task as the list shows it."""
    return {"task_id": task_id, "task_status": status, "created_at": 1, "updated_at": 2, **members}


def page_of(*items: object) -> HttpResponse:
    """A page of the list."""
    return HttpResponse(200, {}, json.dumps({"code": 0, "message": "", "data": [*items]}).encode())


KNOWN = {"ours": TaskStatus.PROCESSING, "new": TaskStatus.SUBMITTED}
DONE = {"task_result": {"videos": [{"id": "v", "url": "https://cdn.example/v.mp4"}]}}


@pytest.mark.parametrize(
    ("items", "changes"),
    [
        ([], {}),
        ([item("ours")], {0: ("ours", None)}),
        ([item("other"), item("new")], {1: ("new", TaskStatus.PROCESSING)}),
        ([item("ours", "succeed", **DONE), item("new", "submitted")], {0: ("ours", "succeed"), 1: ("new", None)}),
        ([item("ours", "failed", task_status_msg="too dark")], {0: ("ours", "failed")}),
    ],
)
def test_a_page_has_changes_of_followed_tasks(items: list[object], changes: dict[int, Any]) -> None:
    """A task with an unchanged status is None, and tasks that are not followed are left out."""
    listed = responses.listed(page_of(*items), "image2video", KNOWN.get)
    assert listed.length == len(items)
    found = {
        place: (task_id, task and getattr(task, "status", None)) for place, (task_id, task) in listed.changes.items()
    }
    assert found == changes


@pytest.mark.parametrize(
    "strange",
    [None, 7, "task", [], {}, item(None), item(7), item(["ours"]), item("other", "melting"), {"task_id": "other"}],
)
def test_tasks_that_are_not_followed_cannot_spoil_a_page(strange: object) -> None:
    """Tasks that are not followed may have any form: the followed ones are parsed all the same."""
    listed = responses.listed(page_of(strange, item("ours", "succeed", **DONE)), "image2video", KNOWN.get)
    assert (listed.length, list(listed.changes)) == (2, [1])


@pytest.mark.parametrize("damage", [{"task_status": None}, {"task_status": ""}])
def test_a_task_that_a_page_shows_damaged_is_left_to_a_single_question(damage: dict[str, Any]) -> None:
    """It counts as not answered: a query by id shows what is wrong."""
    listed = responses.listed(page_of(item("ours", "succeed") | damage, item("new")), "image2video", KNOWN.get)
    assert list(listed.changes) == [1]


def test_an_undocumented_status_on_a_page_is_a_change() -> None:
    """It ends the wait, as it does in the answer to a query by id."""
    (changes,) = responses.listed(page_of(item("ours", "melting")), "image2video", KNOWN.get).changes.values()
    assert isinstance(changes[1], UnknownStatus)


@pytest.mark.parametrize("data", [{}, "tasks", 7, True])
def test_what_is_no_list_is_no_page(data: object) -> None:
    """Anything but an array is a BadResponse; nothing at all is an empty page."""
    answer = HttpResponse(200, {}, json.dumps({"code": 0, "data": data}).encode())
    with pytest.raises(BadResponse, match="expected a list of tasks"):
        responses.listed(answer, "image2video", KNOWN.get)
    empty = HttpResponse(200, {}, b'{"code": 0, "data": null}')
    assert responses.listed(empty, "image2video", KNOWN.get).length == 0
