"""What came back: tasks, lists and values out of the service's answers, or one typed error."""

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
    """Reads the answer to a create.

    Args:
        response: the answer.
        endpoint: where the task was to be made.
        external_task_id: that was sent; an answer that names another one is not about our task.
        raw: whether it is not known that the path makes tasks.

    Raises:
        ApiError: the service said no; the class is that of the error table.
        UnexpectedAnswer: with `raw`, the answer names no task.
        BadResponse: the answer is not the service's, or names no task, or another one.
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
    """Reads the answer to a call that makes no task: its `data`.

    Raises:
        ApiError: as in `created`.
        BadResponse: the answer is not the service's.
    """
    return data_of(response)


def value(response: HttpResponse, read: Callable[[Any], _T]) -> _T:
    """Reads the answer to a call whose `data` is known to have a form.

    Args:
        response: the answer.
        read: reads `data`.

    Raises:
        ApiError: as in `created`.
        UnexpectedAnswer: the answer is the service's, and `data` cannot be read.
        BadResponse: the answer is not the service's.
    """
    data = data_of(response)
    with status_of(response):
        try:
            return read(data)
        except BadResponse as error:
            message = f"{error.message}; what came is in `data` of this error"
            raise UnexpectedAnswer(message, data=_kept(data, response)) from None


def task(response: HttpResponse, endpoint: str, asked: str, *, by_external: bool = False) -> Task:
    """Reads the answer to a query.

    Args:
        response: the answer.
        endpoint: whose task it is.
        asked: the id that was asked for, the service's or the caller's.
        by_external: whether it is known to be the caller's.

    Raises:
        ApiError: as in `created`.
        TaskNotFound: the answer is the service's, and empty.
        BadResponse: as in `created`.
    """
    data = data_of(response)
    if data in (None, [], {}):
        # "Not found" also comes as an empty answer (new standard); the codes of the legacy one are errors above.
        raise TaskNotFound("the service knows no such task", http_status=response.status)
    with status_of(response):
        return _ours(_task(_alone(data), endpoint), asked, by_external=by_external)


def reason(response: HttpResponse) -> str:
    """The words in which the service refused, without the advice of the error table."""
    return reason_in(envelope_of(response.body), response.status)


class Page(NamedTuple):
    """One page of the list.

    Attributes:
        length: items on the page.
        tasks: those that could be read.
        cursor: where the list goes on, in the current generation; None at its end.
    """

    length: int
    tasks: list[Task]
    cursor: str | None = None


def tasks(response: HttpResponse, endpoint: str) -> Page:
    """Reads one page of the list: a bare array, empty at the end. Items that cannot be read are left out.

    Raises:
        ApiError: as in `created`.
        BadResponse: the answer is not the service's, or no list.
    """
    items = _items(response)
    read: list[Task] = []
    for item in items:
        with contextlib.suppress(BadResponse):
            read.append(_task(item, endpoint))
    return Page(len(items), read)


class Listed(NamedTuple):
    """What a page of the list says about the tasks that are followed.

    Attributes:
        length: items on the page, of any task.
        changes: by place on the page, in order: the task's id, and the task; None where its status is the known one.
        cursor: where the list goes on, in the current generation; None at its end.
    """

    length: int
    changes: "Changes"
    cursor: str | None = None


Changes = Mapping[int, tuple[str, Task | UnknownStatus | None]]
"""What a page tells, as `Listed` has it."""


def listed(response: HttpResponse, endpoint: str, known: Callable[[str], TaskStatus | None]) -> Listed:
    """Reads one page of the list for the tasks that are followed; others are not looked at.

    Args:
        response: the answer.
        endpoint: whose list.
        known: the last known status of a task; None for a task that is not followed.

    Raises:
        ApiError: as in `created`.
        BadResponse: as in `tasks`.
    """
    items = _items(response)
    return Listed(len(items), changes_in(items, endpoint, known))


def changes_in(items: Sequence[Any], endpoint: str, known: Callable[[str], TaskStatus | None]) -> Changes:
    """What the items of a page say about the tasks that are followed, in the shape of either generation."""
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
        with contextlib.suppress(BadResponse):  # then the page says nothing about it, and it is asked for singly
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


def _ours(task: Task, asked: str, *, by_external: bool) -> Task:
    """The task, if it can be the one that was asked for: captures exist in which `task_info` is empty.

    Such a task gets the name that it was asked for by. That it was not the service's own id shows by its look, where it
    is not known: the ids of one service look alike.

    Raises:
        BadResponse: it is another one: the answer belongs to somebody else's request.
    """
    if asked in {task.task_id, task.external_task_id}:
        return task
    may_be_ours = task.external_task_id is None and (by_external or not _look_alike(asked, task.task_id))
    if may_be_ours or is_same_id(task.external_task_id, asked):
        return attrs.evolve(task, external_task_id=asked)
    if task.external_task_id is None:
        theirs = f"; where {printable(asked, 64)} is its external_task_id, ask for the task by its own id"
    else:
        theirs = f" with external_task_id {printable(task.external_task_id, 64)}"
    asked_for = f"asked for {printable(asked, 64)}, the answer is about task {printable(task.task_id, 64)}"
    raise BadResponse(asked_for + theirs)


def _look_alike(one: str, other: str) -> bool:
    """Whether two ids may have been given by the same: numbers of about as many digits, or texts of one length."""
    numbers = one.isdecimal() + other.isdecimal()
    return numbers != 1 and abs(len(one) - len(other)) <= (1 if numbers else 0)


def callback(body: bytes, endpoint: str) -> Task:
    """Reads a callback's body: a bare task without an envelope, in the shape of either generation.

    Raises:
        BadResponse: it is no task.
    """
    return _task(json_of(body, "the callback"), endpoint)


def service_time(response: HttpResponse) -> float | None:
    """The `Date` header in seconds since 1970, whole seconds; None where there is none."""
    return _moment(response.headers.get("date", ""))


@functools.lru_cache(maxsize=1)  # many answers come in one second
def _moment(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()  # "-0000" reads as no zone, and means UTC


def _kept(data: Any, response: HttpResponse) -> Any:
    """The `data` of an answer for an error, which is pickled; all of it, as text, where it is nested endlessly."""
    from kling_async.protocol.wire.results import is_shallow  # noqa: PLC0415  (an error is rare)

    return data if is_shallow(data) else response.body.decode("utf-8", "replace")


def _alone(data: Any) -> Any:
    """The one task of an array: so the page of the old lip-sync prints an answer about a single task."""
    return data[0] if isinstance(data, list) and len(data) == 1 else data


def _task(data: Any, endpoint: str, *, accepted: bool = False) -> Task:
    from kling_async.protocol.wire.codec import task_from_wire  # noqa: PLC0415  (on first use: cattrs is slow to import)

    return task_from_wire(data, endpoint, accepted=accepted)
