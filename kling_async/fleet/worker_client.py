"""A worker's client: uses seats as slots, can give its tasks to other clients, and saves tasks of any client."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs

from kling_async.client import KlingClient
from kling_async.fleet.worker_values import Row
from kling_async.handle import TaskHandle
from kling_async.io.seats import Seats
from kling_async.io.slots import Slots
from kling_async.io.task_watch import TaskWatch
from kling_async.journal.decisions import OwnerState
from kling_async.journal.entry import Entry, EntryState
from kling_async.journal.store import Store, Work
from kling_async.protocol.catalog import endpoint_named
from kling_async.protocol.endpoint import Endpoint
from kling_async.protocol.error_codes import ADDRESS_CODE
from kling_async.protocol.errors import (
    AuthenticationError,
    ClientClosed,
    ConfigurationError,
    ConnectionFailed,
    KlingError,
    TaskNotFound,
)
from kling_async.protocol.polling.durations import DurationEstimate
from kling_async.protocol.reference import Reference
from kling_async.protocol.tasks import Task, TaskStatus
from kling_async.protocol.wire.results import outputs_of, results_of


class WorkerClient(KlingClient):
    """A client that does not limit concurrent tasks, as the fleet's seats do. Takes the arguments of `KlingClient`."""

    def _slots_of(self, concurrency: int, queue_deadline: float | None) -> Slots:
        del concurrency, queue_deadline
        return Seats()

    async def last(self, key: str) -> tuple[Entry | None, OwnerState]:
        """Returns the last entry of a key, and the state of its owner.

        Raises:
            JournalError: the journal cannot be read.
        """
        journal = self.works.journal

        def find(store: Store) -> tuple[Entry | None, OwnerState]:
            entry = store.last(key)
            return entry, OwnerState.GONE if entry is None else journal.state_of(store, entry)

        return await journal.do(find)  # runs after all queued writes of this client

    async def is_gone(self, owner: int | None) -> bool:
        """Whether a client of the journal has died.

        Raises:
            JournalError: the journal cannot be read.
        """
        journal = self.works.journal
        return owner != journal.owner and await journal.look(
            lambda store: owner is None or journal.backend.is_gone(store, owner)
        )

    async def make(self, row: Row) -> None:
        """Sends a job, or finds out what became of it; the journal entry then determines the next step.

        Raises:
            KlingError: as `KlingClient.submit`.
        """
        await self.works.submit_kept(work_of(row), estimate=self._estimate(row))

    async def may_find(self, row: Row, entry: Entry) -> bool:
        """Whether the service shows the task of a create in doubt; True if it cannot be looked up at all.

        Raises:
            KlingError: the query failed.
        """
        if entry.external_task_id is None:
            return True
        try:
            await self.get_task(str(Reference.by_external_task_id(endpoint_of(row).name, entry.external_task_id)))
        except TaskNotFound:
            return False
        return True

    def cut_off(self, seconds: float) -> KlingError | None:
        """Returns the error because of which all queries for tasks have failed for some seconds; None otherwise."""
        now, watches = asyncio.get_running_loop().time(), self._poller.unfinished()
        if any(each.accepted_at < each.last_seen_at > now - seconds for each in watches):
            return None
        errors = (each.last_error for each in watches if each.last_seen_at <= now - seconds)
        return next((each for each in errors if each is not None and is_cut_off(each)), None)

    def is_fenced(self) -> bool:
        """Whether other clients may already be continuing its tasks."""
        return self.works.journal.is_fenced

    async def taken(self, key: str) -> tuple[Entry | None, OwnerState]:
        """Like `last`, for a task that has ended; also takes the entry over, unless a living client owns it.

        Raises:
            JournalError: the journal cannot be read or written.
        """
        journal = self.works.journal

        def take(store: Store) -> tuple[Entry | None, OwnerState]:
            entry = store.last(key)
            state = OwnerState.GONE if entry is None else journal.state_of(store, entry)
            if entry is not None and entry.state is EntryState.ENDED and state is OwnerState.GONE:
                store.take(entry.id, journal.owner)
            return entry, state

        return await journal.do(take)

    async def release(self, entry: Entry) -> None:
        """Releases the entry of a task that has ended, so that any client can save it.

        Raises:
            JournalError: the journal cannot be written.
        """
        journal = self.works.journal
        await journal.do(lambda store: store.let_go([entry.id], journal.owner))

    async def end_of(self, row: Row, entry: Entry) -> Task | KlingError:
        """Follows the task of an entry until it ends; the journal records the end."""
        watch = self._follow(row, entry)
        if watch.end is not None:
            return watch.end
        waiting = _Waiting(asyncio.get_running_loop().create_future())
        watch.listeners.append(waiting)
        try:
            return await waiting.end
        finally:
            if waiting in watch.listeners:
                watch.listeners.remove(waiting)

    def _follow(self, row: Row, entry: Entry) -> TaskWatch:
        """Follows the task like one that this client created: polling starts when it may have ended."""
        endpoint = endpoint_of(row)
        watch = self._poller.find(Reference(entry.endpoint, entry.task_id or ""))
        if watch is None:
            task = Task(
                task_id=entry.task_id or "",
                status=TaskStatus.SUBMITTED,
                endpoint=endpoint.name,
                external_task_id=entry.external_task_id,
                created_at=entry.accepted_at,
            )
            watch = self._poller.follow(
                Reference(endpoint.name, task.task_id), created=task, estimate=self._estimate(row), on_end=_nothing
            )
        self.works.record(endpoint, entry).follow(watch)
        return watch

    async def give(self, entry: Entry, to: int) -> bool:
        """Gives the task of an entry to another client and stops following it; returns whether this client owned it.

        Raises:
            JournalError: the journal cannot be written.
        """
        given = await self.works.journal.give(entry.id, to)
        watch = self._poller.find(Reference(entry.endpoint, entry.task_id or ""))
        if watch is not None:
            self._poller.forget(watch, ClientClosed("another worker follows the task", reference=entry.reference))
        return given

    async def save(self, row: Row, entry: Entry, place: str | Path) -> list[Path]:
        """Saves the files of an entry's task.

        Raises:
            KlingError: as `TaskHandle.save`.
        """
        endpoint = endpoint_of(row)
        record = self.works.record(endpoint, entry)
        reference = Reference(endpoint.name, entry.task_id or "")
        task = task_of(entry, row.result) if row.result is not None else await self.get_task(str(reference))
        watch = TaskWatch(reference, 0.0, 0.0, self._estimate(row), created_here=False, on_end=_nothing)
        watch.snapshots.append(task)
        watch.end = task
        return await self.save_all(
            TaskHandle(self, reference, watch, record), str(place), watermark=False, overwrite=False
        )

    def _estimate(self, row: Row) -> DurationEstimate:
        return self.durations.of(row.kind, row.typical_seconds)


