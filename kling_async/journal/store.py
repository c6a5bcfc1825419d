"""What a journal's writer needs of a store: work, owners and what is told of them; nothing of SQL.

All of it blocks, and is called by one thread.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

import attrs

from kling_async.journal.entry import Entry, EntryState, SavedFile
from kling_async.protocol.estimate import Estimate
from kling_async.protocol.tasks import Task


@attrs.frozen(kw_only=True)
class Work:
    """A piece of work that is about to be paid for; as the attributes of `Entry`."""

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


class Store(Protocol):
    """Where work is kept. What is done within `together()` is there as a whole, or not at all, once it is left."""

    @property
    def id(self) -> str:
        """The journal's own, eight letters and digits."""
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

    def intend(self, work: Work, owner: int, now: datetime) -> Entry | None:
        """Keeps an intent; None where its key and attempt are there already."""
        ...

    def take(self, entry: int, owner: int | None) -> None:
        """Gives an entry to another owner."""
        ...

    def let_go(self, entries: Sequence[int], owner: int) -> None:
        """Gives back unfinished entries, as far as they are this owner's."""
        ...

    def aim(self, entry: int, save_to: str) -> None:
        """Its files go elsewhere from now on."""
        ...

    def take_left(self, owner: int, is_gone: Callable[[int | None], bool]) -> list[Entry]:
        """Gives all unfinished entries whose owners are gone to this one."""
        ...

    def accepted(self, entry: int, task: Task, now: datetime) -> None:
        """The service has the task."""
        ...

    def ended(self, entry: int, task: Task, now: datetime, *, finished: bool) -> None:
        """The task has ended; `finished` tells whether there is nothing to save."""
        ...

    def saving(self, entry: int, place: str) -> None:
        """Files are about to be saved to a place that is free."""
        ...

    def saved(self, entry: int, files: Sequence[SavedFile], now: datetime) -> None:
        """All files are whole."""
        ...

    def closed(self, entry: int, state: EntryState, error: str, now: datetime) -> None:
        """Nothing more will come of it: it was refused or is lost."""
        ...

    def in_doubt(self, entry: int, error: str) -> None:
        """It may have been sent; whoever is asked for it next settles that."""
        ...

    def entries(
        self, after: int, count: int, *, key: str | None, state: EntryState | None, endpoint: str | None
    ) -> list[Entry]:
        """Entries in the order in which they were made, from behind a number."""
        ...
