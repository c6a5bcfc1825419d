"""Makes an `HttpRequest` from an endpoint and a record; reads no files and sends nothing."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import attrs

from kling_async.protocol.call import CallEndpoint
from kling_async.protocol.endpoint import Described, Endpoint, Generation
from kling_async.protocol.media.given import Media, MediaSource
from kling_async.protocol.reference import TASKS, Reference

_TASKS_PATH: Final = f"/{TASKS}"  # of all endpoints of the current generation

PAGE_SIZE_MAXIMUM: Final = 500  # "Query task (list)": pageSize [1, 500]
PAGE_NUMBER_MAXIMUM: Final = 1000  # "Query task (list)": pageNum [1, 1000]

FILE_PIECE: Final = 48 * 1024
"""Bytes of a file that are encoded at once: a multiple of 3, so that pieces of base64 can be joined."""


@attrs.frozen
class HttpRequest:
    """One call, without credentials and host.

    Attributes:
        method: HTTP method.
        path: quoted.
        params: of the query.
        body: JSON in segments, with each picture or sound in the place of its base64. Empty for no body.
        once: whether no lower layer may send it a second time.
    """

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = attrs.field(default=(), repr=False)
    body: tuple[bytes | Media, ...] = attrs.field(default=(), repr=False)
    once: bool = False


def create(endpoint: Endpoint, request: object) -> HttpRequest:
    """Returns `POST path`, which creates a task."""
    from kling_async.protocol.wire.codec import to_wire  # noqa: PLC0415  (on first use: cattrs is slow to import)

    return create_of(endpoint, to_wire(request))


def create_of(endpoint: Endpoint, members: Mapping[str, Any]) -> HttpRequest:
    """As `create`, for given members."""
    if endpoint.generation is Generation.CURRENT:
        from kling_async.protocol.wire import current  # noqa: PLC0415  (on first use: decimals take time)

        path, body = current.body_of(members)
        return HttpRequest("POST", quote(path), body=tuple(_joined(_segments(body))))
    if endpoint.is_raw:  # by the encoder that was used to check it
        return HttpRequest("POST", endpoint.path, body=(json.dumps(members).encode(),))
    return HttpRequest("POST", endpoint.path, body=tuple(_joined(_segments(dict(members)))))


def query(endpoint: Endpoint, task_id: str) -> HttpRequest:
    """Returns `GET path/{id}`: queries one task, by the service's or the caller's id."""
    return HttpRequest("GET", f"{endpoint.path}/{quote(task_id, safe='')}")


def several(names: Sequence[str]) -> HttpRequest:
    """Returns `GET /tasks?task_ids`: queries tasks of the current generation, all by the service's or caller's ids.

    Args:
        names: the second halves of their references.
    """
    by_external = [Reference(TASKS, name).external_task_id for name in names]
    if all(own_id is None for own_id in by_external):
        return HttpRequest("GET", _TASKS_PATH, (("task_ids", ",".join(names)),))
    return HttpRequest("GET", _TASKS_PATH, (("external_task_ids", ",".join(filter(None, by_external))),))


def page_from(
    size: int,
    cursor: str | None = None,
    *,
    since: datetime | None = None,
    filters: Mapping[str, Sequence[str]] | None = None,
) -> HttpRequest:
    """Returns `POST /tasks`: one page of the list of the current generation, in no documented order.

    Args:
        size: maximum number of tasks on the page.
        cursor: from the page before; None for the first page.
        since: earliest creation time of the tasks; the service's default is 30 days ago.
        filters: accepted values by member; the same for all pages.
    """
    body: dict[str, Any] = {"limit": size}
    if cursor is not None:
        body["cursor"] = cursor
    elif since is not None:
        body["start_time"] = int(since.timestamp() * 1000)
    if filters:
        body["filters"] = [{"key": key, "values": list(values)} for key, values in filters.items()]
    return HttpRequest("POST", _TASKS_PATH, body=(json.dumps(body).encode(),))


def page(endpoint: Described, number: int, size: int) -> HttpRequest:
    """Returns `GET path?pageNum&pageSize`: one page of a list, such as that of all tasks, in no documented order."""
    return HttpRequest("GET", endpoint.path, (("pageNum", str(number)), ("pageSize", str(size))))


def of_call(endpoint: CallEndpoint, request: object) -> HttpRequest:
    """Returns the call of an endpoint that makes no task; with GET the members are the query."""
    from kling_async.protocol.wire.codec import to_wire  # noqa: PLC0415  (as above)

    members = to_wire(request)
    if endpoint.method == "GET":
        return HttpRequest("GET", endpoint.path, tuple((name, _in_query(value)) for name, value in members.items()))
    return HttpRequest("POST", endpoint.path, body=tuple(_joined(_segments(members))), once=endpoint.charges)


def next_page(endpoint: CallEndpoint, cursor: str) -> HttpRequest:
    """Returns the call for the page at a cursor; the service ignores all other members."""
    return HttpRequest("POST", endpoint.path, body=(json.dumps({"cursor": cursor}).encode(),))


def call(method: str, path: str, members: Mapping[str, Any] | None) -> HttpRequest:
    """Returns any call, its members as JSON; with GET and DELETE they are the query."""
    if method in {"GET", "DELETE"}:
        query = tuple((name, _in_query(value)) for name, value in (members or {}).items())
        return HttpRequest(method, path, query, once=True)
    return HttpRequest(method, path, body=(json.dumps(dict(members or {})).encode(),), once=True)


def _in_query(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def encoded_length(size: int) -> int:
    """Returns the length of `size` bytes in base64."""
    return 4 * ((size + 2) // 3)


def encode_piece(piece: bytes | memoryview) -> bytes:
    """Encodes one piece of a file as base64."""
    return base64.b64encode(piece)


def _segments(value: Any) -> Iterator[str | Media]:
    match value:
        case Media(source=MediaSource.URL):
            yield json.dumps(value.url)
        case Media():
            yield '"'
            yield value
            yield '"'
        case dict():
            for index, (key, member) in enumerate(value.items()):
                yield f"{',' if index else '{'}{json.dumps(key)}:"
                yield from _segments(member)
            yield "}" if value else "{}"
        case list():
            for index, item in enumerate(value):
                yield "," if index else "["
                yield from _segments(item)
            yield "]" if value else "[]"
        case _:
            yield json.dumps(value)


def _joined(segments: Iterator[str | Media]) -> Iterator[bytes | Media]:
    text: list[str] = []
    for segment in segments:
        if isinstance(segment, Media):
            yield "".join(text).encode()
            text.clear()
            yield segment
        else:
            text.append(segment)
    yield "".join(text).encode()
