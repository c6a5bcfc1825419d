"""Cooperation between clients that share a journal: forwarded callbacks, and tasks that another client follows.

A callback may reach any process of a deployment. If another living client follows the task, the callback is written to
the journal; that client checks the journal twice a second, or when it is notified. A task that another client follows
is not polled here as well: its handle ends when the journal has the end of the task. If the other client dies, this
client polls the task from then on.
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
class _Check:
    """The result of one check of the journal.

    Attributes:
        callbacks: about tasks of this client.
        running: by living client whose tasks handles of this client wait for: its entries that have not ended.
    """

    callbacks: list[StoredCallback]
    running: dict[OwnerRow, set[int]]


@attrs.frozen
class _Held:
    """The entry and owner of a task that another client follows.

    Attributes:
        entry: the number of the entry.
        owner: the client that follows the task.
    """

    entry: int
    owner: OwnerRow


class Neighbours:
    """The other clients of a journal, as seen by one client.

    Args:
        journal: the client's journal.
        poller: follows the client's tasks.
        callbacks: applies the callbacks that other clients forward.
        has_callbacks: whether the client uses callbacks, so that other clients may receive some of them.
        has_record: whether this client has a handle for an entry.
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
        """Callbacks that were applied but not yet deleted from the journal."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._checking = False
        poller.on_follow = self._start_checking

    def hold(self, watch: TaskWatch) -> None:
        """Looks up which client follows an attached task; until then the task is not polled."""
        self._start(self._find_owner(watch))

    async def close(self) -> None:
        """Stops checking the journal."""
        self._poller.on_follow = None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --------------------------------------------------------------------------------- owners of tasks

    async def _find_owner(self, watch: TaskWatch) -> None:
        held: _Held | None = None
        try:
            await self._journal.open()
            entry, owner = await self._journal.look(functools.partial(self._owner_of, reference=watch.reference))
            if entry is not None and owner is not None:
                held = _Held(entry.id, owner)
                self._publish_acceptance(watch, entry)
        except KlingError as error:  # then this client polls the task
            logger.debug("whose task it is: %s", error, extra={"kling_event": "journal_failed"})
        if watch.end is not None:
            return
        if held is not None:
            self._held[watch] = held
            self._start_checking()
        self._poller.hold(watch, held=held is not None)

    def _owner_of(self, store: Store, *, reference: Reference) -> tuple[Entry | None, OwnerRow | None]:
        """The running entry of a task, and its owner if that is another living client."""
        entry = store.running(reference.id)
        if entry is None or entry.endpoint != reference.endpoint or entry.owner is None:
            return None, None
        living = self._journal.state_of(store, entry) is OwnerState.LIVING
        return entry, store.owner(entry.owner) if living else None

    def _publish_acceptance(self, watch: TaskWatch, entry: Entry) -> None:
        """Publishes the acceptance that the journal has recorded, if the watch has no snapshot yet."""
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

    # ----------------------------------------------------------------------------------------- checks

    def _start_checking(self) -> None:
        """Starts checking the journal, for as long as other clients may write something of interest."""
        if not self._checking:
            self._checking = True
            self._start(self._check_loop())

    async def _check_loop(self) -> None:
        count = self._journal.others.count
        while self._held or (self._has_callbacks and not self._poller.is_idle):
            count = await self._journal.others.wait(count, self._journal.backend.look_seconds)
            try:
                await self._check()
            except KlingError as error:  # polling goes on
                logger.debug("the journal was not read: %s", error, extra={"kling_event": "journal_failed"})
        self._checking = False

    async def _check(self) -> None:
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
                self._start(self._release(watch, held))

    def _read(self, store: Store, *, others: set[OwnerRow]) -> _Check | None:
        """Reads callbacks and running entries; None if the journal has not changed."""
        living = {owner for owner in others if not self._journal.backend.is_gone(store, owner.id)}
        version = store.version()
        if version == self._version and living == others:
            return None
        callbacks = store.callbacks(self._journal.owner) if self._has_callbacks else []
        check = _Check(callbacks, {owner: store.accepted_by(owner.id) for owner in living})
        self._version = version
        return check

    def _forget(self, taken: set[int]) -> None:
        loop = asyncio.get_running_loop()

        def forgotten() -> None:
            loop.call_soon_threadsafe(self._taken.difference_update, taken)

        self._journal.enqueue(lambda store: store.delete_callbacks(taken), forgotten)

    async def _release(self, watch: TaskWatch, held: _Held) -> None:
        """Handles the end of another client's task, or that client's death: its work is taken if a handle needs it."""
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
    """Stores a callback for the owner of an entry.

    Args:
        store: where the callback is stored.
        entry: the number of the entry.
        task: the task as read from the callback.
        body: the body of the callback.
        signed: whether the service signed it; of an unsigned one only the status is stored, and only once per entry.
    """
    if not signed:
        if any(not callback.signed for callback in store.callbacks_of(entry)):
            return
        body = json.dumps({"task_id": task.task_id, "task_status": task.status}).encode()
    store.add_callback(entry, body, signed=signed)
