"""A journal as one client uses it: as an owner of work."""

import asyncio
import uuid
import weakref
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Final, Self, TypeVar

import attrs

from kling_async.io.threads import begin, finished, in_thread
from kling_async.journal import files, owners
from kling_async.journal.contents import differences, marks_in
from kling_async.journal.decisions import Decision, OwnerState, Use, for_key
from kling_async.journal.entry import Entry, EntryState
from kling_async.journal.journal import Journal
from kling_async.journal.owners import Owner
from kling_async.journal.store import Store, Work
from kling_async.journal.writer import Writer
from kling_async.protocol.budget import Budget
from kling_async.protocol.errors import ClientClosed, JournalError

_T = TypeVar("_T")

_ATTEMPTS: Final = 1000


class ClientJournal:
    """One client's part of a journal.

    Args:
        journal: the file.
        wall: this machine's time of day, in seconds since 1970.
        budget: that is kept in it.
    """

    def __init__(self, journal: Journal, wall: Callable[[], float], budget: Budget | None = None) -> None:
        self.journal = journal
        self.budget = budget
        self.id = ""
        self.directory = Path()
        self._wall = wall
        self._owner: Owner | None = None
        self._abandoned: weakref.finalize[[Owner, Writer], ClientJournal] | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    @classmethod
    def of(
        cls, journal: Journal | str | PathLike[str], wall: Callable[[], float], budget: Budget | None = None
    ) -> Self:
        """Of a journal, or the path of one."""
        return cls(journal if isinstance(journal, Journal) else Journal(journal), wall, budget)

    def now(self) -> datetime:
        """The time of day."""
        return datetime.fromtimestamp(self._wall(), UTC)

    async def open(self) -> None:
        """Becomes an owner; idempotent.

        Raises:
            JournalError: it cannot be used.
            ConfigurationError: it knows other terms of the budget.
            ClientClosed: the client was closed meanwhile.
        """
        if self._owner is None:
            async with self._opening:
                if self._closed:
                    raise ClientClosed("the client was closed; nothing was sent")
                if self._owner is None:
                    await self._open()

    async def _open(self) -> None:
        self.directory = await in_thread(files.prepare, self.journal.path)
        await self.journal.writer.enter()
        try:
            owner = await self._new_owner()
            try:
                self.id, owner.id = await self.do(lambda store: self._enter(store, owner.name))
            except BaseException:
                owner.release()
                raise
        except OSError as error:
            await self.journal.writer.leave()
            raise JournalError(f"{self.directory} cannot be written: {error.strerror}") from None
        except BaseException:
            await self.journal.writer.leave()
            raise
        self._owner = owner
        self._abandoned = weakref.finalize(self, _abandon, owner, self.journal.writer)
        self._abandoned.atexit = False

    async def _new_owner(self) -> Owner:
        making = begin(Owner, self.directory, asyncio.get_running_loop())
        try:
            return await finished(making)
        except asyncio.CancelledError:
            if not making.exception():
                making.result().release()
            raise

    def _enter(self, store: Store, name: str) -> tuple[str, int]:
        busy, idle = store.owners(unfinished=True), store.owners(unfinished=False)
        if not self.journal.moved and any(owners.is_elsewhere(owner) for owner in busy):
            raise JournalError(
                f"{self.journal.path} has unfinished work of another machine; if the file was moved here, and that "
                "machine works on it no more, open it as Journal(path, moved=True)"
            )
        if self.budget is not None:
            store.budgets.agree(self.budget.terms, change=self.budget.change)
        wanted = {mark["kept"] for entry in store.intents() for mark in marks_in(entry.request) if "kept" in mark}
        for owner in [*busy, *idle]:
            if owners.is_gone(self.directory, owner):
                files.forget_all(self.directory, owner.name, wanted)
                if owner in idle:
                    store.leave(owner.id)
        store.forget_news()
        owners.forget_dead(self.directory, {owner.name for owner in busy} | {name})
        return store.id, store.enter(name, owners.machine(), owners.boot())

    async def close(self) -> None:
        """Writes what is left, and lets go of all work."""
        async with self._opening:
            self._closed = True
            owner, self._owner = self._owner, None
        if owner is None:
            return
        if self._abandoned is not None:
            self._abandoned.detach()
        try:
            await self.do(lambda store: store.leave(owner.id))
        except JournalError:
            pass  # the lock says it too
        finally:
            owner.release()
            await self.journal.writer.leave()

    # ------------------------------------------------------------------------------------------ work

    @property
    def owner(self) -> int:
        """This client's number."""
        return self._owner.id if self._owner else 0

    def new_name(self) -> str:
        """A name for what is kept beside the journal, which says whose it is."""
        return f"{self._owner.name if self._owner else ''}-{uuid.uuid4().hex}"

    async def do(self, work: Callable[[Store], _T]) -> _T:
        """Does something with the store, and waits until that is on disk.

        Raises:
            JournalError: it could not be written.
        """
        return await self.journal.writer.do(work)

    def begin(self, work: Callable[[Store], _T]) -> "asyncio.Future[_T]":
        """Does something with the store; the future has its result once that is on disk.

        Raises:
            JournalError: the journal is closed.
        """
        return self.journal.writer.begin(work)

    async def look(self, work: Callable[[Store], _T]) -> _T:
        """Reads the store, while others may write to it.

        Raises:
            JournalError: it could not be read.
        """
        return await self.journal.writer.begin(work, only_reads=True)

    def tell(
        self, work: Callable[[Store], object], then: Callable[[], object] | None = None, *, at_once: bool = False
    ) -> None:
        """Does something with the store soon, and something else, in its thread, once that is on disk."""
        self.journal.writer.tell(work, then, at_once=at_once)

    async def decide(self, work: Work, *, again_if_failed: bool) -> tuple[Decision, Entry | None]:
        """Decides about a key, and takes its last attempt where nobody works on that.

        Raises:
            JournalError: the journal cannot be read.
        """
        taken: list[int] = []
        deciding = self.begin(lambda store: self._decide(store, work, taken, again_if_failed=again_if_failed))
        try:
            return await finished(deciding)
        except asyncio.CancelledError:
            self.let_go(taken)
            raise

    def _decide(
        self, store: Store, work: Work, taken: list[int], *, again_if_failed: bool
    ) -> tuple[Decision, Entry | None]:
        last = store.last(work.key or "")
        if last is None:
            return for_key(None, OwnerState.GONE, (), again_if_failed=again_if_failed), None
        state = self.state_of(store, last.owner)
        decision = for_key(last, state, differences(last, work), again_if_failed=again_if_failed)
        if isinstance(decision, Use) and decision is not Use.WAIT and state is OwnerState.GONE:
            store.take(last.id, self.owner)
            taken.append(last.id)
            last = attrs.evolve(last, owner=self.owner)
        if isinstance(decision, Use) and work.save_to not in {None, last.save_to}:
            store.aim(last.id, work.save_to or "")
            last = attrs.evolve(last, save_to=work.save_to)
        return decision, last

    async def attempts(self, key: str) -> list[Entry]:
        """All attempts of a key, the last one last.

        Raises:
            JournalError: the journal cannot be read.
        """
        return await self.do(lambda store: store.entries(0, _ATTEMPTS, key=key, state=None, endpoint=None))

    async def is_anothers(self, key: str) -> bool:
        """Whether another client, which lives, works on a key.

        Raises:
            JournalError: the journal cannot be read.
        """
        return await self.do(lambda store: self._is_anothers(store, store.last(key)))

    async def take_of_gone(self, entry: int) -> None:
        """Takes an entry whose task runs and whose owner is gone.

        Raises:
            JournalError: the journal cannot be read or written.
        """

        def take(store: Store) -> None:
            now = store.get(entry)
            if now is None or now.state is not EntryState.ACCEPTED:
                return
            if self.state_of(store, now.owner) is OwnerState.GONE:
                store.take(entry, self.owner)

        await self.do(take)

    def _is_anothers(self, store: Store, last: Entry | None) -> bool:
        if last is None or last.state not in {EntryState.INTENT, EntryState.ACCEPTED, EntryState.ENDED}:
            return False
        return not last.failed and self.state_of(store, last.owner) is OwnerState.LIVING

    def state_of(self, store: Store, owner: int | None) -> OwnerState:
        """The client that works on something, as seen by this one."""
        if owner == self.owner:
            return OwnerState.OURS
        return OwnerState.GONE if self._is_gone(store, owner) else OwnerState.LIVING

    def _is_gone(self, store: Store, owner: int | None) -> bool:
        if owner == self.owner:
            return False
        return owner is None or owners.is_gone(self.directory, store.owner(owner))

    async def take_left(self) -> list[Entry]:
        """Takes all unfinished work whose owners are gone.

        Raises:
            JournalError: the journal cannot be read or written.
        """
        taking = self.begin(lambda store: store.take_left(self.owner, lambda owner: self._is_gone(store, owner)))
        try:
            return await finished(taking)
        except asyncio.CancelledError:
            if not taking.exception():
                self.let_go([entry.id for entry in taking.result()])
            raise

    def let_go(self, entries: Collection[int]) -> None:
        """Gives back what this client took and does not work on: anybody may have it."""
        mine, given = self.owner, list(entries)
        if given:
            self.tell(lambda store: store.let_go(given, mine), at_once=True)


def _abandon(owner: Owner, writer: Writer) -> None:
    """A client that was never closed is gone: its work is anybody's."""
    if not owner.forked:
        owner.release()
        writer.abandon()
