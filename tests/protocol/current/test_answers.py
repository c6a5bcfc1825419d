"""Answers of the current generation: about several tasks, by cursor, and in words of both generations."""

from typing import Any

import pytest

from kling_async.protocol.errors import ApiError, BadResponse, KlingError, TaskNotFound, UnknownStatus
from kling_async.protocol.tasks import Task, TaskStatus
from kling_async.protocol.wire import requests, responses, several
from kling_async.protocol.wire.envelope import HttpResponse
from tests.protocol.recorded_bodies import FOLDER, OTHERS, RECORDED, answer, enveloped, recorded

BODIES = {path.stem for path in (FOLDER / "new").glob("*.json")}
NOT_ANSWERS = ("req_", "bad_req_")
NAMES = sorted(name for name in BODIES if not name.startswith(NOT_ANSWERS))


def task(name: str, status: str = "processing", **members: Any) -> dict[str, Any]:
    """A task as in an answer."""
    return {"id": name, "status": status, "message": "", **members}


def read(name: str) -> object:
    """Parses a recorded body with the function for its kind."""
    if name.startswith("callback_"):
        body = OTHERS[name]["body"]
        text = body.get("raw_body", "").encode() or answer(body).body
        return responses.callback(text, "tasks")
    response = recorded(name)
    if name.startswith("account_"):
        return responses.answer(response)
    if "_create" in name:
        return several.created(response, "tasks", None)
    return several.page(response, "tasks")


@pytest.mark.parametrize("name", NAMES)
def test_every_recorded_body_is_read(name: str) -> None:
    """Errors are raised as typed errors, a page that is not the service's as foreign, and all else are tasks."""
    if name.startswith("error_404"):
        found = OTHERS[name]["body"].encode()
        with pytest.raises(BadResponse) as caught:
            several.page(HttpResponse(404, {"content-type": "text/html"}, found), "tasks")
        assert caught.value.foreign
    elif name.startswith("error_"):
        with pytest.raises(ApiError) as refused:
            read(name)
        assert refused.value.code == OTHERS[name]["body"]["code"]
    else:
        result = read(name)
        if isinstance(result, responses.Page):
            assert len(result.tasks) == result.length > 0
        else:
            assert isinstance(result, Task | dict)


@pytest.mark.parametrize(
    "name", ["new_tasks_get_ok", "new_tasks_get_unknown_id", "new_tasks_list_empty", "new_tasks_list_ok"]
)
def test_lists_are_read_with_and_without_a_result(name: str) -> None:
    """An empty page has neither tasks nor a cursor."""
    data = RECORDED[name]["body"]["data"]
    page = several.page(recorded(name), "tasks")
    items = data if isinstance(data, list) else data.get("result", [])
    assert (page.length, len(page.tasks)) == (len(items), len(items))
    assert page.cursor == (data.get("next_cursor") if isinstance(data, dict) and data["has_more"] else None)


def test_what_is_left_out_is_left_out_and_order_does_not_matter() -> None:
    """Tasks are returned by the names in the query, the caller's id as well as the service's."""
    response = enveloped([task("2"), task("1", "succeed", external_id="a")])
    found = several.found(response, "tasks", ["1", "3", "2"])
    assert {name: each.status for name, each in found.items() if isinstance(each, Task)} == {
        "1": TaskStatus.SUCCEED,
        "2": TaskStatus.PROCESSING,
    }
    by_own = several.found(enveloped([task("1", external_id="a")]), "tasks", ["external:a", "external:b"])
    assert list(by_own) == ["external:a"]


def test_an_answer_with_a_task_that_was_not_queried_belongs_to_another_query() -> None:
    """It proves nothing about missing tasks, and hides no task that is present."""
    found = several.found(enveloped([task("9"), task("1")]), "tasks", ["1", "2"])
    assert {name: type(each) for name, each in found.items()} == {"1": Task, "2": BadResponse}
    with pytest.raises(BadResponse, match="nobody asked for"):
        several.found(enveloped([task("9")]), "tasks", ["1", "2"])
    with pytest.raises(BadResponse, match="nobody asked for"):
        several.one(enveloped([task("9", external_id="b")]), "tasks", "external:a")


def test_what_cannot_be_read_is_an_error_of_that_task_alone() -> None:
    """An unknown status word, or none, hides no other task."""
    items = [task("1", "queued"), task("2", ""), task("3"), {"status": "failed"}, 5]
    found = several.found(enveloped(items), "tasks", ["1", "2", "3"])
    assert {name: type(each) for name, each in found.items()} == {"1": UnknownStatus, "2": BadResponse, "3": Task}
    with pytest.raises(UnknownStatus):
        several.one(enveloped(items[:1]), "tasks", "1")


@pytest.mark.parametrize("more", [{"task_id": None}, {"task_status": None}, {"task_id": "", "task_status": None}])
def test_a_member_of_the_other_generation_that_is_null_hides_nothing(more: dict[str, Any]) -> None:
    """Id and status are read from the member that is present, in queries and in lists."""
    item = task("1", "succeeded") | more
    assert several.one(enveloped([item]), "tasks", "1").status is TaskStatus.SUCCEED
    listed = several.listed(enveloped([item]), "tasks", {"1": TaskStatus.PROCESSING}.get)
    [(name, result)] = listed.changes.values()
    assert (name, isinstance(result, Task)) == ("1", True)


