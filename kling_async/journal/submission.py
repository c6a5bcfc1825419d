"""Creates with a journal: one task for each key, even if the processes that submit it die."""

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
"""The interval between checks of a key that another client is working on."""


@attrs.frozen
class _Submission:
    """One call of `submit` or `submit_kept`.

    Attributes:
        endpoint: the endpoint that accepts the request.
        request: the request as given; None if there are only its stored members.
        options: the options of `submit`.
        work: the work as the journal stores it.
        parts: the files of the request.
        refuse: raises if the request must not be sent; a task that exists already is followed all the same.
        estimate: how long the task takes, if there is no request to derive it from.
    """

    endpoint: Endpoint
    request: Any
    options: SubmitOptions
    work: Work
    parts: list[Part]
    refuse: Callable[[], None] = lambda: None
    estimate: DurationEstimate | None = None


class JournalSubmitter:
    """The creates of a client that has a journal.

    Args:
        journal: the client's journal.
        submitter: sends requests.
        api: queries tasks.
        start_watching: follows an existing task.
        poller: follows tasks.
        callbacks: the client's callbacks; those about other clients' tasks are written to the journal from now on.
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
        """Submits a request, or finds the one that was submitted under its key.

        Args:
            endpoint: the endpoint that accepts the request.
            request: the request to send.
            options: the options of `submit`.
            refuse: raises if the request must not be sent, for a reason that can have arisen since it was first sent.

        Raises:
            InvalidRequest: it must not be sent, and was not sent before.
            KeyConflict: the key belongs to another request.
            JournalError: the journal cannot be read or written; nothing was sent.
            KlingError: as `KlingClient.submit`.
        """
        await self.journal.open()
        submission = attrs.evolve(await self._submission_of(endpoint, request, options), refuse=refuse)
        key = submission.work.key
        if key is None:
            own_id = getattr(request, "external_task_id", None) or new_external_task_id()
            return await self._new(submission, own_id, Open())
        async with self._turns.of(key):
            while True:
                submitted = await self._one_step(submission)
                if submitted is not None:
                    return submitted

    async def submit_kept(
        self, work: Work, *, again_if_failed: bool = False, estimate: DurationEstimate | None = None
    ) -> Submitted:
        """Submits a request of which only the members are stored, or finds the one submitted under its key.

        Args:
            work: the work, with a key; its attempt and external id are decided here. The files of its request are
                stored too.
            again_if_failed: as `again` of `submit`.
            estimate: how long its task takes, if its kind is known.

        Raises:
            InvalidRequest: one of its files is missing, or this version has no such endpoint.
            KlingError: as `submit`.
        """
        await self.journal.open()
        endpoint = endpoint_named(work.endpoint)
        if endpoint is None:
            raise InvalidRequest.of([Problem("endpoint", f"this version knows no {work.endpoint}")])
        options = SubmitOptions(key=work.key, again="failed" if again_if_failed else None)
        submission = _Submission(endpoint, None, options, work, [], estimate=estimate)
        async with self._turns.of(work.key or ""):
            while True:
                submitted = await self._one_step(submission)
                if submitted is not None:
                    return submitted

    async def taken_up(self) -> list[Submitted]:
        """Follows the tasks that other clients have given to this one: all of its accepted entries without a record.

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
        """As `Settling.record`."""
        return self._settling.record(endpoint, entry)

    async def lost(self, entry: Entry, why: str) -> None:
        """As `Settling.lost`."""
        await self._settling.lost(entry, why)

    def may_exist(self, entry: Entry) -> bool:
        """Whether an entry of this client may have a task, judging by how far its create got."""
        if entry.state is not EntryState.INTENT:
            return entry.state is not EntryState.REFUSED
        own_id = entry.external_task_id or external_task_id(self.journal.id, entry.key or "", entry.attempt)
        return not self._submitter.under_way.is_unsent(own_id)

    async def known(self, request: Any, options: SubmitOptions) -> tuple[str, Record | None]:
        """Returns the base name of a key's files, and the key's record if it has a task.

        Raises:
            KeyConflict: the key belongs to another request.
            JournalError: the journal cannot be read.
        """
        await self.journal.open()
        endpoint = endpoint_that_takes(request)
        submission = await self._submission_of(endpoint, request, options)
        decision, entry = await self._decide(submission)
        record = self._settling.record(endpoint, entry) if entry is not None and decision is Use.FOLLOW else None
        return file_name(submission.work.key or ""), record

    async def _submission_of(self, endpoint: Endpoint, request: Any, options: SubmitOptions) -> _Submission:
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
        return _Submission(endpoint, request, options, work, parts)

    async def _decide(self, submission: _Submission) -> tuple[Open | Use, Entry | None]:
        """Decides what to do with the key.

        Raises:
            KeyConflict: the key belongs to another request.
        """
        again = submission.options.get("again") == "failed"
        decision, entry = await self.journal.decide(submission.work, again_if_failed=again)
        if isinstance(decision, Conflict):
            raise refusals.conflict(decision, submission.work, entry)
        return decision, entry

    async def _one_step(self, submission: _Submission) -> Submitted | None:
        """Acts on the journal's decision about the key; None if the decision has to be made again."""
        decision, entry = await self._decide(submission)
        if isinstance(decision, Open):
            return await self._opened(submission, decision)
        assert entry is not None  # noqa: S101  (for type checkers: only `Open` has none)
        match decision:
            case Use.WAIT:
                await asyncio.sleep(_LOOK_SECONDS)
                return None
            case Use.SETTLE:
                return await self._settling.settled(submission.endpoint, entry)
            case Use.QUERY:
                return await self._query(submission.endpoint, entry)
            case Use.DOUBT:
                raise refusals.in_doubt(submission.endpoint, entry, entry.error)
            case Use.FOLLOW:
                return self._settling.followed(submission.endpoint, entry)

    async def _opened(self, submission: _Submission, decision: Open) -> Submitted | None:
        """Begins an attempt; None if another client began it first."""
        own_id = external_task_id(self.journal.id, submission.work.key or "", decision.attempt)
        try:
            return await self._new(submission, own_id, decision)
        except Taken:
            return None

    async def _query(self, endpoint: Endpoint, entry: Entry) -> Submitted | None:
        """Queries a task: follows it if it is running, else records its end and returns None."""
        task = await self._api.get_task(endpoint, entry.task_id or "")
        if not task.status.is_final:
            return self._settling.followed(endpoint, entry)
        now, finished = self.journal.now(), task.status is TaskStatus.FAILED or not endpoint.result.is_file
        await self.journal.do(lambda store: store.ended(entry.id, task, now, finished=finished))
        return None

    async def _new(self, submission: _Submission, own_id: str, attempt: Open) -> Submitted:
        submission.refuse()
        if submission.parts:
            files.refuse_gone(submission.parts, marks_in(submission.work.request))
        endpoint, budget = submission.endpoint, self.journal.budget
        work = attrs.evolve(
            submission.work,
            attempt=attempt.attempt,
            replaces=attempt.replaces,
            external_task_id=own_id if endpoint.finds_by_external_id else None,
            claim=Claim(budget.terms.name, budget.price_of(submission.work.estimate)) if budget is not None else None,
        )
        is_file = endpoint.result.is_file
        record = Record(self.journal, work=work, parts=submission.parts, is_file=is_file, external_task_id=own_id)
        if submission.request is None:
            watch = await self._send_kept(submission, work, record)
        else:
            watch = await self._submitter.submit(endpoint, submission.request, submission.options, record)
        self._settling.keep(record)
        return Submitted(watch.reference, record, watch)

    async def _send_kept(self, submission: _Submission, work: Work, record: Record) -> TaskWatch:
        """Sends a request of which only the members are stored."""
        endpoint, users_id = submission.endpoint, work.request.get("external_task_id")
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
            estimate=submission.estimate,
            calls_back=calls_back is not None and members.get("callback_url") == calls_back,
            path=str(work.request.get("path", "")),
        )
        return await self._submitter.send_kept(endpoint, sending, record, own_id=users_id is None)
