"""The interface of a journal's store: entries, owners, budgets and callbacks, independent of SQL.

All methods block, and are called by one thread.
"""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

import attrs

from kling_async.journal.entry import Entry, EntryState, SavedFile
from kling_async.protocol.budget import Reservation, Settled, Spending, Terms
from kling_async.protocol.errors import JournalError, LeaseLost
from kling_async.protocol.estimate import Estimate
from kling_async.protocol.tasks import Task


@attrs.frozen
class Claim:
    """The amount to reserve in a budget for a piece of work.

    Attributes:
        budget: the name of the budget.
        amount: the amount, in the unit of the budget.
    """

    budget: str
    amount: Decimal


@attrs.frozen(kw_only=True)
class Work:
    """A piece of work that is about to be paid for: attributes as of `Entry`, and the claim on a budget."""

    key: str | None
    attempt: int = 1
    replaces: int | None = None
    endpoint: str
    external_task_id: str | None
    request: dict[str, Any]
    known: frozenset[str] | None
    line: str
    slots: int
    save_to: str | None
    estimate: Estimate
    claim: Claim | None = None
    trace: str | None = None


@attrs.frozen
class OwnerRow:
    """A client that has opened the journal.

    Attributes:
        id: its number.
        name: the name of its lock.
        machine: the id of the machine that it runs on.
        boot: the boot id of that machine.
    """

    id: int
    name: str
    machine: str
    boot: str


@attrs.frozen
class StoredCallback:
    """A callback received by another client than the one that owns the entry.

    Attributes:
        id: its number, which is never reused.
        signed: whether the service signed it.
        body: the body of the callback.
    """

    id: int
    signed: bool
    body: bytes


class Budgets(Protocol):
    """The budgets of a journal; used within a step of their store."""

    def agree(self, terms: Terms, *, change: bool) -> None:
        """Stores the terms of a budget, or compares them with the stored ones.

        Args:
            terms: the terms, which include the budget's name.
            change: whether they replace different ones.

        Raises:
            ConfigurationError: the stored terms differ; nothing was changed.
        """
        ...

    def spending(self, name: str, now: datetime) -> Spending:
        """Returns the spending of a budget in the window that contains `now`."""
        ...

    def reserve(self, name: str, amount: Decimal, now: datetime) -> Reservation:
        """Reserves an amount for a task without an entry.

        Raises:
            BudgetExceeded: the budget does not have enough left; nothing was changed.
        """
        ...

    def settle(self, reservation: Reservation, counted: Decimal) -> None:
        """Counts an amount in place of one reserved by `reserve`."""
        ...


