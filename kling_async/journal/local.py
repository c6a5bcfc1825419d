"""The backend of a journal on this machine: a directory beside its file, with locks and the bytes of requests."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kling_async.journal import files, owners
from kling_async.journal.backend import Keep
from kling_async.journal.backend import Owner as AnyOwner
from kling_async.journal.contents import Part, marks_in
from kling_async.journal.entry import Entry
from kling_async.journal.owners import Owner
from kling_async.journal.store import OwnerRow, Store
from kling_async.protocol.errors import JournalError
from kling_async.protocol.media.given import Media


class Local:
    """The `Backend` of a journal in a file.

    Args:
        path: the journal's file.
        moved: whether unfinished work of another machine is taken over.
    """

    look_seconds = 0.5
    """Each check takes some 0.1 ms, in the journal's thread."""

    def __init__(self, path: Path, *, moved: bool) -> None:
        self._path = path
        self._moved = moved
        self.directory = Path()

    def prepare(self) -> None:
        """As `Backend.prepare`."""
        self.directory = files.prepare(self._path)

    def new_owner(self, loop: asyncio.AbstractEventLoop) -> Owner:
        """As `Backend.new_owner`."""
        return Owner(self.directory, loop)

    def check(self, store: Store) -> None:
        """As `Backend.check`."""
        if not self._moved and any(owners.is_elsewhere(each) for each in store.owners(unfinished=True)):
            raise JournalError(
                f"{self._path} has unfinished work of another machine; if the file was moved here, and that "
                "machine works on it no more, open it as Journal(path, moved=True)"
            )

    def enter(self, store: Store, owner: AnyOwner) -> int:
        """As `Backend.enter`."""
        busy, idle = store.owners(unfinished=True), store.owners(unfinished=False)
        wanted = {mark["kept"] for entry in store.intents() for mark in marks_in(entry.request) if "kept" in mark}
        for each in [*busy, *idle]:
            if owners.is_gone(self.directory, each):
                files.forget_all(self.directory, each.name, wanted)
                if each in idle:
                    store.leave(each.id)
        owners.forget_dead(self.directory, {each.name for each in busy} | {owner.name})
        return store.enter(owner.name, owners.machine(), owners.boot())

    def is_gone(self, store: Store, owner: int | None, entry: Entry | None = None) -> bool:  # noqa: ARG002  (a lock covers all entries)
        """As `Backend.is_gone`."""
        row: OwnerRow | None = None if owner is None else store.owner(owner)
        return owners.is_gone(self.directory, row)

    def keep(self, parts: Sequence[Part], marks: Sequence[Mapping[str, Any]]) -> Keep:
        """As `Backend.keep`: media given as bytes are written beside the file."""
        if parts:
            files.keep(self.directory, parts, marks)
        return lambda _store, _entry: None

    def forget(self, marks: Sequence[Mapping[str, Any]]) -> None:
        """As `Backend.forget`."""
        files.forget(self.directory, marks)

    def restore(
        self,
        mark: Mapping[str, Any],
        kinds: Mapping[str, type[Media]],
        kept: Mapping[str, bytes],  # noqa: ARG002  (the store has none)
    ) -> Media | str:
        """As `Backend.restore`."""
        return files.restore(self.directory, mark, kinds)

    def subscribe(self, notify: Callable[[], None]) -> Callable[[], None]:  # noqa: ARG002  (there are no notifications)
        """As `Backend.subscribe`: there are no notifications, so that clients rely on regular checks."""
        return lambda: None
