"""Parses the service's answers to tasks, lists and values, or raises one typed error."""

import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, TypeVar

import attrs

from kling_async.protocol.errors import BadResponse, TaskNotFound, UnexpectedAnswer, UnknownStatus
from kling_async.protocol.redaction import printable
from kling_async.protocol.reference import is_same_id
from kling_async.protocol.tasks import Task, TaskStatus
from kling_async.protocol.wire.envelope import HttpResponse, data_of, envelope_of, json_of, reason_in, status_of

_T = TypeVar("_T")


def created(response: HttpResponse, endpoint: str, external_task_id: str | None, *, raw: bool = False) -> Task:
    """Parses the answer to a create.

    Args:
        response: the answer.
        endpoint: name of the task's endpoint.
        external_task_id: that was sent; an answer with a different one is not about our task.
        raw: whether the path may not make tasks.

    Raises:
        ApiError: the service answered with an error; the class is that of the error table.
        UnexpectedAnswer: with `raw`, the answer names no task.
        BadResponse: the answer is not the service's, or names no task, or a different one.
    """
    data = data_of(response)
    with status_of(response):
        try:
            made = _task(_alone(data), endpoint, accepted=True)
        except BadResponse as error:
            if not raw:
                raise
            raise UnexpectedAnswer(
                f"{error.message}: the path may make no task; its answer is in `data` of this error, and RawCall is "
                "for paths that answer at once. It may be billed",
                data=_kept(data, response),
            ) from None
        return made if external_task_id is None else _ours(made, external_task_id, by_external=True)


def answer(response: HttpResponse) -> Any:
    """Returns the `data` of the answer to a call that makes no task.

    Raises:
        ApiError: as in `created`.
        BadResponse: the answer is not the service's.
    """
    return data_of(response)


def value(response: HttpResponse, read: Callable[[Any], _T]) -> _T:
    """Parses the answer to a call whose `data` has a known form.

    Args:
        response: the answer.
        read: parses `data`.

    Raises:
        ApiError: as in `created`.
        UnexpectedAnswer: the answer is the service's, but `data` cannot be parsed.
        BadResponse: the answer is not the service's.
    """
    data = data_of(response)
    with status_of(response):
        try:
            return read(data)
        except BadResponse as error:
            message = f"{error.message}; what came is in `data` of this error"
            raise UnexpectedAnswer(message, data=_kept(data, response)) from None


def task(response: HttpResponse, endpoint: str, queried: str, *, by_external: bool = False) -> Task:
    """Parses the answer to a query.

    Args:
        response: the answer.
        endpoint: name of the task's endpoint.
        queried: the id in the query, the service's or the caller's.
        by_external: whether it is known to be the caller's.

    Raises:
        ApiError: as in `created`.
        TaskNotFound: the answer is the service's, and empty.
        BadResponse: as in `created`.
    """
    data = data_of(response)
    if data in (None, [], {}):
        # "Not found" may also be an empty answer (new standard); the legacy codes have raised an error above.
        raise TaskNotFound("the service knows no such task", http_status=response.status)
    with status_of(response):
        return _ours(_task(_alone(data), endpoint), queried, by_external=by_external)


def reason(response: HttpResponse) -> str:
    """Returns the reason of a refusal in the service's words, without the advice of the error table."""
    return reason_in(envelope_of(response.body), response.status)


class Page(NamedTuple):
    """One page of the list.

    Attributes:
        length: items on the page.
        tasks: those that could be parsed.
        cursor: of the next page, in the current generation; None at the end of the list.
    """

    length: int
    tasks: list[Task]
    cursor: str | None = None


def tasks(response: HttpResponse, endpoint: str) -> Page:
    """Parses one page of the list: a bare array, empty at the end. Malformed items are left out.

    Raises:
        ApiError: as in `created`.
        BadResponse: the answer is not the service's, or not a list.
    """
    items = _items(response)
    read: list[Task] = []
    for item in items:
        with contextlib.suppress(BadResponse):
            read.append(_task(item, endpoint))
    return Page(len(items), read)


class Listed(NamedTuple):
    """The followed tasks on a page of the list.

    Attributes:
        length: items on the page, of any task.
        changes: by place on the page, in order: the task's id, and the task; None if its status is unchanged.
        cursor: of the next page, in the current generation; None at the end of the list.
    """

    length: int
    changes: "Changes"
    cursor: str | None = None


Changes = Mapping[int, tuple[str, Task | UnknownStatus | None]]
"""The changes on a page, as in `Listed`."""


