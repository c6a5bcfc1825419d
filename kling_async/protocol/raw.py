"""What has no record yet: tasks and calls of any path of the legacy protocol, sent as given, answered as it came."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, get_args

import attrs

from kling_async.protocol.endpoint import Endpoint, Request
from kling_async.protocol.errors import Problem
from kling_async.protocol.reference import RAW_PREFIX
from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.rules import task_options
from kling_async.protocol.rules.values import in_words, one_of, shown

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

TYPICAL_SECONDS: Final = 150.0
"""Of tasks of which nothing is known but the path: about what a short video takes."""

_PATH: Final = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)+")


def _copied(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The members as they are now: a request may stand in line while its caller makes the next one."""
    return dict(body) if isinstance(body, Mapping) else body


@attrs.frozen
class RawTask(Request):
    """A task of any path of the legacy protocol: `POST path` makes it, `GET path/{id}` is asked for it.

    The body is posted as given and its rules are not known here: nothing is checked before it is paid for. It is never
    sent twice: where the answer is lost, `CreateInDoubt` says so, and the task is found only in the account's list.

    Attributes:
        path: host-relative, such as `/v1/general/ai-multi-shot`: letters, digits and `._~-` between slashes.
        body: of JSON values.
        finds_by_external_id: whether the service answers `GET path/{external_task_id}`. Then an `external_task_id` is
            added where the body has none, and a lost create is looked up by it.
        external_task_id: that of the body; set by the client.
    """

    path: str
    body: Mapping[str, Any] = attrs.field(repr=False, converter=_copied)
    finds_by_external_id: bool = attrs.field(default=False, kw_only=True)
    external_task_id: str | None = attrs.field(
        default=attrs.Factory(lambda self: _member(self.body, "external_task_id"), takes_self=True), kw_only=True
    )

    @property
    def model_name(self) -> str | None:
        """That of the body: slots are counted per model."""
        return _member(self.body, "model_name")

    def members(self) -> dict[str, Any]:
        """The JSON members that are sent."""
        own_id = {"external_task_id": self.external_task_id} if self.finds_by_external_id else {}
        return {**self.body, **own_id}


@attrs.frozen
class RawCall:
    """One call of any path that makes no task; it is sent once, whatever happens.

    Attributes:
        method: of HTTP.
        path: as in `RawTask`.
        body: JSON members; with `GET` and `DELETE` they are sent as the query.
    """

    method: Method
    path: str
    body: Mapping[str, Any] | None = attrs.field(default=None, repr=False)


def endpoint_at(path: str, *, finds_by_external_id: bool = False) -> Endpoint:
    """The endpoint of a path without a record; its references begin with `raw:<path>`."""
    return Endpoint(
        path=path,
        record=RawTask,
        name=f"{RAW_PREFIX}{path}",
        rules=(_path, _body, task_options.external_task_id),
        typical_seconds=lambda _: TYPICAL_SECONDS,
        result=ResultKind.ANY,
        is_raw=True,
        finds_by_external_id=finds_by_external_id,
    )


def is_path(path: object) -> bool:
    """Whether it is a path that can be called: host-relative, nothing in it that needs quoting or leads elsewhere."""
    return isinstance(path, str) and _PATH.fullmatch(path) is not None


def problems_of_call(call: RawCall) -> list[Problem]:
    """What is wrong with a call; nothing is known of what its path takes."""
    return [*one_of("method", call.method, get_args(Method)), *_path(call), *_members(call)]


def _path(request: RawTask | RawCall) -> Iterator[Problem]:
    if not is_path(request.path):
        yield Problem(
            "path",
            f"{shown(request.path)} is not possible; use a path such as /v1/general/ai-multi-shot: letters, digits and "
            f"{in_words(['.', '_', '~', '-'])} between slashes, no host, no query and no '..'",
        )


def _body(request: RawTask) -> Iterator[Problem]:
    yield from _json("body", request.body)


def _members(call: RawCall) -> Iterator[Problem]:
    if call.body is None:
        return
    yield from _json("body", call.body)
    if call.method in {"GET", "DELETE"} and isinstance(call.body, Mapping):
        nested = [str(name) for name, value in call.body.items() if not isinstance(value, str | int | float)]
        if nested:
            yield Problem("body", f"{shown(nested[0])} cannot stand in a query: use text or a number")


def _json(field: str, value: object) -> Iterator[Problem]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        yield Problem(field, f"expected a dict with texts for keys, got {shown(value)}")
        return
    try:
        json.dumps(dict(value), allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        yield Problem(field, "has a value that JSON does not have: pictures go in as base64 text or as an address")


def _member(body: object, name: str) -> str | None:
    value = body.get(name) if isinstance(body, Mapping) else None
    return value if isinstance(value, str) and value else None
