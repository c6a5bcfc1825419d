"""A budget: what may be spent, what is reserved and spent of it, and what counts."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

import attrs

from kling_async.protocol.cost import Cost
from kling_async.protocol.endpoint import Described
from kling_async.protocol.errors import BudgetExceeded, ConfigurationError, InvalidRequest, Problem
from kling_async.protocol.estimate import Estimate
from kling_async.protocol.tasks import TaskStatus

Unit = Literal["units", "usd"]
Amount = Decimal | int | float | str
Window = tuple[int, int]
"""Microseconds that it is long, 0 for one without an end, and which one it is, counted from 1970."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
NOTHING: Final = Decimal(0)
WINDOWS: Final = 1000
"""That are kept of a budget without a journal."""


@attrs.frozen
class Spending:
    """What a budget has given out in one window.

    Attributes:
        unit: what is counted: `units` of resource packs, or `usd`.
        limit: how much may be given out.
        reserved: for what is under way or in doubt.
        settled: for what has ended.
    """

    unit: Unit
    limit: Decimal
    reserved: Decimal = NOTHING
    settled: Decimal = NOTHING

    @property
    def left(self) -> Decimal:
        """What can still be reserved; 0 where the limit is passed."""
        return max(NOTHING, self.limit - self.reserved - self.settled)

    def with_reserved(self, amount: Decimal, name: str) -> "Spending":
        """With an amount reserved.

        Raises:
            BudgetExceeded: it does not fit.
        """
        if self.reserved + self.settled + amount > self.limit:
            raise BudgetExceeded(
                f"the budget {name!r} has {shown(self.left)} of {shown(self.limit)} {self.unit} left, with "
                f"{shown(self.reserved)} reserved, and this needs {shown(amount)}: nothing was sent; "
                + "wait until what is reserved ends, or " * bool(self.reserved)
                + "give the budget a higher limit (with change=True, if it is kept in a journal)",
                left=self.left,
                reserved=self.reserved,
                asked=amount,
            )
        return attrs.evolve(self, reserved=self.reserved + amount)

    def with_settled(self, reserved: Decimal, counted: Decimal) -> "Spending":
        """With an amount counted in place of what was reserved for it."""
        return attrs.evolve(self, reserved=self.reserved - reserved, settled=self.settled + counted)


@attrs.frozen
class Reservation:
    """An amount that is reserved.

    Attributes:
        account: where; its meaning is that of who keeps it.
        amount: how much.
    """

    account: Any
    amount: Decimal


@attrs.frozen
class Settled:
    """What became of a reservation.

    Attributes:
        terms: of the budget.
        reserved: how much was reserved.
        counted: how much counts now.
    """

    terms: "Terms"
    reserved: Decimal
    counted: Decimal


