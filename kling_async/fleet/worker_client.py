"""The client of a worker: seats are its slots, what it made may be given to another client, and be saved by any."""

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
    """A client whose limit of tasks is somebody else's matter. Its arguments are those of `KlingClient`."""

    def _slots_of(self, concurrency: int, queue_deadline: float | None) -> Slots:
        del concurrency, queue_deadline
        return Seats()

    async def last(self, key: str) -> tuple[Entry | None, OwnerState]:
        """The last attempt of a key, and who works on it.

        Raises:
            JournalError: the journal cannot be read.
        """
        journal = self.works.journal

        def find(store: Store) -> tuple[Entry | None, OwnerState]:
            entry = store.last(key)
            return entry, OwnerState.GONE if entry is None else journal.state_of(store, entry)

        return await journal.do(find)  # behind all that this client has to tell

    async def is_gone(self, owner: int | None) -> bool:
        """Whether a client of the journal is gone.

        Raises:
            JournalError: the journal cannot be read.
        """
        journal = self.works.journal
        return owner != journal.owner and await journal.look(
            lambda store: owner is None or journal.backend.is_gone(store, owner)
        )

    async def make(self, row: Row) -> None:
        """Sends a job, or finds out what became of it, so that the journal says what is next.

        Raises:
            KlingError: as `KlingClient.submit`.
        """
        await self.works.submit_kept(work_of(row), estimate=self._estimate(row))

    async def may_find(self, row: Row, entry: Entry) -> bool:
        """Whether the service shows the task of a create whose end is not known; also where it never does.

        Raises:
            KlingError: the service could not be asked.
        """
        if entry.external_task_id is None:
            return True
        try:
            await self.get_task(str(Reference.by_external_task_id(endpoint_of(row).name, entry.external_task_id)))
        except TaskNotFound:
            return False
        return True

    def cut_off(self, seconds: float) -> KlingError | None:
        """Why nothing is heard of its tasks from this machine; None unless that is so for some seconds."""
        now, watches = asyncio.get_running_loop().time(), self._poller.unfinished()
        if any(each.accepted_at < each.last_seen_at > now - seconds for each in watches):
            return None
        errors = (each.last_error for each in watches if each.last_seen_at <= now - seconds)
        return next((each for each in errors if each is not None and is_cut_off(each)), None)

    def is_fenced(self) -> bool:
        """Whether others may go on with what it has."""
        return self.works.journal.is_fenced

    async def taken(self, key: str) -> tuple[Entry | None, OwnerState]:
        """As `last`, of work whose task has ended: it is this client's then, unless another one has it.

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
        """Lets go of work whose task has ended: whoever saves it may take it.

        Raises:
            JournalError: the journal cannot be written.
        """
        journal = self.works.journal
        await journal.do(lambda store: store.let_go([entry.id], journal.owner))

    async def end_of(self, row: Row, entry: Entry) -> Task | KlingError:
        """Follows the task of an entry to its end, which is written to the journal."""
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
        """As one follows what one has made: it is asked for when it may have ended."""
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
        """Gives the task of an entry to another client, and follows it no longer; whether it was this client's.

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
    """Who waits for the end of a task."""

    end: "asyncio.Future[Task | KlingError]"

    def changed(self, _task: Task, /) -> None:
        """It goes on."""

    def ended(self, end: Task | KlingError) -> None:
        """There is nothing more to come."""
        if not self.end.done():
            self.end.set_result(end)


def is_cut_off(error: KlingError) -> bool:
    """Whether it may be only this machine's way to the service, or its key, that does not work."""
    return isinstance(error, AuthenticationError | ConnectionFailed) or error.code == ADDRESS_CODE


def endpoint_of(row: Row) -> Endpoint:
    """The endpoint of a job.

    Raises:
        ConfigurationError: this version knows none of that name.
    """
    endpoint = endpoint_named(row.endpoint)
    if endpoint is None:
        raise ConfigurationError(f"this version knows no endpoint {row.endpoint}; a newer worker may")
    return endpoint


def work_of(row: Row) -> Work:
    """A job as the journal keeps it."""
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
    """What is to be known of a finished task to save its files, as JSON; None where that cannot be told."""
    if task.raw is None:
        return None
    ended = task.updated_at.isoformat() if task.updated_at is not None else None
    return {"raw": task.raw, "watermark": task.watermark, "ended": ended}


def task_of(entry: Entry, result: Mapping[str, Any]) -> Task:
    """A finished task out of `result_of`."""
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
    """No slot is to be given back."""
