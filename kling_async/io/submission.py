"""Submits creates: each waits for a slot, is sent or looked up, and its task is followed."""

import asyncio
import copy
import functools
import logging
import uuid
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from os import PathLike
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypedDict

import attrs

from kling_async.io.api import Api
from kling_async.io.creates import Creates
from kling_async.io.events import Events
from kling_async.io.poller import Poller
from kling_async.io.slots import Slot, Slots
from kling_async.io.task_watch import TaskWatch
from kling_async.io.turns import Turns
from kling_async.io.under_way import CreatesUnderWay
from kling_async.io.work_events import WorkEvents
from kling_async.protocol.create_recovery import Create
from kling_async.protocol.create_rules import CreateRules
from kling_async.protocol.create_search import NO_OTHERS, Others
from kling_async.protocol.endpoint import SHOWN_WITHIN, Endpoint, Generation
from kling_async.protocol.error_codes import ACCOUNT_CODES, PACK_CODES
from kling_async.protocol.errors import ApiError, CreateInDoubt, InvalidRequest, KlingError, Problem, TaskNotFound
from kling_async.protocol.polling.durations import DurationEstimate
from kling_async.protocol.reference import Reference
from kling_async.protocol.retry import Retry, Uniform
from kling_async.protocol.tasks import Task
from kling_async.protocol.wire import requests
from kling_async.protocol.wire.requests import HttpRequest

if TYPE_CHECKING:
    from kling_async.protocol.records import Intent

logger = logging.getLogger("kling_async")

RESENT_AFTER: Final = 2 * SHOWN_WITHIN
"""Minimum seconds before a create of the current generation that does not show up is sent again."""

OWN_IDS: Final = ("kling-async-", "ka-")
"""Prefixes of generated external ids: for requests without one, and for keys of a journal."""

IfExists = Literal["raise", "adopt"]
Again = Literal["failed"]
OnDoubt = Literal["settle", "raise"]
OnIntent = Callable[["Intent"], Awaitable[None]]


class SubmitOptions(TypedDict, total=False):
    """The options of `KlingClient.submit`, which describes them."""

    strict: bool
    if_exists: IfExists
    on_doubt: OnDoubt
    deadline: float | None
    queue_deadline: float | None
    key: str | None
    again: Again | None
    save_to: "str | PathLike[str] | None"


class Record(Protocol):
    """The record of one create in a journal.

    Attributes:
        external_task_id: of the task, if the request has none.
    """

    external_task_id: str

    async def intend(self, trace: str | None) -> None:
        """Stores the intent durably; raises if that fails, and then nothing is sent.

        Args:
            trace: to store with it.
        """
        ...

    def must_hold(self) -> None:
        """Checks the lease, right before the first byte of each send.

        Raises:
            LeaseLost: another client may send the create; nothing is sent.
        """
        ...

    async def others(self, tasks: Sequence[Task], until: datetime, begun_here: Collection[str]) -> Others:
        """Returns which tasks belong to other creates, and whether others may have made one until a given time.

        Args:
            tasks: of the account.
            until: that time, by this machine's clock.
            begun_here: external ids of creates to leave out, since this client knows when it sent them.
        """
        ...

    def accepted(self, task: Task, watch: TaskWatch) -> None:
        """Records that the service has accepted the task, which is followed."""
        ...

    def failed(self, error: BaseException, *, undecided: bool) -> None:
        """Records that the create has failed; `undecided` if a task may exist."""
        ...


@attrs.frozen
class Sending:
    """A create to send.

    Attributes:
        given: the request as passed by the caller.
        http: builds the HTTP request.
        line: in which it waits for slots.
        slots: number of slots that it takes.
        estimate: how long its task takes; None if its kind is unknown.
        calls_back: whether its callbacks go to the client's address.
        first_sent: earliest time of a send by an earlier process, in seconds since 1970; None if it is new.
        path: of the request.
        work_events: of the create.
    """

    given: Any
    http: Callable[[], HttpRequest]
    line: str
    slots: int
    work_events: WorkEvents
    estimate: DurationEstimate | None = None
    calls_back: bool = False
    first_sent: float | None = None
    path: str = ""