@pytest.mark.parametrize(
    "data",
    [[], None, {}, {"count": 0, "has_more": False}, {"count": 0}, {"result": None}, {"result": [], "count": 0}],
)
def test_an_empty_answer_about_one_task_is_not_found(data: Any) -> None:
    """Whatever the form of the empty answer."""
    with pytest.raises(TaskNotFound):
        several.one(enveloped(data), "tasks", "1")


def test_the_only_task_of_an_answer_may_leave_its_external_id_out() -> None:
    """It gets the external id of the query."""
    assert several.one(enveloped([task("1")]), "tasks", "external:a").external_task_id == "a"


@pytest.mark.parametrize("queried", ["1", "job-1", "external"])
def test_the_only_task_of_an_answer_is_not_that_of_another_id(queried: str) -> None:
    """The service's id is always in the answer, so a different one is another task."""
    with pytest.raises(BadResponse, match="about task 9, which nobody asked for"):
        several.one(enveloped([task("9", "succeeded")]), "tasks", queried)


@pytest.mark.parametrize(
    "data",
    [
        {"tasks": [task("1", "succeeded")]},
        {"tasks": [task("1", "succeeded")], "count": 1, "has_more": False},
        {"result": None, "count": 1},
        {"has_more": False},
    ],
)
def test_tasks_in_unknown_members_are_not_missing(data: Any) -> None:
    """An answer without tasks is empty only if it has the form of an empty page; otherwise it is not "not found"."""
    for read_ in (several.one, lambda *args: several.found(args[0], args[1], [args[2]])):
        with pytest.raises(BadResponse, match="expected tasks, got"):
            read_(enveloped(data), "tasks", "1")
    with pytest.raises(BadResponse):
        several.page(enveloped(data), "tasks")
    with pytest.raises(BadResponse):
        several.listed(enveloped(data), "tasks", {"1": TaskStatus.PROCESSING}.get)


@pytest.mark.parametrize("item", [{"status": "failed"}, 5, None, [task("1")], {"task": task("1")}])
def test_an_item_without_an_id_may_be_any_of_those_that_are_not_there(item: Any) -> None:
    """It hides no task that is present, and a missing task is not "not found"."""
    found = several.found(enveloped([item, task("2")]), "tasks", ["1", "2"])
    assert {name: type(each) for name, each in found.items()} == {"1": BadResponse, "2": Task}
    with pytest.raises(BadResponse, match="without an id"):
        several.one(enveloped([item]), "tasks", "1")


@pytest.mark.parametrize("data", ["text", 5, {"result": "text"}, {"result": 5}, {"result": {}}])
def test_what_is_no_list_is_no_answer(data: Any) -> None:
    """It proves nothing about any task."""
    with pytest.raises(BadResponse):
        several.found(enveloped(data), "tasks", ["1"])


def test_a_create_that_is_answered_for_another_is_no_success() -> None:
    """One that names no external id was made by a path that drops it."""
    with pytest.raises(BadResponse, match="the answer is about task 1 with external_id theirs"):
        several.created(enveloped(task("1", external_id="theirs")), "tasks", "ours")
    assert several.created(enveloped(task("1")), "tasks", "ours").external_task_id is None
    assert several.created(enveloped(task("1", external_id="ours")), "tasks", "ours").external_task_id == "ours"


def test_an_external_id_in_another_case_is_ours() -> None:
    """In creates and queries the spelling that was sent is kept. If both spellings are queried, each has its task."""
    response = enveloped([task("5", external_id="OURS")])
    made = several.created(enveloped(task("5", external_id="OURS")), "tasks", "ours")
    assert (made.task_id, made.external_task_id) == ("5", "ours")
    assert several.one(response, "tasks", "external:ours").external_task_id == "ours"
    both = enveloped([task("5", external_id="OURS"), task("6", external_id="ours")])
    found = several.found(both, "tasks", ["external:ours", "external:OURS"])
    assert {name: isinstance(each, Task) and each.task_id for name, each in found.items()} == {
        "external:OURS": "5",
        "external:ours": "6",
    }


def test_questions_have_one_kind_of_ids() -> None:
    """A query contains either the service's ids or the caller's."""
    assert requests.several(["1", "2"]).params == (("task_ids", "1,2"),)
    assert requests.several(["external:a", "external:b"]).params == (("external_task_ids", "a,b"),)


@pytest.mark.parametrize("name", ["error_1201_tasks_cap", "error_1201_tasks_missing", "error_1002_aksk_on_new_path"])
def test_a_refused_question_is_an_error_of_its_class(name: str) -> None:
    """It is not treated as an empty answer."""
    with pytest.raises(KlingError) as caught:
        several.found(recorded(name), "tasks", ["1"])
    assert not isinstance(caught.value, TaskNotFound)
