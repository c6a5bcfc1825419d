"""Answers of the current generation: one object for each task, whichever path created it."""

from collections.abc import Container
from functools import partial
from typing import Any, Final

from kling_async.emulator.account.task import EmulatedTask, LinkMaker
from kling_async.emulator.service.answers import decimal_text, deletions_marked, milliseconds

from .outputs import outputs

WORDS: Final = {"succeed": "succeeded"}
"""Statuses of this generation that have another name in the legacy one, by the legacy name."""


def created(task: EmulatedTask, skew: float = 0.0, *, mixed_words: bool = False) -> dict[str, Any]:
    """Returns the `data` that answers a create; `skew` and `mixed_words` as in `shown`."""
    moment = milliseconds(task.created_at + skew)
    names = ("id", "status", "create_time", "update_time")
    if mixed_words:
        names = ("task_id", "task_status", "created_at", "updated_at")
    return dict(zip(names, (task.task_id, "submitted", moment, moment), strict=True)) | _external_id(task)


def shown(
    task: EmulatedTask,
    now: float,
    link: LinkMaker,
    skew: float = 0.0,
    *,
    deleted: Container[tuple[str, str]] = (),
    mixed_words: bool = False,
) -> dict[str, Any]:
    """Returns a task as in queries, lists and callbacks.

    Args:
        task: The task, of either generation.
        now: Seconds since the epoch.
        link: Makes the URL of a result file.
        skew: Seconds by which the service's clock is ahead.
        deleted: Deleted results, by the name of their list in legacy answers and their id.
        mixed_words: Whether the status has its legacy name, as on some paths of the service.
    """
    status = task.status(now)
    answer = {
        "id": task.task_id,
        "status": status if mixed_words else WORDS.get(status, status),
        "message": task.failure if status == "failed" else "",
        "create_time": milliseconds(task.created_at + skew),
        "update_time": milliseconds(task.updated_at(now) + skew),
        **_external_id(task),
    }
    if status == "processing":  # for a task in progress both were observed: empty lists, and none
        return answer
    made: dict[str, Any] = {}
    if status == "succeed":
        made = task.request.result.task_result(task.result_id, partial(link, task))
        deletions_marked({"task_result": made}, deleted)
    return answer | {"outputs": outputs(made), "billing": _billing(task, now)}


def _billing(task: EmulatedTask, now: float) -> list[dict[str, Any]]:
    match task.status(now):
        case "failed":
            return [{"amount": "0"}]  # without a type, as observed
        case "succeed":
            amount = decimal_text(task.paid(now))
        case _:
            return []
    if task.paid_in == "unit":
        return [{"charge_type": "unit", "amount": amount, "package_type": task.endpoint.pack}]
    bill = {"charge_type": "cash", "cash_type": "balance", "amount": amount}
    return [bill | {"currency": task.paid_in, "list_price": amount}]


def _external_id(task: EmulatedTask) -> dict[str, Any]:
    return {"external_id": task.request.external_task_id} if task.request.external_task_id else {}
