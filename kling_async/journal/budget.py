"""The account of a budget that is kept in a journal."""

import asyncio
from decimal import Decimal

from kling_async.io.threads import finished
from kling_async.journal.client_journal import ClientJournal
from kling_async.protocol.budget import NOTHING, Reservation, Spending


class InJournal:
    """An `Account` in a journal; what has an entry is reserved and settled with the entry instead.

    Args:
        journal: the client's journal.
        name: the name of the budget.
    """

    def __init__(self, journal: ClientJournal, name: str) -> None:
        self._journal = journal
        self._name = name

    async def spending(self) -> Spending:
        """As `Account.spending`."""
        await self._journal.open()
        name, now = self._name, self._journal.now()
        return await self._journal.do(lambda store: store.budgets.spending(name, now))

    async def reserve(self, amount: Decimal) -> Reservation:
        """As `Account.reserve`; the reservation is on disk before anything is sent."""
        await self._journal.open()
        name, now = self._name, self._journal.now()
        reserving = self._journal.begin(lambda store: store.budgets.reserve(name, amount, now))
        try:
            return await finished(reserving)
        except asyncio.CancelledError:
            if not reserving.exception():
                self.settle(reserving.result(), NOTHING)
            raise

    def settle(self, reservation: Reservation, counted: Decimal) -> None:
        """As `Account.settle`."""
        self._journal.enqueue(lambda store: store.budgets.settle(reservation, counted))
