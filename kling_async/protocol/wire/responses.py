"""What came back: status, headers and body become data, or one typed error."""

import contextlib
import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple, TypeVar

import attrs

from kling_async.protocol.error_codes import code_of, row_for
from kling_async.protocol.errors import BadResponse, KlingError, TaskNotFound, UnexpectedAnswer, UnknownStatus
from kling_async.protocol.redaction import cut, printable, service_text
from kling_async.protocol.tasks import Task, TaskStatus

_T = TypeVar("_T")

LARGE_BYTES = 2**18
"""A body above this takes so long to read that it should not be read on an event loop."""


@attrs.frozen
class HttpResponse:
    """One answer.

    Attributes:
        status: of HTTP.
        headers: names in lower case.
        body: as it came.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    body: bytes = attrs.field(default=b"", repr=False)


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
    data = _data(response)
    with _status_of(response):
        try:
            made = _task(_alone(data), endpoint, accepted=True)
        except BadResponse as error:
            if not raw:
                raise
            raise UnexpectedAnswer(
                f"{error.message}: the path may make no task; its answer is in `data` of this error, and RawCall is "
                "for paths that answer at once. It may be billed",
                data=data,
            ) from None
        return made if external_task_id is None else _ours(made, external_task_id)


def answer(response: HttpResponse) -> Any:
    """Reads the answer to a call that makes no task: its `data`.

    Raises:
        ApiError: as in `created`.
        BadResponse: the answer is not the service's.
    """
    return _data(response)


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
    data = _data(response)
    with _status_of(response):
        try:
            return read(data)
        except BadResponse as error:
            raise UnexpectedAnswer(f"{error.message}; what came is in `data` of this error", data=data) from None


def task(response: HttpResponse, endpoint: str, asked: str) -> Task:
    """Reads the answer to a query.

    Args:
        response: the answer.
        endpoint: whose task it is.
        asked: the id that was asked for, the service's or the caller's.

    Raises:
        ApiError: as in `created`.
        TaskNotFound: the answer is the service's, and empty.
        BadResponse: as in `created`.
    """
    data = _data(response)
    if data in (None, [], {}):
        # "Not found" also comes as an empty answer (new standard); the codes of the legacy one are errors above.
        raise TaskNotFound("the service knows no such task", http_status=response.status)
    with _status_of(response):
        return _ours(_task(_alone(data), endpoint), asked)


def reason(response: HttpResponse) -> str:
    """The words in which the service refused, without the advice of the error table."""
    return _reason(_envelope(response.body), response.status)


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
        news: by place on the page, in order: the task's id, and the task; None where its status is the known one.
        cursor: where the list goes on, in the current generation; None at its end.
    """

    length: int
    news: "News"
    cursor: str | None = None


News = Mapping[int, tuple[str, Task | UnknownStatus | None]]
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
    return Listed(len(items), news_in(items, endpoint, known))


def news_in(items: Sequence[Any], endpoint: str, known: Callable[[str], TaskStatus | None]) -> News:
    """What the items of a page say about the tasks that are followed, in the shape of either generation."""
    news: dict[int, tuple[str, Task | UnknownStatus | None]] = {}
    for place, item in enumerate(items):
        if not isinstance(item, Mapping):
            continue
        task_id = item.get("task_id") or item.get("id")
        task_id = str(task_id) if type(task_id) is int else task_id
        if not isinstance(task_id, str) or (status := known(task_id)) is None:
            continue
        if (item.get("task_status") or item.get("status")) == status.value:
            news[place] = (task_id, None)
            continue
        with contextlib.suppress(BadResponse):  # then the page says nothing about it, and it is asked for singly
            news[place] = (task_id, _item(item, endpoint))
    return news


def _items(response: HttpResponse) -> list[Any]:
    data = _data(response)
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


def _ours(task: Task, asked: str) -> Task:
    """The task, if it can be the one that was asked for: captures exist in which `task_info` is empty.

    Such a task gets the name that it was asked for by.

    Raises:
        BadResponse: it has another `external_task_id`: the answer belongs to somebody else's request.
    """
    if asked in {task.task_id, task.external_task_id}:
        return task
    if task.external_task_id is None:
        return attrs.evolve(task, external_task_id=asked)
    raise BadResponse(
        f"asked for {printable(asked, 64)}, the answer is about task {printable(task.task_id, 64)} with "
        f"external_task_id {printable(task.external_task_id, 64)}"
    )


