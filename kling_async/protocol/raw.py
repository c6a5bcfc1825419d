"""What has no record yet: tasks and calls of any path of the legacy protocol, sent as given, answered as it came."""

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
"""Of tasks of which nothing is known but the path: about what a short video takes."""


def _copied(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body as it is now: a request may stand in line while its caller changes the body for the next one."""
    try:
        copied: Mapping[str, Any] = _containers(body)
    except RecursionError:  # it contains itself: the rules say so
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
    """A task of any path of the legacy protocol: `POST path` makes it, `GET path/{id}` is asked for it.

    Outside of `/v1/`, where the service may have no such page, `/tasks` is asked for it as well. What is known to be
    asked for elsewhere is refused: paths of the current generation have the records of `kling_async.current`, which
    take any `model` and `path`. A body that those cannot make goes out by `RawCall`, once and without a slot, and
    `attach("tasks:<id>")` follows the task that its answer names.

    The body is posted as given and its rules are not known here: nothing is checked before it is paid for, and
    `estimate` knows no price. What may have made a task is never sent again: where the answer is lost, `CreateInDoubt`
    says so, and the task is found only in the account's list. Where the service says yes without naming a task,
    `UnexpectedAnswer` has its answer.

    Its handle is that of any other task; its reference is `raw:<path>:<id>`, which `attach` takes in any process, and
    `tasks("raw:<path>")` lists its like. Results that no attribute of `Task` has are in `Task.raw`. `save` names a file
    in a directory by what its bytes are.

    ```python
    handle = await kling.submit(RawTask("/v1/general/ai-multi-shot", {"element_frontal_image": address}))
    paths = await handle.save_all("shots")
    ```

    Attributes:
        path: host-relative, such as `/v1/general/ai-multi-shot`: letters, digits and `._~-` between slashes.
        body: of JSON values, copied when this is made; pictures as base64 text or as addresses. A `model_name` in it
            says which line the task stands in: slots are counted per model.
        finds_by_external_id: whether the service answers `GET path/{external_task_id}`. Then an `external_task_id` is
            added where the body has none; a lost create is looked up by it, and sent again with it where the service
            says that there is no such task. True where that is not so could pay twice.
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
        """That of the body: slots are counted per model."""
        return _member(self.body, "model_name")

    @property
    def watermark_info(self) -> WatermarkInfo | None:
        """That of the body: whether it asks for a watermarked variant."""
        return watermark_info(self.body.get("watermark_info")) if isinstance(self.body, Mapping) else None

    def members(self) -> dict[str, Any]:
        """The JSON members that are sent."""
        own_id = {} if self.external_task_id is None else {"external_task_id": self.external_task_id}
        return {**self.body, **own_id}


@attrs.frozen
class RawCall(Call[Any]):
    """One call of any path that makes no task: `await kling.submit(RawCall(...))` gives the `data` of its answer.

    It is sent once, whatever happens; only where the service says that the token was not valid at that time, and has
    done nothing, it is sent with a new one. After an error that is no `ApiError`, or a `ServerError`, nobody knows
    whether it took effect. It takes no slot, and no options.

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
    """The endpoint of a path without a record; its references begin with `raw:<path>`."""
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
    """What is wrong with a call; nothing is known of what its path takes."""
    return [*one_of("method", call.method, get_args(Method)), *_path(call), *_members(call)]


def _path(request: RawTask | RawCall) -> Iterator[Problem]:
    path: Any = request.path
    if is_path(path):
        return
    # What stands in an address may be secret.
    what = "an address" if isinstance(path, str) and not set("?@").isdisjoint(path) else shown(path)
    yield Problem(
        "path",
        f"{what} is not possible; use a path such as /v1/general/new-route: letters, digits and "
        f"{in_words(['.', '_', '~', '-'])} between slashes, no host, no '..' and no query, which is the body of a GET",
    )


def _elsewhere(request: RawTask) -> Iterator[Problem]:
    """Refuses what is known not to be asked for at `path/{id}`: it would be paid for, and never be found there."""
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
"""What begins other paths outside of the legacy ones, and is known to be no task of this kind."""


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
    except Exception:  # noqa: BLE001  (whatever a member does when it is looked at)
        return False
    return True


def _member(body: object, name: str) -> str | None:
    value = body.get(name) if isinstance(body, Mapping) else None
    return value if isinstance(value, str) and value else None
