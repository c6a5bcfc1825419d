"""Endpoints without tasks: a call takes effect and answers at once, and nothing can be queried later."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, Literal

import attrs

from kling_async.emulator.account.account_model import AccountModel
from kling_async.emulator.account.task import EmulatedTask, LinkMaker
from kling_async.emulator.faults.kinds import CallKind
from kling_async.emulator.results.result import Result

from .answers import queried
from .checks.paging import requested_page
from .endpoint import AcceptedRequest, Body, Earlier, Origin

NOT_OF_PRESETS: Final = ("task_info", "final_unit_deduction", "final_balance_deduction")
"""Members of a task's answer that presets do not have."""


@attrs.frozen(kw_only=True)
class CallContext:
    """The context of such a call.

    Attributes:
        account: The account, settled.
        origin: The endpoint.
        now: Time of the call's effect, seconds since the epoch.
        opened_at: Time of the account's creation, seconds since the epoch.
        skew: Seconds by which the service's clock is ahead.
        link: Makes links to files.
        earlier: Returns earlier results and presets.
    """

    account: AccountModel
    origin: Origin
    now: float
    opened_at: float
    skew: float
    link: LinkMaker
    earlier: Earlier

    def make(self, request: AcceptedRequest) -> dict[str, Any]:
        """Makes a result, charges for it, and returns it in the form of a query's answer; its files are served."""
        return self.shown(self.account.make_at_once(self.now, self.origin, request))

    def shown(self, task: EmulatedTask) -> dict[str, Any]:
        """Returns a task in the form of a query's answer."""
        return queried(task, self.now, self.link, self.skew)

    def page(self, query: Mapping[str, str], page_maximum: int) -> list[dict[str, Any]]:
        """Returns a page of the presets of this endpoint."""
        number, size = requested_page(query, page_maximum)
        tasks = self.account.presets(self.origin)[(number - 1) * size : number * size]
        return [without(self.shown(task), *NOT_OF_PRESETS) for task in tasks]

    def delete(self, kind: str, key: str) -> dict[str, Any]:
        """Deletes a result of the account, and returns the answer."""
        task = self.account.delete(kind, key, self.now)
        return {"task_id": task.task_id, "task_status": "succeed"}


@attrs.frozen(kw_only=True)
class CallEndpoint(Origin):
    """An endpoint whose calls answer at once.

    Attributes:
        answer: Checks a call, takes effect, and returns the `data` of the answer; raises `Refusal`, without an effect.
            Its input is the body of a POST, with the documented members only, or the query of a GET, all strings.
        units: Price of a call, paid from its `pack`; 0: it is free, and needs no pack.
        presets: Results that every account has, by id.
        kind: Its kind for faults and ledger. A "call" is a POST, the others are GETs.
        is_current: Whether it is of the current generation: a POST, and for API keys only.
    """

    answer: Callable[[Body, CallContext], Any]
    units: Decimal = Decimal(0)
    presets: Mapping[str, Result] = attrs.field(factory=dict)
    kind: CallKind = "call"
    is_current: bool = False

    def add_presets(self, account: AccountModel, now: float) -> None:
        """Adds the presets to an account."""
        for key, result in self.presets.items():
            account.add_preset(now, self, key, free(result))

    @property
    def method(self) -> Literal["GET", "POST"]:
        """The HTTP method."""
        return "POST" if self.kind == "call" or self.is_current else "GET"


def free(result: Result) -> AcceptedRequest:
    """Returns the request of a free result without a task."""
    return AcceptedRequest(
        units=Decimal(0),
        prompt="",
        watermark=False,
        external_task_id="",
        callback_url="",
        parameters={},
        result=result,
    )


def without(data: dict[str, Any], *names: str) -> dict[str, Any]:
    """Returns an answer without some of its members."""
    return {name: value for name, value in data.items() if name not in names}