@attrs.frozen(eq=False)
class _Waiting:
    """A listener that waits for the end of a task."""

    end: "asyncio.Future[Task | KlingError]"

    def changed(self, _task: Task, /) -> None:
        """Ignores intermediate changes."""

    def ended(self, end: Task | KlingError) -> None:
        """Passes on the end."""
        if not self.end.done():
            self.end.set_result(end)


def is_cut_off(error: KlingError) -> bool:
    """Whether the cause may be this machine's network, address or key, and not the service."""
    return isinstance(error, AuthenticationError | ConnectionFailed) or error.code == ADDRESS_CODE


def endpoint_of(row: Row) -> Endpoint:
    """Returns the endpoint of a job.

    Raises:
        ConfigurationError: this version has no endpoint of that name.
    """
    endpoint = endpoint_named(row.endpoint)
    if endpoint is None:
        raise ConfigurationError(f"this version knows no endpoint {row.endpoint}; a newer worker may")
    return endpoint


def work_of(row: Row) -> Work:
    """Returns a job in the form that the journal stores."""
    return Work(
        key=row.key,
        endpoint=row.endpoint,
        external_task_id=None,
        request=row.request,
        known=row.known,
        line=row.line,
        slots=1,
        save_to=None,
        estimate=row.estimate,
    )


def result_of(task: Task) -> dict[str, Any] | None:
    """Returns what is needed to save the files of a finished task, as JSON; None if that is not available."""
    if task.raw is None:
        return None
    ended = task.updated_at.isoformat() if task.updated_at is not None else None
    return {"raw": task.raw, "watermark": task.watermark, "ended": ended}


def task_of(entry: Entry, result: Mapping[str, Any]) -> Task:
    """Rebuilds a finished task from the value of `result_of`."""
    ended = datetime.fromisoformat(result["ended"]) if result["ended"] is not None else None
    read = outputs_of if isinstance(result["raw"], list) else results_of
    return Task(
        task_id=entry.task_id or "",
        status=TaskStatus.SUCCEED,
        endpoint=entry.endpoint,
        external_task_id=entry.external_task_id,
        updated_at=ended,
        watermark=bool(result["watermark"]),
        **read(result["raw"], ended),
    )


def _nothing() -> None:
    """Does nothing: there is no slot to release."""