class Store(Protocol):
    """A store of entries. All changes made within `together()` are one transaction.

    If owners have leases, the reports of a client whose lease has expired count only until another client takes the
    entry.

    Attributes:
        actor: the owner whose step is running; 0 for none.
    """

    actor: int

    @property
    def id(self) -> str:
        """The id of the journal: eight letters and digits."""
        ...

    @property
    def budgets(self) -> Budgets:
        """The budgets of the journal."""
        ...

    def open(self) -> None:
        """Opens the store: creates it if necessary, migrates it, and proves that it is writable; idempotent.

        Raises:
            JournalError: the store cannot be used.
        """
        ...

    def close(self) -> None:
        """Closes the store; idempotent."""
        ...

    def together(self) -> AbstractContextManager[None]:
        """A context in which all changes are one transaction.

        Raises:
            JournalError: the transaction failed; nothing was changed.
        """
        ...

    def took_effect(self) -> int | None:
        """Returns, once, the `Interrupted` attempt that was committed after all, as known after the next `open`."""
        ...

    def version(self) -> Hashable:
        """Returns a value that changes whenever anything was written, by this process or another."""
        ...

    def fails_by(self, error: Exception) -> bool:
        """Whether an error within `together()` is the fault of the store, not of the step."""
        ...

    def enter(self, name: str, machine: str, boot: str) -> int:
        """Adds an owner, and returns its number."""
        ...

    def leave(self, owner: int) -> None:
        """Removes an owner; its unfinished entries then have none."""
        ...

    def owner(self, owner: int) -> OwnerRow | None:
        """Returns an owner; None if it has left."""
        ...

    def owners(self, *, unfinished: bool) -> list[OwnerRow]:
        """Returns the owners that have unfinished entries, or those that have none."""
        ...

    def intents(self) -> list[Entry]:
        """Returns all entries that may have been sent and whose tasks are not known."""
        ...

    def last(self, key: str) -> Entry | None:
        """Returns the last attempt of a key."""
        ...

    def get(self, entry: int) -> Entry | None:
        """Returns an entry; None if it does not exist any more."""
        ...

    def tasks_of_others(self, entry: int, task_ids: Collection[str]) -> set[str]:
        """Returns those of the tasks that belong to other entries than this one, of any age."""
        ...

    def running(self, task_id: str) -> Entry | None:
        """Returns the entry of a task, by either of the task's ids, if the task has not ended."""
        ...

    def accepted_by(self, owner: int) -> set[int]:
        """Returns the entries of an owner whose tasks have not ended."""
        ...

    def intend(self, work: Work, owner: int, now: datetime) -> Entry | None:
        """Stores an intent and its reservation; returns None if its key and attempt exist already.

        Raises:
            BudgetExceeded: the budget does not have enough left; nothing was changed.
            LeaseLost: the owner's lease has expired; all methods that give an owner work raise this.
        """
        ...

    def withdraw(self, work: Work, owner: int, now: datetime) -> None:
        """Closes an intent as refused, if it exists: its transaction was interrupted with unknown outcome."""
        ...

    def take(self, entry: int, owner: int | None) -> None:
        """Sets the owner of an entry."""
        ...

    def give(self, entry: int, owner: int, to: int) -> bool:
        """Gives an accepted entry of one owner to another; returns whether it was the first one's.

        Raises:
            LeaseLost: the lease of the other owner has expired.
        """
        ...

    def keep(self, entry: int, parts: Mapping[str, bytes], digests: Collection[str]) -> None:
        """Stores the bytes of an entry's request until its task is accepted or it is closed.

        Args:
            entry: the number of the entry.
            parts: bytes by digest, those that are not stored yet.
            digests: the digests of all files.
        """
        ...

    def kept(self, digests: Collection[str]) -> dict[str, bytes]:
        """Returns stored bytes, by digest."""
        ...

    def let_go(self, entries: Sequence[int], owner: int) -> None:
        """Removes the owner of unfinished entries, where it is this one."""
        ...

    def aim(self, entry: int, save_to: str) -> None:
        """Changes where the files of an entry are to be saved."""
        ...

    def take_left(self, owner: int, is_gone: Callable[[int | None, Entry | None], bool]) -> list[Entry]:
        """Gives all unfinished entries of owners that are gone to this one, and returns them.

        Args:
            owner: the new owner.
            is_gone: whether an owner is gone, and for long enough that this entry may be taken; None for any entry.
        """
        ...

    def accepted(self, entry: int, task: Task, now: datetime) -> None:
        """Records that the service accepted the task."""
        ...

    def ended(self, entry: int, task: Task, now: datetime, *, finished: bool) -> Settled | None:
        """Records the end of the task; `finished` is whether there is nothing to save.

        Returns:
            The amounts reserved for it and counted now; None if nothing was reserved.
        """
        ...

    def saving(self, entry: int, place: str | None) -> None:
        """Records that files are about to be saved to a free place; None if the place turned out to be taken."""
        ...

    def saved(self, entry: int, files: Sequence[SavedFile], now: datetime) -> None:
        """Records that all files are saved."""
        ...

    def closed(self, entry: int, state: EntryState, error: str, now: datetime) -> None:
        """Closes an entry as refused, which frees its reservation, or as lost, which counts the reserved amount."""
        ...

    def in_doubt(self, entry: int, error: str, *, cut_off: bool) -> None:
        """Records that a create may have been sent, and removes its owner: the next client to take it settles it.

        Args:
            entry: the number of the entry.
            error: why the outcome is not known.
            cut_off: whether the service may be processing the request at this moment. With leases, another machine
                might take the entry at once, so it can be taken only after the request must have ended.
        """
        ...

    def add_callback(self, entry: int, body: bytes, *, signed: bool) -> None:
        """Stores a callback for the owner of an entry."""
        ...

    def callbacks(self, owner: int) -> list[StoredCallback]:
        """Returns the callbacks for the entries of an owner, oldest first."""
        ...

    def callbacks_of(self, entry: int) -> list[StoredCallback]:
        """Returns the callbacks for an entry."""
        ...

    def delete_callbacks(self, numbers: Collection[int] | None = None) -> None:
        """Deletes callbacks by number; None deletes all callbacks for finished entries."""
        ...

    def entries(
        self, after: int, count: int, *, key: str | None, state: EntryState | None, endpoint: str | None
    ) -> list[Entry]:
        """Returns up to `count` entries with numbers above `after`, in the order of their creation."""
        ...


class Interrupted(JournalError):
    """The connection to a store was lost.

    Attributes:
        attempt: the number of the transaction whose outcome is not known; `took_effect` then returns it if it was
            committed.
    """

    attempt: int | None = None


def lease_lost() -> LeaseLost:
    """Returns the error for a client that may no longer be the owner of its work."""
    return LeaseLost(
        "this client did not reach its journal for as long as its lease, so that others may go on with its work; "
        "nothing was sent: close it and make another one, where the same key goes on"
    )
