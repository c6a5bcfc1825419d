"""What a journal rests on beside its store: who works on what, and where the bytes of requests are."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from kling_async.journal.contents import Part
from kling_async.journal.entry import Entry
from kling_async.journal.store import Store
from kling_async.protocol.media.given import Media

Keep = Callable[[Store, int], None]
"""Keeps what belongs to an entry, in the step that makes it."""


class Owner(Protocol):
    """A client's ownership of its work, for as long as it lives.

    Attributes:
        id: its number in the journal; 0 as long as it has none.
        name: names what is its own.
    """

    id: int
    name: str

    @property
    def forked(self) -> bool:
        """Whether this is the child of its process."""
        ...

    @property
    def holds(self) -> bool:
        """Whether it is surely the owner still: looked at directly before something is sent."""
        ...

    def release(self) -> None:
        """Lets go; idempotent."""
        ...


class Backend(Protocol):
    """What a store alone does not have. All but `subscribe` blocks.

    Attributes:
        look_seconds: between two looks at what other clients have written.
    """

    look_seconds: float

    def prepare(self) -> None:
        """Makes what is missing.

        Raises:
            JournalError: it cannot be used.
        """
        ...

    def new_owner(self, loop: asyncio.AbstractEventLoop) -> Owner:
        """An owner that the store does not know yet, of a client that runs on this loop.

        Raises:
            OSError: it cannot be made.
            JournalError: there can be none here.
        """
        ...

    def check(self, store: Store) -> None:
        """Refuses to work where that is not safe; changes nothing.

        Raises:
            JournalError: it is not.
        """
        ...

    def enter(self, store: Store, owner: Owner) -> int:
        """Adds an owner to the store, and clears away what those that are gone have left."""
        ...

    def is_gone(self, store: Store, owner: int | None, entry: Entry | None = None) -> bool:
        """Whether an owner is gone.

        Args:
            store: that knows it.
            owner: its number; None for none.
            entry: which is its own: whether it may be gone on with.
        """
        ...

    def keep(self, parts: Sequence[Part], marks: Sequence[Mapping[str, Any]]) -> Keep:
        """Keeps the files of a request, or gives what is to be done for it together with the intent.

        Raises:
            JournalError: that cannot be written.
            InvalidRequest: a file cannot be read.
        """
        ...

    def forget(self, marks: Sequence[Mapping[str, Any]]) -> None:
        """Takes away what was kept."""
        ...

    def restore(
        self, mark: Mapping[str, Any], kinds: Mapping[str, type[Media]], kept: Mapping[str, bytes]
    ) -> Media | str:
        """What a mark stands for.

        Args:
            mark: in a request.
            kinds: of media, by their names.
            kept: bytes that the store has.

        Raises:
            InvalidRequest: the file is gone, or another one.
        """
        ...

    def subscribe(self, hear: Callable[[], None]) -> Callable[[], None]:
        """Calls this, in any thread, when other clients may have written something; gives what ends it."""
        ...
