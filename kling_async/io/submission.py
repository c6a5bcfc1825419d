"""Creates under way: each with a slot, brought to its end whatever becomes of its caller."""

import asyncio
import copy
import functools
import itertools
import logging
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from os import PathLike
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypedDict

import attrs

from kling_async.io.api import Api
from kling_async.io.events import Events
from kling_async.io.poller import Poller
from kling_async.io.slots import Slot, Slots
from kling_async.io.task_watch import TaskWatch
from kling_async.io.turns import Turns
from kling_async.io.work_events import WorkEvents
from kling_async.protocol.create_recovery import Create
from kling_async.protocol.create_search import NOBODY, Others
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

CLOSE_SECONDS: Final = 10.0
"""Seconds that `close()` gives to creates whose outcome is not known yet."""

RESENT_AFTER: Final = 2 * SHOWN_WITHIN
"""Seconds after which the current generation is sent again at the earliest what it does not show."""

OWN_IDS: Final = ("kling-async-", "ka-")
"""What external ids begin with that are made here: of requests that have none, and of keys of journals."""

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
    """The place of one create in a journal.

    Attributes:
        external_task_id: that the task gets, where the request has none.
    """

    external_task_id: str

    async def intend(self, trace: str | None) -> None:
        """Keeps it where a crash does not reach it; raises if that fails, and then nothing is sent.

        Args:
            trace: what its tracing wants to be kept with it.
        """
        ...

    async def others(self, tasks: Sequence[Task], until: datetime) -> Others:
        """Which of some tasks are another's, and whether others may have made one until a moment of this machine."""
        ...

    def accepted(self, task: Task, watch: TaskWatch) -> None:
        """The service has the task, which is followed."""
        ...

    def failed(self, error: BaseException, *, undecided: bool) -> None:
        """It ended without a task, or with one that nobody knows of."""
        ...


@attrs.frozen
class Sending:
    """What is sent.

    Attributes:
        given: the request as it was given.
        http: makes what goes out.
        line: what it stands in line for.
        slots: how many it takes.
        estimate: how long its task takes; None where its kind is not known.
        calls_back: whether it is called back at the client's address.
        first_sent: when an earlier process sent it, if it did, at the earliest: seconds since 1970; None for a new one.
        path: where it is sent to.
        told: its events.
    """

    given: Any
    http: Callable[[], HttpRequest]
    line: str
    slots: int
    told: WorkEvents
    estimate: DurationEstimate | None = None
    calls_back: bool = False
    first_sent: float | None = None
    path: str = ""


