"""The interface for what a journal needs beside its store: ownership of work, and the bytes of requests."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from kling_async.journal.contents import Part
from kling_async.journal.entry import Entry
from kling_async.journal.store import Store
from kling_async.protocol.media.given import Media

Keep = Callable[[Store, int], None]
"""Stores what belongs to an entry, in the step that creates the entry."""


class Owner(Protocol):
    """A client's ownership of its work, for as long as the client lives.

    Attributes:
        id: its number in the journal; 0 until it has one.
        name: its unique name, which is part of the names of its files.
    """

    id: int
    name: str

    @property
    def forked(self) -> bool:
        """Whether this process is a fork of the owner's."""
        ...

    @property
    def holds(self) -> bool:
        """Whether it is certainly still the owner; checked directly before something is sent."""
        ...

    def release(self) -> None:
        """Gives up ownership; idempotent."""
        ...


class Backend(Protocol):
    """What a journal needs beside its store. All methods but `subscribe` block.

    Attributes:
        look_seconds: the interval between checks for what other clients have written.
    """

    look_seconds: float

    def prepare(self) -> None:
        """Creates what is missing.

        Raises:
            JournalError: the journal cannot be used.
        """
        ...

    def new_owner(self, loop: asyncio.AbstractEventLoop) -> Owner:
        """Returns an owner for a client on this loop; `enter` adds it to the store.

        Raises:
            OSError: it cannot be made.
            JournalError: this system does not support owners.
        """
        ...

    def check(self, store: Store) -> None:
        """Checks that it is safe to work with the store; changes nothing.

        Raises:
            JournalError: it is not.
        """
        ...

    def enter(self, store: Store, owner: Owner) -> int:
        """Adds an owner to the store, and cleans up after owners that are gone."""
        ...

    def is_gone(self, store: Store, owner: int | None, entry: Entry | None = None) -> bool:
        """Whether an owner is gone.

        Args:
            store: the store that has the owner.
            owner: the number of the owner; None for no owner.
            entry: an entry of that owner: then also whether another client may continue it now.
        """
        ...

    def keep(self, parts: Sequence[Part], marks: Sequence[Mapping[str, Any]]) -> Keep:
        """Stores the files of a request, and returns what has to be done for that in the step of the intent.

        Raises:
            JournalError: they cannot be written.
            InvalidRequest: a file cannot be read.
        """
        ...

    def forget(self, marks: Sequence[Mapping[str, Any]]) -> None:
        """Deletes stored files of a request."""
        ...

    def restore(
        self, mark: Mapping[str, Any], kinds: Mapping[str, type[Media]], kept: Mapping[str, bytes]
    ) -> Media | str:
        """Returns the file or text that a mark stands for.

        Args:
            mark: a mark in a stored request.
            kinds: the classes of media, by name.
            kept: bytes from the store, by digest.

        Raises:
            InvalidRequest: the file is missing or has changed.
        """
        ...

    def subscribe(self, notify: Callable[[], None]) -> Callable[[], None]:
        """Calls `notify`, in any thread, when other clients may have written something; returns the unsubscriber."""
        ...
