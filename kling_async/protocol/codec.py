"""Wire JSON to records and back, for both generations of the API.

The wire's shape lives in the private records of this file alone. What a task is known by (id, status, addresses of
its videos) is read strictly; what merely adorns it (times, amounts) is left out where it cannot be read, so that a
paid video is never lost to a malformed price.
"""

import functools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import attrs
from cattrs import Converter, transform_error
from cattrs.gen import make_dict_unstructure_fn, override

from kling_async.protocol.errors import BadResponse, UnknownStatus
from kling_async.protocol.image import Image
from kling_async.protocol.models import (
    BalanceDeduction,
    ImageToVideo,
    ShotPrompt,
    Task,
    TaskStatus,
    Video,
)
from kling_async.protocol.text import readable, said

# --------------------------------------------------------------------------------------------- requests


def to_wire(request: ImageToVideo) -> dict[str, Any]:
    """The request as the documentation's JSON members, without what was not given; pictures stay `Image`."""
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


@attrs.frozen
class _Info:
    external_task_id: Any = None


@attrs.frozen
class _Video:
    id: str
    url: str
    watermark_url: Any = None
    duration: Any = None


@attrs.frozen
class _Result:
    videos: list[_Video] = attrs.field(factory=list)


@attrs.frozen
class _LegacyTask:
    task_id: str
    task_status: str
    task_status_msg: Any = ""
    task_info: _Info | None = None
    task_result: _Result | None = None
    created_at: Any = None
    updated_at: Any = None
    watermark_info: Any = None
    final_unit_deduction: Any = None
    final_balance_deduction: Any = None


@attrs.frozen
class _Output:
    type: str = ""
    id: str = ""
    url: str = ""
    watermark_url: Any = None
    duration: Any = None


@attrs.frozen
class _NewTask:
    id: str
    status: str
    message: Any = ""
    external_id: Any = None
    outputs: list[_Output] | None = None
    create_time: Any = None
    update_time: Any = None
    billing: Any = None


def task_from_wire(data: Any, endpoint: str) -> Task:
    """Reads one task; `task_id` tells the legacy shape from the new one, which has `id`.

    Raises:
        BadResponse: it is no task.
        UnknownStatus: its status word is not documented.
    """
    if not isinstance(data, Mapping):
        raise BadResponse(f"expected a task, got {type(data).__name__}")
    task = _legacy_task(data, endpoint) if "task_id" in data else _new_task(data, endpoint)
    if not _is_text(task.task_id) or not task.task_id.strip() or task.task_id in {".", ".."}:
        raise BadResponse("the task has no usable id")
    return task


def _legacy_task(data: Mapping[str, Any], endpoint: str) -> Task:
    wire: _LegacyTask = _structure(data, _LegacyTask)
    return Task(
        task_id=wire.task_id,
        status=_status(wire.task_status, wire.task_id),
        endpoint=endpoint,
        status_msg=said(wire.task_status_msg),
        external_task_id=_id_or_none(wire.task_info.external_task_id if wire.task_info else None),
        created_at=_moment(wire.created_at),
        updated_at=_moment(wire.updated_at),
        videos=tuple(_video(video) for video in (wire.task_result.videos if wire.task_result else ())),
        watermark=isinstance(wire.watermark_info, Mapping) and wire.watermark_info.get("enabled") is True,
        final_unit_deduction=_decimal(wire.final_unit_deduction),
        final_balance_deduction=_balance(wire.final_balance_deduction),
    )


def _new_task(data: Mapping[str, Any], endpoint: str) -> Task:
    wire: _NewTask = _structure(data, _NewTask)
    videos = tuple(_video(output) for output in wire.outputs or () if output.type == "video")
    return Task(
        task_id=wire.id,
        status=_status(wire.status, wire.id),
        endpoint=endpoint,
        status_msg=said(wire.message),
        external_task_id=_id_or_none(wire.external_id),
        created_at=_moment(wire.create_time),
        updated_at=_moment(wire.update_time),
        videos=videos,
        watermark=any(video.watermark_url for video in videos),
        final_unit_deduction=_units_billed(wire.billing),
    )


def _video(wire: _Video | _Output) -> Video:
    if not _is_text(wire.url) or not wire.url.lower().startswith(("http://", "https://")):
        raise BadResponse("a video's address is not an http(s) address")
    return Video(
        id=readable(wire.id),
        url=wire.url,
        watermark_url=_address_or_none(wire.watermark_url),
        duration=_decimal(wire.duration),
    )


_STATUS_WORDS = {**{status.value: status for status in TaskStatus}, "succeeded": TaskStatus.SUCCEED}


def _status(word: str, task_id: str) -> TaskStatus:
    if word not in _STATUS_WORDS:
        raise UnknownStatus(
            f"the service answered with the undocumented status {said(word, 40)!r} for task {readable(task_id)}; "
            "a newer version of kling_async may know it"
        )
    return _STATUS_WORDS[word]


# ------------------------------------------------------------------------------------------ small parts


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable()


def _id_or_none(value: Any) -> str | None:
    return value if _is_text(value) and value else None


def _address_or_none(value: Any) -> str | None:
    return value if _is_text(value) and value.lower().startswith(("http://", "https://")) else None


def _moment(value: Any) -> datetime | None:
    """Milliseconds since 1970 as an aware time; None where they are no such number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=value)
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
    rows = [row for row in billing if isinstance(row, Mapping)] if isinstance(billing, list) else []
    amounts = [_decimal(row.get("amount")) for row in rows if row.get("charge_type") == "unit"]
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if known else None


# -------------------------------------------------------------------------------------------- converter


def prepare() -> None:
    """Makes what reads answers and writes requests, which else happens with the first of them."""
    _converter().get_structure_hook(_LegacyTask)
    _converter().get_unstructure_hook(ImageToVideo)


def _structure(data: Mapping[str, Any], cls: type) -> Any:
    try:
        return _converter().structure(data, cls)
    except Exception as error:  # noqa: BLE001  (whatever a hook or a constructor raises means the same)
        places = "; ".join(transform_error(error))
        raise BadResponse(f"the service's answer has another shape than documented: {readable(places)}") from None


@functools.cache
def _converter() -> Converter:
    converter = Converter()
    converter.register_structure_hook(str, _strict_text)
    converter.register_unstructure_hook(Image, lambda image: image)
    converter.register_unstructure_hook(
        ShotPrompt,
        make_dict_unstructure_fn(ShotPrompt, converter, duration=override(unstruct_hook=str)),
    )
    converter.register_unstructure_hook(
        ImageToVideo,
        make_dict_unstructure_fn(
            ImageToVideo,
            converter,
            duration=override(unstruct_hook=str),
            sound=override(unstruct_hook=_on_or_off),
        ),
    )
    return converter


def _strict_text(value: Any, _: Any) -> str:
    # Ids may exceed 2**53 and come as numbers from some paths; everything else that is no text is a mistake.
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise TypeError("expected text")
    return value
