"""Existing entries of the journal: follows the task, or finds out whether there is one."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol
from weakref import WeakValueDictionary

import attrs

from kling_async.io.submission import Sending, Submitter, new_external_task_id
from kling_async.io.task_watch import TaskWatch
from kling_async.io.threads import in_thread
from kling_async.journal import refusals
from kling_async.journal.client_journal import ClientJournal
from kling_async.journal.contents import marks_in, restored
from kling_async.journal.decisions import Left, OwnerState, for_left, is_new
from kling_async.journal.entry import Entry, EntryState
from kling_async.journal.names import external_task_id
from kling_async.journal.neighbours import forward_to_owner
from kling_async.journal.record import Record
from kling_async.journal.store import Store
from kling_async.protocol.catalog import endpoint_named
from kling_async.protocol.endpoint import Endpoint
from kling_async.protocol.errors import InvalidRequest
from kling_async.protocol.lifecycle import failure
from kling_async.protocol.media.image import Image
from kling_async.protocol.media.sound import Sound
from kling_async.protocol.reference import Reference
from kling_async.protocol.tasks import Task, TaskStatus
from kling_async.protocol.wire import requests

logger = logging.getLogger("kling_async")

_KINDS: Final = {kind.__name__: kind for kind in (Image, Sound)}


class StartWatching(Protocol):
    """Follows an existing task."""

    def __call__(self, reference: Reference, *, own: bool, work: Record) -> TaskWatch:
        """Begins to follow a task, or joins the watch that follows it already.

        Args:
            reference: the reference of the task.
            own: whether no other client follows it.
            work: the record of the task's work.
        """
        ...


@attrs.frozen
class Submitted:
    """Work that has a task.

    Attributes:
        reference: the reference of the task.
        record: the record of the work.
        watch: the watch of the task; None if its end is known, so that it is not followed.
    """

    reference: Reference
    record: Record
    watch: TaskWatch | None


class Settling:
    """Continues entries that one client's journal has already.

    Args:
        journal: the client's journal.
        submitter: sends requests.
        start_watching: follows an existing task.
    """

    def __init__(self, journal: ClientJournal, submitter: Submitter, start_watching: StartWatching) -> None:
        self.journal = journal
        self._submitter = submitter
        self._start_watching = start_watching
        self._records: WeakValueDictionary[int, Record] = WeakValueDictionary()

    def keep(self, record: Record) -> None:
        """Registers a new record, which `record` then returns for its entry."""
        if record.entry is not None:
            self._records[record.entry.id] = record

    def has_record(self, entry: int) -> bool:
        """Whether a handle for an entry exists."""
        return entry in self._records

    def record(self, endpoint: Endpoint, entry: Entry) -> Record:
        """Returns the record of an entry; always the same one for an entry."""
        record = self._records.get(entry.id)
        if record is None:
            sent = entry.external_task_id or new_external_task_id()
            record = Record(self.journal, entry=entry, is_file=endpoint.result.is_file, external_task_id=sent)
            self._records[entry.id] = record
        else:
            record.entry = entry
        return record

    def followed(self, endpoint: Endpoint, entry: Entry) -> Submitted:
        """Follows the task of an entry."""
        record = self.record(endpoint, entry)
        reference = Reference(entry.endpoint, entry.task_id or "")
        if entry.state is not EntryState.ACCEPTED:
            return Submitted(reference, record, None)
        watch = self._start_watching(reference, own=entry.owner == self.journal.owner, work=record)
        watch.is_new |= is_new(entry, self.journal.now())
        record.follow(watch)
        return Submitted(reference, record, watch)

    async def settled(self, endpoint: Endpoint, entry: Entry) -> Submitted | None:
        """Finds out whether an entry has a task, unless that is known; None if nothing was created.

        If this fails or is cancelled, any client may take the entry.

        Raises:
            CreateInDoubt: it can never be known.
            KlingError: as `KlingClient.submit`.
        """
        own_id = external_task_id(self.journal.id, entry.key or "", entry.attempt)
        try:
            await self._submitter.under_way.wait_for(entry.external_task_id or own_id)  # its caller was cancelled
            now = await self.journal.do(lambda store: store.get(entry.id))  # after all writes this client has queued
            if now is None or (now.task_id is None and now.state is not EntryState.INTENT):
                return None
            return self.followed(endpoint, now) if now.task_id is not None else await self._settle(endpoint, now)
        except BaseException:
            record = self._records.get(entry.id)
            if record is None or record.entry is None or record.entry.state is EntryState.INTENT:
                self.let_go([entry])
            raise

    async def _settle(self, endpoint: Endpoint, entry: Entry) -> Submitted:
        """Sends the request again if the service reports that there is no task."""
        sent = entry.external_task_id
        if sent is None or for_left(entry, self.journal.now()) is Left.EXPIRED:
            error = refusals.unknowable(endpoint, entry) if sent is None else refusals.expired(endpoint, entry)
            await self.lost(entry, error.message)
            raise error
        endpoint = attrs.evolve(endpoint, finds_by_external_id=True)  # a raw path may or may not find tasks by id
        record = self.record(endpoint, entry)
        members, resend = entry.request, True
        try:
            members = await self.members(entry.request, entry.known, sent)
        except InvalidRequest as error:
            logger.warning("%s is only looked up: %s", entry.reference, error, extra={"kling_event": "not_sent_again"})
            resend = False
        work_events = self._submitter.events.of(entry.endpoint, line=entry.line, key=entry.key, external_task_id=sent)
        work_events.trace = entry.trace
        sending = Sending(
            given=entry.request,
            http=lambda: requests.create_of(endpoint, members),
            line=entry.line,
            slots=entry.slots,
            work_events=work_events,
            first_sent=entry.intended_at.timestamp(),
            path=str(entry.request.get("path", "")),
        )
        own_id = "external_task_id" not in entry.request
        watch = await self._submitter.settle(endpoint, sending, record, own_id=own_id, resend=resend)
        return Submitted(watch.reference, record, watch)

    async def members(
        self, request: Mapping[str, Any], known: frozenset[str] | None, external_task_id: str | None
    ) -> dict[str, Any]:
        """Returns the members of a request as they were sent, or are about to be.

        Args:
            request: the request as the journal stores it.
            known: the members known to the version that stored it.
            external_task_id: the id to send it with; None if it has its own, or none.

        Raises:
            InvalidRequest: a file is missing or has changed.
            JournalError: the journal cannot be read.
        """
        digests = {mark["sha256"] for mark in marks_in(request)}
        kept = await self.journal.look(lambda store: store.kept(digests)) if digests else {}
        members = await in_thread(
            lambda: restored(request, lambda mark: self.journal.backend.restore(mark, _KINDS, kept))
        )
        if self._submitter.callback_url is not None and "callback_url" in (known or ()):
            members.setdefault("callback_url", self._submitter.callback_url)
        own = {} if external_task_id is None else {"external_task_id": external_task_id}
        return {**members, **own}

    async def called_back(self, task: Task, body: bytes, *, signed: bool) -> None:
        """Applies a callback if it is about an entry of the journal; drops it otherwise.

        If another living client owns the entry, the callback is forwarded to it. If no living client follows the task,
        its end is stored, provided the service signed the callback.

        Args:
            task: the task as read from the callback, which names no endpoint.
            body: the body of the callback.
            signed: whether the service signed it.

        Raises:
            JournalError: the journal cannot be read or written.
        """
        await self.journal.open()

        def find(store: Store) -> tuple[Entry, OwnerState] | None:
            entry = store.running(task.task_id)
            return None if entry is None else (entry, self.journal.state_of(store, entry))

        found = await self.journal.look(find)
        if found is None:
            logger.debug("a callback about a task that is not followed", extra={"kling_event": "callback_dropped"})
            return
        entry, state = found
        endpoint = endpoint_named(entry.endpoint)
        if state is OwnerState.LIVING:
            await self.journal.do(lambda store: forward_to_owner(store, entry.id, task, body, signed=signed))
        elif signed and task.status.is_final and endpoint is not None:
            record, end = self.record(endpoint, entry), attrs.evolve(task, endpoint=endpoint.name)
            record.ended(end)
            work_events = self._submitter.events.of(
                entry.endpoint, line=entry.line, key=entry.key, task_id=entry.task_id
            )
            work_events.trace = entry.trace
            work_events.attached()
            work_events.ended(failure(end) if end.status is TaskStatus.FAILED else end)
            work_events.paid(end)

    def let_go(self, entries: Iterable[Entry]) -> None:
        """Gives up unfinished entries that no background task of this client is working on."""
        self.journal.let_go(
            [entry.id for entry in entries if not self._submitter.under_way.is_undecided(entry.external_task_id or "")]
        )

    async def lost(self, entry: Entry, why: str) -> None:
        """Closes an entry as lost, and logs why and what it cost."""
        now = self.journal.now()
        await self.journal.do(lambda store: store.closed(entry.id, EntryState.LOST, why, now))
        paid = entry.units if entry.units is not None else entry.estimate.units
        logger.warning(
            "lost: %s: %s; it cost %s units",
            " ".join(filter(None, [entry.key, f"({entry.reference})" if entry.reference else ""]))
            or f"a task of {entry.endpoint}",
            why,
            "an unknown number of" if paid is None else f"{paid:f}" if entry.units is not None else f"about {paid:f}",
            extra={"kling_event": "work_lost", "kling_reference": entry.reference},
        )
