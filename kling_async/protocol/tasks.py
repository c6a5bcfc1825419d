"""Tasks and their statuses."""

import enum
from datetime import datetime
from typing import TYPE_CHECKING, Any

import attrs

from kling_async.protocol.reference import Reference

if TYPE_CHECKING:  # they take time to import, and are needed with the first result
    from decimal import Decimal

    from kling_async.protocol.cost import Cost
    from kling_async.protocol.media.picture import Picture
    from kling_async.protocol.results import Audio, BalanceDeduction, Element, Video, Voice


class TaskStatus(enum.StrEnum):
    """The status of a task, in the words of the legacy protocol."""

    SUBMITTED = "submitted"
    PROCESSING = "processing"
    SUCCEED = "succeed"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether the status is final: `succeed` or `failed`."""
        return self in _FINAL


_FINAL = frozenset({TaskStatus.SUCCEED, TaskStatus.FAILED})


def _legacy_cost(task: "Task") -> "Cost | None":
    if task.final_unit_deduction is None and task.final_balance_deduction is None:
        return None
    from kling_async.protocol import cost  # noqa: PLC0415  (decimals; with the first result)

    return cost.legacy(task.final_unit_deduction, task.final_balance_deduction)


@attrs.frozen(kw_only=True)
class Task:
    """A task, as the service last reported it.

    Attributes:
        task_id: the service's id.
        status: of the task.
        endpoint: name of the endpoint that made it: the first half of its reference.
        status_msg: why it failed; empty otherwise.
        external_task_id: the caller's id.
        created_at: when the service accepted it (UTC).
        updated_at: when its status last changed (UTC).
        videos: the videos made, once `status` is `succeed`.
        images: the pictures made, including those of a series.
        audios: the sound made.
        voices: the voices made.
        elements: the elements made.
        raw: all results as received in JSON, including those without an attribute. Not in the repr, since addresses
            are signed, and not compared.
        watermark: whether a watermarked variant was requested.
        final_unit_deduction: units paid.
        final_balance_deduction: money paid, for accounts with a balance, as legacy paths report it.
        cost: what it took from the account, in either generation; None until the service reports it.
    """

    task_id: str
    status: TaskStatus
    endpoint: str
    status_msg: str = ""
    external_task_id: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    videos: "tuple[Video, ...]" = ()
    images: "tuple[Picture, ...]" = ()
    audios: "tuple[Audio, ...]" = ()
    voices: "tuple[Voice, ...]" = ()
    elements: "tuple[Element, ...]" = ()
    raw: Any = attrs.field(default=None, repr=False, eq=False)
    watermark: bool = False
    final_unit_deduction: "Decimal | None" = None
    final_balance_deduction: "BalanceDeduction | None" = None
    cost: "Cost | None" = attrs.field(default=attrs.Factory(_legacy_cost, takes_self=True))

    @property
    def reference(self) -> str:
        """The text that `KlingClient.attach` accepts in any process: `<endpoint>:<task_id>`."""
        return str(Reference(endpoint=self.endpoint, id=self.task_id))
