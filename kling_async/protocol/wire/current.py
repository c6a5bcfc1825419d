"""The current generation: bodies of creates; and tasks, which have the same form in all answers and callbacks."""

from collections.abc import Mapping
from typing import Any, Final

from kling_async.protocol import cost
from kling_async.protocol.cost import Cost
from kling_async.protocol.redaction import service_text
from kling_async.protocol.tasks import Task, TaskStatus
from kling_async.protocol.wire.members import decimal, identifier, items, mapping, moment
from kling_async.protocol.wire.results import outputs_of

OPTIONS: Final = ("callback_url", "external_task_id", "watermark_info")
"""Members that are in `options` of a body, but at top level in a journal."""


def body_of(members: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Returns the path and the body of a create.

    Args:
        members: as `to_wire` returns them.
    """
    body = {name: value for name, value in members.items() if name not in {*OPTIONS, "path"}}
    options = {name: members[name] for name in OPTIONS if members.get(name) is not None}
    return members["path"], body | ({"options": options} if options else {})


def task(data: Mapping[str, Any], endpoint: str, task_id: str, status: TaskStatus) -> Task:
    """Parses a task whose id and status are known: other malformed members are left out.

    Args:
        data: `id`, `status`, `message`, `create_time`, `update_time`, `external_id`, `outputs`, `billing`.
        endpoint: name of the task's endpoint.
        task_id: its id.
        status: its status.
    """
    billing = [mapping(row) for row in items(data.get("billing"))]
    billed = cost.total(found for row in billing if (found := _billed(row)) is not None)
    in_units = any(row.get("charge_type") == "unit" for row in billing)
    results = outputs_of(data.get("outputs"), moment(data.get("update_time")))
    return Task(
        task_id=task_id,
        status=status,
        endpoint=endpoint,
        status_msg=service_text(data.get("message")),
        external_task_id=identifier(data.get("external_id")),
        created_at=moment(data.get("create_time")),
        updated_at=moment(data.get("update_time")),
        **results,
        watermark=any(one.watermark_url for one in results["videos"] + results["images"]),
        final_unit_deduction=billed.units if billed is not None and in_units else None,
        cost=billed,
    )


def _billed(row: Mapping[str, Any]) -> Cost | None:
    """Parses one row of `billing`; None if it is malformed.

    An amount is meaningless without `charge_type`: 8 units are 1.12 dollars. Only 0 is the same in both, such as for a
    task that failed before it was made.
    """
    amount, kind = decimal(row.get("amount")), row.get("charge_type")
    if amount is None:
        return None
    match kind:
        case "unit":
            return Cost(units=amount, package_type=service_text(row.get("package_type"), 20) or None)
        case "cash":
            return Cost(amount=amount, currency=service_text(row.get("currency"), 10).upper() or None)
        case _:
            return None if amount else Cost(units=amount)
