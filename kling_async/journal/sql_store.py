"""A journal's store in SQL: the statements, shared by SQLite and Postgres."""

import abc
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs

from kling_async.journal import saved_files
from kling_async.journal.database import Rows
from kling_async.journal.entry import Entry, EntryState, SavedFile
from kling_async.journal.names import DAMAGED
from kling_async.journal.sql_budgets import SqlBudgets
from kling_async.journal.sql_rows import SELECT, entry_of, json_text, number_text, path_value, printable
from kling_async.journal.store import OwnerRow, StoredCallback, Work
from kling_async.protocol.budget import Settled
from kling_async.protocol.cost import Cost
from kling_async.protocol.errors import JournalError
from kling_async.protocol.tasks import Task


class SqlStore(abc.ABC):
    """A `Store` in an SQL database; used by one thread.

    Attributes:
        actor: the owner whose step is running; 0 for none.
    """

    def __init__(self) -> None:
        self._knowledge: dict[frozenset[str], int] = {}
        self.actor = 0
        self.budgets = SqlBudgets(self)

    @abc.abstractmethod
    def run(self, statement: str, *values: object) -> Rows:
        """As `Database.run`."""

    @abc.abstractmethod
    def insert(self, statement: str, *values: object) -> int:
        """As `Database.insert`."""

    @abc.abstractmethod
    def one_of(self, values: Collection[str]) -> tuple[str, object]:
        """Returns an SQL condition that a text is one of the values, and the value to bind to it."""

    def forget(self) -> None:
        """Clears cached rows, which may be wrong after a rollback or once the database is closed."""
        self._knowledge.clear()

    # ----------------------------------------------------------------------- overridden by Postgres

    def must_own(self, owner: int) -> None:  # noqa: B027  (no check by default)
        """Checks that an owner still holds its work; with locks it always does."""

    def may_change(self, entry: int) -> bool:  # noqa: ARG002  (used by overrides)
        """Whether the actor may still change an entry: not if its lease has expired and another owner has the entry."""
        return True

    def path_value(self, path: str | None) -> str | bytes | None:
        """Returns a path as it is stored."""
        return path_value(path)

    def keep(self, entry: int, parts: Mapping[str, bytes], digests: Collection[str]) -> None:  # noqa: B027  (as above)
        """As `Store.keep`: by default files are stored beside the journal, not in it."""

    def kept(self, digests: Collection[str]) -> dict[str, bytes]:  # noqa: ARG002  (used by overrides)
        """As `Store.kept`."""
        return {}

    # -------------------------------------------------------------------------------------- owners

    def enter(self, name: str, machine: str, boot: str) -> int:
        """As `Store.enter`."""
        return self.insert("INSERT INTO owners (name, machine, boot) VALUES (?, ?, ?)", name, machine, boot)

    def leave(self, owner: int) -> None:
        """As `Store.leave`."""
        self.run("UPDATE entries SET owner = NULL WHERE owner = ? AND unfinished", owner)
        self.run("DELETE FROM owners WHERE id = ?", owner)

    def owner(self, owner: int) -> OwnerRow | None:
        """As `Store.owner`."""
        row = self.run("SELECT id, name, machine, boot FROM owners WHERE id = ?", owner).fetchone()
        return OwnerRow(*row) if row else None

    def owners(self, *, unfinished: bool) -> list[OwnerRow]:
        """As `Store.owners`."""
        work = "EXISTS (SELECT 1 FROM entries WHERE unfinished AND owner = owners.id)"
        rows = self.run(f"SELECT id, name, machine, boot FROM owners WHERE {work} = ?", unfinished)  # noqa: S608  (constants)
        return [OwnerRow(*row) for row in rows]

    # ---------------------------------------------------------------------------------------- work

    def intents(self) -> list[Entry]:
        """As `Store.intents`."""
        return [entry_of(row) for row in self.run(f"{SELECT} WHERE unfinished AND state = 'intent'")]

    def last(self, key: str) -> Entry | None:
        """As `Store.last`."""
        row = self.run(f"{SELECT} WHERE key = ? ORDER BY attempt DESC LIMIT 1", key).fetchone()
        return entry_of(row) if row else None

    def get(self, entry: int) -> Entry | None:
        """As `Store.get`."""
        row = self.run(f"{SELECT} WHERE entries.id = ?", entry).fetchone()
        return entry_of(row) if row else None

    def tasks_of_others(self, entry: int, task_ids: Collection[str]) -> set[str]:
        """As `Store.tasks_of_others`."""
        among, ids = self.one_of(task_ids)
        known = f"SELECT task_id FROM entries WHERE id <> ? AND task_id {among}"  # noqa: S608  (constants)
        return {row[0] for row in self.run(known, entry, ids)}

    def running(self, task_id: str) -> Entry | None:
        """As `Store.running`."""
        # Few rows: uses the index of unfinished entries.
        running = "unfinished AND ? IN (task_id, external_task_id) AND state = ?"
        order = "ORDER BY task_id = ? DESC LIMIT 1"
        row = self.run(f"{SELECT} WHERE {running} {order}", task_id, EntryState.ACCEPTED, task_id).fetchone()
        return entry_of(row) if row else None

    def accepted_by(self, owner: int) -> set[int]:
        """As `Store.accepted_by`."""
        accepted = "SELECT id FROM entries WHERE unfinished AND owner = ? AND state = ?"
        return {row[0] for row in self.run(accepted, owner, EntryState.ACCEPTED)}

    def intend(self, work: Work, owner: int, now: datetime) -> Entry | None:
        """As `Store.intend`."""
        self.must_own(owner)
        if work.replaces is not None:
            refused = "SELECT 1 FROM entries WHERE id = ? AND state = ?"
            if not self.run(refused, work.replaces, EntryState.REFUSED).fetchone():
                return None
        if work.key is not None:
            there = "SELECT 1 FROM entries WHERE key = ? AND attempt >= ? AND id IS NOT ?"
            if self.run(there, work.key, work.attempt, work.replaces).fetchone():
                return None
        claim = work.claim  # before any change, since it may be refused
        reservation = None if claim is None else self.budgets.reserve(claim.budget, claim.amount, now)
        if work.replaces is not None:
            self.run("DELETE FROM entries WHERE id = ?", work.replaces)
        values: dict[str, Any] = {
            "key": work.key,
            "attempt": work.attempt,
            "endpoint": work.endpoint,
            "external_task_id": work.external_task_id,
            "request": json_text(work.request),
            "knowledge": self._knowledge_of(work.known),
            "line": work.line,
            "slots": work.slots,
            "save_to": self.path_value(work.save_to),
            "state": EntryState.INTENT,
            "owner": owner,
            "unfinished": True,
            "intended_at": now.timestamp(),
            "estimate_units": number_text(work.estimate.units),
            "estimate_usd": number_text(work.estimate.usd),
            "spending": reservation and reservation.account,
            "reservation": reservation and str(reservation.amount),
            "trace": work.trace,
        }
        places = ", ".join("?" * len(values))
        added = self.insert(f"INSERT INTO entries ({', '.join(values)}) VALUES ({places})", *values.values())  # noqa: S608  (names)
        members = attrs.asdict(work, recurse=False)
        return Entry(
            id=added,
            intended_at=now,
            owner=owner,
            **{name: value for name, value in members.items() if name not in {"replaces", "claim"}},
        )

    def withdraw(self, work: Work, owner: int, now: datetime) -> None:
        """As `Store.withdraw`."""
        mine = "owner = ? AND state = ? AND key IS ? AND endpoint = ? AND request = ? AND intended_at = ?"
        values = (owner, EntryState.INTENT, work.key, work.endpoint, json_text(work.request), now.timestamp())
        for row in list(self.run(f"SELECT id FROM entries WHERE {mine}", *values)):  # noqa: S608  (constants)
            self.closed(row[0], EntryState.REFUSED, "the journal was not reached in time; nothing was sent", now)

    def take(self, entry: int, owner: int | None) -> None:
        """As `Store.take`."""
        if owner is not None:
            self.must_own(owner)
        self.run("UPDATE entries SET owner = ? WHERE id = ?", owner, entry)

    def give(self, entry: int, owner: int, to: int) -> bool:
        """As `Store.give`."""
        self.must_own(to)
        mine = "id = ? AND owner = ? AND unfinished AND state = ?"
        given = self.run(f"UPDATE entries SET owner = ? WHERE {mine}", to, entry, owner, EntryState.ACCEPTED)  # noqa: S608  (constants)
        return given.rowcount > 0

    def let_go(self, entries: Sequence[int], owner: int) -> None:
        """As `Store.let_go`."""
        for entry in entries:
            self.run("UPDATE entries SET owner = NULL WHERE id = ? AND owner = ? AND unfinished", entry, owner)

    def aim(self, entry: int, save_to: str) -> None:
        """As `Store.aim`."""
        if self.may_change(entry):
            self._set(entry, save_to=self.path_value(save_to))

    def take_left(self, owner: int, is_gone: Callable[[int | None, Entry | None], bool]) -> list[Entry]:
        """As `Store.take_left`."""
        self.must_own(owner)
        owners = [row[0] for row in self.run("SELECT DISTINCT owner FROM entries WHERE unfinished")]
        taken: list[Entry] = []
        for gone in [each for each in owners if is_gone(each, None)]:
            left = [entry_of(row) for row in self.run(f"{SELECT} WHERE unfinished AND owner IS ?", gone)]
            mine = [entry for entry in left if is_gone(gone, entry)]
            taken += [attrs.evolve(entry, owner=owner) for entry in mine]
            if len(mine) == len(left):
                self.run("UPDATE entries SET owner = ? WHERE unfinished AND owner IS ?", owner, gone)
                continue
            for entry in mine:
                self.run("UPDATE entries SET owner = ? WHERE id = ?", owner, entry.id)
        return sorted(taken, key=lambda entry: entry.id)

    def accepted(self, entry: int, task: Task, now: datetime) -> None:
        """As `Store.accepted`."""
        # Only forwards: a late or repeated report changes nothing.
        accepted = {"state": EntryState.ACCEPTED, "task_id": task.task_id, "accepted_at": now.timestamp()}
        if self.may_change(entry):
            self._set(entry, "state = 'intent'", **accepted, error=None)
        # Given up as lost before its task was known, but it is paid for: any client may take it now.
        found = {**accepted, "ended_at": None, "unfinished": True, "owner": None}
        self._set(entry, "state = 'lost' AND task_id IS NULL", **found, error=None)

    def ended(self, entry: int, task: Task, now: datetime, *, finished: bool) -> Settled | None:
        """As `Store.ended`."""
        if not self.may_change(entry):
            return None
        cost, money = task.cost or Cost(), task.final_balance_deduction
        result: dict[str, object] = {
            "task_id": task.task_id,
            "ended_at": now.timestamp(),
            "status": task.status,
            "units": number_text(cost.units),
            "quota": number_text(cost.amount),
            "currency": cost.currency,
            "list_price": number_text(money.list_price if money else None),
            "error": printable(task.status_msg) or None,
        }
        self._set(entry, "state = 'saved' AND ended_at IS NULL", **result)  # saved before its end was recorded
        running = "state IN ('intent', 'accepted')"
        self._set(entry, running, state=EntryState.ENDED, unfinished=not finished, **result)
        return self.budgets.ended(entry, task)

    def saving(self, entry: int, place: str | None) -> None:
        """As `Store.saving`."""
        if self.may_change(entry):
            self._set(entry, saving_to=self.path_value(place))

    def saved(self, entry: int, files: Sequence[SavedFile], now: datetime) -> None:
        """As `Store.saved`."""
        if not self.may_change(entry):
            return
        row = self.run("SELECT save_to FROM entries WHERE id = ?", entry).fetchone()
        target = os.fsdecode(row[0]) if row and row[0] is not None else None
        done = {"state": EntryState.SAVED, "unfinished": False, "saved_at": now.timestamp()}
        self._set(entry, **done, files=json_text(saved_files.shortened(files, target)), saving_to=None)

    def closed(self, entry: int, state: EntryState, error: str, now: datetime) -> None:
        """As `Store.closed`."""
        if not self.may_change(entry):
            return
        self._set(entry, state=state, unfinished=False, error=printable(error), ended_at=now.timestamp())
        self.budgets.ended(entry, None, free=state is EntryState.REFUSED)

    def in_doubt(self, entry: int, error: str, *, cut_off: bool) -> None:  # noqa: ARG002  (used with leases)
        """As `Store.in_doubt`."""
        if self.may_change(entry):
            self._set(entry, "state = 'intent'", error=printable(error), owner=None)

    def entries(
        self, after: int, count: int, *, key: str | None, state: EntryState | None, endpoint: str | None
    ) -> list[Entry]:
        """As `Store.entries`."""
        wanted = {"key": key, "state": state, "endpoint": endpoint}
        given = {name: value for name, value in wanted.items() if value is not None}
        where = "".join(f" AND {name} = ?" for name in given)
        select = f"{SELECT} WHERE entries.id > ?{where} ORDER BY entries.id LIMIT ?"
        rows = self.run(select, after, *given.values(), count)
        return [entry_of(row) for row in rows]

    # --------------------------------------------------------------------- callbacks, in the table `news`

    def add_callback(self, entry: int, body: bytes, *, signed: bool) -> None:
        """As `Store.add_callback`."""
        last = self.run("SELECT coalesce(max(id), 0) FROM news").fetchone()[0]
        number = max(time.time_ns(), last + 1)  # from the clock, so that deleted numbers are not reused
        self.run("INSERT INTO news VALUES (?, ?, ?, ?)", number, entry, signed, body)

    def callbacks(self, owner: int) -> list[StoredCallback]:
        """As `Store.callbacks`."""
        owned = "news JOIN entries ON entries.id = entry WHERE owner = ?"
        rows = self.run(f"SELECT news.id, signed, body FROM {owned} ORDER BY news.id", owner)  # noqa: S608  (constants)
        return [StoredCallback(row[0], bool(row[1]), row[2]) for row in rows]

    def callbacks_of(self, entry: int) -> list[StoredCallback]:
        """As `Store.callbacks_of`."""
        rows = self.run("SELECT id, signed, body FROM news WHERE entry = ?", entry)
        return [StoredCallback(row[0], bool(row[1]), row[2]) for row in rows]

    def delete_callbacks(self, numbers: Collection[int] | None = None) -> None:
        """As `Store.delete_callbacks`."""
        if numbers is None:
            self.run("DELETE FROM news WHERE entry NOT IN (SELECT id FROM entries WHERE unfinished)")
        for one in numbers or ():
            self.run("DELETE FROM news WHERE id = ?", one)

    # ----------------------------------------------------------------------------------- internals

    def _set(self, entry: int, where: str = "TRUE", /, **values: object) -> None:
        names = ", ".join(f"{name} = ?" for name in values)
        self.run(f"UPDATE entries SET {names} WHERE id = ? AND {where}", *values.values(), entry)  # noqa: S608  (constants)

    def _knowledge_of(self, known: frozenset[str] | None) -> int | None:
        if known is None:
            return None
        if known not in self._knowledge:
            text = " ".join(sorted(known))
            self.run("INSERT INTO knowledge (members) VALUES (?) ON CONFLICT DO NOTHING", text)
            row = self.run("SELECT id FROM knowledge WHERE members = ?", text).fetchone()
            if row is None:
                raise JournalError(f"the journal is {DAMAGED}")
            self._knowledge[known] = row[0]
        return self._knowledge[known]
