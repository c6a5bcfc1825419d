"""`kling-async list`: shows the account's tasks."""

from argparse import Namespace
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from kling_async.cli import endpoints, runner
from kling_async.cli.job import Job
from kling_async.cli.output import Output, columns_of_terminal, number, table
from kling_async.cli.results import cost_of, ids_of, length_of, made_by
from kling_async.cli.runner import Stop
from kling_async.client import KlingClient
from kling_async.protocol.result_files import files_of
from kling_async.protocol.tasks import Task

HEADERS: Final = ("reference", "status", "created", "made", "units", "money", "external task id", "why")


def run(options: Namespace, output: Output) -> int:
    """Runs the command; returns the exit code."""
    endpoint = endpoints.listed(options.endpoint)
    return runner.run(Job(base_url=options.base_url), output, lambda stop: _list(endpoint, options, output, stop))


async def _list(endpoint: str, options: Namespace, output: Output, stop: Stop) -> None:
    async with KlingClient(base_url=options.base_url) as client:
        size = options.page_size or page_size(options.limit, endpoints.page_maximum(endpoint))
        tasks, more = await stop.or_result(_tasks(client, endpoint, options.limit, size))
    output.result(
        table(*without_empty(HEADERS, [row(task) for task in tasks]), columns_of_terminal()) if tasks else "no tasks",
        "\n".join(task.reference for task in tasks),
        {"tasks": [data(task) for task in tasks], "more": more},
    )
    if more and not output.quiet:
        output.note(f"there are more: --limit {options.limit * 2}, or --limit 0 for all")


def page_size(limit: int, maximum: int) -> int:
    """Returns the tasks per request: up to the limit, and one more to find out whether there are more."""
    return min(limit + 1, maximum) if limit else maximum


async def _tasks(client: KlingClient, endpoint: str, limit: int, size: int) -> tuple[list[Task], bool]:
    """Returns at most `limit` tasks, and whether there are more."""
    found: list[Task] = []
    async for task in client.tasks(endpoint, page_size=size):
        if limit and len(found) == limit:
            return found, True
        found.append(task)
    return found, False


def without_empty(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """Drops empty columns."""
    kept = [index for index in range(len(headers)) if any(each[index] for each in rows)]
    return [headers[index] for index in kept], [[each[index] for index in kept] for each in rows]


def row(task: Task) -> list[str]:
    """Returns a row for people; times are local."""
    cost = task.cost
    return [
        task.reference,
        task.status.value,
        f"{task.created_at.astimezone():%Y-%m-%d %H:%M:%S}" if task.created_at else "?",
        made_by(task),
        number(cost.units) if cost is not None and cost.units is not None else "",
        f"{number(cost.amount)} {cost.currency or '?'}" if cost is not None and cost.amount else "",
        task.external_task_id or "",
        task.status_msg,
    ]


def data(task: Task) -> dict[str, Any]:
    """Returns JSON data; without addresses of files, which are signed, and which `save` does not need."""
    length = length_of(task)
    cost = cost_of(task)
    return {
        "reference": task.reference,
        "task_id": task.task_id,
        "external_task_id": task.external_task_id,
        "status": task.status.value,
        "status_msg": task.status_msg,
        "created_at": _iso(task.created_at),
        "updated_at": _iso(task.updated_at),
        "duration": float(length) if length is not None else None,
        "files": len(files_of(task)),
        **ids_of(task),
        "units": float(cost.units) if cost.units is not None else None,
        "amount": float(cost.amount) if cost.amount is not None else None,
        "currency": cost.currency,
        "usd": float(cost.usd) if cost.usd is not None else None,
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
