"""What came back: status, headers and body become data, or one typed error."""

import contextlib
import functools
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import attrs

from kling_async.protocol.errors import BadResponse, KlingError, RequestRefused, TaskNotFound, UnknownStatus, row_for
from kling_async.protocol.models import Task, TaskStatus
from kling_async.protocol.text import readable, said

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


def task(response: HttpResponse, endpoint: str) -> Task:
    """Reads the answer to a create or a query.

    Raises:
        ApiError: the service said no; the class is that of the error table.
        BadResponse: the answer cannot be understood.
    """
    data = _data(response)
    if data in (None, [], {}):
        # "Not found" also comes as an empty answer (new standard); the codes of the legacy one are errors above.
        raise TaskNotFound("the service knows no such task", http_status=response.status)
    with _status_of(response):
        return _task(data, endpoint)


def tasks(response: HttpResponse, endpoint: str) -> list[Task]:
    """Reads one page of the list: a bare array, empty at the end.

    Raises:
        ApiError: as in `task`.
        BadResponse: as in `task`.
    """
    data = _data(response)
    if data is None:
        return []
    if not isinstance(data, list):
        raise _no_list(data, response)
    with _status_of(response):
        return [_task(item, endpoint) for item in data]


class Listed(NamedTuple):
    """What a page of the list tells about the tasks that are followed.

    Attributes:
        length: items on the page, of whomever.
        news: by place on the page, in order: whose, and the task; None where its status is the one that is known.
    """

    length: int
    news: Mapping[int, tuple[str, Task | UnknownStatus | None]]


def listed(response: HttpResponse, endpoint: str, known: Callable[[str], TaskStatus | None]) -> Listed:
    """Reads one page of the list for those who wait; what nobody waits for is not looked at, whatever it looks like.

    Args:
        response: the answer.
        endpoint: whose list.
        known: the status last told of a task; None for a task that is not followed.

    Raises:
        ApiError: as in `task`.
        BadResponse: it is no list.
    """
    data = _data(response)
    if data is None:
        data = []
    if not isinstance(data, list):
        raise _no_list(data, response)
    news: dict[int, tuple[str, Task | UnknownStatus | None]] = {}
    for place, item in enumerate(data):
        task_id = item.get("task_id") if isinstance(item, Mapping) else None
        if not isinstance(task_id, str) or (status := known(task_id)) is None:
            continue
        if item.get("task_status") == status.value:
            news[place] = (task_id, None)
            continue
        with contextlib.suppress(BadResponse):  # then the page says nothing about it, and it is asked for singly
            news[place] = (task_id, _item(item, endpoint))
    return Listed(len(data), news)


def _item(item: Mapping[str, Any], endpoint: str) -> Task | UnknownStatus:
    try:
        return _task(item, endpoint)
    except UnknownStatus as error:
        return error


def _no_list(data: Any, response: HttpResponse) -> BadResponse:
    return BadResponse(f"expected a list of tasks, got {type(data).__name__}", http_status=response.status)


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


def _task(data: Any, endpoint: str) -> Task:
    from kling_async.protocol.codec import task_from_wire  # noqa: PLC0415  (on first use: cattrs is slow to import)

    return task_from_wire(data, endpoint)


@contextlib.contextmanager
def _status_of(response: HttpResponse) -> Iterator[None]:
    """Adds what the envelope tells to the errors of reading its data."""
    try:
        yield
    except KlingError as error:
        error.http_status = response.status
        raise


def _data(response: HttpResponse) -> Any:
    """The `data` of the envelope; HTTP status and `code` must both be fine."""
    # Errors come back as values: a frame that raised with the envelope in its locals would show what it echoes.
    opened = _opened(response)
    if isinstance(opened, KlingError):
        raise opened
    return opened


def _opened(response: HttpResponse) -> Any:
    """The envelope's `data`, or the error that the answer is."""
    if 300 <= response.status < 400:
        # Not followed: the credentials would go along. Nothing was created either.
        text = f"{_place(response)} redirects instead of answering; check base_url"
        return RequestRefused(text, http_status=response.status)
    try:
        envelope = _json(response.body, "the answer")
    except BadResponse as error:
        return _unreadable(response, error.message)
    if not isinstance(envelope, Mapping):
        return _unreadable(response, f"expected an object, got {type(envelope).__name__}")
    code = envelope.get("code")
    if type(code) is not int or abs(code) > 10**9:
        code = None
    if response.status >= 400 or code != 0:
        return _refusal(response, code, envelope)
    return envelope.get("data")


def _unreadable(response: HttpResponse, message: str) -> KlingError:
    if response.status >= 400:  # a gateway's page
        return _refusal(response, None, {})
    return BadResponse(message, http_status=response.status)


def _refusal(response: HttpResponse, code: int | None, envelope: Mapping[str, Any]) -> KlingError:
    if response.status < 400 and code is None:
        return BadResponse("the answer has no code", http_status=response.status)
    row = row_for(response.status, code)
    text = (
        said(envelope.get("message"))
        or f"{_place(response)} answered HTTP {response.status} without a message of the service"
    )
    return row.error(
        f"{text}: {row.hint}" if row.hint else text,
        code=code,
        http_status=response.status,
        request_id=said(envelope.get("request_id"), limit=64) or None,
    )


def _place(response: HttpResponse) -> str:
    kind = readable(response.headers.get("content-type", ""), limit=40)
    return f"something in between ({kind})" if "html" in kind else "the service"


def _json(body: bytes, what: str) -> Any:
    try:
        # In a thread: between two objects others get the interpreter, which the decoder else keeps to its end.
        return json.loads(body, object_hook=_same if len(body) > LARGE_BYTES else None)
    except (ValueError, RecursionError):
        raise BadResponse(f"{what} is not JSON ({len(body)} bytes)") from None


def _same(value: Any) -> Any:
    return value
