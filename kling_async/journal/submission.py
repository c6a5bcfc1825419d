"""Creates with a journal: one task for each key, whatever becomes of the processes that ask for it."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

import attrs

from kling_async.io.api import Api
from kling_async.io.callbacks import Callbacks
from kling_async.io.poller import Poller
from kling_async.io.refusals import endpoint_that_takes
from kling_async.io.submission import Sending, SubmitOptions, Submitter, new_external_task_id
from kling_async.io.target import absolute
from kling_async.io.task_watch import TaskWatch
from kling_async.io.threads import in_thread
from kling_async.io.turns import Turns
from kling_async.journal import files, refusals
from kling_async.journal.client_journal import ClientJournal
from kling_async.journal.contents import Part, kept, known_members, marks_in, split
from kling_async.journal.decisions import Conflict, Open, Use
from kling_async.journal.entry import Entry, EntryState
from kling_async.journal.names import external_task_id, file_name
from kling_async.journal.neighbours import Neighbours
from kling_async.journal.record import Record, Taken
from kling_async.journal.recovery import Recovery
from kling_async.journal.settling import Settling, StartWatching, Submitted
from kling_async.journal.store import Claim, Store, Work
from kling_async.protocol.catalog import endpoint_named
from kling_async.protocol.endpoint import Endpoint
from kling_async.protocol.errors import InvalidRequest, Problem
from kling_async.protocol.polling.durations import DurationEstimate
from kling_async.protocol.tasks import TaskStatus
from kling_async.protocol.wire import requests
from kling_async.protocol.wire.codec import to_wire

logger = logging.getLogger("kling_async")

_LOOK_SECONDS: Final = 0.25
"""Between two looks at what another client writes about a key."""


@attrs.frozen
class _Asked:
    """What somebody wants.

    Attributes:
        endpoint: that takes it.
        request: as it was given; None where only its members are kept.
        options: of `submit`.
        work: as the journal keeps it.
        parts: the files of the request.
        refuse: raises where the request must not be sent; what has a task is followed all the same.
        estimate: how long the task takes, where there is no request to tell.
    """

    endpoint: Endpoint
    request: Any
    options: SubmitOptions
    work: Work
    parts: list[Part]
    refuse: Callable[[], None] = lambda: None
    estimate: DurationEstimate | None = None


class JournalSubmitter:
    """The creates of one client that has a journal.

    Args:
        journal: of the client.
        submitter: sends.
        api: asks for tasks.
        start_watching: follows a task that is there already.
        poller: follows tasks.
        callbacks: of the client; what they tell of others' work is kept from now on.
    """

    def __init__(
        self,
        journal: ClientJournal,
        submitter: Submitter,
        api: Api,
        start_watching: StartWatching,
        *,
        poller: Poller,
        callbacks: Callbacks,
    ) -> None:
        self.journal = journal
        self._submitter = submitter
        self._api = api
        self._turns = Turns()
        self._settling = Settling(journal, submitter, start_watching)
        self.recover = Recovery(self._settling, self._turns).recover
        callbacks.keep = self._settling.called_back
        has_callbacks, has_record = submitter.callback_url is not None, self._settling.has_record
        self.neighbours = Neighbours(journal, poller, callbacks, has_callbacks=has_callbacks, has_record=has_record)

    async def submit(
        self, endpoint: Endpoint, request: Any, options: SubmitOptions, refuse: Callable[[], None]
    ) -> Submitted:
        """Submits, or finds what was submitted under the key.

        Args:
            endpoint: that takes the request.
            request: to be sent.
            options: of `submit`.
            refuse: raises where the request must not be sent, for what can have become of it since it was.

        Raises:
            InvalidRequest: it must not be sent, and was not sent before.
            KeyConflict: the key belongs to another request.
            JournalError: the journal cannot be read or written; nothing was sent.
            KlingError: as `KlingClient.submit`.
        """
        await self.journal.open()
        asked = attrs.evolve(await self._asked(endpoint, request, options), refuse=refuse)
        key = asked.work.key
        if key is None:
            own_id = getattr(request, "external_task_id", None) or new_external_task_id()
            return await self._new(asked, own_id, Open())
        async with self._turns.of(key):
            while True:
                submitted = await self._one_step(asked)
                if submitted is not None:
                    return submitted

    async def submit_kept(
        self, work: Work, *, again_if_failed: bool = False, estimate: DurationEstimate | None = None
    ) -> Submitted:
        """Submits what is kept as its members, or finds what was submitted under its key.

        Args:
            work: with a key; its attempt and its external id are decided here. The files of its request are kept, too.
            again_if_failed: as `again` of `submit`.
            estimate: how long its task takes, where its kind is known.

        Raises:
            InvalidRequest: a file of it is gone; or this version knows no such endpoint.
            KlingError: as `submit`.
        """
        await self.journal.open()
        endpoint = endpoint_named(work.endpoint)
        if endpoint is None:
            raise InvalidRequest.of([Problem("endpoint", f"this version knows no {work.endpoint}")])
        options = SubmitOptions(key=work.key, again="failed" if again_if_failed else None)
        asked = _Asked(endpoint, None, options, work, [], estimate=estimate)
        async with self._turns.of(work.key or ""):
            while True:
                submitted = await self._one_step(asked)
                if submitted is not None:
                    return submitted

    async def taken_up(self) -> list[Submitted]:
        """Follows what other clients have given to this one; all that it has and did not follow yet.

        Raises:
            JournalError: the journal cannot be read.
        """
        mine = self.journal.owner

        def read(store: Store) -> list[Entry | None]:
            return [store.get(entry) for entry in store.accepted_by(mine) if not self._settling.has_record(entry)]

        found = await self.journal.look(read)
        taken = [(endpoint_named(entry.endpoint), entry) for entry in found if entry is not None]
        return [self._settling.followed(endpoint, entry) for endpoint, entry in taken if endpoint is not None]

    def record(self, endpoint: Endpoint, entry: Entry) -> Record:
        """The place of an entry; the same one for the same entry."""
        return self._settling.record(endpoint, entry)

    async def lost(self, entry: Entry, why: str) -> None:
        """Nothing can be done any more for an entry: says so, with what it cost."""
        await self._settling.lost(entry, why)

    def may_exist(self, entry: Entry) -> bool:
        """Whether there may be a task of an entry of this client, as far as its create has come."""
        if entry.state is not EntryState.INTENT:
            return entry.state is not EntryState.REFUSED
        own_id = entry.external_task_id or external_task_id(self.journal.id, entry.key or "", entry.attempt)
        return not self._submitter.under_way.is_unsent(own_id)

    async def known(self, request: Any, options: SubmitOptions) -> tuple[str, Record | None]:
        """What the files of a key are called after, and its work, if it has a task.

        Raises:
            KeyConflict: the key belongs to another request.
            JournalError: the journal cannot be read.
        """
        await self.journal.open()
        endpoint = endpoint_that_takes(request)
        asked = await self._asked(endpoint, request, options)
        decision, entry = await self._decide(asked)
        record = self._settling.record(endpoint, entry) if entry is not None and decision is Use.FOLLOW else None
        return file_name(asked.work.key or ""), record

    async def _asked(self, endpoint: Endpoint, request: Any, options: SubmitOptions) -> _Asked:
        members = to_wire(request)
        plain, parts = split(members)
        marks = await in_thread(files.marks_of, parts, self.journal.new_name()) if parts else []
        save_to = options.get("save_to")
        work = Work(
            key=options.get("key"),
            endpoint=endpoint.name,
            external_task_id=None,
            request=kept(members, marks) if parts else plain,
            known=None if endpoint.is_raw else known_members(request.__class__),
            line=endpoint.line_of(request),
            slots=endpoint.slots_of(request),
            save_to=None if save_to is None else absolute(save_to),
            estimate=endpoint.estimate(request),
        )
        return _Asked(endpoint, request, options, work, parts)

    async def _decide(self, asked: _Asked) -> tuple[Open | Use, Entry | None]:
        """What becomes of the key.

        Raises:
            KeyConflict: it belongs to another request.
        """
        again = asked.options.get("again") == "failed"
        decision, entry = await self.journal.decide(asked.work, again_if_failed=again)
        if isinstance(decision, Conflict):
            raise refusals.conflict(decision, asked.work, entry)
        return decision, entry

    async def _one_step(self, asked: _Asked) -> Submitted | None:
        """Does what the journal calls for; None where it is to be asked again."""
        decision, entry = await self._decide(asked)
        if isinstance(decision, Open):
            return await self._opened(asked, decision)
        assert entry is not None  # noqa: S101  (for checkers: only `Open` has none)
        match decision:
            case Use.WAIT:
                await asyncio.sleep(_LOOK_SECONDS)
                return None
            case Use.SETTLE:
                return await self._settling.settled(asked.endpoint, entry)
            case Use.ASK:
                return await self._ask(asked.endpoint, entry)
            case Use.DOUBT:
                raise refusals.in_doubt(asked.endpoint, entry, entry.error)
            case Use.FOLLOW:
                return self._settling.followed(asked.endpoint, entry)

    async def _opened(self, asked: _Asked, decision: Open) -> Submitted | None:
        """Begins an attempt; None where another client was quicker."""
        own_id = external_task_id(self.journal.id, asked.work.key or "", decision.attempt)
        try:
            return await self._new(asked, own_id, decision)
        except Taken:
            return None

    async def _ask(self, endpoint: Endpoint, entry: Entry) -> Submitted | None:
        """Learns whether a task has failed, which would be followed by another attempt."""
        task = await self._api.get_task(endpoint, entry.task_id or "")
        if not task.status.is_final:
            return self._settling.followed(endpoint, entry)
        now, finished = self.journal.now(), task.status is TaskStatus.FAILED or not endpoint.result.is_file
        await self.journal.do(lambda store: store.ended(entry.id, task, now, finished=finished))
        return None

    async def _new(self, asked: _Asked, own_id: str, attempt: Open) -> Submitted:
        asked.refuse()
        if asked.parts:
            files.refuse_gone(asked.parts, marks_in(asked.work.request))
        endpoint, budget = asked.endpoint, self.journal.budget
        work = attrs.evolve(
            asked.work,
            attempt=attempt.attempt,
            replaces=attempt.replaces,
            external_task_id=own_id if endpoint.finds_by_external_id else None,
            claim=Claim(budget.terms.name, budget.price_of(asked.work.estimate)) if budget is not None else None,
        )
        is_file = endpoint.result.is_file
        record = Record(self.journal, work=work, parts=asked.parts, is_file=is_file, external_task_id=own_id)
        if asked.request is None:
            watch = await self._send_kept(asked, work, record)
        else:
            watch = await self._submitter.submit(endpoint, asked.request, asked.options, record)
        self._settling.keep(record)
        return Submitted(watch.reference, record, watch)

    async def _send_kept(self, asked: _Asked, work: Work, record: Record) -> TaskWatch:
        """Sends what is kept as its members."""
        endpoint, users_id = asked.endpoint, work.request.get("external_task_id")
        record.external_task_id = users_id or record.external_task_id
        sent = record.external_task_id if endpoint.finds_by_external_id else None
        members = await self._settling.members(work.request, work.known, sent)
        calls_back = self._submitter.callback_url
        sending = Sending(
            given=work.request,
            http=lambda: requests.create_of(endpoint, members),
            line=work.line,
            slots=work.slots,
            work_events=self._submitter.events.of(endpoint.name, line=work.line, key=work.key, external_task_id=sent),
            estimate=asked.estimate,
            calls_back=calls_back is not None and members.get("callback_url") == calls_back,
            path=str(work.request.get("path", "")),
        )
        return await self._submitter.send_kept(endpoint, sending, record, own_id=users_id is None)
