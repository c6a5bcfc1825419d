"""Wire JSON to records and back, for both generations of the API.

Requests are written by cattrs. Answers are read member by member: what a task is known by (id and status) must be
there; anything else is left out where it cannot be read, so that a paid video is never lost to a malformed price.
"""

import functools
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import attrs
from cattrs import Converter
from cattrs.gen import make_dict_unstructure_fn, override

from kling_async.protocol.errors import BadResponse, UnknownStatus
from kling_async.protocol.media.image import Image
from kling_async.protocol.raw import RawTask
from kling_async.protocol.redaction import printable, service_text
from kling_async.protocol.tasks import BalanceDeduction, Task, TaskStatus, Video

# --------------------------------------------------------------------------------------------- requests


def to_wire(request: object) -> dict[str, Any]:
    """The request as the documentation's JSON members, without what was not given; pictures stay `Image`."""
    if isinstance(request, RawTask):
        return request.members()
    members: dict[str, Any] = _without_none(_converter().unstructure(request))
    return members


def _on_or_off(value: bool | None) -> str | None:  # noqa: FBT001  (a hook of cattrs)
    return None if value is None else "on" if value else "off"


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_without_none(item) for item in value]
    return value


# ---------------------------------------------------------------------------------------------- answers


def task_from_wire(data: Any, endpoint: str, *, accepted: bool = False) -> Task:
    """Reads one task; `task_id` marks the legacy shape, `id` the new one.

    Only the id and the status are needed: no other member can hide a result, a failure or an acceptance.

    Args:
        data: the task's JSON.
        endpoint: whose task it is.
        accepted: whether this answers a create. Then an id is enough: the task exists, whatever its status is called.

    Raises:
        BadResponse: it is no task, or its status is empty.
        UnknownStatus: its status word is not documented.
    """
    if not isinstance(data, Mapping):
        raise BadResponse(f"expected a task, got {type(data).__name__}")
    legacy = "task_id" in data
    task_id = _identifier(data.get("task_id" if legacy else "id"))
    if task_id is None:
        raise BadResponse("the task has no usable id")
    word = data.get("task_status" if legacy else "status")
    status = _known_status(word) or (TaskStatus.SUBMITTED if accepted else None)
    if status is None:
        raise _without_status(word, task_id)
    return (_legacy_task if legacy else _new_task)(data, endpoint, task_id, status)


def _legacy_task(data: Mapping[str, Any], endpoint: str, task_id: str, status: TaskStatus) -> Task:
    return Task(
        task_id=task_id,
        status=status,
        endpoint=endpoint,
        status_msg=service_text(data.get("task_status_msg")),
        external_task_id=_identifier(_object(data.get("task_info")).get("external_task_id")),
        created_at=_moment(data.get("created_at")),
        updated_at=_moment(data.get("updated_at")),
        videos=_videos(_object(data.get("task_result")).get("videos")),
        watermark=_object(data.get("watermark_info")).get("enabled") is True,
        final_unit_deduction=_decimal(data.get("final_unit_deduction")),
        final_balance_deduction=_balance(data.get("final_balance_deduction")),
    )


def _new_task(data: Mapping[str, Any], endpoint: str, task_id: str, status: TaskStatus) -> Task:
    videos = _videos([output for output in _list(data.get("outputs")) if _object(output).get("type") == "video"])
    return Task(
        task_id=task_id,
        status=status,
        endpoint=endpoint,
        status_msg=service_text(data.get("message")),
        external_task_id=_identifier(data.get("external_id")),
        created_at=_moment(data.get("create_time")),
        updated_at=_moment(data.get("update_time")),
        videos=videos,
        watermark=any(video.watermark_url for video in videos),
        final_unit_deduction=_units_billed(data.get("billing")),
    )


def _videos(values: Any) -> tuple[Video, ...]:
    """What can be read of the results; each keeps its place, so that files keep their numbers."""
    return tuple(
        Video(
            id=_identifier(value.get("id")) or "",
            url=_address(value.get("url")) or "",
            watermark_url=_address(value.get("watermark_url")),
            duration=_decimal(value.get("duration")),
        )
        for value in map(_object, _list(values))
        if _address(value.get("url")) or _address(value.get("watermark_url"))
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


# ------------------------------------------------------------------------------------------ small parts


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _identifier(value: Any) -> str | None:
    """An id as text: some paths send numbers, which may exceed 2**53."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**40:
        return str(value)
    if isinstance(value, str) and value.isprintable() and value.strip() not in {"", ".", ".."}:
        return value
    return None


def _address(value: Any) -> str | None:
    """An address as it came; whether it can be fetched is the download's question."""
    if not isinstance(value, str):
        return None
    return value.strip().encode("utf-8", "ignore").decode() or None


_LEAST_MILLISECONDS = 1e11
"""In milliseconds this is 1973, in seconds the year 5138: what is less was sent in seconds."""


def _moment(value: Any) -> datetime | None:
    """Milliseconds since 1970 (or seconds, which some callbacks send) as an aware time; None where they are neither."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        milliseconds = value if abs(value) >= _LEAST_MILLISECONDS else value * 1000
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    except (OverflowError, ValueError):
        return None


def _decimal(value: Any) -> Decimal | None:
    """The documentation sends amounts and durations as decimal strings."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = Decimal(str(value))
    except (InvalidOperation, ValueError):
        return None
    # Beyond this it is no amount, and would take for ever to print or overflow when added up.
    return number if number.is_finite() and abs(number.adjusted()) <= 30 else None


def _balance(value: Any) -> BalanceDeduction | None:
    if not isinstance(value, Mapping):
        return None
    return BalanceDeduction(quota=_decimal(value.get("quota")), list_price=_decimal(value.get("list_price")))


def _units_billed(billing: Any) -> Decimal | None:
    rows = [row for row in _list(billing) if isinstance(row, Mapping)]
    amounts = [_decimal(row.get("amount")) for row in rows if row.get("charge_type") == "unit"]
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if known else None


# -------------------------------------------------------------------------------------------- converter


def prepare() -> None:
    """Makes what writes requests, which else happens with the first of them."""
    _converter()


_WRITERS: Mapping[str | None, Callable[[Any], Any]] = {"text": str, "on_off": _on_or_off}
"""How the value of a field is written, by its metadata."""


@functools.cache
def _converter() -> Converter:
    converter = Converter()

    def writer(record: type) -> Callable[[Any], dict[str, Any]]:
        hooks = {field.name: _WRITERS.get(field.metadata.get("wire")) for field in attrs.fields(record)}
        overrides: dict[str, Any] = {name: override(unstruct_hook=hook) for name, hook in hooks.items() if hook}
        return make_dict_unstructure_fn(record, converter, **overrides)

    converter.register_unstructure_hook_factory(attrs.has, writer)
    converter.register_unstructure_hook(Image, lambda image: image)
    return converter
