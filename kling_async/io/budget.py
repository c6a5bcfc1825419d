"""The budget of one client: reserved before anything is paid, settled by the actual cost."""

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol, TypeVar

from kling_async.io.submission import new_external_task_id
from kling_async.io.task_watch import TaskWatch
from kling_async.protocol.budget import NOTHING, Budget, Reservation, Settled, Spending, shown
from kling_async.protocol.call import CallEndpoint
from kling_async.protocol.catalog import endpoint_named
from kling_async.protocol.create_search import NO_OTHERS, Others
from kling_async.protocol.endpoint import Described, Endpoint
from kling_async.protocol.errors import CreateInDoubt, InDoubt, KlingError, TaskFailed, UnexpectedAnswer
from kling_async.protocol.tasks import Task

logger = logging.getLogger("kling_async")

_T = TypeVar("_T")


class Account(Protocol):
    """Stores the reservations and spending of a budget."""

    async def spending(self) -> Spending:
        """Returns what was reserved and spent in the current window."""
        ...

    async def reserve(self, amount: Decimal) -> Reservation:
        """Reserves an amount.

        Raises:
            BudgetExceeded: the amount exceeds the budget.
        """
        ...

    def settle(self, reservation: Reservation, counted: Decimal) -> None:
        """Replaces a reservation by the amount that counts."""
        ...


class InMemory:
    """An `Account` in memory, in the budget object itself.

    Args:
        budget: the budget.
        wall: the time of day, in seconds since 1970.
    """

    def __init__(self, budget: Budget, wall: Callable[[], float]) -> None:
        self._memory = budget.memory
        self._wall = wall

    async def spending(self) -> Spending:
        """As `Account.spending`."""
        return self._memory.spending(self._now())

    async def reserve(self, amount: Decimal) -> Reservation:
        """As `Account.reserve`."""
        return self._memory.reserve(amount, self._now())

    def settle(self, reservation: Reservation, counted: Decimal) -> None:
        """As `Account.settle`."""
        self._memory.settle(reservation, counted)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._wall(), UTC)


class ClientBudget:
    """A budget as one client uses it.

    Args:
        budget: what may be spent.
        account: stores reservations and spending.
    """

    def __init__(self, budget: Budget, account: Account) -> None:
        self.budget = budget
        self.account = account

    def record(self, endpoint: Endpoint, request: Any) -> "Reserved":
        """Returns the record of a create, with its price.

        Raises:
            InvalidRequest: its price is unknown.
        """
        return Reserved(self, self.budget.price_of(endpoint.estimate(request)))

    async def paying(self, endpoint: CallEndpoint, request: Any, send: Callable[[], Awaitable[_T]]) -> _T:
        """Sends a call that charges, and counts it where it may be billed.

        Raises:
            InvalidRequest: its price is unknown.
            BudgetExceeded: the price exceeds the budget; nothing was sent.
            KlingError: as `send`.
        """
        reservation = await self.account.reserve(self.budget.price_of(endpoint.estimate(request)))
        try:
            value = await send()
        except InDoubt:
            raise
        except KlingError:
            self.account.settle(reservation, NOTHING)
            raise
        self.settle(reservation, value, endpoint, f"a call of {endpoint.name}")
        return value

    def settle(self, reservation: Reservation, result: Any, endpoint: Described | None, what: str) -> None:
        """Replaces a reservation by the actual cost of a result."""
        counted = self.budget.terms.counted(reservation.amount, result, endpoint)
        self.account.settle(reservation, counted)
        warn_if_over(Settled(self.budget.terms, reservation.amount, counted), what)


class Reserved:
    """The `Record` of a create that is paid from a budget, without a journal.

    Args:
        budget: that pays for it.
        amount: its price.
    """

    def __init__(self, budget: ClientBudget, amount: Decimal) -> None:
        self._budget = budget
        self._amount = amount
        self._reservation: Reservation | None = None
        self.external_task_id = new_external_task_id()

    async def intend(self, trace: str | None) -> None:  # noqa: ARG002  (as `Record`)
        """Reserves the amount.

        Args:
            trace: ignored.

        Raises:
            BudgetExceeded: the amount exceeds the budget.
        """
        self._reservation = await self._budget.account.reserve(self._amount)

    def must_hold(self) -> None:
        """Never raises: without a journal, no other client can hold the create."""

    async def others(self, *_: object, **__: object) -> Others:
        """Returns `NO_OTHERS`: without a journal, other clients are unknown."""
        return NO_OTHERS

    def accepted(self, task: Task, watch: TaskWatch) -> None:  # noqa: ARG002  (as `Record`)
        """Registers for the end of the task, to settle the reservation."""
        if watch.end is not None:
            self.ended(watch.end)
        else:
            watch.accounts.append(self)

    def failed(self, error: BaseException, *, undecided: bool) -> None:
        """Releases the reservation, unless a task may exist."""
        in_doubt = undecided or isinstance(error, CreateInDoubt)
        if self._reservation is not None and not in_doubt:
            billed = isinstance(error, UnexpectedAnswer)
            self._budget.account.settle(self._reservation, self._amount if billed else NOTHING)

    def changed(self, _task: Task, /) -> None:
        """Does nothing: only the end of a task has a cost."""

    def ended(self, end: Task | KlingError) -> None:
        """Settles the reservation; it stays as it is if the task is no longer followed before it has ended."""
        task = end.task if isinstance(end, TaskFailed) else end
        if isinstance(task, Task) and self._reservation is not None:
            self._budget.settle(self._reservation, task, endpoint_named(task.endpoint), task.reference)


def warn_if_over(settled: Settled | None, what: str) -> None:
    """Warns if the actual cost is higher than the reservation."""
    if settled is not None and settled.counted > settled.reserved:
        logger.warning(
            "%s took %s %s, more than the %s that were reserved from the budget %r",
            what,
            shown(settled.counted),
            settled.terms.unit,
            shown(settled.reserved),
            settled.terms.name,
            extra={"kling_event": "over_estimate"},
        )
