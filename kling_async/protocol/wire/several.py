"""Parses answers of the current generation about several tasks: queries by name, and pages of a list with cursors.

A name is the second half of a reference: the service's id, or the caller's after `external:`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from kling_async.protocol.errors import BadResponse, KlingError, TaskNotFound
from kling_async.protocol.redaction import printable
from kling_async.protocol.reference import Reference, is_same_id
from kling_async.protocol.tasks import Task, TaskStatus
from kling_async.protocol.wire import responses
from kling_async.protocol.wire.envelope import HttpResponse
from kling_async.protocol.wire.responses import Listed, Page


def created(response: HttpResponse, endpoint: str, external_task_id: str | None) -> Task:
    """Parses the answer to a create; a task without an external id was made by a path that drops it.

    Args:
        response: the answer.
        endpoint: the first half of its reference.
        external_task_id: that was sent; an answer with a different one is not about our task.

    Raises:
        ApiError: the service answered with an error; the class is that of the error table.
        BadResponse: the answer is not the service's, or names no task, or a different one.
    """
    made = responses.created(response, endpoint, None)
    answered_id = made.external_task_id
    if answered_id in {None, external_task_id}:
        return made
    if is_same_id(answered_id, external_task_id):
        return attrs.evolve(made, external_task_id=external_task_id)
    what = f"task {printable(made.task_id, 64)} with external_id {printable(answered_id, 64)}"
    raise BadResponse(f"the answer is about {what}", http_status=response.status)


def one(response: HttpResponse, endpoint: str, name: str) -> Task:
    """Parses the answer to a query about one task.

    Args:
        response: the answer.
        endpoint: the first half of its reference.
        name: the second half.

    Raises:
        ApiError: the service answered with an error; the class is that of the error table.
        TaskNotFound: the answer is the service's, but has no task.
        BadResponse: the answer is not the service's, or about another task.
    """
    answer = found(response, endpoint, [name]).get(name)
    if answer is None:
        raise TaskNotFound("the service knows no such task", http_status=response.status)
    if isinstance(answer, KlingError):
        raise answer
    return answer


def found(response: HttpResponse, endpoint: str, names: Sequence[str]) -> dict[str, Task | KlingError]:
    """Parses the answer to a query about several tasks, which contains the existing ones in no documented order.

    Args:
        response: the answer.
        endpoint: the first half of their references.
        names: the second halves of the queried references.

    Returns:
        Tasks by the names in the query, and an error in place of a malformed task. Tasks that the service does not know
        are left out, as in its answer.

    Raises:
        ApiError: as in `one`.
        BadResponse: the answer is not the service's, or all of its tasks have no id or were not queried.
    """
    items, _ = _page(response)
    answers: dict[str, Task | KlingError] = {}
    others: list[str] = []
    has_unnamed = False
    is_alone = len(names) == len(items) == 1 and Reference(endpoint, names[0]).external_task_id is not None
    for item in items:
        task_id, external_task_id = _ids(item)
        if task_id is None:
            has_unnamed = True  # it may be any of the queried tasks
            continue
        by_external = Reference.by_external_task_id(endpoint, external_task_id or "").id
        name = next((name for name in (task_id, by_external) if name in names), None)
        if name is None and external_task_id is not None:
            same = (each for each in names if is_same_id(Reference(endpoint, each).external_task_id, external_task_id))
            name = next(same, None)
        if name is None and external_task_id is None and is_alone:
            name = names[0]  # the only candidate: not every answer repeats the external id
        if name is None:
            others.append(task_id)
        else:
            answers[name] = _named(_read(item, endpoint, response.status), name)
    if not others and not has_unnamed:
        return answers
    text = "the answer has a task without an id"
    if others:
        text = f"the answer is about task {printable(others[0], 64)}, which nobody asked for"
    if not answers:
        raise BadResponse(text, http_status=response.status)
    # The tasks that were found count; the state of all others is unknown.
    return {name: BadResponse(text, http_status=response.status) for name in names} | answers


def page(response: HttpResponse, endpoint: str) -> Page:
    """Parses one page of the list; malformed items are left out.

    Raises:
        ApiError: as in `one`.
        BadResponse: the answer is not the service's, or not a list.
    """
    items, cursor = _page(response)
    tasks = [_read(item, endpoint, response.status) for item in items]
    return Page(len(items), [each for each in tasks if isinstance(each, Task)], cursor)


def whole_page(response: HttpResponse, endpoint: str) -> Page:
    """Parses one page of the list, of which no task may be missed.

    Raises:
        ApiError: as in `one`.
        BadResponse: as in `page`, or a task is malformed or may be missing.
    """
    read = page(response, endpoint)
    data = responses.answer(response)
    # In recorded answers an empty page has no tasks and a count of 0. Anything else may be a foreign or partial page.
    is_list = isinstance(data, Mapping) and (isinstance(data.get("result"), list) or data.get("count") == 0)
    if not is_list or len(read.tasks) < read.length or (data.get("has_more") and read.cursor is None):
        raise BadResponse("the list of tasks cannot be read as a whole", http_status=response.status)
    return read


def listed(response: HttpResponse, endpoint: str, known: Callable[[str], TaskStatus | None]) -> Listed:
    """Parses one page of the list for the followed tasks, and ignores all others.

    Args:
        response: the answer.
        endpoint: the first half of their references.
        known: as in `responses.listed`.

    Raises:
        ApiError: as in `one`.
        BadResponse: as in `page`.
    """
    items, cursor = _page(response)
    return Listed(len(items), responses.changes_in(items, endpoint, known), cursor)


def _page(response: HttpResponse) -> tuple[list[Any], str | None]:
    """Returns the tasks of an answer, and the cursor of the next page; an empty page has neither.

    Raises:
        BadResponse: the tasks may be in unknown members, so that the answer proves nothing about any.
    """
    data = responses.answer(response)
    held, cursor = data, None
    if isinstance(data, Mapping):
        held = data.get("result")
        cursor = data.get("next_cursor") if data.get("has_more") is not False else None
        if held is None and _ids(data)[0] is not None:
            held = [data]
        elif held is None and not _is_empty(data):
            shown = ", ".join(printable(str(name), 40) for name in [*data][:5])
            raise BadResponse(f"expected tasks, got {shown}", http_status=response.status)
    if held is None:
        held = []
    if not isinstance(held, list):
        raise BadResponse(f"expected tasks, got {type(held).__name__}", http_status=response.status)
    return held, cursor if isinstance(cursor, str) and cursor else None


def _is_empty(data: Mapping[str, Any]) -> bool:
    """Whether data without tasks is an empty page: in recorded answers it has no result, and a count of 0."""
    return not data or data.get("count") == 0 or ("result" in data and data.get("count") is None)


def _ids(item: Any) -> tuple[str | None, str | None]:
    """Returns the service's and the caller's id of a task."""
    from kling_async.protocol.wire.members import identifier  # noqa: PLC0415  (on first use: decimals take time)

    if not isinstance(item, Mapping):
        return None, None
    return identifier(item.get("task_id")) or identifier(item.get("id")), identifier(item.get("external_id"))


def _read(item: Any, endpoint: str, status: int) -> Task | KlingError:
    from kling_async.protocol.wire.codec import task_from_wire  # noqa: PLC0415  (on first use: cattrs is slow to import)

    try:
        return task_from_wire(item, endpoint)
    except BadResponse as error:
        error.http_status = status
        return error


def _named(answer: Task | KlingError, name: str) -> Task | KlingError:
    """Returns the answer with the external id spelled as in the query."""
    queried = Reference(answer.endpoint, name).external_task_id if isinstance(answer, Task) else None
    if isinstance(answer, Task) and queried is not None and answer.external_task_id != queried:
        return attrs.evolve(answer, external_task_id=queried)
    return answer
