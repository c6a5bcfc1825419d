"""Raw tasks and calls: any path of the legacy protocol that has no record yet, with bodies and answers passed as is."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, get_args

import attrs

from kling_async.protocol.call import Call
from kling_async.protocol.endpoint import LEGACY_PREFIX, Endpoint, Request
from kling_async.protocol.errors import Problem
from kling_async.protocol.records import WatermarkInfo, watermark_info
from kling_async.protocol.reference import RAW_PREFIX
from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.rules import task_options
from kling_async.protocol.rules.values import in_words, is_path, one_of, shown, text

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

TYPICAL_SECONDS: Final = 150.0
"""Assumed duration of a raw task: about that of a short video."""


def _copied(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Copies the body: the caller may change it for the next request while this one waits for a slot."""
    try:
        copied: Mapping[str, Any] = _containers(body)
    except RecursionError:  # it contains itself: the rules report that
        return body
    return copied


def _containers(value: Any) -> Any:
    match value:
        case Mapping():
            return {name: _containers(member) for name, member in value.items()}
        case list() | tuple():
            return [_containers(item) for item in value]
        case _:
            return value


@attrs.frozen
class RawTask(Request):
    """A task of any path of the legacy protocol: `POST path` makes it, `GET path/{id}` queries it.

    Outside of `/v1/`, where the service may not have that path, the task is queried at `/tasks` as well. Paths whose
    tasks are known to be queried elsewhere are refused: those of the current generation have the records of
    `kling_async.current`, which accept any `model` and `path`. A body that these cannot make can be sent by `RawCall`,
    once and without a slot; `attach("tasks:<id>")` follows the task that its answer names.

    The body is posted as given and its rules are not known: nothing is checked before it is billed, and `estimate`
    returns no price. A request that may have made a task is never sent again: if its answer is lost, `CreateInDoubt` is
    raised, and the task can be found only in the account's list. If the service reports success without naming a task,
    `UnexpectedAnswer` contains its answer.

    The handle is that of any other task. Its reference is `raw:<path>:<id>`, which `attach` accepts in any process;
    `tasks("raw:<path>")` lists the path's tasks. Results without an attribute of `Task` are in `Task.raw`. `save`
    chooses the suffix of a file in a directory by its contents.

    ```python
    handle = await kling.submit(RawTask("/v1/general/ai-multi-shot", {"element_frontal_image": address}))
    paths = await handle.save_all("shots")
    ```

    Attributes:
        path: host-relative, such as `/v1/general/ai-multi-shot`: letters, digits and `._~-` between slashes.
        body: of JSON values, copied at once; pictures as base64 text or as addresses. Its `model_name`, if it has one,
            determines the queue in which the task waits: slots are counted per model.
        finds_by_external_id: whether the service answers `GET path/{external_task_id}`. If True, an `external_task_id`
            is added to a body without one; a lost create is looked up by it, and sent again with it if the service
            reports that there is no such task. A wrong True can cause a second payment.
        external_task_id: that of the body; one that is given here is added to the body.
    """

    path: str
    body: Mapping[str, Any] = attrs.field(repr=False, converter=_copied)
    finds_by_external_id: bool = attrs.field(default=False, kw_only=True)
    external_task_id: str | None = attrs.field(
        default=attrs.Factory(lambda self: _member(self.body, "external_task_id"), takes_self=True), kw_only=True
    )

    @property
    def model_name(self) -> str | None:
        """The `model_name` of the body: slots are counted per model."""
        return _member(self.body, "model_name")

    @property
    def watermark_info(self) -> WatermarkInfo | None:
        """The `watermark_info` of the body: whether it requests a watermarked variant."""
        return watermark_info(self.body.get("watermark_info")) if isinstance(self.body, Mapping) else None

    def members(self) -> dict[str, Any]:
        """The JSON members that are sent."""
        own_id = {} if self.external_task_id is None else {"external_task_id": self.external_task_id}
        return {**self.body, **own_id}


@attrs.frozen
class RawCall(Call[Any]):
    """One call of any path that makes no task: `await kling.submit(RawCall(...))` returns the `data` of its answer.

    It is sent once. Only if the service refuses the token as expired or not yet valid, so that nothing was done, it is
    sent again with a new token. After a `ServerError`, or an error that is not an `ApiError`, it may or may not have
    taken effect. It takes no slot, and no options.

    ```python
    costs = await kling.submit(RawCall("GET", "/account/costs", {"start_time": 1, "end_time": 1767225600000}))
    ```

    Attributes:
        method: of HTTP: `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
        path: as in `RawTask`.
        body: JSON members; with `GET` and `DELETE` they are sent as the query, and must be text or numbers.
    """

    method: Method
    path: str
    body: Mapping[str, Any] | None = attrs.field(default=None, repr=False)


