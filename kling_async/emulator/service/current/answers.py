"""Answers of the current generation: one object for each task, wherever it was made."""

from functools import partial
from typing import Any, Final

from kling_async.emulator.account.task import EmulatedTask, LinkMaker
from kling_async.emulator.service.answers import decimal_text, milliseconds

WORDS: Final = {"succeed": "succeeded"}
"""Words of this generation for those of the legacy one."""


def created(task: EmulatedTask, skew: float = 0.0) -> dict[str, Any]:
    """Give the `data` that answers a create; `skew` as of `shown`."""
    moment = milliseconds(task.created_at + skew)
    answer = {"id": task.task_id, "status": "submitted", "create_time": moment, "update_time": moment}
    return answer | _external_id(task)


def shown(task: EmulatedTask, now: float, link: LinkMaker, skew: float = 0.0) -> dict[str, Any]:
    """Give a task as queries, lists and callbacks show it.

    Args:
        task: The task, of either generation.
        now: Seconds since the epoch.
        link: Makes the URL of a result file.
        skew: Seconds by which the service's clock is ahead.
    """
    status = task.status(now)
    answer = {
        "id": task.task_id,
        "status": WORDS.get(status, status),
        "message": task.failure if status == "failed" else "",
        "create_time": milliseconds(task.created_at + skew),
        "update_time": milliseconds(task.updated_at(now) + skew),
        **_external_id(task),
    }
    if status == "processing":  # both were seen of a task that is under way: empty lists, and none
        return answer
    outputs = _outputs(task, link) if status == "succeed" else []
    return answer | {"outputs": outputs, "billing": _billing(task, now)}


def _external_id(task: EmulatedTask) -> dict[str, Any]:
    return {"external_id": task.request.external_task_id} if task.request.external_task_id else {}


def _billing(task: EmulatedTask, now: float) -> list[dict[str, Any]]:
    match task.status(now):
        case "succeed":
            amount = decimal_text(task.units(now))
            return [{"charge_type": "unit", "amount": amount, "package_type": task.endpoint.pack}]
        case "failed":
            return [{"amount": "0"}]
        case _:
            return []


def _outputs(task: EmulatedTask, link: LinkMaker) -> list[dict[str, Any]]:
    made = task.request.result.task_result(task.result_id, partial(link, task))
    return [{"type": "video", **video} for video in made.get("videos", ())]
