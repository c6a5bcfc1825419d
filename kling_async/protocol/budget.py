"""Budgets: limits on spending, the amounts reserved and spent, and what each request counts."""

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
"""Length in microseconds, 0 for a window without an end; and number of the window, counted from 1970."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
NOTHING: Final = Decimal(0)
WINDOWS: Final = 1000
"""Number of windows that are kept for a budget without a journal."""


@attrs.frozen
class Spending:
    """The amounts of a budget in one window.

    Attributes:
        unit: what is counted: `units` of resource packs, or `usd`.
        limit: how much may be spent.
        reserved: the amount for work that is under way or in doubt.
        settled: the amount for work that has ended.
    """

    unit: Unit
    limit: Decimal
    reserved: Decimal = NOTHING
    settled: Decimal = NOTHING

    @property
    def left(self) -> Decimal:
        """The amount that can still be reserved; 0 if the limit is exceeded."""
        return max(NOTHING, self.limit - self.reserved - self.settled)

    def with_reserved(self, amount: Decimal, name: str) -> "Spending":
        """Returns a copy with an amount reserved.

        Raises:
            BudgetExceeded: the amount exceeds the limit.
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
        """Returns a copy in which a reserved amount is replaced by the amount that counts."""
        return attrs.evolve(self, reserved=self.reserved - reserved, settled=self.settled + counted)


@attrs.frozen
class Reservation:
    """A reserved amount.

    Attributes:
        account: where it is reserved; only the store that made the reservation interprets it.
        amount: how much.
    """

    account: Any
    amount: Decimal


@attrs.frozen
class Settled:
    """A settled reservation.

    Attributes:
        terms: of the budget.
        reserved: how much was reserved.
        counted: how much counts instead.
    """

    terms: "Terms"
    reserved: Decimal
    counted: Decimal


@attrs.frozen(kw_only=True)
class Terms:
    """The terms of a budget.

    Attributes:
        name: of the budget.
        unit: what is counted.
        limit: how much may be spent in a window.
        per: length of a window; None for one without an end.
        failed_is_free: whether a failed task counts nothing if the service does not report its cost.
    """

    name: str
    unit: Unit
    limit: Decimal
    per: timedelta | None
    failed_is_free: bool

    def __str__(self) -> str:
        """The terms as messages show them."""
        window = "" if self.per is None else f" per {self.per}"
        free = ", failed tasks free" if self.failed_is_free else ""
        return f"{shown(self.limit)} {self.unit}{window}{free}"

    def window(self, now: datetime) -> Window:
        """Returns the window that contains `now`. Windows of different lengths are never equal."""
        return (0, 0) if self.per is None else (self.per // _MICROSECOND, (now - _EPOCH) // self.per)

    def counted(self, reserved: Decimal, result: Any, endpoint: Described | None) -> Decimal:
        """Returns the amount that counts for a task or call that has ended.

        Args:
            reserved: the amount that was reserved for it.
            result: the task, or the value of a call.
            endpoint: that made it, if it is known.
        """
        reported = self._reported(result, endpoint)
        if reported is not None and reported >= 0:
            return reported
        failed = getattr(result, "status", None) is TaskStatus.FAILED
        return NOTHING if failed and self.failed_is_free else reserved

    def _reported(self, result: Any, endpoint: Described | None) -> Decimal | None:
        """Returns the cost that the service reports, in the unit of this budget; None if it cannot be converted.

        Money is never converted to units, and counts as dollars only if the service names that currency: legacy paths
        name none, and accounts made in China pay in CNY. The reserved amount, at list price, is then closer.
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
        """Compares these terms with those stored in a journal under the same name.

        Raises:
            ConfigurationError: they differ.
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
    """The amounts of a budget that has no journal."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._windows: dict[Window, Spending] = {}

    def spending(self, now: datetime) -> Spending:
        """Returns the amounts of the current window."""
        return self._in(self._terms.window(now))

    def reserve(self, amount: Decimal, now: datetime) -> Reservation:
        """Reserves an amount.

        Raises:
            BudgetExceeded: the amount exceeds the limit.
        """
        spending, window = self.spending(now).with_reserved(amount, self._terms.name), self._terms.window(now)
        is_new = window not in self._windows
        self._windows[window] = spending
        if is_new and len(self._windows) > WINDOWS:
            self._forget_oldest(window)
        return Reservation(window, amount)

    def settle(self, reservation: Reservation, counted: Decimal) -> None:
        """Replaces a reservation by the amount that counts."""
        before = self._in(reservation.account)
        self._windows[reservation.account] = before.with_settled(reservation.amount, counted)

    def _in(self, window: Window) -> Spending:
        return self._windows.get(window) or Spending(self._terms.unit, self._terms.limit)

    def _forget_oldest(self, present: Window) -> None:
        """Bounds the number of windows. Age is no criterion: an adjusted clock may go back over any number of them."""
        over = [window for window, kept in self._windows.items() if not kept.reserved and window != present]
        for window in over[: len(self._windows) - WINDOWS]:
            del self._windows[window]


class Budget:
    """A limit on what clients may spend: `KlingClient(budget=Budget(units=60))`.

    Before a request is sent, its price by the price table is reserved. A request that does not fit is not sent, and
    raises `BudgetExceeded`. Once it has ended, the cost that the service reports counts instead; if the service reports
    none, or in a unit that this budget does not count, the reserved amount counts. So money counts only in a budget of
    dollars, and only if the service names that currency: legacy paths name none. Refused requests count nothing; those
    in doubt stay reserved.

    A client without a journal keeps the count in this object, which clients of one event loop may share. A client with
    a journal keeps it there, under the budget's name, across restarts and all processes that share the journal. Work
    started without the budget does not count. `await client.spending()` returns what is reserved, settled and left.

    Args:
        units: limit in units of resource packs, more than 0. Units of video and image packs differ in price, but are
            added up as they are; `usd` counts both correctly.
        usd: limit in dollars at list price, more than 0; instead of `units`.
        per: `day` (in UTC), or the length of each window, counted from 1970-01-01 UTC. A request counts in the window
            in which it starts. None for one window without an end.
        name: of the budget in a journal.
        failed_is_free: whether a failed task counts nothing if the service does not report its cost.
        change: whether to replace other terms that the journal has under this name. A different `per` starts a new
            count.
        assume: amount to reserve for a request whose price is not known, 0 or more; None refuses such requests.

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
        """The budget's name and terms."""
        return f"<Budget {self.terms.name!r}: {self.terms}>"

    def price_of(self, estimate: Estimate) -> Decimal:
        """Returns the amount to reserve for a request.

        Raises:
            InvalidRequest: its price is not known, and the budget assumes none.
        """
        price = estimate.units if self.terms.unit == "units" else estimate.usd
        if price is None:
            price = self.assume
        if price is None:
            problem = "no price of this request is known; Budget(..., assume=...) says how much is reserved for such"
            raise InvalidRequest.of([Problem("budget", problem)])
        return price


def shown(amount: Decimal) -> str:
    """Formats an amount for messages, without trailing zeros."""
    return f"{amount.normalize():f}"


def _amount(name: str, value: Any) -> Decimal:
    """Parses an amount.

    Raises:
        ConfigurationError: it is not a number from 0 up.
    """
    if isinstance(value, Decimal | int | float | str) and not isinstance(value, bool):
        try:
            amount = Decimal(str(value))
        except InvalidOperation:
            pass
        else:
            if amount.is_finite() and amount >= 0 and abs(amount.adjusted()) <= 15:  # so that sums are exact
                return amount
    raise ConfigurationError(f"Budget.{name}: expected a number from 0 up, got {repr(value)[:60]}")