def endpoint_at(path: str, *, finds_by_external_id: bool = False) -> Endpoint:
    """Returns the endpoint of a path without a record; its references begin with `raw:<path>`."""
    return Endpoint(
        path=path,
        record=RawTask,
        name=f"{RAW_PREFIX}{path}",
        rules=(_path, _elsewhere, _body, task_options.external_task_id, _one_id),
        typical_seconds=lambda _: TYPICAL_SECONDS,
        result=ResultKind.ANY,
        is_raw=True,
        finds_by_external_id=finds_by_external_id,
    )


def problems_of_call(call: RawCall) -> list[Problem]:
    """Finds problems of a call; the rules of its path are not known."""
    return [*one_of("method", call.method, get_args(Method)), *_path(call), *_members(call)]


def _path(request: RawTask | RawCall) -> Iterator[Problem]:
    path: Any = request.path
    if is_path(path):
        return
    # An address may contain secrets.
    what = "an address" if isinstance(path, str) and not set("?@").isdisjoint(path) else shown(path)
    yield Problem(
        "path",
        f"{what} is not possible; use a path such as /v1/general/new-route: letters, digits and "
        f"{in_words(['.', '_', '~', '-'])} between slashes, no host, no '..' and no query, which is the body of a GET",
    )


def _elsewhere(request: RawTask) -> Iterator[Problem]:
    """Refuses paths whose tasks are known not to be queried at `path/{id}`: they would be billed, but never found."""
    path: Any = request.path
    if not is_path(path) or path.startswith(LEGACY_PREFIX):
        return
    from kling_async.protocol.endpoints.current import table  # noqa: PLC0415  (for few paths only)

    begin, _, rest = path.removeprefix("/").partition("/")
    family = f"/{begin.lower()}"
    if family in table.FAMILIES:
        name = begin.lower().title().replace("-", "")
        named = "model=..." if not rest else f"model={rest!r}" if "/" not in rest else f"model=..., path={path!r}"
        yield Problem(
            "path",
            f"is of the current generation, whose tasks are not asked for at their own paths: use current.{name}"
            f"({named}). A body that it cannot make goes out by RawCall; attach('tasks:<id>') follows what that made",
        )
    elif (advice := _OTHERS.get(family)) is not None:
        yield Problem("path", advice)


_OTHERS: Final = {
    "/tasks": "makes no task: kling.tasks('tasks') lists them, and attach('tasks:<id>') follows one",
    "/account": "makes no task: it is about the account; use RawCall",
    # [docs]: POST /solutions/<name>, then GET /solutions?task_ids=
    "/solutions": "makes tasks that are asked for at /solutions, by task_ids: use RawCall for that, and to make them",
}
"""Advice for other paths outside of `/v1/` that are known not to make such tasks, by their first segment."""


def _body(request: RawTask) -> Iterator[Problem]:
    yield from _json("body", request.body)


def _one_id(request: RawTask) -> Iterator[Problem]:
    body: Any = request.body
    given = body.get("external_task_id") if isinstance(body, Mapping) else None
    sent = request.external_task_id
    if given and given != sent and (request.finds_by_external_id or sent is not None):
        yield Problem("external_task_id", f"the body has {shown(given)}: give one id, as text")


def _members(call: RawCall) -> Iterator[Problem]:
    if call.body is None:
        return
    yield from _json("body", call.body)
    if call.method in {"GET", "DELETE"} and isinstance(call.body, Mapping):
        for name, value in call.body.items():
            if not isinstance(value, str | int | float):
                yield Problem("body", f"{shown(name)} cannot stand in a query: use text or a number")
            elif isinstance(value, str):
                yield from text(f"body[{shown(name)}]", value)


def _json(field: str, value: object) -> Iterator[Problem]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        yield Problem(field, f"expected a dict with texts for keys, got {type(value).__name__}")
        return
    strange = [shown(name) for name, member in value.items() if not _is_json(member)]
    if strange:
        yield Problem(
            field,
            f"{in_words(strange, 'and')}: JSON has no such value; pictures go in as base64 text or as an address",
        )


def _is_json(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except Exception:  # noqa: BLE001  (inspecting a member may raise anything)
        return False
    return True


def _member(body: object, name: str) -> str | None:
    value = body.get(name) if isinstance(body, Mapping) else None
    return value if isinstance(value, str) and value else None