class Submitter:
    """The creates of one client.

    Args:
        api: sends and looks up.
        slots: of the account; held by creates.
        poller: follows accepted tasks.
        retry: how a create is repeated.
        uniform: random numbers for the delays.
        on_intent: called with each create before its first byte.
        callback_url: for requests that have none.
        events: of the client.
    """

    def __init__(
        self,
        api: Api,
        slots: Slots,
        poller: Poller,
        *,
        retry: Retry,
        uniform: Uniform,
        on_intent: OnIntent | None,
        callback_url: str | None,
        events: Events,
    ) -> None:
        self._api = api
        self._creates = Creates(api)
        self._slots = slots
        self._poller = poller
        self._retry = retry
        self._uniform = uniform
        self._on_intent = on_intent
        self.callback_url = callback_url
        self.events = events
        self.under_way = CreatesUnderWay(poller, api)
        self._turns = Turns()
        self._keeps_ids: dict[str, bool] = {}
        """Whether paths of the current generation keep external ids, by their answers so far."""

    async def submit(
        self, endpoint: Endpoint, request: Any, options: SubmitOptions, record: Record | None = None
    ) -> TaskWatch:
        """Waits for a slot and creates a task; a create that may be paid for continues if the caller is cancelled.

        Raises:
            KlingError: as `KlingClient.image_to_video`.
        """
        adopt = options.get("if_exists") == "adopt"
        if adopt and not endpoint.finds_by_external_id:
            problem = "'adopt' cannot work here: the service does not find these tasks by their external id"
            raise InvalidRequest.of([Problem("if_exists", problem)])
        given_id = getattr(request, "external_task_id", None)
        own_id = given_id is None
        external_task_id = given_id or (record.external_task_id if record else new_external_task_id())
        if endpoint.finds_by_external_id:
            request = attrs.evolve(request, external_task_id=external_task_id)
        if self.callback_url is not None and getattr(request, "callback_url", "none") is None:
            request = attrs.evolve(request, callback_url=self.callback_url)
        resend = options.get("on_doubt") != "raise"
        path = endpoint.path_of(request)
        line, key = endpoint.line_of(request), options.get("key")
        work_events = self.events.of(endpoint.name, line=line, key=key, external_task_id=external_task_id)
        create = self._new(endpoint, path, external_task_id, own_id=own_id, adopt=adopt, resend=resend)
        sending = Sending(
            request,
            functools.partial(requests.create, endpoint, request),
            line,
            endpoint.slots_of(request),
            work_events,
            self._poller.durations.of(endpoint.kind_of(request), endpoint.typical_seconds(request)),
            calls_back=self.callback_url is not None and getattr(request, "callback_url", None) == self.callback_url,
            path=path,
        )
        if own_id or not create.rules.adopt:
            return await self._submit(endpoint, sending, create, options, record)
        # One at a time: the service may not show the task of the first one yet, but here the others find it.
        async with self._turns.of(create.reference) as turn:
            if turn.doubt is not None:
                raise copy.copy(turn.doubt)
            existing = await self._existing(endpoint, create, options.get("deadline"), work_events)
            if existing is not None:
                return existing
            try:
                return await self._submit(endpoint, sending, create, options, record)
            except CreateInDoubt as error:
                turn.doubt = copy.copy(error)
                raise

    async def settle(
        self, endpoint: Endpoint, sending: Sending, record: Record, *, own_id: bool, resend: bool
    ) -> TaskWatch:
        """Settles a create that an earlier process may have sent: looks it up before it sends anything.

        Args:
            endpoint: of the create; it finds tasks by their external id.
            sending: the create.
            record: of the create.
            own_id: whether its external id was generated.
            resend: whether to send it if there is no task.

        Raises:
            KlingError: as `KlingClient.image_to_video`.
        """
        create = self._new(endpoint, sending.path, record.external_task_id, own_id=own_id, adopt=False, resend=resend)
        sending.work_events.left_in_doubt()
        try:
            task = await self._api.get_task(endpoint, create.name, by_external=True)
        except TaskNotFound:
            return await self._submit(endpoint, sending, create, SubmitOptions(), record)
        except BaseException as error:
            sending.work_events.not_created(error, undecided=True)
            raise
        now, wall = asyncio.get_running_loop().time(), self._api.time()
        create.sent_before(now, wall if sending.first_sent is None else sending.first_sent, wall)
        create.looked_up(now, task, self._api.clock_offset.of_tasks)
        if isinstance(create.end, KlingError):
            record.failed(create.end, undecided=False)
            sending.work_events.not_created(create.end, undecided=True)
            raise create.end
        watch = self._follow(endpoint, task, None, sending.work_events)
        record.accepted(task, watch)
        return watch

    async def send_kept(self, endpoint: Endpoint, sending: Sending, record: Record, *, own_id: bool) -> TaskWatch:
        """Waits for a slot and sends a create whose request is stored, as `submit` does with a request object.

        Args:
            endpoint: of the create.
            sending: the create.
            record: of the create.
            own_id: whether its external id was generated.

        Raises:
            KlingError: as `KlingClient.image_to_video`.
        """
        create = self._new(endpoint, sending.path, record.external_task_id, own_id=own_id, adopt=False, resend=True)
        return await self._submit(endpoint, sending, create, SubmitOptions(), record)

    def _new(
        self, endpoint: Endpoint, path: str, external_task_id: str, *, own_id: bool, adopt: bool, resend: bool
    ) -> Create:
        is_current = endpoint.generation is Generation.CURRENT
        rules = CreateRules(
            can_look_up=endpoint.finds_by_external_id,
            own_id=own_id,
            from_key=own_id and external_task_id.startswith(OWN_IDS[1]),
            adopt=adopt,
            resend=resend,
            resend_after=RESENT_AFTER if is_current else 0.0,
            searches=is_current,
        )
        return Create(
            endpoint.name,
            external_task_id,
            rules,
            endpoint.patient(self._retry),
            self._uniform,
            belongs_to_another=functools.partial(self.under_way.is_anothers, external_task_id),
            keeps_id=lambda: self._keeps_ids.get(path),
            is_known=self.under_way.is_known,
            made_before=frozenset() if own_id else self.under_way.made_lately(),
            others_undecided=self.under_way.may_be_others,
            clock_error=self._api.task_clock_error,
        )

    async def _others(self, create: Create, record: Record | None, tasks: Sequence[Task]) -> Others:
        """Returns what the journal has about tasks that may be those of a create, and about other clients' creates."""
        if record is None:
            return NO_OTHERS
        return await record.others(tasks, create.last_send_ended, self.under_way.begun_here)

    async def _submit(
        self, endpoint: Endpoint, sending: Sending, create: Create, options: SubmitOptions, record: Record | None
    ) -> TaskWatch:
        sending.work_events.queued(sending.slots)
        try:
            slot = await self._slots.take(
                sending.line, sending.slots, pack=endpoint.pack, queue_deadline=options.get("queue_deadline")
            )
        except BaseException as error:
            sending.work_events.not_created(error, undecided=sending.first_sent is not None)
            raise

        def failed(error: BaseException) -> None:
            slot.release()
            sending.work_events.not_created(error, undecided=create.undecided)

        steps = self._create(endpoint, sending, create, slot, options.get("deadline"), record=record)
        return await self.under_way.run(steps, create, failed, inherited=sending.first_sent is not None)

    async def _existing(
        self, endpoint: Endpoint, create: Create, deadline: float | None, work_events: WorkEvents
    ) -> TaskWatch | None:
        """Follows the existing task with the caller's external id, if any; like an attached task it takes no slot.

        Raises:
            KlingError: the look-up failed; nothing was sent.
        """
        # A create with this id may be under way: its caller was cancelled, or does not adopt.
        await self.under_way.wait_for(create.external_task_id, endpoint.name)
        watch = self._poller.find(Reference.by_external_task_id(endpoint.name, create.external_task_id))
        if watch is not None:
            self._attach_events(watch, work_events)
            return watch
        try:
            task = await self._api.get_task(endpoint, create.name, by_external=True)
        except TaskNotFound:
            return None
        return self._follow(endpoint, task, deadline, work_events)

    def _attach_events(self, watch: TaskWatch, work_events: WorkEvents, task: Task | None = None) -> None:
        """Emits that a piece of work has this task, and its further events."""
        task = task or (watch.snapshots[-1] if watch.snapshots else None)
        if task is not None:
            work_events.accepted(task)
        self.events.follow(watch, work_events)

    def _follow(self, endpoint: Endpoint, task: Task, deadline: float | None, work_events: WorkEvents) -> TaskWatch:
        """Follows an existing task; it takes no slot."""
        reference = Reference(endpoint.name, task.task_id)
        watch = self._poller.find(reference)
        if watch is None:
            self._slots.attach(endpoint.pack)
            detach = functools.partial(self._slots.detach, endpoint.pack)
            watch = self._poller.follow(reference, created=task, deadline=deadline, on_end=detach)
        self._attach_events(watch, work_events, task)
        return watch

    async def _create(
        self,
        endpoint: Endpoint,
        sending: Sending,
        create: Create,
        slot: Slot,
        deadline: float | None,
        *,
        record: Record | None,
    ) -> TaskWatch:
        """Creates with a slot, which is released when the task ends; `_submit` releases it if there is no task."""
        if record is not None:
            await record.intend(sending.work_events.trace)
        try:
            if self._on_intent is not None and sending.first_sent is None:
                from kling_async.protocol.records import Intent  # noqa: PLC0415  (on first use: records take time)

                await self._on_intent(
                    Intent(reference=create.reference, external_task_id=create.id_sent, request=sending.given)
                )
            if sending.first_sent is not None:
                create.sent_before(asyncio.get_running_loop().time(), sending.first_sent, self._api.time())
            find_others = functools.partial(self._others, create, record)
            must_hold = record.must_hold if record is not None else lambda: None
            task = await self._creates.drive(
                endpoint,
                sending.http(),
                create,
                slot,
                sending.work_events,
                find_others=find_others,
                must_hold=must_hold,
            )
            self._learn(sending.path, create)
            self.under_way.made(task)
        except BaseException as error:
            if record is not None:
                record.failed(error, undecided=create.undecided)
            self._note(error, create, endpoint)
            raise
        reference = Reference(endpoint.name, task.task_id)
        watch = self._poller.find(reference)
        if watch is not None:  # adopted, and followed already: it has its own slot
            slot.release()
        else:
            slot.accepted()
            watch = self._poller.follow(
                reference,
                created=task,
                estimate=sending.estimate,
                deadline=deadline,
                calls_back=sending.calls_back,
                on_end=slot.release,
            )
        if record is not None:
            record.accepted(task, watch)
        self._attach_events(watch, sending.work_events, task)
        return watch

    def _note(self, error: BaseException, create: Create, endpoint: Endpoint) -> None:
        """Applies the failure of a create to the other creates."""
        if isinstance(error, CreateInDoubt):
            self.under_way.left_in_doubt(create)
        if isinstance(error, ApiError) and error.code in ACCOUNT_CODES | PACK_CODES:
            unsent = copy.copy(error)
            unsent.reference = None
            # Before the slot is released, which would send the next create into the same refusal.
            self._slots.fail(unsent, endpoint.pack if error.code in PACK_CODES else None)
        if isinstance(error, KlingError):
            create.about(error)

    def _learn(self, path: str, create: Create) -> None:
        """Records whether a path keeps external ids; warns once about a path that does not."""
        keeps = create.kept_id
        if keeps is None:
            return
        if not keeps and self._keeps_ids.get(path, True):
            logger.warning(
                "%s drops external_task_id: a task whose create is not answered can be found there only if it is the "
                "one that was made at that time, and is never sent again",
                path,
                extra={"kling_event": "external_id_dropped"},
            )
        self._keeps_ids[path] = keeps


def new_external_task_id() -> str:
    """Generates an external id, to look up the task of a request that has none."""
    return f"{OWN_IDS[0]}{uuid.uuid4().hex}"
