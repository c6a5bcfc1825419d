"""What one client hears from others of its journal: news of its tasks that reached them, and the ends of theirs.

A callback may reach any process of a service. One about a task that another living client follows is written to the
journal, where that client looks twice a second, or is told to look. And a task that is another client's is not asked
for twice: its handle here ends when the journal says that the task has, and is asked for from then on if its client is
gone.
"""

import asyncio
import functools
import json
import logging
from collections.abc import Callable, Coroutine, Hashable
from typing import Any

import attrs

from kling_async.io.callbacks import Callbacks
from kling_async.io.poller import Poller
from kling_async.io.task_watch import TaskWatch
from kling_async.journal.client_journal import ClientJournal
from kling_async.journal.decisions import OwnerState
from kling_async.journal.entry import Entry
from kling_async.journal.store import OwnerRow, Store, StoredCallback
from kling_async.protocol.errors import KlingError
from kling_async.protocol.reference import Reference
from kling_async.protocol.tasks import Task, TaskStatus

logger = logging.getLogger("kling_async")


@attrs.frozen
class _Look:
    """What a look at the journal shows.

    Attributes:
        callbacks: of tasks of this client.
        running: those entries that have not ended, of each client whose tasks are followed here and which lives.
    """

    callbacks: list[StoredCallback]
    running: dict[OwnerRow, set[int]]


@attrs.frozen
class _Held:
    """Where the work is whose task is another client's.

    Attributes:
        entry: its number.
        owner: the client.
    """

    entry: int
    owner: OwnerRow


class Neighbours:
    """The other clients of a journal, as one client hears of them.

    Args:
        journal: of the client.
        poller: follows its tasks.
        callbacks: reads what others were told.
        has_callbacks: whether the client's tasks are told of by callbacks, so that others may have news of them.
        has_record: whether a handle of this client was made for the work of an entry.
    """

    def __init__(
        self,
        journal: ClientJournal,
        poller: Poller,
        callbacks: Callbacks,
        *,
        has_callbacks: bool,
        has_record: Callable[[int], bool],
    ) -> None:
        self._journal = journal
        self._poller = poller
        self._callbacks = callbacks
        self._has_callbacks = has_callbacks
        self._has_record = has_record
        self._held: dict[TaskWatch, _Held] = {}
        self._version: Hashable = None
        self._taken: set[int] = set()
        """News that are to be deleted still."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._looking = False
        poller.on_follow = self._look_on

    def hold(self, watch: TaskWatch) -> None:
        """Finds out whose task it is that was attached; meanwhile it is not asked for."""
        self._start(self._find_owner(watch))

    async def close(self) -> None:
        """Looks no more."""
        self._poller.on_follow = None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ------------------------------------------------------------------------------ whose task it is

    async def _find_owner(self, watch: TaskWatch) -> None:
        held: _Held | None = None
        try:
            await self._journal.open()
            entry, owner = await self._journal.look(functools.partial(self._owner_of, reference=watch.reference))
            if entry is not None and owner is not None:
                held = _Held(entry.id, owner)
                self._tell_acceptance(watch, entry)
        except KlingError as error:  # then the service is asked
            logger.debug("whose task it is: %s", error, extra={"kling_event": "journal_failed"})
        if watch.end is not None:
            return
        if held is not None:
            self._held[watch] = held
            self._look_on()
        self._poller.hold(watch, held=held is not None)

    def _owner_of(self, store: Store, *, reference: Reference) -> tuple[Entry | None, OwnerRow | None]:
        """The work that is running whose task it is, and the other client that works on it, if that lives."""
        entry = store.running(reference.id)
        if entry is None or entry.endpoint != reference.endpoint or entry.owner is None:
            return None, None
        living = self._journal.state_of(store, entry) is OwnerState.LIVING
        return entry, store.owner(entry.owner) if living else None

    def _tell_acceptance(self, watch: TaskWatch, entry: Entry) -> None:
        """What the journal knows of a task on its way."""
        if entry.accepted_at is None or watch.snapshots:
            return
        accepted = Task(
            task_id=entry.task_id or "",
            status=TaskStatus.SUBMITTED,
            endpoint=entry.endpoint,
            external_task_id=entry.external_task_id,
            created_at=entry.accepted_at,
        )
        self._poller.called_back(accepted, signed=True)

    # ------------------------------------------------------------------------------------------ looks

    def _look_on(self) -> None:
        """Looks from now on, as long as there is something that others may tell of."""
        if not self._looking:
            self._looking = True
            self._start(self._looks())

    async def _looks(self) -> None:
        heard = self._journal.others.count
        while self._held or (self._has_callbacks and not self._poller.is_idle):
            heard = await self._journal.others.wait(heard, self._journal.backend.look_seconds)
            try:
                await self._look()
            except KlingError as error:  # polling goes on
                logger.debug("the journal was not read: %s", error, extra={"kling_event": "journal_failed"})
        self._looking = False

    async def _look(self) -> None:
        await self._journal.open()
        for watch in [watch for watch in self._held if watch.end is not None]:
            del self._held[watch]
        seen = await self._journal.look(
            functools.partial(self._read, others={held.owner for held in self._held.values()})
        )
        if seen is None:
            return
        for callback in seen.callbacks:
            if callback.id not in self._taken:
                self._taken.add(callback.id)
                self._callbacks.forwarded(callback.body, signed=callback.signed)
        if self._taken:
            self._forget(set(self._taken))
        for watch, held in list(self._held.items()):
            if held.entry not in seen.running.get(held.owner, ()):
                del self._held[watch]
                self._start(self._go_on(watch, held))

    def _read(self, store: Store, *, others: set[OwnerRow]) -> _Look | None:
        """What is new; None where nothing can be."""
        living = {owner for owner in others if not self._journal.backend.is_gone(store, owner.id)}
        version = store.version()
        if version == self._version and living == others:
            return None
        callbacks = store.callbacks(self._journal.owner) if self._has_callbacks else []
        look = _Look(callbacks, {owner: store.accepted_by(owner.id) for owner in living})
        self._version = version
        return look

    def _forget(self, taken: set[int]) -> None:
        loop = asyncio.get_running_loop()

        def forgotten() -> None:
            loop.call_soon_threadsafe(self._taken.difference_update, taken)

        self._journal.enqueue(lambda store: store.delete_callbacks(taken), forgotten)

    async def _go_on(self, watch: TaskWatch, held: _Held) -> None:
        """The task of another client has ended, or that client is gone, whose work is taken if it is wanted here."""
        try:
            entry = await self._journal.look(lambda store: store.get(held.entry))
            if entry is not None and entry.cost is not None and watch.events is not None:
                watch.events.is_counted = True
            if self._has_record(held.entry):
                await self._journal.take_of_gone(held.entry)
        except KlingError as error:
            logger.debug("not taken: %s", error, extra={"kling_event": "journal_failed"})
        await self._find_owner(watch)


def forward_to_owner(store: Store, entry: int, task: Task, body: bytes, *, signed: bool) -> None:
    """Keeps a callback for the client that works on an entry.

    Args:
        store: where.
        entry: its number.
        task: as the callback tells.
        body: of the callback.
        signed: whether it is the service's word; of others only the status is kept, once.
    """
    if not signed:
        if any(not callback.signed for callback in store.callbacks_of(entry)):
            return
        body = json.dumps({"task_id": task.task_id, "task_status": task.status}).encode()
    store.add_callback(entry, body, signed=signed)
