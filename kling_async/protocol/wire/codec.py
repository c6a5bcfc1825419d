"""Converts wire JSON to records and back, for both generations of the API.

Requests are written by cattrs. Answers are parsed member by member: the id and the status of a task are required; any
other malformed member is left out, so that a paid video is never lost because of a malformed price.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs
from cattrs import Converter
from cattrs.gen import make_dict_unstructure_fn, override

from kling_async.protocol.converters import StandIn
from kling_async.protocol.endpoints.current.request import CurrentRequest
from kling_async.protocol.errors import BadResponse, UnknownStatus
from kling_async.protocol.media.given import Media
from kling_async.protocol.raw import RawTask
from kling_async.protocol.redaction import printable, service_text
from kling_async.protocol.results import Element, Video, Voice
from kling_async.protocol.tasks import Task, TaskStatus
from kling_async.protocol.wire import current
from kling_async.protocol.wire.members import decimal, identifier, mapping, moment
from kling_async.protocol.wire.results import balance_of, results_of

# --------------------------------------------------------------------------------------------- requests


def to_wire(request: object) -> dict[str, Any]:
    """Returns the request as the documented JSON members, without omitted parameters; files stay `Media`.

    In the current generation the members include the path, since it names the model, and the options at top level.
    """
    if isinstance(request, RawTask | CurrentRequest):
        return request.members()
    members: dict[str, Any] = _without_none(_converter().unstructure(request))
    return members


def _as_text(value: Any) -> str | None:
    return None if value is None else str(value)


def _word(yes: str, no: str) -> Callable[[Any], str | None]:
    """Returns a function that writes True and False as words."""
    return lambda value: None if value is None else yes if value else no


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_without_none(item) for item in value]
    return value


# ---------------------------------------------------------------------------------------------- answers


def task_from_wire(data: Any, endpoint: str, *, accepted: bool = False) -> Task:
    """Parses one task: in the current generation its status is `status`, and its id is `task_id` in some answers.

    Only the id and the status are required: no other member can hide a result, a failure or an acceptance.

    Args:
        data: the task's JSON.
        endpoint: name of the task's endpoint.
        accepted: whether this answers a create. Then an id is enough: the task exists, even with an unknown status.

    Raises:
        BadResponse: it is not a task, or its status is empty.
        UnknownStatus: its status is not documented.
    """
    if not isinstance(data, Mapping):
        raise BadResponse(f"expected a task, got {type(data).__name__}")
    status_there = data.get("status") is not None
    legacy = data.get("task_status") is not None or (data.get("task_id") is not None and not status_there)
    task_id = identifier(data.get("task_id")) or identifier(data.get("id"))
    if task_id is None:
        raise BadResponse("the task has no usable id")
    word = data.get("task_status" if legacy else "status")
    status = _known_status(word) or (TaskStatus.SUBMITTED if accepted else None)
    if status is None:
        raise _without_status(word, task_id)
    return (_legacy_task if legacy else current.task)(data, endpoint, task_id, status)


def _legacy_task(data: Mapping[str, Any], endpoint: str, task_id: str, status: TaskStatus) -> Task:
    return Task(
        task_id=task_id,
        status=status,
        endpoint=endpoint,
        status_msg=service_text(data.get("task_status_msg")),
        external_task_id=identifier(mapping(data.get("task_info")).get("external_task_id")),
        created_at=moment(data.get("created_at")),
        updated_at=moment(data.get("updated_at")),
        **results_of(data.get("task_result"), moment(data.get("updated_at"))),
        watermark=mapping(data.get("watermark_info")).get("enabled") is True,
        final_unit_deduction=decimal(data.get("final_unit_deduction")),
        final_balance_deduction=balance_of(data.get("final_balance_deduction")),
    )


_STATUS_WORDS = {**{status.value: status for status in TaskStatus}, "succeeded": TaskStatus.SUCCEED}


def _known_status(word: Any) -> TaskStatus | None:
    return _STATUS_WORDS.get(word.strip().lower()) if isinstance(word, str) else None


def _without_status(word: Any, task_id: str) -> BadResponse:
    if not isinstance(word, str) or not word.strip():
        return BadResponse(f"the answer gives no status for task {printable(task_id)}")
    return UnknownStatus(
        f"the service answered with the undocumented status {service_text(word, 40)!r} for task {printable(task_id)}; "
        "a newer version of kling_async may know it"
    )


# -------------------------------------------------------------------------------------------- converter


def prepare() -> None:
    """Prepares the converter, which otherwise happens with the first request."""
    _converter()


def _each_in(member: str, values: Iterable[Any] | None) -> list[dict[str, Any]] | None:
    return None if values is None else [{member: _converter().unstructure(value)} for value in values]


_WRITERS: Mapping[str | None, Callable[[Any], Any]] = {
    "text": _as_text,
    "on_off": _word("on", "off"),
    "yes_no": _word("yes", "no"),
}
"""The functions that write the value of a field, by its metadata."""


def _writer(metadata: Mapping[Any, Any]) -> Callable[[Any], Any] | None:
    if "each_in" in metadata:
        return functools.partial(_each_in, metadata["each_in"])
    return _WRITERS.get(metadata.get("wire"))


def _having(key: str, record: type) -> dict[str, Any]:
    """Returns the fields that have a key in their metadata, with its values."""
    return {field.name: field.metadata[key] for field in attrs.fields(record) if key in field.metadata}


def _reshaped(
    write: Callable[[Any], dict[str, Any]], stand_ins: Mapping[str, StandIn], nested: Mapping[str, str], record: Any
) -> dict[str, Any]:
    """Writes a record: stand-ins in the place of the members that they replace, and nested members in their objects."""
    members = write(record)
    for field, stand_in in stand_ins.items():
        sent = getattr(getattr(record, field), stand_in.attribute, None)
        if sent is not None:
            members[stand_in.member] = sent
    for field, outer in nested.items():
        members.setdefault(outer, {})[field] = members.pop(field)
    return members


@functools.cache
def _converter() -> Converter:
    converter = Converter()

    def writer(record: type) -> Callable[[Any], dict[str, Any]]:
        stand_ins: dict[str, StandIn] = _having("instead_of", record)
        nested: dict[str, str] = _having("inside", record)
        hooks = {field.name: _writer(field.metadata) for field in attrs.fields(record)}
        overrides: dict[str, Any] = {name: override(unstruct_hook=hook) for name, hook in hooks.items() if hook}
        overrides |= {name: override(omit=True) for name in stand_ins}
        write: Callable[[Any], dict[str, Any]] = make_dict_unstructure_fn(record, converter, **overrides)
        return functools.partial(_reshaped, write, stand_ins, nested) if stand_ins or nested else write

    converter.register_unstructure_hook_factory(attrs.has, writer)
    converter.register_unstructure_hook(Media, lambda media: media)
    # Results are sent by their ids or addresses: their other attributes come from the service.
    converter.register_unstructure_hook(Element, lambda element: {"element_id": element.element_id})
    converter.register_unstructure_hook(Video, lambda video: video.url)  # for members that expect an address
    converter.register_unstructure_hook(Voice, lambda voice: {"voice_id": voice.voice_id})
    return converter
