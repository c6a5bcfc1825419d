"""Answers as they are on the wire, in the shapes of the recorded bodies."""

from decimal import Decimal
from functools import partial
from typing import Any

from kling_async.emulator.account.account_model import AccountModel
from kling_async.emulator.account.task import EmulatedTask
from kling_async.emulator.results.links import LinkMaker

from .endpoint import Pack


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
        data["task_result"] = task.request.result.task_result(task.result_id, partial(link, task))
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
    told = body["task_result"]
    for each in (each for several in told.values() if isinstance(several, list) for each in several):
        each.pop("watermark_url", None)
    body["task_result"] = {"images": [], "videos": [], "audios": []} | told
    return body


def resource_pack(account: AccountModel, pack: Pack, opened_at: float) -> dict[str, Any] | None:
    """Give the account's balance as the resource pack that it is shown as, None when it never had any.

    Args:
        account: The account, settled.
        pack: Of what kind.
        opened_at: When it began, seconds since the epoch.
    """
    if account.initial_balance <= 0:
        return None
    moment = _milliseconds(opened_at)
    remaining = max(account.balance(pack), Decimal(0))
    total = decimal_text(account.initial_balance)
    return {
        "resource_pack_name": f"Emulated-{pack.capitalize()}-{total}Units-{account.concurrency}Con-12Months",
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


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