def callback(body: bytes, endpoint: str) -> Task:
    """Reads a callback's body: a bare task without an envelope, in the shape of either generation.

    Raises:
        BadResponse: it is no task.
    """
    return _task(_json(body, "the callback"), endpoint)


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


def _alone(data: Any) -> Any:
    """The one task of an array: so the page of the old lip-sync prints an answer about a single task."""
    return data[0] if isinstance(data, list) and len(data) == 1 else data


def _task(data: Any, endpoint: str, *, accepted: bool = False) -> Task:
    from kling_async.protocol.wire.codec import task_from_wire  # noqa: PLC0415  (on first use: cattrs is slow to import)

    return task_from_wire(data, endpoint, accepted=accepted)


@contextlib.contextmanager
def _status_of(response: HttpResponse) -> Iterator[None]:
    """Adds what the envelope tells to the errors of reading its data."""
    try:
        yield
    except KlingError as error:
        error.http_status = response.status
        raise


# ------------------------------------------------------------------------------------------- whose word it is


def _data(response: HttpResponse) -> Any:
    """The `data` of the service's envelope."""
    # Errors come back as values: a frame that raised with the envelope in its locals would show what it echoes.
    opened = _opened(response)
    if isinstance(opened, KlingError):
        raise opened
    return opened


def _opened(response: HttpResponse) -> Any:
    """The envelope's `data`, or the error that the answer is.

    Only an envelope whose `code` is 0 or of the error table's families is the service's word. Gateways, proxies and
    login pages answer with any HTTP status, in HTML and in JSON of other shapes: that says nothing about a task.
    """
    envelope = _envelope(response.body)
    code = code_of(envelope.get("code"))
    if code == 0 and 200 <= response.status < 300 and "data" in envelope:
        return envelope["data"]
    text = _reason(envelope, response.status)
    row = row_for(code, text)
    if code is None or row is None:
        return _not_the_services(response, code)
    return row.error(
        f"{text}: {row.hint}" if row.hint else text,
        remedy=row.remedy,
        code=code,
        http_status=response.status,
        request_id=service_text(envelope.get("request_id"), limit=64) or None,
    )


def _envelope(body: bytes) -> Mapping[str, Any]:
    try:
        value = _decoded(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, Mapping) else {}


EXCERPT: Final = 200
"""Characters of a foreign answer that its error shows."""


def _not_the_services(response: HttpResponse, code: int | None) -> BadResponse:
    target = service_text(response.headers.get("location", ""), 100)
    words = [
        f"HTTP {response.status}, not as the service answers",
        f"redirecting to {target}" if target else "",
        f"code {code}" if code is not None else "",
        service_text(response.headers.get("content-type", ""), 40),
    ]
    # Cut before it is searched for secrets: a page may have any size.
    start = response.body[: 20 * EXCERPT].replace(b"\0", b"")  # in UTF-16 they stand between the letters of a secret
    text = service_text(start.decode("utf-8", "replace"), 2 * EXCERPT)
    text = cut(" ".join(text.split()), EXCERPT)
    what = ", ".join(word for word in words if word)
    message = f"{what}: {text}" if text else f"{what}, without a text"
    return BadResponse(message, code=code, http_status=response.status, foreign=True)


_TEXT_MEMBERS: Final = ("message", "msg", "error", "detail")


def _reason(envelope: Mapping[str, Any], status: int) -> str:
    return _error_text(envelope) or f"the service gave no reason (HTTP {status})"


def _error_text(envelope: Mapping[str, Any], depth: int = 3) -> str:
    """The reason that an error answer gives, wherever gateways between put it; also as JSON inside of a text."""
    for name in _TEXT_MEMBERS:
        value = envelope.get(name)
        if isinstance(value, str) and value.lstrip()[:1] == "{" and depth:
            inner = _envelope(value[:4096].encode("utf-8", "replace"))
            value = _error_text(inner, depth - 1) or value
        elif isinstance(value, Mapping) and depth:
            value = _error_text(value, depth - 1)
        if text := service_text(value):
            return text
    return ""


def _json(body: bytes, what: str) -> Any:
    try:
        return _decoded(body)
    except (ValueError, RecursionError):
        raise BadResponse(f"{what} is not JSON ({len(body)} bytes)") from None


def _decoded(body: bytes) -> Any:
    # In a thread: between two objects others get the interpreter, which the decoder else keeps to its end.
    return json.loads(body, object_hook=_same if len(body) > LARGE_BYTES else None)


def _same(value: Any) -> Any:
    return value
