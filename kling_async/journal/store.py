"""What a journal's writer needs of a store: work, owners and what is told of them; nothing of SQL.

All of it blocks, and is called by one thread.
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
    """What is asked of a budget for a piece of work.

    Attributes:
        budget: its name.
        amount: how much.
    """

    budget: str
    amount: Decimal


@attrs.frozen(kw_only=True)
class Work:
    """A piece of work that is about to be paid for; as the attributes of `Entry`, and what a budget is asked for it."""

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
        name: of its lock.
        machine: that it runs on.
        boot: of that machine.
    """

    id: int
    name: str
    machine: str
    boot: str


@attrs.frozen
class StoredCallback:
    """What a callback told another client of a task.

    Attributes:
        id: its number; none comes twice.
        signed: whether it is the service's own word.
        body: of the callback.
    """

    id: int
    signed: bool
    body: bytes


class Budgets(Protocol):
    """What budgets of a journal have given out; as parts of a step of their store."""

    def agree(self, terms: Terms, *, change: bool) -> None:
        """Keeps the terms of a budget, or compares them with those that are there.

        Args:
            terms: under their name.
            change: whether they replace others.

        Raises:
            ConfigurationError: they differ; nothing was changed.
        """
        ...

    def spending(self, name: str, now: datetime) -> Spending:
        """What a budget has given out in the window of a moment."""
        ...

    def reserve(self, name: str, amount: Decimal, now: datetime) -> Reservation:
        """Reserves an amount for what has no entry.

        Raises:
            BudgetExceeded: it does not fit; nothing was changed.
        """
        ...

    def settle(self, reservation: Reservation, counted: Decimal) -> None:
        """Counts an amount in place of what was reserved by `reserve`."""
        ...


