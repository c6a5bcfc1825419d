"""Answers as sent on the wire, in the shapes of the recorded bodies."""

from collections.abc import Container
from decimal import Decimal
from functools import partial
from typing import Any

from kling_async.emulator.account.task import EmulatedTask, LinkMaker
from kling_async.emulator.results.result import ID_MEMBERS


def created(task: EmulatedTask, skew: float = 0.0) -> dict[str, Any]:
    """Returns the `data` that answers a create; `skew` as in `queried`."""
    moment = milliseconds(task.created_at + skew)
    return {
        "task_id": task.task_id,
        "task_status": "submitted",
        "task_info": _own_id(task),
        "task_result": {},
        "created_at": moment,
        "updated_at": moment,
    }


def queried(task: EmulatedTask, now: float, link: LinkMaker, skew: float = 0.0) -> dict[str, Any]:
    """Returns the `data` that answers a query; items of a list are the same.

    Args:
        task: The task.
        now: Seconds since the epoch.
        link: Makes the URL of a result file.
        skew: Seconds by which the service's clock is ahead.
    """
    status = task.status(now)
    data: dict[str, Any] = {
        "task_id": task.task_id,
        "task_status": status,
        "task_status_msg": task.failure if status == "failed" else "",
        "task_info": _own_id(task) | _parent(task, link),
        "task_result": {},
    }
    if status == "succeed":
        data["task_result"] = task.request.result.task_result(task.result_id, partial(link, task))
        if "watermark_info" in task.endpoint.members:
            data["watermark_info"] = {"enabled": task.request.watermark}
    if status in {"succeed", "failed"}:
        data |= _deductions(task, now)
    return data | {
        "created_at": milliseconds(task.created_at + skew),
        "updated_at": milliseconds(task.updated_at(now) + skew),
    }


def called_back(task: EmulatedTask, now: float, link: LinkMaker, skew: float = 0.0) -> dict[str, Any]:
    """Returns the body posted to `callback_url`: a bare object without watermark and deductions, as captured."""
    body = queried(task, now, link, skew)
    for name in ("watermark_info", "final_unit_deduction", "final_balance_deduction"):
        body.pop(name, None)
    result = body["task_result"]
    for each in (each for several in result.values() if isinstance(several, list) for each in several):
        each.pop("watermark_url", None)
    body["task_result"] = {"images": [], "videos": [], "audios": []} | result
    return body


def deletions_marked(data: dict[str, Any], deleted: Container[tuple[str, str]]) -> dict[str, Any]:
    """Sets the status of deleted results in the `data` of a query to "deleted", where they have a status."""
    for kind, several in data["task_result"].items():
        for each in several if isinstance(several, list) else ():
            if "status" in each and any((kind, str(each.get(name))) in deleted for name in ID_MEMBERS):
                each["status"] = "deleted"
    return data


def decimal_text(value: Decimal) -> str:
    """Formats a number of units as the service does: "1.5", "3", never "1.50" or "3E+1"."""
    return f"{value.normalize():f}"


def _deductions(task: EmulatedTask, now: float) -> dict[str, Any]:
    """Returns the cost of a finished task."""
    units, amount = decimal_text(task.paid(now)), "0"
    if task.paid_in != "unit":
        units, amount = amount, units
    return {"final_unit_deduction": units, "final_balance_deduction": {"quota": amount, "list_price": amount}}


def _own_id(task: EmulatedTask) -> dict[str, Any]:
    return {"external_task_id": task.request.external_task_id} if task.request.external_task_id else {}


def _parent(task: EmulatedTask, link: LinkMaker) -> dict[str, Any]:
    """Returns a task's input video; its main file is the first one."""
    video, maker = task.request.parent, task.parent
    if video is None:
        return {}
    url = video.url if maker is None else link(maker, next(iter(maker.request.result.files)))
    return {"parent_video": {"id": video.video_id or task.task_id, "url": url, "duration": video.duration}}


def milliseconds(seconds: float) -> int:
    """Converts a time to the milliseconds of the service."""
    return int(seconds * 1000)
