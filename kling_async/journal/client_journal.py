"""A journal as used by one client, which is an owner of work in it."""

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
    """Returns the journal itself, or the one at a path or at the DSN of a Postgres database.

    Raises:
        ConfigurationError: the value is none of these.
    """
    if isinstance(journal, str) and journal.startswith(("postgresql://", "postgres://")):
        from kling_async.journal.postgres.journal import PostgresJournal  # noqa: PLC0415  (needs an extra)

        return PostgresJournal(journal)
    return journal if isinstance(journal, AnyJournal) else Journal(journal)


class Others:
    """Notifies waiters, from any thread, that another client of the journal may have written to it."""

    def __init__(self) -> None:
        self.count = 0
        self._changed = asyncio.Event()
        self._loop: weakref.ref[asyncio.AbstractEventLoop] | None = None

    def listen(self) -> None:
        """Sets the loop whose waiters are woken."""
        self._loop = weakref.ref(asyncio.get_running_loop())

    def notify(self) -> None:
        """Called when another client may have written something."""
        loop = self._loop() if self._loop is not None else None
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self.count += 1
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def wait(self, since: int, seconds: float) -> int:
        """Waits for a notification after the given count, for some seconds at most; returns the new count."""
        if self.count == since:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
        return self.count


class ClientJournal:
    """A journal as used by one client.

    Args:
        journal: the journal.
        wall: this machine's time of day, in seconds since 1970.
        budget: the budget that is stored in it.
    """

    def __init__(self, journal: AnyJournal, wall: Callable[[], float], budget: Budget | None = None) -> None:
        self.journal = journal
        self.budget = budget
        self.backend = journal.backend
        self.id = ""
        self._wall = wall
        self._owner: Owner | None = None
        self.others = Others()
        """Notified when other clients may have written something."""
        self._unsubscribe: Callable[[], None] = lambda: None
        self._abandoned: weakref.finalize[[Owner, Writer, Callable[[], None]], ClientJournal] | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    @classmethod
    def of(
        cls, journal: AnyJournal | str | PathLike[str], wall: Callable[[], float], budget: Budget | None = None
    ) -> Self:
        """Creates one for a journal, a path or a DSN."""
        return cls(journal_of(journal), wall, budget)

    def now(self) -> datetime:
        """The time of day."""
        return datetime.fromtimestamp(self._wall(), UTC)

    async def open(self) -> None:
        """Opens the journal and becomes an owner in it; idempotent.

        Raises:
            JournalError: the journal cannot be used.
            ConfigurationError: the journal has other terms for the budget.
            ClientClosed: the client was closed in the meantime.
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
        self._unsubscribe = self.backend.subscribe(self.others.notify)
        self._abandoned = weakref.finalize(self, _abandon, owner, self.journal.writer, self._unsubscribe)
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
        """Writes what is queued, and gives up all work."""
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
            pass  # others see it by the released lock
        finally:
            self._unsubscribe()
            owner.release()
            await self.journal.writer.leave()

    # ------------------------------------------------------------------------------------------ work

    @property
    def owner(self) -> int:
        """This client's number as an owner."""
        return self._owner.id if self._owner else 0

    @property
    def is_fenced(self) -> bool:
        """Whether its lease has expired: other clients may continue its work, and it begins no more."""
        return self._owner is not None and not self._owner.holds

    def must_hold(self) -> None:
        """Checks ownership, directly before the first byte of a create.

        Raises:
            LeaseLost: this client may no longer be the owner of its work.
        """
        if self._owner is None or self.is_fenced:
            raise lease_lost()

    def new_name(self) -> str:
        """Returns a unique name for a file beside the journal, which begins with the owner's name."""
        return f"{self._owner.name if self._owner else ''}-{uuid.uuid4().hex}"

    async def do(self, work: Callable[[Store], _T]) -> _T:
        """Runs a step on the store, and waits until it is on disk.

        Raises:
            JournalError: it could not be written.
        """
        return await self.begin(work)

    def begin(self, work: Callable[[Store], _T]) -> "asyncio.Future[_T]":
        """Runs a step on the store; the future has its result once it is on disk.

        Raises:
            JournalError: the journal is closed.
        """
        return self.journal.writer.begin(self._as_actor(work))

    async def look(self, work: Callable[[Store], _T]) -> _T:
        """Runs a step that only reads the store; other processes may write meanwhile.

        Raises:
            JournalError: it could not be read.
        """
        return await self.journal.writer.begin(self._as_actor(work), only_reads=True)

    def enqueue(
        self, work: Callable[[Store], object], then: Callable[[], object] | None = None, *, at_once: bool = False
    ) -> None:
        """Queues a step on the store, and calls `then` in the writer's thread once it is on disk."""
        self.journal.writer.enqueue(self._as_actor(work), then, at_once=at_once)

    def _as_actor(self, work: Callable[[Store], _T]) -> Callable[[Store], _T]:
        actor = self.owner

        def step(store: Store) -> _T:
            store.actor = actor
            return work(store)

        return step

    async def decide(self, work: Work, *, again_if_failed: bool) -> tuple[Decision, Entry | None]:
        """Decides what to do with a key, and takes its last attempt if that has no living owner.

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
        """Returns all attempts of a key, oldest first.

        Raises:
            JournalError: the journal cannot be read.
        """
        return await self.do(lambda store: store.entries(0, _ATTEMPTS, key=key, state=None, endpoint=None))

    async def is_anothers(self, key: str) -> bool:
        """Whether another living client is working on a key.

        Raises:
            JournalError: the journal cannot be read.
        """
        return await self.do(lambda store: self._is_anothers(store, store.last(key)))

    async def take_of_gone(self, entry: int) -> None:
        """Takes an entry if its task is running and its owner is gone.

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
        """Returns the state of an entry's owner, as seen by this client."""
        if entry.owner == self.owner:
            return OwnerState.OURS
        return OwnerState.GONE if self._is_gone(store, entry.owner, entry) else OwnerState.LIVING

    def _is_gone(self, store: Store, owner: int | None, entry: Entry | None = None) -> bool:
        return owner != self.owner and self.backend.is_gone(store, owner, entry)

    async def give(self, entry: int, to: int) -> bool:
        """Gives an accepted entry to another client, which continues it; returns whether it was this client's.

        Raises:
            LeaseLost: the other client is gone.
            JournalError: the journal cannot be written.
        """
        mine = self.owner
        return await self.do(lambda store: store.give(entry, mine, to))

    async def take_left(self) -> list[Entry]:
        """Takes all unfinished entries whose owners are gone, and returns them.

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
        """Gives up entries that this client took and is not working on, so that any client may take them."""
        mine, given = self.owner, list(entries)
        if given:
            self.enqueue(lambda store: store.let_go(given, mine), at_once=True)


def _abandon(owner: Owner, writer: Writer, unsubscribe: Callable[[], None]) -> None:
    """Cleans up after a client that was collected without being closed, so that any client may take its work."""
    if not owner.forked:
        unsubscribe()
        owner.release()
        writer.abandon()
