"""Answers as they are on the wire, in the shapes of the recorded bodies."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal

from kling_async.emulator.account.account_model import AccountModel, EmulatedTask

from . import catalog

Variant = Literal["plain", "watermark"]
"""Which of its two result files; the service makes the one with the watermark only when asked."""

LinkMaker = Callable[[EmulatedTask, Variant], str]


def created(task: EmulatedTask, skew: float = 0.0) -> dict[str, Any]:
    """Give the `data` that answers a create; `skew` as of `queried`."""
    moment = _milliseconds(task.created_at + skew)
    return {
        "task_id": task.task_id,
        "task_status": "submitted",
        "task_info": _task_info(task),
        "task_result": {},
        "created_at": moment,
        "updated_at": moment,
    }


def queried(task: EmulatedTask, now: float, link: LinkMaker, skew: float = 0.0) -> dict[str, Any]:
    """Give the `data` that answers a query, which is also an item of the list.

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
        "task_info": _task_info(task),
        "task_result": {},
    }
    if status == "succeed":
        video = {"id": task.video_id, "url": link(task, "plain")}
        if task.request.watermark:
            video["watermark_url"] = link(task, "watermark")
        data["task_result"] = {"videos": [video | {"duration": _reported_duration(task)}]}
        data["watermark_info"] = {"enabled": task.request.watermark}
    if status in {"succeed", "failed"}:
        data["final_unit_deduction"] = decimal_text(task.units(now))
        data["final_balance_deduction"] = {"quota": "0", "list_price": "0"}
    return data | {
        "created_at": _milliseconds(task.created_at + skew),
        "updated_at": _milliseconds(task.updated_at(now) + skew),
    }


def called_back(task: EmulatedTask, now: float, link: LinkMaker, skew: float = 0.0) -> dict[str, Any]:
    """Give the body that is posted to `callback_url`: a bare object without watermark and deductions, as captured."""
    body = queried(task, now, link, skew)
    for name in ("watermark_info", "final_unit_deduction", "final_balance_deduction"):
        body.pop(name, None)
    videos = body["task_result"].get("videos", [])
    for video in videos:
        video.pop("watermark_url", None)
    body["task_result"] = {"images": [], "videos": videos, "audios": []}
    return body


def resource_pack(account: AccountModel, opened_at: float) -> dict[str, Any] | None:
    """Give the account's balance as the resource pack that it is shown as, None when it never had any.

    Args:
        account: The account, settled.
        opened_at: When it began, seconds since the epoch.
    """
    if account.initial_balance <= 0:
        return None
    moment = _milliseconds(opened_at)
    remaining = max(account.initial_balance - account.charged, Decimal(0))
    total = decimal_text(account.initial_balance)
    return {
        "resource_pack_name": f"Emulated-Video-{total}Units-{account.concurrency}Con-12Months",
        "resource_pack_id": "0" * 32,
        "resource_pack_type": "decreasing_total",
        "total_quantity": float(account.initial_balance),
        "remaining_quantity": float(remaining),
        "purchase_time": moment,
        "effective_time": moment,
        "invalid_time": moment + 365 * 86_400_000,
        "status": "online" if remaining else "runOut",
    }


def decimal_text(value: Decimal) -> str:
    """Write a number of units as the service does: "1.5", "3", never "1.50" or "3E+1"."""
    return f"{value.normalize():f}"


def _task_info(task: EmulatedTask) -> dict[str, Any]:
    return {"external_task_id": task.request.external_task_id} if task.request.external_task_id else {}


def _reported_duration(task: EmulatedTask) -> str:
    # The service reports one frame more than was asked for: "5.041" at 24 frames per second.
    fps = catalog.MODELS[task.request.model_name].fps
    milliseconds = task.request.duration * 1000 + 1000 // fps
    return f"{milliseconds / 1000:.3f}"


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
