"""The current generation: bodies of creates; and tasks, which are one object everywhere, in answers and callbacks."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from kling_async.protocol.redaction import service_text
from kling_async.protocol.tasks import Task, TaskStatus
from kling_async.protocol.wire.members import decimal, identifier, items, moment
from kling_async.protocol.wire.results import outputs_of

OPTIONS: Final = ("callback_url", "external_task_id", "watermark_info")
"""Members that stand in `options` of a body, and beside the others in a journal."""


def body_of(members: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Where a create goes, and its body.

    Args:
        members: as `to_wire` gives them.
    """
    body = {name: value for name, value in members.items() if name not in {*OPTIONS, "path"}}
    options = {name: members[name] for name in OPTIONS if members.get(name) is not None}
    return members["path"], body | ({"options": options} if options else {})


def task(data: Mapping[str, Any], endpoint: str, task_id: str, status: TaskStatus) -> Task:
    """Reads a task whose id and status are known: what cannot be read beside them is left out.

    Args:
        data: `id`, `status`, `message`, `create_time`, `update_time`, `external_id`, `outputs`, `billing`.
        endpoint: whose task it is.
        task_id: its id.
        status: its status.
    """
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
        final_unit_deduction=_units_billed(data.get("billing")),
    )


def _units_billed(billing: Any) -> Decimal | None:
    rows = [row for row in items(billing) if isinstance(row, Mapping)]
    amounts = [decimal(row.get("amount")) for row in rows if row.get("charge_type") == "unit"]
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if known else None