class Store(Protocol):
    """Where work is kept. What is done within `together()` is there as a whole, or not at all, once it is left.

    Where owners are leases, what a client reports whose lease is over counts only as long as nobody else has the entry.

    Attributes:
        actor: the owner whose step it is; 0 for none.
    """

    actor: int

    @property
    def id(self) -> str:
        """The journal's own, eight letters and digits."""
        ...

    @property
    def budgets(self) -> Budgets:
        """What budgets have given out."""
        ...

    def open(self) -> None:
        """Makes it, brings it to the present version, and proves that it can be written to.

        Raises:
            JournalError: it cannot be used.
        """
        ...

    def close(self) -> None:
        """Ends; idempotent."""
        ...

    def together(self) -> AbstractContextManager[None]:
        """One step for all that is done within.

        Raises:
            JournalError: it cannot be written; nothing was changed.
        """
        ...

    def took_effect(self) -> int | None:
        """Tells once which `Interrupted` step was taken all the same, as is known when it is open again."""
        ...

    def version(self) -> Hashable:
        """Something that differs from what it was before if anything was written since, by whomever."""
        ...

    def fails_by(self, error: Exception) -> bool:
        """Whether an error within `together()` is the store's, and not that of what was to be done."""
        ...

    def enter(self, name: str, machine: str, boot: str) -> int:
        """Adds an owner."""
        ...

    def leave(self, owner: int) -> None:
        """Takes an owner away; its unfinished work, if there is any, has none then."""
        ...

    def owner(self, owner: int) -> OwnerRow | None:
        """An owner, if it has not left."""
        ...

    def owners(self, *, unfinished: bool) -> list[OwnerRow]:
        """Those that have unfinished work, or those that have none."""
        ...

    def intents(self) -> list[Entry]:
        """All that may have been sent, and whose tasks are not known."""
        ...

    def last(self, key: str) -> Entry | None:
        """The last attempt of a key."""
        ...

    def get(self, entry: int) -> Entry | None:
        """An entry, if it is there still."""
        ...

    def tasks_of_others(self, entry: int, task_ids: Collection[str]) -> set[str]:
        """Those of some tasks that are the work of another entry than this one, however long ago."""
        ...

    def running(self, task_id: str) -> Entry | None:
        """The work whose task this is, by either of its ids, if that has not ended."""
        ...

    def accepted_by(self, owner: int) -> set[int]:
        """The entries of an owner whose tasks have not ended."""
        ...

    def intend(self, work: Work, owner: int, now: datetime) -> Entry | None:
        """Keeps an intent, with what is reserved for it; None where its key and attempt are there already.

        Raises:
            BudgetExceeded: the budget has not enough left; nothing was changed.
            LeaseLost: the owner is none any more; the same of all that gives it work.
        """
        ...

    def withdraw(self, work: Work, owner: int, now: datetime) -> None:
        """Refuses an intent, if it is there: what wrote it could not tell."""
        ...

    def take(self, entry: int, owner: int | None) -> None:
        """Gives an entry to another owner."""
        ...

    def give(self, entry: int, owner: int, to: int) -> bool:
        """Gives an accepted entry of an owner to another one; whether it was that owner's.

        Raises:
            LeaseLost: the other one is none any more.
        """
        ...

    def keep(self, entry: int, parts: Mapping[str, bytes], digests: Collection[str]) -> None:
        """Keeps the bytes of an entry's request until its task is accepted or it is closed.

        Args:
            entry: its number.
            parts: bytes by their digests, as far as they are not there yet.
            digests: all of them.
        """
        ...

    def kept(self, digests: Collection[str]) -> dict[str, bytes]:
        """Bytes that are kept here, by their digests."""
        ...

    def let_go(self, entries: Sequence[int], owner: int) -> None:
        """Gives back unfinished entries, as far as they are this owner's."""
        ...

    def aim(self, entry: int, save_to: str) -> None:
        """Its files go elsewhere from now on."""
        ...

    def take_left(self, owner: int, is_gone: Callable[[int | None, Entry | None], bool]) -> list[Entry]:
        """Gives all unfinished entries whose owners are gone to this one.

        Args:
            owner: this one.
            is_gone: whether an owner is gone, and so long ago that this entry of it may be taken; None for any.
        """
        ...

    def accepted(self, entry: int, task: Task, now: datetime) -> None:
        """The service has the task."""
        ...

    def ended(self, entry: int, task: Task, now: datetime, *, finished: bool) -> Settled | None:
        """The task has ended; `finished` tells whether there is nothing to save.

        Returns:
            What was reserved for it and counts now; None where nothing was reserved.
        """
        ...

    def saving(self, entry: int, place: str | None) -> None:
        """Files are about to be saved to a place that is free; None where something else turned out to be there."""
        ...

    def saved(self, entry: int, files: Sequence[SavedFile], now: datetime) -> None:
        """All files are whole."""
        ...

    def closed(self, entry: int, state: EntryState, error: str, now: datetime) -> None:
        """Nothing more will come of it: it was refused, and what was reserved is free; or is lost, and that counts."""
        ...

    def in_doubt(self, entry: int, error: str, *, cut_off: bool) -> None:
        """It may have been sent; whoever is asked for it next settles that.

        Args:
            entry: its number.
            error: why nobody knows.
            cut_off: whether the service may be at work on it at this moment: where owners are leases, and the next one
                may be another machine, which begins at once, it waits until that is over.
        """
        ...

    def add_callback(self, entry: int, body: bytes, *, signed: bool) -> None:
        """Keeps what a callback told, for the owner of an entry."""
        ...

    def callbacks(self, owner: int) -> list[StoredCallback]:
        """What was told of the entries of an owner, oldest first."""
        ...

    def callbacks_of(self, entry: int) -> list[StoredCallback]:
        """What was told of an entry."""
        ...

    def delete_callbacks(self, numbers: Collection[int] | None = None) -> None:
        """Deletes what was read; None for all of entries that have ended."""
        ...

    def entries(
        self, after: int, count: int, *, key: str | None, state: EntryState | None, endpoint: str | None
    ) -> list[Entry]:
        """Entries in the order in which they were made, from behind a number."""
        ...


class Interrupted(JournalError):
    """The connection to a store was lost.

    Attributes:
        attempt: names the step that was about to be taken, where it is not known whether it was; `took_effect` tells.
    """

    attempt: int | None = None


def lease_lost() -> LeaseLost:
    """The error of a client that may not be the owner of its work any more."""
    return LeaseLost(
        "this client did not reach its journal for as long as its lease, so that others may go on with its work; "
        "nothing was sent: close it and make another one, where the same key goes on"
    )
