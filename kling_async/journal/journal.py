"""The public journal classes: the location of a journal, and its entries."""

import functools
import os
from collections.abc import AsyncGenerator, Sequence
from os import PathLike
from pathlib import Path
from typing import Final

from kling_async.io.paths import absolute, is_directory_name
from kling_async.journal.backend import Backend
from kling_async.journal.entry import Entry, EntryState
from kling_async.journal.local import Local
from kling_async.journal.sqlite import SqliteStore
from kling_async.journal.store import Store
from kling_async.journal.writer import Writer
from kling_async.protocol.errors import ConfigurationError

_PAGE: Final = 200


class AnyJournal:
    """The base class of journals.

    Attributes:
        writer: the writer thread.
        backend: the journal's owners and files of requests.
    """

    writer: Writer
    backend: Backend

    @property
    def place(self) -> str:
        """The location of the journal, without secrets."""
        raise NotImplementedError

    def exists(self) -> bool:
        """Whether the journal may exist; blocks."""
        return True

    async def entries(
        self, *, key: str | None = None, state: EntryState | None = None, endpoint: str | None = None
    ) -> AsyncGenerator[Entry, None]:
        """Yields entries, oldest first; clients may be using the journal meanwhile.

        Args:
            key: only entries with this key; None for all.
            state: only entries in this state; None for all.
            endpoint: only entries of this endpoint, such as `text2video`; None for all.

        Raises:
            JournalError: it cannot be read.
        """
        await self.writer.enter()
        try:
            after = 0
            while True:
                page = await self.writer.do(
                    functools.partial(_page, after=after, key=key, state=state, endpoint=endpoint)
                )
                for entry in page:
                    yield entry
                if len(page) < _PAGE:
                    return
                after = page[-1].id
        finally:
            await self.writer.leave()

    async def last_of(self, keys: Sequence[str]) -> dict[str, Entry]:
        """Returns the last attempt of each of the keys that the journal has.

        Raises:
            JournalError: it cannot be read.
        """
        await self.writer.enter()
        try:
            found: dict[str, Entry] = {}
            for begin in range(0, len(keys), _PAGE):
                found |= await self.writer.do(functools.partial(_last_of, keys=keys[begin : begin + _PAGE]))
            return found
        finally:
            await self.writer.leave()


class Journal(AnyJournal):
    """A journal in a file: each create is on this machine's disk before it is sent.

    Use it as `KlingClient(journal="clips.sqlite")`. Several clients and processes of one machine may share a journal.
    Beside it is a directory, `NAME.files`, with the locks of clients and the bytes of requests not accepted yet.

    Args:
        path: the file; created if it does not exist. It must not be on a network file system.
        moved: whether to take over unfinished work of another machine, from which the file was moved here.

    Raises:
        ConfigurationError: it is not a path, or is relative to a working directory that no longer exists.
    """

    def __init__(self, path: str | PathLike[str], *, moved: bool = False) -> None:
        try:
            text = absolute(path)
        except ValueError as error:
            raise ConfigurationError(f"journal: {error}") from None
        if is_directory_name(text):
            raise ConfigurationError(f"journal must be the path of a file, got {os.fsdecode(path)!r}")
        self.path = Path(text)
        self.backend: Backend = Local(self.path, moved=moved)
        self.writer = Writer(lambda: SqliteStore(self.path))

    def __repr__(self) -> str:
        """Its path."""
        return f"Journal({str(self.path)!r})"

    @property
    def place(self) -> str:
        """As `AnyJournal.place`."""
        return str(self.path)

    def exists(self) -> bool:
        """As `AnyJournal.exists`."""
        try:
            self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True  # opening it raises an error with the reason
        return True


def _last_of(store: Store, keys: Sequence[str]) -> dict[str, Entry]:
    found = [store.last(key) for key in keys]
    return {key: entry for key, entry in zip(keys, found, strict=True) if entry is not None}


def _page(store: Store, after: int, key: str | None, state: EntryState | None, endpoint: str | None) -> list[Entry]:
    return store.entries(after, _PAGE, key=key, state=state, endpoint=endpoint)