class Submitter:
    """The creates of one client.

    Args:
        api: sends and looks up.
        slots: of the account; each create holds one.
        poller: follows what was accepted.
        retry: how a create is repeated.
        uniform: random numbers for the delays.
        on_intent: sees each create before its first byte.
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
        self._slots = slots
        self._poller = poller
        self._retry = retry
        self._uniform = uniform
        self._on_intent = on_intent
        self.callback_url = callback_url
        self.events = events
        self._under_way: dict[asyncio.Task[TaskWatch], Create] = {}
        self._orphans: dict[object, str | None] = {}
        """Creates without a caller, each with the reference by which it can be found at the moment."""
        self._turns = Turns()
        self._keeps_ids: dict[str, bool] = {}
        """Whether paths of the current generation keep external ids, as their answers have shown."""
        self._made: dict[str, float] = {}
        """Tasks that were made lately, with the service's time."""
        self._doubts: list[Create] = []
        """Creates that ended in doubt where tasks have no id."""
        self._closed = False

    @property
    def unsettled(self) -> tuple[str, ...]:
        """References of creates that nobody has a handle of, and that may be paid for."""
        in_doubt = [create.reference for create in self._under_way.values() if create.undecided]
        return tuple(dict.fromkeys(filter(None, [*self._orphans.values(), *in_doubt])))

    async def submit(
        self, endpoint: Endpoint, request: Any, options: SubmitOptions, record: Record | None = None
    ) -> TaskWatch:
        """Waits for a slot and creates; a create that may be paid for goes on when the caller is cancelled.

        Raises:
            KlingError: as `KlingClient.image_to_video`.
        """
        adopt = options.get("if_exists") == "adopt"
        if adopt and not endpoint.finds_by_external_id:
            problem = "'adopt' cannot work here: the service does not find these tasks by their external id"
            raise InvalidRequest.of([Problem("if_exists", problem)])
        users_id = getattr(request, "external_task_id", None)
        own_id = users_id is None
        external_task_id = users_id or (record.external_task_id if record else new_external_task_id())
        if endpoint.finds_by_external_id:
            request = attrs.evolve(request, external_task_id=external_task_id)
        if self.callback_url is not None and getattr(request, "callback_url", "none") is None:
            request = attrs.evolve(request, callback_url=self.callback_url)
        resend = options.get("on_doubt") != "raise"
        path = endpoint.path_of(request)
        line, key = endpoint.line_of(request), options.get("key")
        told = self.events.of(endpoint.name, line=line, key=key, external_task_id=external_task_id)
        create = self._new(endpoint, path, external_task_id, own_id=own_id, adopt=adopt, resend=resend)
        sending = Sending(
            request,
            functools.partial(requests.create, endpoint, request),
            line,
            endpoint.slots_of(request),
            told,
            self._poller.durations.of(endpoint.kind_of(request), endpoint.typical_seconds(request)),
            calls_back=self.callback_url is not None and getattr(request, "callback_url", None) == self.callback_url,
            path=path,
        )
        if own_id or not create.adopt:
            return await self._submit(endpoint, sending, create, options, record)
        # One after the other: what the first one makes, and the service may not show yet, is there for the others.
        async with self._turns.of(create.reference) as turn:
            if turn.doubt is not None:
                raise copy.copy(turn.doubt)
            existing = await self._existing(endpoint, create, options.get("deadline"), told)
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
        """Brings a create to its end that an earlier process may have sent: looked up first, never sent blindly.

        Args:
            endpoint: that finds tasks by their external id.
            sending: what was sent, if it was.
            record: of the create.
            own_id: whether its external id was made for it.
            resend: whether it is sent where there is no task.

        Raises:
            KlingError: as `KlingClient.image_to_video`.
        """
        create = self._new(endpoint, sending.path, record.external_task_id, own_id=own_id, adopt=False, resend=resend)
        sending.told.left_in_doubt()
        try:
            task = await self._api.get_task(endpoint, create.name)
        except TaskNotFound:
            return await self._submit(endpoint, sending, create, SubmitOptions(), record)
        except BaseException as error:
            sending.told.not_created(error, undecided=True)
            raise
        watch = self._followed(endpoint, task, None, sending.told)
        record.accepted(task, watch)
        return watch

    def _new(
        self, endpoint: Endpoint, path: str, external_task_id: str, *, own_id: bool, adopt: bool, resend: bool
    ) -> Create:
        create = Create(
            endpoint=endpoint.name,
            external_task_id=external_task_id,
            retry=endpoint.patient(self._retry),
            uniform=self._uniform,
            can_look_up=endpoint.finds_by_external_id,
            own_id=own_id,
            adopt=adopt,
            resend=resend,
            is_anothers=functools.partial(self._is_anothers, external_task_id),
            searches=endpoint.generation is Generation.CURRENT,
            keeps_id=lambda: self._keeps_ids.get(path),
            is_known=self._is_known,
            others_undecided=lambda: self._may_be_others(create),
            clock_error=self._api.task_clock_error,
            resend_after=RESENT_AFTER if endpoint.generation is Generation.CURRENT else 0.0,
        )
        return create

    def _may_be_others(self, create: Create) -> bool:
        """Whether a task without an id may be that of another create, which is in doubt or ended so."""
        others = [other for other in self._under_way.values() if other.undecided and other is not create]
        early = create.search_since - timedelta(seconds=SHOWN_WITHIN)
        return any(other.may_be_unnamed and other.search_since > early for other in [*others, *self._doubts])

    def _is_known(self, task: Task) -> bool:
        """Whether a task is one that this client has made, or follows."""
        return task.task_id in self._made or self._poller.find(Reference(task.endpoint, task.task_id)) is not None

    async def _others(self, create: Create, record: Record | None, tasks: Sequence[Task]) -> Others:
        """What the journal knows of tasks that may be those of a create, and of other clients' creates at that time."""
        if record is None:
            return NOBODY
        return await record.others(tasks, create.last_send_ended)

    def _made_now(self, task: Task) -> None:
        """Keeps the id of a task as long as a create may be under way that could take it for its own."""
        now = self._api.service_time()
        self._made[task.task_id] = now
        if next(iter(self._made.values())) >= now - SHOWN_WITHIN:
            return  # none is so old, whoever is under way
        undecided = [each.search_since.timestamp() for each in self._under_way.values() if each.undecided]
        needed_since = min([now, *undecided]) - SHOWN_WITHIN
        for task_id in list(itertools.takewhile(lambda each: self._made[each] < needed_since, self._made)):
            del self._made[task_id]

    def is_undecided(self, external_task_id: str) -> bool:
        """Whether a create with this id is under way that may be paid for."""
        creates = self._under_way.values()
        return any(create.undecided for create in creates if create.external_task_id == external_task_id)

    def is_unsent(self, external_task_id: str) -> bool:
        """Whether a create with this id is under way of which nothing has reached the service yet."""
        found = [create for create in self._under_way.values() if create.external_task_id == external_task_id]
        return any(not create.undecided for create in found)

    async def while_under_way(self, external_task_id: str) -> bool:
        """Waits as long as a create with this id is under way; tells whether one was."""
        found = [each for each, create in self._under_way.items() if create.external_task_id == external_task_id]
        if found:
            await asyncio.wait(found)
        return bool(found)

    async def _submit(
        self, endpoint: Endpoint, sending: Sending, create: Create, options: SubmitOptions, record: Record | None
    ) -> TaskWatch:
        sending.told.queued(sending.slots)
        try:
            slot = await self._slots.take(
                sending.line, sending.slots, pack=endpoint.pack, queue_deadline=options.get("queue_deadline")
            )
        except BaseException as error:
            sending.told.not_created(error, undecided=sending.first_sent is not None)
            raise
        steps = self._create(endpoint, sending, create, slot, options.get("deadline"), record=record)
        creating = asyncio.get_running_loop().create_task(steps)
        self._under_way[creating] = create
        creating.add_done_callback(functools.partial(self._ended, slot, sending.told))
        try:
            return await asyncio.shield(creating)
        except asyncio.CancelledError:
            if self._closed and creating.cancelled() and not _is_cancelled():
                raise create.interrupted() from None
            if creating.done() or create.undecided:
                logger.warning(
                    "cancelled while creating %s; it is brought to its end",
                    create.reference or f"a task of {endpoint.name}",
                    extra={"kling_event": "create_cancelled", "kling_reference": create.reference},
                )
                self._orphans[create] = create.reference
                creating.add_done_callback(functools.partial(self._orphan_ended, create))
            else:
                creating.cancel()
            raise

    async def _existing(
        self, endpoint: Endpoint, create: Create, deadline: float | None, told: WorkEvents
    ) -> TaskWatch | None:
        """Follows the task that has the user's id, if there is one; it takes no slot, as an attached one does not.

        Raises:
            KlingError: the service could not be asked; nothing was sent.
        """
        for creating, other in list(self._under_way.items()):
            if other.reference == create.reference:  # its caller was cancelled, or wants a conflict
                await asyncio.wait([creating])
        watch = self._poller.find(Reference.by_external_task_id(endpoint.name, create.external_task_id))
        if watch is not None:
            self._take_up(watch, told)
            return watch
        try:
            task = await self._api.get_task(endpoint, create.name)
        except TaskNotFound:
            return None
        return self._followed(endpoint, task, deadline, told)

    def _take_up(self, watch: TaskWatch, told: WorkEvents, task: Task | None = None) -> None:
        """Tells that a piece of work has this task, and what becomes of it."""
        task = task or (watch.snapshots[-1] if watch.snapshots else None)
        if task is not None:
            told.accepted(task)
        self.events.follow(watch, told)

    def _followed(self, endpoint: Endpoint, task: Task, deadline: float | None, told: WorkEvents) -> TaskWatch:
        """Follows a task that was found; it takes no slot."""
        reference = Reference(endpoint.name, task.task_id)
        watch = self._poller.find(reference)
        if watch is None:
            self._slots.attach(endpoint.pack)
            detach = functools.partial(self._slots.detach, endpoint.pack)
            watch = self._poller.follow(reference, created=task, deadline=deadline, on_end=detach)
        self._take_up(watch, told, task)
        return watch

    def _is_anothers(self, external_task_id: str, task: Task) -> bool:
        watch = self._poller.find(Reference(task.endpoint, task.task_id))
        return watch is not None and watch.external_task_id not in {None, external_task_id}

    def abandon(self, reference: str) -> None:
        """Keeps the reference of a task whose caller was cancelled when it was accepted already."""
        logger.warning(
            "cancelled while making %s; the task goes on",
            reference,
            extra={"kling_event": "generate_cancelled", "kling_reference": reference},
        )
        self._orphans[reference] = reference

    async def close(self) -> None:
        """Ends all: what is in doubt gets a while, what was not sent is not sent any more."""
        self._closed = True
        under_way = dict(self._under_way)
        for creating, create in under_way.items():
            create.stop()
            if not create.undecided:
                creating.cancel()
        try:
            if under_way:
                await asyncio.wait(under_way, timeout=CLOSE_SECONDS)
        finally:
            for creating in under_way:
                creating.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

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
        """Creates with a slot held, which goes back when the task ends; `_ended` gives it back where there is none."""
        if record is not None:
            await record.intend(sending.told.trace)
        try:
            if self._on_intent is not None and sending.first_sent is None:
                from kling_async.protocol.records import Intent  # noqa: PLC0415  (on first use: records take time)

                await self._on_intent(
                    Intent(reference=create.reference, external_task_id=create.id_sent, request=sending.given)
                )
            if sending.first_sent is not None:
                create.sent_before(asyncio.get_running_loop().time(), sending.first_sent)
            find_others = functools.partial(self._others, create, record)
            task = await self._api.create(endpoint, sending.http(), create, slot, sending.told, find_others=find_others)
            self._learn(sending.path, create)
            self._made_now(task)
        except BaseException as error:
            if record is not None:
                record.failed(error, undecided=create.undecided)
            self._note(error, create, endpoint)
            raise
        reference = Reference(endpoint.name, task.task_id)
        watch = self._poller.find(reference)
        if watch is not None:  # an adopted task that is followed already has its slot
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
        self._take_up(watch, sending.told, task)
        return watch

    def _note(self, error: BaseException, create: Create, endpoint: Endpoint) -> None:
        """Takes what the end of a create means for others."""
        if isinstance(error, CreateInDoubt) and create.may_be_unnamed:
            self._doubts.append(create)
        if isinstance(error, ApiError) and error.code in ACCOUNT_CODES | PACK_CODES:
            unsent = copy.copy(error)
            unsent.reference = None
            # Before the slot lets the next one run into the same refusal.
            self._slots.fail(unsent, endpoint.pack if error.code in PACK_CODES else None)
        if isinstance(error, KlingError):
            create.about(error)

    def _learn(self, path: str, create: Create) -> None:
        """Takes note of whether a path keeps external ids; what does not is said once."""
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

    def _ended(self, slot: Slot, told: WorkEvents, creating: "asyncio.Task[TaskWatch]") -> None:
        create = self._under_way.pop(creating)
        error = asyncio.CancelledError() if creating.cancelled() else creating.exception()
        if error is not None:
            slot.release()
            told.not_created(error, undecided=create.undecided)

    def _orphan_ended(self, create: Create, creating: "asyncio.Task[TaskWatch]") -> None:
        """A create whose caller was cancelled is at its end: only the log and `unsettled` show it."""
        error = create.interrupted() if creating.cancelled() else creating.exception()
        if error is None:
            self._orphans[create] = str(creating.result().reference)
            return
        logger.warning(
            "a create whose caller was cancelled ended with: %s",
            error,
            extra={"kling_event": "create_abandoned", "kling_reference": create.reference},
        )
        if not isinstance(error, CreateInDoubt):
            del self._orphans[create]


def new_external_task_id() -> str:
    """An id by which a task is looked up whose request has none."""
    return f"{OWN_IDS[0]}{uuid.uuid4().hex}"


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
