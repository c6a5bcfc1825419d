"""Creates with a journal: one task for each key, whatever becomes of the processes that ask for it."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from typing import Any, Final
from weakref import WeakValueDictionary

import attrs

from kling_async.io.api import Api
from kling_async.io.refusals import endpoint_that_takes
from kling_async.io.submission import Sending, SubmitOptions, Submitter, new_external_task_id
from kling_async.io.target import absolute
from kling_async.io.task_watch import TaskWatch
from kling_async.io.threads import in_thread
from kling_async.journal import files
from kling_async.journal.client_journal import ClientJournal
from kling_async.journal.contents import Part, kept, known_members, marks_in, restored, split
from kling_async.journal.decisions import Conflict, Left, Open, Use, for_left, is_new
from kling_async.journal.entry import Entry, EntryState
from kling_async.journal.names import external_task_id, file_name
from kling_async.journal.record import Record, Taken
from kling_async.journal.store import Claim, Work
from kling_async.protocol.catalog import endpoint_named
from kling_async.protocol.endpoint import Endpoint
from kling_async.protocol.errors import CreateInDoubt, InvalidRequest, KeyConflict, KlingError, Remedy
from kling_async.protocol.media.image import Image
from kling_async.protocol.media.sound import Sound
from kling_async.protocol.reference import Reference
from kling_async.protocol.tasks import Task, TaskStatus
from kling_async.protocol.wire import requests
from kling_async.protocol.wire.codec import to_wire

logger = logging.getLogger("kling_async")

_LOOK_SECONDS: Final = 0.25
"""Between two looks at what another client writes about a key."""
_KINDS: Final = {kind.__name__: kind for kind in (Image, Sound)}


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


@attrs.frozen
class _Asked:
    """What somebody wants.

    Attributes:
        endpoint: that takes it.
        request: as it was given.
        options: of `submit`.
        work: as the journal keeps it.
        parts: the files of the request.
        refuse: raises where the request must not be sent; what has a task is followed all the same.
    """

    endpoint: Endpoint
    request: Any
    options: SubmitOptions
    work: Work
    parts: list[Part]
    refuse: Callable[[], None] = lambda: None


class JournalSubmitter:
    """The creates of one client that has a journal.

    Args:
        journal: of the client.
        submitter: sends.
        api: asks for tasks.
        start_watching: follows a task that is there already.
    """

    def __init__(
        self,
        journal: ClientJournal,
        submitter: Submitter,
        api: Api,
        start_watching: Callable[[Reference], TaskWatch],
    ) -> None:
        self.journal = journal
        self._submitter = submitter
        self._api = api
        self._start_watching = start_watching
        self._turns: dict[str, _Turn] = {}
        self._records: WeakValueDictionary[int, Record] = WeakValueDictionary()

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
        async with self._turn(key):
            while True:
                submitted = await self._one_step(asked)
                if submitted is not None:
                    return submitted

    def may_exist(self, entry: Entry) -> bool:
        """Whether there may be a task of an entry of this client, as far as its create has come."""
        if entry.state is not EntryState.INTENT:
            return entry.state is not EntryState.REFUSED
        own_id = entry.external_task_id or external_task_id(self.journal.id, entry.key or "", entry.attempt)
        return not self._submitter.is_unsent(own_id)

    @contextlib.asynccontextmanager
    async def _turn(self, key: str) -> AsyncIterator[None]:
        """One after the other: what the first one of this client makes is there for the others."""
        turn = self._turns.setdefault(key, _Turn())
        turn.wanted += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.wanted -= 1
            if not turn.wanted:
                del self._turns[key]

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
        record = self._record(endpoint, entry) if entry is not None and decision is Use.FOLLOW else None
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
            raise _conflict(decision, asked.work, entry)
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
                return await self._settled(asked.endpoint, entry)
            case Use.ASK:
                return await self._ask(asked.endpoint, entry)
            case Use.DOUBT:
                raise _in_doubt(asked.endpoint, entry, entry.error)
            case Use.FOLLOW:
                return self._followed(asked.endpoint, entry)

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
            return self._followed(endpoint, entry)
        now, finished = self.journal.now(), task.status is TaskStatus.FAILED or not endpoint.result.is_file
        await self.journal.do(lambda store: store.ended(entry.id, task, now, finished=finished))
        return None

    async def _new(self, asked: _Asked, own_id: str, attempt: Open) -> Submitted:
        asked.refuse()
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
        watch = await self._submitter.submit(endpoint, asked.request, asked.options, record)
        if record.entry is not None:
            self._records[record.entry.id] = record
        return Submitted(watch.reference, record, watch)

    # --------------------------------------------------------------------- what the journal has already

    def _record(self, endpoint: Endpoint, entry: Entry) -> Record:
        record = self._records.get(entry.id)
        if record is None:
            sent = entry.external_task_id or new_external_task_id()
            record = Record(self.journal, entry=entry, is_file=endpoint.result.is_file, external_task_id=sent)
            self._records[entry.id] = record
        else:
            record.entry = entry
        return record

    def _followed(self, endpoint: Endpoint, entry: Entry) -> Submitted:
        record = self._record(endpoint, entry)
        reference = Reference(entry.endpoint, entry.task_id or "")
        if entry.state is not EntryState.ACCEPTED:
            return Submitted(reference, record, None)
        watch = self._start_watching(reference)
        watch.is_new |= is_new(entry, self.journal.now())
        record.follow(watch)
        return Submitted(reference, record, watch)

    async def _settled(self, endpoint: Endpoint, entry: Entry) -> Submitted | None:
        """As `_settle`, unless it is done; None where nothing was created. What is not at its end here is anybody's."""
        own_id = external_task_id(self.journal.id, entry.key or "", entry.attempt)
        try:
            await self._submitter.while_under_way(entry.external_task_id or own_id)  # its caller was cancelled
            now = await self.journal.do(lambda store: store.get(entry.id))  # behind all that it had to tell
            if now is None or (now.task_id is None and now.state is not EntryState.INTENT):
                return None
            return self._followed(endpoint, now) if now.task_id is not None else await self._settle(endpoint, now)
        except BaseException:
            record = self._records.get(entry.id)
            if record is None or record.entry is None or record.entry.state is EntryState.INTENT:
                self._let_go([entry])
            raise

    async def _settle(self, endpoint: Endpoint, entry: Entry) -> Submitted:
        """Finds out whether there is a task; sends the same once more where the service says that there is none.

        Raises:
            CreateInDoubt: nobody will ever know.
            KlingError: as `KlingClient.submit`.
        """
        sent = entry.external_task_id
        if sent is None or for_left(entry, self.journal.now()) is Left.EXPIRED:
            error = _unknowable(endpoint, entry) if sent is None else _expired(endpoint, entry)
            await self._lost(entry, error.message)
            raise error
        endpoint = attrs.evolve(endpoint, finds_by_external_id=True)  # a path without a record may find or not
        record = self._record(endpoint, entry)
        members, resend = entry.request, True
        try:
            members = await in_thread(self._members, entry, sent)
        except InvalidRequest as error:
            logger.warning("%s is only looked up: %s", entry.reference, error, extra={"kling_event": "not_sent_again"})
            resend = False
        sending = Sending(
            given=entry.request,
            http=lambda: requests.create_of(endpoint, members),
            line=entry.line,
            slots=entry.slots,
            first_sent=entry.intended_at.timestamp(),
        )
        own_id = "external_task_id" not in entry.request
        watch = await self._submitter.settle(endpoint, sending, record, own_id=own_id, resend=resend)
        return Submitted(watch.reference, record, watch)

    async def _settled_in_turn(self, endpoint: Endpoint, entry: Entry) -> Submitted | None:
        """As `_settled`, not while `submit` does it with the same key."""
        async with self._turn(entry.key) if entry.key is not None else contextlib.nullcontext():
            return await self._settled(endpoint, entry)

    def _members(self, entry: Entry, sent: str) -> dict[str, Any]:
        """What was sent, or was about to be."""
        members = restored(entry.request, lambda mark: files.restore(self.journal.directory, mark, _KINDS))
        if self._submitter.callback_url is not None and "callback_url" in (entry.known or ()):
            members.setdefault("callback_url", self._submitter.callback_url)
        return {**members, "external_task_id": sent}

    async def called_back(self, task: Task) -> None:
        """Keeps the end of a task that is not followed here, if it is work of the journal; others are dropped.

        Args:
            task: as a callback tells, which names no endpoint.

        Raises:
            JournalError: the journal cannot be read.
        """
        await self.journal.open()
        entry = await self.journal.do(lambda store: store.running(task.task_id))
        endpoint = None if entry is None else endpoint_named(entry.endpoint)
        if entry is not None and endpoint is not None:
            self._record(endpoint, entry).ended(attrs.evolve(task, endpoint=endpoint.name))

    # ----------------------------------------------------------------------------------------- recover

    async def recover(self) -> AsyncGenerator[Submitted, None]:
        """All that clients left unfinished which are gone; what is in doubt comes last.

        Raises:
            JournalError: the journal cannot be read or written.
        """
        await self.journal.open()
        left = {entry.id: entry for entry in await self.journal.take_left()}
        try:
            async with contextlib.aclosing(self._all_of(left)) as recovered:
                async for submitted in recovered:
                    yield submitted
        finally:
            self._let_go([entry for entry in left.values() if entry.key not in self._turns])

    async def _all_of(self, left: dict[int, Entry]) -> AsyncGenerator[Submitted, None]:
        """Goes on with all that is left; takes out what it is done with."""
        in_doubt: list[tuple[Endpoint, Entry]] = []
        for entry in list(left.values()):
            endpoint = endpoint_named(entry.endpoint)
            if endpoint is None:
                logger.warning(
                    "not recovered: this version knows no endpoint %s",
                    entry.endpoint,
                    extra={"kling_event": "not_recovered", "kling_reference": entry.reference},
                )
                continue
            match for_left(entry, self.journal.now()):
                case Left.EXPIRED:
                    await self._lost(entry, _expired(endpoint, entry).message)
                case Left.UNKNOWABLE:
                    await self._lost(entry, _unknowable(endpoint, entry).message)
                case Left.FOLLOW:
                    del left[entry.id]
                    yield self._followed(endpoint, entry)
                case Left.SETTLE:
                    in_doubt.append((endpoint, entry))
        async with contextlib.aclosing(self._all_settled(in_doubt)) as settled:
            async for submitted in settled:
                if submitted.record.entry is not None:
                    left.pop(submitted.record.entry.id, None)
                yield submitted

    async def _all_settled(self, in_doubt: list[tuple[Endpoint, Entry]]) -> AsyncGenerator[Submitted, None]:
        """Settles all at once, and gives those that have a task, each as soon as that is known."""
        settling = [asyncio.ensure_future(self._settled_in_turn(endpoint, entry)) for endpoint, entry in in_doubt]
        try:
            for settled in asyncio.as_completed(settling):
                try:
                    if (found := await settled) is not None:
                        yield found
                except KlingError as error:
                    logger.warning("not recovered: %s", error, extra={"kling_event": "not_recovered"})
        finally:
            for each in settling:
                each.cancel()
            await asyncio.gather(*settling, return_exceptions=True)

    def _let_go(self, entries: Iterable[Entry]) -> None:
        """Gives back what did not come to its end here, and on which nothing works in the background."""
        self.journal.let_go(
            [entry.id for entry in entries if not self._submitter.is_undecided(entry.external_task_id or "")]
        )

    async def _lost(self, entry: Entry, why: str) -> None:
        now = self.journal.now()
        await self.journal.do(lambda store: store.closed(entry.id, EntryState.LOST, why, now))
        paid = entry.units if entry.units is not None else entry.estimate.units
        logger.warning(
            "lost: %s (%s): %s; it cost %s units",
            entry.key or entry.reference or f"a task of {entry.endpoint}",
            entry.reference,
            why,
            "an unknown number of" if paid is None else f"{paid:f}" if entry.units is not None else f"about {paid:f}",
            extra={"kling_event": "work_lost", "kling_reference": entry.reference},
        )