@attrs.frozen(kw_only=True)
class Terms:
    """What a budget allows.

    Attributes:
        name: of the budget.
        unit: what is counted.
        limit: how much may be given out in a window.
        per: how long a window is; None for one without an end.
        failed_is_free: whether a failed task counts nothing where the service does not say what it took.
    """

    name: str
    unit: Unit
    limit: Decimal
    per: timedelta | None
    failed_is_free: bool

    def __str__(self) -> str:
        """As in messages."""
        window = "" if self.per is None else f" per {self.per}"
        free = ", failed tasks free" if self.failed_is_free else ""
        return f"{shown(self.limit)} {self.unit}{window}{free}"

    def window(self, now: datetime) -> Window:
        """The window that a moment is in. Windows of another length are other ones."""
        return (0, 0) if self.per is None else (self.per // _MICROSECOND, (now - _EPOCH) // self.per)

    def counted(self, reserved: Decimal, result: Any, endpoint: Described | None) -> Decimal:
        """What counts for something that has ended.

        Args:
            reserved: what was reserved for it.
            result: the task, or the value of a call.
            endpoint: that made it, if it is known.
        """
        told = self._told(result, endpoint)
        if told is not None and told >= 0:
            return told
        failed = getattr(result, "status", None) is TaskStatus.FAILED
        return NOTHING if failed and self.failed_is_free else reserved

    def _told(self, result: Any, endpoint: Described | None) -> Decimal | None:
        """What the service says that it took, in what is counted here; None where that cannot be told.

        Money is no units, and dollars only where the service calls it so: legacy paths name no currency, and an account
        made in China pays in its own. What was reserved, at list price, is then nearer than a wrong currency.
        """
        cost: Cost | None = result.cost
        if cost is None:
            return None
        if cost.units is None and not cost.amount:  # no money was taken, and so nothing
            return cost.amount
        if self.unit == "units":
            return None if cost.amount else cost.units
        if endpoint is not None:
            return endpoint.usd_of(cost)
        return None if cost.units or cost.currency != "USD" else cost.amount

    def check(self, known: "Terms", *, change: bool) -> None:
        """Compares these terms with those that a journal knows under the name.

        Raises:
            ConfigurationError: they are others.
        """
        if known.unit != self.unit:
            raise ConfigurationError(
                f"the budget {self.name!r} counts {known.unit} in this journal, not {self.unit}: give {known.unit}, or "
                "the budget another name"
            )
        if known != self and not change:
            raise ConfigurationError(
                f"the budget {self.name!r} is {known} in this journal, not {self}: give the same, another name, or "
                "change=True, which changes it for all that share the journal"
            )


class Memory:
    """What a budget has given out, where there is no journal."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._windows: dict[Window, Spending] = {}

    def spending(self, now: datetime) -> Spending:
        """What the present window has given out."""
        return self._in(self._terms.window(now))

    def reserve(self, amount: Decimal, now: datetime) -> Reservation:
        """Reserves an amount.

        Raises:
            BudgetExceeded: it does not fit.
        """
        spending, window = self.spending(now).with_reserved(amount, self._terms.name), self._terms.window(now)
        is_new = window not in self._windows
        self._windows[window] = spending
        if is_new and len(self._windows) > WINDOWS:
            self._forget_oldest(window)
        return Reservation(window, amount)

    def settle(self, reservation: Reservation, counted: Decimal) -> None:
        """Counts an amount in place of a reservation."""
        before = self._in(reservation.account)
        self._windows[reservation.account] = before.with_settled(reservation.amount, counted)

    def _in(self, window: Window) -> Spending:
        return self._windows.get(window) or Spending(self._terms.unit, self._terms.limit)

    def _forget_oldest(self, present: Window) -> None:
        """Bounds the memory: by how many there are, as a clock that is set may go back over any number of windows."""
        over = [window for window, kept in self._windows.items() if not kept.reserved and window != present]
        for window in over[: len(self._windows) - WINDOWS]:
            del self._windows[window]


class Budget:
    """What clients may spend: `KlingClient(budget=Budget(units=60))`.

    What a request is going to cost by the price table is reserved before it is sent; one that does not fit is not sent,
    and raises `BudgetExceeded`. Once it has ended, what the service says that it took counts; where the service says
    nothing, or says it in what this budget does not count, what was reserved. So money counts only in a budget of
    dollars, and there only where the service names dollars: legacy paths name no currency. Where it was refused nothing
    counts; where it is in doubt it stays reserved.

    A client without a journal keeps the count in this object, which clients of one event loop may share. A client with
    a journal keeps it there, under the budget's name: it holds over restarts, and over all processes of the journal.
    What was begun without the budget does not count. `await client.spending()` gives what is reserved, settled and
    left.

    Args:
        units: how many units of resource packs, more than 0. Those of video and image packs, which differ in price,
            are added up as they are: `usd` counts both rightly.
        usd: how many dollars at list price, more than 0; in place of `units`.
        per: `day` (in UTC), or how long each window is, counted from 1970-01-01 UTC; what is begun in a window counts
            in that. None for one window without an end.
        name: of the budget in a journal.
        failed_is_free: whether a failed task counts nothing where the service does not say what it took.
        change: whether the journal may know other terms under this name, which these replace. Another `per` begins to
            count anew.
        assume: how much is reserved for a request whose price is not known, 0 or more; None refuses it.

    Raises:
        ConfigurationError: a value cannot be used.
    """

    def __init__(
        self,
        *,
        units: Amount | None = None,
        usd: Amount | None = None,
        per: Literal["day"] | timedelta | None = None,
        name: str = "default",
        failed_is_free: bool = False,
        change: bool = False,
        assume: Amount | None = None,
    ) -> None:
        if (units is None) == (usd is None):
            raise ConfigurationError("Budget: give one of units=... and usd=...")
        unit: Unit = "units" if usd is None else "usd"
        limit = _amount(unit, units if usd is None else usd)
        if not limit:
            raise ConfigurationError(f"Budget.{unit}: expected more than 0")
        if not isinstance(name, str) or not name:
            raise ConfigurationError(f"Budget.name: expected text, got {repr(name)[:60]}")
        length = timedelta(days=1) if per == "day" else per
        if length is not None and not (isinstance(length, timedelta) and length > timedelta(0)):
            raise ConfigurationError(f"Budget.per: expected 'day' or a timedelta, got {repr(per)[:60]}")
        self.terms = Terms(name=name, unit=unit, limit=limit, per=length, failed_is_free=failed_is_free)
        self.change = change
        self.assume = None if assume is None else _amount("assume", assume)
        self.memory = Memory(self.terms)

    def __repr__(self) -> str:
        """Its name and terms."""
        return f"<Budget {self.terms.name!r}: {self.terms}>"

    def price_of(self, estimate: Estimate) -> Decimal:
        """What is reserved for a request.

        Raises:
            InvalidRequest: no price is known, and the budget assumes none.
        """
        price = estimate.units if self.terms.unit == "units" else estimate.usd
        if price is None:
            price = self.assume
        if price is None:
            problem = "no price of this request is known; Budget(..., assume=...) says how much is reserved for such"
            raise InvalidRequest.of([Problem("budget", problem)])
        return price


def shown(amount: Decimal) -> str:
    """An amount in messages: without the zeros that sums end with."""
    return f"{amount.normalize():f}"


def _amount(name: str, value: Any) -> Decimal:
    """Reads an amount.

    Raises:
        ConfigurationError: it is none.
    """
    if isinstance(value, Decimal | int | float | str) and not isinstance(value, bool):
        try:
            amount = Decimal(str(value))
        except InvalidOperation:
            pass
        else:
            if amount.is_finite() and amount >= 0 and abs(amount.adjusted()) <= 15:  # exact in sums
                return amount
    raise ConfigurationError(f"Budget.{name}: expected a number from 0 up, got {repr(value)[:60]}")
