"""Endpoints without tasks: a call takes effect and answers at once, and there is nothing to ask for later."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal

import attrs

from kling_async.emulator.account.account_model import AccountModel
from kling_async.emulator.account.task import EmulatedTask
from kling_async.emulator.faults.kinds import CallKind
from kling_async.emulator.results.links import LinkMaker

from .answers import queried
from .endpoint import AcceptedRequest, Body, EarlierResult, Origin


@attrs.frozen(kw_only=True)
class Desk:
    """What such a call may look at and do.

    Attributes:
        account: The account, settled.
        origin: The endpoint.
        now: When the call takes effect, seconds since the epoch.
        opened_at: When the account began, the same.
        skew: Seconds by which the service's clock is ahead.
        link: Makes links to files.
    """

    account: AccountModel
    origin: Origin
    now: float
    opened_at: float
    skew: float
    link: LinkMaker

    def make(self, request: AcceptedRequest) -> dict[str, Any]:
        """Make a result, charge for it, and give what a query would say, if there was one; its files are served."""
        return self.shown(self.account.make_at_once(self.now, self.origin, request))

    def shown(self, task: EmulatedTask) -> dict[str, Any]:
        """Give what a query says of a task."""
        return queried(task, self.now, self.link, self.skew)

    def earlier(self, kind: str, key: str) -> EarlierResult | None:
        """Give what the account has made, by its list in answers ("voices") and its id."""
        return self.account.earlier(kind, key, self.now)


@attrs.frozen(kw_only=True)
class CallEndpoint(Origin):
    """An endpoint whose calls answer at once.

    Attributes:
        answer: Checks a call, takes effect, and gives the `data` of the answer; raises `Refusal`, without an effect.
            What it gets is the body of a POST, its documented members only, or the query of a GET, all of it text.
        units: Price of a call, from its `pack`; 0: it is free, and needs no pack.
        kind: What faults and ledger take it for. A "call" is a POST, the others are GETs.
    """

    answer: Callable[[Body, Desk], Any]
    units: Decimal = Decimal(0)
    kind: CallKind = "call"

    @property
    def method(self) -> Literal["GET", "POST"]:
        """Of HTTP."""
        return "POST" if self.kind == "call" else "GET"
