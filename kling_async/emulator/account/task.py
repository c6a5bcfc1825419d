"""One emulated task: its times and its end are decided when it is created. Pure."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, Literal

import attrs

from kling_async.emulator.results.result import ID_MEMBERS, Link
from kling_async.emulator.service.endpoint import AcceptedRequest, Origin, Pack

Status = Literal["submitted", "processing", "succeed", "failed"]
PaidIn = Literal["unit", "USD", "CNY"]

_LIST_PRICE: Final = {"unit": Decimal(1), "USD": Decimal("0.14"), "CNY": Decimal(1)}
"""Price of a unit of the video pack, as of 2026-09."""

_IMAGE_UNITS: Final = 40
"""Units of the image pack worth one unit of the video pack."""


@attrs.frozen(kw_only=True)
class EmulatedTask:
    """A task with its times and its end.

    Attributes:
        task_id: 18 decimal digits.
        result_id: The result's id, 18 decimal digits.
        endpoint: The endpoint that created it.
        request: The request.
        created_at: Seconds since the epoch, like all times here.
        started_at: When it becomes `processing`.
        finished_at: When it becomes `succeed` or `failed`.
        failure: Why it fails, or "" when it succeeds.
        parent: The task that made its input video, if the account made that.
        paid_in: Units, or a currency.
    """

    task_id: str
    result_id: str
    endpoint: Origin
    request: AcceptedRequest
    created_at: float
    started_at: float
    finished_at: float
    failure: str
    parent: "EmulatedTask | None" = None
    paid_in: PaidIn = "unit"

    def status(self, now: float) -> Status:
        """Returns the status at a time."""
        if now >= self.finished_at:
            return "failed" if self.failure else "succeed"
        return "processing" if now >= self.started_at else "submitted"

    def updated_at(self, now: float) -> float:
        """Returns the time of the last change up to a time."""
        return max(t for t in (self.created_at, self.started_at, self.finished_at) if t <= max(now, self.created_at))

    def progress(self, now: float) -> float:
        """Returns the elapsed part of its duration, 0 to 1."""
        whole = self.finished_at - self.created_at
        return min(max((now - self.created_at) / whole, 0.0), 1.0) if whole > 0 else 1.0

    def units(self, now: float) -> Decimal:
        """Returns the units that the task costs: its price, or 0 once it has failed.

        Whether the service charges for failed tasks is not documented; according to resellers it does not.
        """
        return Decimal(0) if self.status(now) == "failed" else self.request.units

    def paid(self, now: float) -> Decimal:
        """Returns its cost in units or, if it is paid in money, in its currency."""
        units = self.units(now)
        return units if self.paid_in == "unit" else worth(units, self.endpoint.pack, self.paid_in)

    @property
    def line(self) -> str:
        """The line whose slots it takes: its model, or its model and pack."""
        return self.endpoint.line(self.request)


def worth(units: Decimal, pack: Pack, currency: PaidIn) -> Decimal:
    """Returns the list price of units in a currency."""
    return units / (_IMAGE_UNITS if pack == "image" else 1) * _LIST_PRICE[currency]


LinkMaker = Callable[[EmulatedTask, str], str]
"""Returns the URL of a task's file, by the file's name."""


def no_link(_task: EmulatedTask, _name: str) -> str:
    """Returns no URL, for callers that need a result without its links."""
    return ""


def over_at_once(now: float, origin: Origin, request: AcceptedRequest, task_id: str, result_id: str) -> EmulatedTask:
    """Returns a task that has succeeded as soon as it is created."""
    return EmulatedTask(
        task_id=task_id,
        result_id=result_id,
        endpoint=origin,
        request=request,
        created_at=now,
        started_at=now,
        finished_at=now,
        failure="",
    )


def items_by_id(task: EmulatedTask, link: Link) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Returns all parts of a task's result that have an id, by the name of their list in answers and their id."""
    made = task.request.result.task_result(task.result_id, link)
    return {
        (kind, str(each[name])): each
        for kind, several in made.items()
        if isinstance(several, list)
        for each in several
        for name in ID_MEMBERS
        if name in each
    }