def listed(response: HttpResponse, endpoint: str, known: Callable[[str], TaskStatus | None]) -> Listed:
    """Parses one page of the list for the followed tasks, and ignores all others.

    Args:
        response: the answer.
        endpoint: name of the list's endpoint.
        known: returns the last known status of a task; None for a task that is not followed.

    Raises:
        ApiError: as in `created`.
        BadResponse: as in `tasks`.
    """
    items = _items(response)
    return Listed(len(items), changes_in(items, endpoint, known))


def changes_in(items: Sequence[Any], endpoint: str, known: Callable[[str], TaskStatus | None]) -> Changes:
    """Returns the changes of followed tasks in the items of a page, in the form of either generation."""
    changes: dict[int, tuple[str, Task | UnknownStatus | None]] = {}
    for place, item in enumerate(items):
        if not isinstance(item, Mapping):
            continue
        task_id = item.get("task_id") or item.get("id")
        task_id = str(task_id) if type(task_id) is int else task_id
        if not isinstance(task_id, str) or (status := known(task_id)) is None:
            continue
        if (item.get("task_status") or item.get("status")) == status.value:
            changes[place] = (task_id, None)
            continue
        with contextlib.suppress(BadResponse):  # a malformed item is left out, and its task queried by id
            changes[place] = (task_id, _item(item, endpoint))
    return changes


def _items(response: HttpResponse) -> list[Any]:
    data = data_of(response)
    if data is None:
        return []
    if not isinstance(data, list):
        raise BadResponse(f"expected a list of tasks, got {type(data).__name__}", http_status=response.status)
    return data


def _item(item: Mapping[str, Any], endpoint: str) -> Task | UnknownStatus:
    try:
        return _task(item, endpoint)
    except UnknownStatus as error:
        return error


def _ours(task: Task, queried: str, *, by_external: bool) -> Task:
    """Returns the task, if it can be the queried one: in some recorded answers `task_info` is empty.

    Such a task gets the queried id as its external id. If it is not known whether that is an external id, its form
    decides: the service's ids look alike.

    Raises:
        BadResponse: it is a different task: the answer belongs to another request.
    """
    if queried in {task.task_id, task.external_task_id}:
        return task
    may_be_ours = task.external_task_id is None and (by_external or not _look_alike(queried, task.task_id))
    if may_be_ours or is_same_id(task.external_task_id, queried):
        return attrs.evolve(task, external_task_id=queried)
    if task.external_task_id is None:
        its_id = f"; where {printable(queried, 64)} is its external_task_id, ask for the task by its own id"
    else:
        its_id = f" with external_task_id {printable(task.external_task_id, 64)}"
    mismatch = f"asked for {printable(queried, 64)}, the answer is about task {printable(task.task_id, 64)}"
    raise BadResponse(mismatch + its_id)


def _look_alike(one: str, other: str) -> bool:
    """Whether two ids may come from the same service: numbers with about as many digits, or texts of equal length."""
    numbers = one.isdecimal() + other.isdecimal()
    return numbers != 1 and abs(len(one) - len(other)) <= (1 if numbers else 0)


def callback(body: bytes, endpoint: str) -> Task:
    """Parses a callback's body: a bare task without an envelope, in the form of either generation.

    Raises:
        BadResponse: it is not a task.
    """
    return _task(json_of(body, "the callback"), endpoint)


def service_time(response: HttpResponse) -> float | None:
    """Returns the `Date` header in whole seconds since 1970; None if there is none."""
    return _moment(response.headers.get("date", ""))


@functools.lru_cache(maxsize=1)  # many answers arrive within one second
def _moment(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()  # "-0000" is parsed as no zone, but means UTC


def _kept(data: Any, response: HttpResponse) -> Any:
    """Returns the `data` of an answer for an error, which is pickled; the whole body as text if nested too deeply."""
    from kling_async.protocol.wire.results import is_shallow  # noqa: PLC0415  (an error is rare)

    return data if is_shallow(data) else response.body.decode("utf-8", "replace")


def _alone(data: Any) -> Any:
    """Unwraps an array of one task, which is how the old lip-sync page documents an answer about a single task."""
    return data[0] if isinstance(data, list) and len(data) == 1 else data


def _task(data: Any, endpoint: str, *, accepted: bool = False) -> Task:
    from kling_async.protocol.wire.codec import task_from_wire  # noqa: PLC0415  (on first use: cattrs is slow to import)

    return task_from_wire(data, endpoint, accepted=accepted)
