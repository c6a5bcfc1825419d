"""Work that the journal has already: its task is followed, or it is found out whether there is one."""

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
    """Follows a task that is there already."""

    def __call__(self, reference: Reference, *, own: bool, work: Record) -> TaskWatch:
        """Begins, or joins who follows it.

        Args:
            reference: of the task.
            own: whether no other client follows it.
            work: whose task it is.
        """
        ...


@attrs.frozen
class Submitted:
    """Work that has a task.

    Attributes:
        reference: of the task.
        record: of the work.
        watch: of the task; None where it is not followed, since its end is known.
    """

    reference: Reference
    record: Record
    watch: TaskWatch | None


class Settling:
    """What one client has in its journal already.

    Args:
        journal: of the client.
        submitter: sends.
        start_watching: follows a task that is there already.
    """

    def __init__(self, journal: ClientJournal, submitter: Submitter, start_watching: StartWatching) -> None:
        self.journal = journal
        self._submitter = submitter
        self._start_watching = start_watching
        self._records: WeakValueDictionary[int, Record] = WeakValueDictionary()

    def keep(self, record: Record) -> None:
        """A new record, which the next one that asks for its entry gets."""
        if record.entry is not None:
            self._records[record.entry.id] = record

    def has_record(self, entry: int) -> bool:
        """Whether somebody has a handle of the work of an entry."""
        return entry in self._records

    def record(self, endpoint: Endpoint, entry: Entry) -> Record:
        """The place of an entry; the same one for the same entry."""
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
        """Finds out whether there is a task, unless that is known; None where nothing was created.

        What does not come to its end here is anybody's.

        Raises:
            CreateInDoubt: nobody will ever know.
            KlingError: as `KlingClient.submit`.
        """
        own_id = external_task_id(self.journal.id, entry.key or "", entry.attempt)
        try:
            await self._submitter.under_way.wait_for(entry.external_task_id or own_id)  # its caller was cancelled
            now = await self.journal.do(lambda store: store.get(entry.id))  # behind all that it had to tell
            if now is None or (now.task_id is None and now.state is not EntryState.INTENT):
                return None
            return self.followed(endpoint, now) if now.task_id is not None else await self._settle(endpoint, now)
        except BaseException:
            record = self._records.get(entry.id)
            if record is None or record.entry is None or record.entry.state is EntryState.INTENT:
                self.let_go([entry])
            raise

    async def _settle(self, endpoint: Endpoint, entry: Entry) -> Submitted:
        """Sends the same once more where the service says that there is no task."""
        sent = entry.external_task_id
        if sent is None or for_left(entry, self.journal.now()) is Left.EXPIRED:
            error = refusals.unknowable(endpoint, entry) if sent is None else refusals.expired(endpoint, entry)
            await self.lost(entry, error.message)
            raise error
        endpoint = attrs.evolve(endpoint, finds_by_external_id=True)  # a path without a record may find or not
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
        """What was sent, or is about to be.

        Args:
            request: as it is kept.
            known: the members that the version knew which kept it.
            external_task_id: that it is sent with; None where it has its own, or none.

        Raises:
            InvalidRequest: a file is gone, or another one.
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
        """Keeps what a callback tells, if it is about work of the journal; else it is dropped.

        What another living client follows is left to it. The end of what nobody follows is kept, if the service has
        signed it.

        Args:
            task: as a callback tells, which names no endpoint.
            body: of the callback.
            signed: whether it is the service's own word.

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
        """Gives back what did not come to its end here, and on which nothing works in the background."""
        self.journal.let_go(
            [entry.id for entry in entries if not self._submitter.under_way.is_undecided(entry.external_task_id or "")]
        )

    async def lost(self, entry: Entry, why: str) -> None:
        """Nothing can be done any more: says so, with what it cost."""
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
