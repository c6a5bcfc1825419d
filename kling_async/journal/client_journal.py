"""A journal as one client uses it: as an owner of work."""

import asyncio
import contextlib
import uuid
import weakref
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from os import PathLike
from typing import Final, Self, TypeVar

import attrs

from kling_async.io.threads import begin, finished, in_thread
from kling_async.journal.backend import Owner
from kling_async.journal.contents import differences
from kling_async.journal.decisions import Decision, OwnerState, Use, for_key
from kling_async.journal.entry import Entry, EntryState
from kling_async.journal.journal import AnyJournal, Journal
from kling_async.journal.store import Store, Work, lease_lost
from kling_async.journal.writer import Writer
from kling_async.protocol.budget import Budget
from kling_async.protocol.errors import ClientClosed, JournalError

_T = TypeVar("_T")

_ATTEMPTS: Final = 1000


def journal_of(journal: AnyJournal | str | PathLike[str]) -> AnyJournal:
    """A journal, or the one that is at a path or in a database of Postgres.

    Raises:
        ConfigurationError: it is none of these.
    """
    if isinstance(journal, str) and journal.startswith(("postgresql://", "postgres://")):
        from kling_async.journal.postgres.journal import PostgresJournal  # noqa: PLC0415  (needs an extra)

        return PostgresJournal(journal)
    return journal if isinstance(journal, AnyJournal) else Journal(journal)


class Others:
    """Hears, in any thread, that other clients of a journal may have written something, and wakes who waits."""

    def __init__(self) -> None:
        self.count = 0
        self._changed = asyncio.Event()
        self._loop: weakref.ref[asyncio.AbstractEventLoop] | None = None

    def listen(self) -> None:
        """Wakes who waits in this loop from now on."""
        self._loop = weakref.ref(asyncio.get_running_loop())

    def hear(self) -> None:
        """Something was written."""
        loop = self._loop() if self._loop is not None else None
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # it is closed
                loop.call_soon_threadsafe(self._told)

    def _told(self) -> None:
        self.count += 1
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def wait(self, since: int, seconds: float) -> int:
        """Waits until something was heard since a count, or for some seconds; gives the count."""
        if self.count == since:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
        return self.count


