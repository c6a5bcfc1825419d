"""The budgets of a journal in SQL: their terms, and the spending in each of their windows."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from kling_async.journal.database import Database
from kling_async.protocol.budget import NOTHING, Reservation, Settled, Spending, Terms
from kling_async.protocol.catalog import endpoint_named
from kling_async.protocol.errors import JournalError
from kling_async.protocol.tasks import Task

_TERMS: Final = "name, unit, allowed, budgets.per, failed_is_free"
_KNOWN: Final = f"SELECT {_TERMS} FROM budgets WHERE name = ?"  # noqa: S608  (of constants, as the next)
_RESERVED: Final = (
    f"SELECT entries.spending, reservation, endpoint, {_TERMS} FROM entries "  # noqa: S608  (constants of this module)
    "JOIN spending ON spending.id = entries.spending JOIN budgets ON budgets.name = spending.budget "
    "WHERE entries.id = ? AND reservation IS NOT NULL"
)


class SqlBudgets:
    """The budgets of one `SqlStore`; used within its transactions.

    Args:
        database: the database with the tables.
    """

    def __init__(self, database: Database) -> None:
        self._run = database.run
        self._insert = database.insert

    def agree(self, terms: Terms, *, change: bool) -> None:
        """As `Budgets.agree`."""
        row = self._run(_KNOWN, terms.name).fetchone()
        known = _terms(row) if row else None
        if known is not None:
            terms.check(known, change=change)
        if known != terms:
            per = None if terms.per is None else terms.per // timedelta(microseconds=1)
            values = (terms.name, terms.unit, str(terms.limit), per, terms.failed_is_free)
            self._run("DELETE FROM budgets WHERE name = ?", terms.name)
            self._run("INSERT INTO budgets VALUES (?, ?, ?, ?, ?)", *values)

    def spending(self, name: str, now: datetime) -> Spending:
        """As `Budgets.spending`."""
        return self._window(self._known(name), now)[1]

    def reserve(self, name: str, amount: Decimal, now: datetime) -> Reservation:
        """As `Budgets.reserve`."""
        terms = self._known(name)
        row, before = self._window(terms, now)
        after = before.with_reserved(amount, name)
        if row is None:
            added = "INSERT INTO spending (budget, per, number, reserved, settled) VALUES (?, ?, ?, '0', '0')"
            row = self._insert(added, name, *terms.window(now))
        self._write(row, after)
        return Reservation(row, amount)

    def settle(self, reservation: Reservation, counted: Decimal) -> None:
        """As `Budgets.settle`."""
        row = self._run("SELECT reserved, settled FROM spending WHERE id = ?", reservation.account).fetchone()
        before = Spending("units", NOTHING, *map(Decimal, row))
        self._write(reservation.account, before.with_settled(reservation.amount, counted))

    def ended(self, entry: int, task: Task | None, *, free: bool = False) -> Settled | None:
        """Settles the reservation of an entry, if it has one.

        Args:
            entry: the entry that has ended.
            task: the ended task; None if it is not known, in which case the reserved amount counts.
            free: whether nothing was created, so that nothing counts.
        """
        row = self._run(_RESERVED, entry).fetchone()
        if row is None:
            return None
        account, amount, endpoint, terms = row[0], Decimal(row[1]), row[2], _terms(row[3:])
        counted = NOTHING if free else amount
        if task is not None:
            counted = terms.counted(amount, task, endpoint_named(endpoint))
        self.settle(Reservation(account, amount), counted)
        self._run("UPDATE entries SET reservation = NULL WHERE id = ?", entry)
        return Settled(terms, amount, counted)

    def _known(self, name: str) -> Terms:
        row = self._run(_KNOWN, name).fetchone()
        if row is None:
            raise JournalError(f"the journal knows no budget {name!r}; nothing was sent")
        return _terms(row)

    def _window(self, terms: Terms, now: datetime) -> tuple[int | None, Spending]:
        """Returns the number of a window's row, if there is one, and the spending in the window."""
        select = "SELECT id, reserved, settled FROM spending WHERE budget = ? AND per = ? AND number = ?"
        row = self._run(select, terms.name, *terms.window(now)).fetchone()
        none = Spending(terms.unit, terms.limit)
        return (row[0], Spending(terms.unit, terms.limit, *map(Decimal, row[1:]))) if row else (None, none)

    def _write(self, row: object, spending: Spending) -> None:
        update = "UPDATE spending SET reserved = ?, settled = ? WHERE id = ?"
        self._run(update, str(spending.reserved), str(spending.settled), row)


def _terms(row: Any) -> Terms:
    name, unit, limit, per, failed_is_free = row
    length = None if per is None else timedelta(microseconds=per)
    return Terms(name=name, unit=unit, limit=Decimal(limit), per=length, failed_is_free=bool(failed_is_free))