class _Turn:
    """Calls of one key take it in turn."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.wanted = 0
        """Calls that have it or wait for it."""


def _conflict(conflict: Conflict, work: Work, entry: Entry | None) -> KeyConflict:
    listed = "; ".join(map(str, conflict.differences))
    return KeyConflict(
        f"the key {work.key!r} belongs to another request ({listed}); use another key, or the same request",
        differences=conflict.differences,
        reference=entry.reference if entry else None,
    )


def _unknowable(endpoint: Endpoint, entry: Entry) -> CreateInDoubt:
    return _in_doubt(
        endpoint,
        entry,
        "in doubt, cannot be settled: whether there is a task is not known, and the service does not find tasks of "
        f"{endpoint.name} by their external id; it may be billed, and is never sent again under this key",
    )


def _expired(endpoint: Endpoint, entry: Entry) -> CreateInDoubt:
    return _in_doubt(
        endpoint,
        entry,
        "older than the 30 days that the service keeps tasks"
        + ("; whether it was billed is not known, and it is never sent again under this key" * (not entry.task_id)),
    )


def _in_doubt(endpoint: Endpoint, entry: Entry, message: str) -> CreateInDoubt:
    return CreateInDoubt(
        message,
        remedy=Remedy.LIST,
        endpoint=endpoint.name,
        sent_at=entry.intended_at,
    )