class ClientJournal:
    """One client's part of a journal.

    Args:
        journal: where it is.
        wall: this machine's time of day, in seconds since 1970.
        budget: that is kept in it.
    """

    def __init__(self, journal: AnyJournal, wall: Callable[[], float], budget: Budget | None = None) -> None:
        self.journal = journal
        self.budget = budget
        self.backend = journal.backend
        self.id = ""
        self._wall = wall
        self._owner: Owner | None = None
        self.others = Others()
        """Hears when other clients may have written something."""
        self._end_hearing: Callable[[], None] = lambda: None
        self._abandoned: weakref.finalize[[Owner, Writer, Callable[[], None]], ClientJournal] | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    @classmethod
    def of(
        cls, journal: AnyJournal | str | PathLike[str], wall: Callable[[], float], budget: Budget | None = None
    ) -> Self:
        """Of a journal, or where one is."""
        return cls(journal_of(journal), wall, budget)

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
        await in_thread(self.backend.prepare)
        await self.journal.writer.enter()
        try:
            owner = await self._new_owner()
            try:
                self.id, owner.id = await self.do(lambda store: self._enter(store, owner))
            except BaseException:
                owner.release()
                raise
        except OSError as error:
            await self.journal.writer.leave()
            raise JournalError(f"{error.filename or self.journal} cannot be written: {error.strerror}") from None
        except BaseException:
            await self.journal.writer.leave()
            raise
        self._owner = owner
        self.others.listen()
        self._end_hearing = self.backend.subscribe(self.others.hear)
        self._abandoned = weakref.finalize(self, _abandon, owner, self.journal.writer, self._end_hearing)
        self._abandoned.atexit = False

    async def _new_owner(self) -> Owner:
        making = begin(self.backend.new_owner, asyncio.get_running_loop())
        try:
            return await finished(making)
        except asyncio.CancelledError:
            if not making.exception():
                making.result().release()
            raise

    def _enter(self, store: Store, owner: Owner) -> tuple[str, int]:
        self.backend.check(store)
        if self.budget is not None:
            store.budgets.agree(self.budget.terms, change=self.budget.change)
        entered = self.backend.enter(store, owner)
        store.delete_callbacks()
        return store.id, entered

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
            await self.journal.writer.begin(lambda store: store.leave(owner.id), is_patient=False)
        except JournalError:
            pass  # the lock says it too
        finally:
            self._end_hearing()
            owner.release()
            await self.journal.writer.leave()

    # ------------------------------------------------------------------------------------------ work

    @property
    def owner(self) -> int:
        """This client's number."""
        return self._owner.id if self._owner else 0

    @property
    def is_fenced(self) -> bool:
        """Whether its lease is over: others may go on with its work, and it begins none any more."""
        return self._owner is not None and not self._owner.holds

    def must_hold(self) -> None:
        """Is called directly before the first byte of a create.

        Raises:
            LeaseLost: this client may be the owner of its work no more.
        """
        if self._owner is None or self.is_fenced:
            raise lease_lost()

    def new_name(self) -> str:
        """A name for what is kept beside the journal, which says whose it is."""
        return f"{self._owner.name if self._owner else ''}-{uuid.uuid4().hex}"

    async def do(self, work: Callable[[Store], _T]) -> _T:
        """Does something with the store, and waits until that is on disk.

        Raises:
            JournalError: it could not be written.
        """
        return await self.begin(work)

    def begin(self, work: Callable[[Store], _T]) -> "asyncio.Future[_T]":
        """Does something with the store; the future has its result once that is on disk.

        Raises:
            JournalError: the journal is closed.
        """
        return self.journal.writer.begin(self._mine(work))

    async def look(self, work: Callable[[Store], _T]) -> _T:
        """Reads the store, while others may write to it.

        Raises:
            JournalError: it could not be read.
        """
        return await self.journal.writer.begin(self._mine(work), only_reads=True)

    def enqueue(
        self, work: Callable[[Store], object], then: Callable[[], object] | None = None, *, at_once: bool = False
    ) -> None:
        """Does something with the store soon, and something else, in its thread, once that is on disk."""
        self.journal.writer.enqueue(self._mine(work), then, at_once=at_once)

    def _mine(self, work: Callable[[Store], _T]) -> Callable[[Store], _T]:
        actor = self.owner

        def step(store: Store) -> _T:
            store.actor = actor
            return work(store)

        return step

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
        state = self.state_of(store, last)
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
            if self.state_of(store, now) is OwnerState.GONE:
                store.take(entry, self.owner)

        await self.do(take)

    def _is_anothers(self, store: Store, last: Entry | None) -> bool:
        if last is None or last.state not in {EntryState.INTENT, EntryState.ACCEPTED, EntryState.ENDED}:
            return False
        return not last.failed and self.state_of(store, last) is OwnerState.LIVING

    def state_of(self, store: Store, entry: Entry) -> OwnerState:
        """The client that works on an entry, as seen by this one."""
        if entry.owner == self.owner:
            return OwnerState.OURS
        return OwnerState.GONE if self._is_gone(store, entry.owner, entry) else OwnerState.LIVING

    def _is_gone(self, store: Store, owner: int | None, entry: Entry | None = None) -> bool:
        return owner != self.owner and self.backend.is_gone(store, owner, entry)

    async def give(self, entry: int, to: int) -> bool:
        """Gives an accepted entry to another client, which takes it up; whether it was this client's.

        Raises:
            LeaseLost: the other client is gone.
            JournalError: the journal cannot be written.
        """
        mine = self.owner
        return await self.do(lambda store: store.give(entry, mine, to))

    async def take_left(self) -> list[Entry]:
        """Takes all unfinished work whose owners are gone.

        Raises:
            JournalError: the journal cannot be read or written.
        """
        taking = self.begin(
            lambda store: store.take_left(self.owner, lambda owner, entry: self._is_gone(store, owner, entry))
        )
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
            self.enqueue(lambda store: store.let_go(given, mine), at_once=True)


def _abandon(owner: Owner, writer: Writer, end_hearing: Callable[[], None]) -> None:
    """A client that was never closed is gone: its work is anybody's."""
    if not owner.forked:
        end_hearing()
        owner.release()
        writer.abandon()
