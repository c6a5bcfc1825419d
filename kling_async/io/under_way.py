"""Creates under way: each runs to its end even if its caller is cancelled, and affects how others are settled."""

import asyncio
import functools
import itertools
import logging
import weakref
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, Final

from kling_async.io.api import Api
from kling_async.io.poller import Poller
from kling_async.io.task_watch import TaskWatch
from kling_async.protocol.create_recovery import Create
from kling_async.protocol.endpoint import SHOWN_WITHIN
from kling_async.protocol.errors import CreateInDoubt
from kling_async.protocol.reference import Reference
from kling_async.protocol.tasks import Task

logger = logging.getLogger("kling_async")

CLOSE_SECONDS: Final = 10.0
"""Seconds that `close()` waits for creates whose outcome is unknown."""


class CreatesUnderWay:
    """The creates of one client that are running, and what has to be remembered of those that have ended.

    Args:
        poller: has the followed tasks.
        api: has the service's clock.
    """

    def __init__(self, poller: Poller, api: Api) -> None:
        self._poller = poller
        self._api = api
        self._creates: dict[asyncio.Task[TaskWatch], Create] = {}
        self._orphans: dict[object, str | None] = {}
        """Creates whose caller was cancelled, with the reference by which each can currently be found."""
        self._made: dict[str, float] = {}
        """Ids of recently created tasks, with their time."""
        self._doubts: list[Create] = []
        """Creates that ended in doubt, and whose task may show without an external id."""
        self._inherited: weakref.WeakSet[Create] = weakref.WeakSet()
        """Creates from an earlier process; it is unknown when that process last sent them."""
        self._closed = False

    # -------------------------------------------------------------------------------------------- their life

    async def run(
        self,
        steps: Coroutine[Any, Any, TaskWatch],
        create: Create,
        on_failed: Callable[[BaseException], None],
        *,
        inherited: bool = False,
    ) -> TaskWatch:
        """Runs a create; one that may be paid for continues if the caller is cancelled.

        Args:
            steps: of the create.
            create: its state machine.
            on_failed: called with its error, if it fails, after it was removed from those under way.
            inherited: whether an earlier process may have sent it.

        Raises:
            KlingError: as `steps`.
        """
        if inherited:
            self._inherited.add(create)
        creating = asyncio.get_running_loop().create_task(steps)
        self._creates[creating] = create
        creating.add_done_callback(functools.partial(self._ended, on_failed))
        try:
            return await asyncio.shield(creating)
        except asyncio.CancelledError:
            if self._closed and creating.cancelled() and not _is_cancelled():
                raise create.interrupted() from None
            if creating.done() or create.undecided:
                logger.warning(
                    "cancelled while creating %s; it is brought to its end",
                    create.reference or f"a task of {create.endpoint}",
                    extra={"kling_event": "create_cancelled", "kling_reference": create.reference},
                )
                self._orphans[create] = create.reference
                creating.add_done_callback(functools.partial(self._orphan_ended, create))
            else:
                creating.cancel()
            raise

    def _ended(self, on_failed: Callable[[BaseException], None], creating: "asyncio.Task[TaskWatch]") -> None:
        create = self._creates.pop(creating)
        if not creating.cancelled():
            error = creating.exception()
        elif self._closed or create.undecided:  # the same error as its caller gets
            error = create.interrupted()
        else:
            error = asyncio.CancelledError()
        if error is not None:
            on_failed(error)

    def _orphan_ended(self, create: Create, creating: "asyncio.Task[TaskWatch]") -> None:
        """Handles the end of a create whose caller was cancelled: only the log and `unsettled` show it."""
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

    def abandon(self, reference: str) -> None:
        """Records the reference of an accepted task whose caller was cancelled."""
        logger.warning(
            "cancelled while making %s; the task goes on",
            reference,
            extra={"kling_event": "generate_cancelled", "kling_reference": reference},
        )
        self._orphans[reference] = reference

    async def close(self) -> None:
        """Ends all creates: those in doubt get `CLOSE_SECONDS`, those not sent yet are cancelled."""
        self._closed = True
        under_way = dict(self._creates)
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

    # -------------------------------------------------------------------------------------------- queries

    @property
    def unsettled(self) -> tuple[str, ...]:
        """References of creates without a handle that may be paid for."""
        in_doubt = [create.reference for create in self._creates.values() if create.undecided]
        return tuple(dict.fromkeys(filter(None, [*self._orphans.values(), *in_doubt])))

    def is_undecided(self, external_task_id: str) -> bool:
        """Whether a create with this external id that may be paid for is under way."""
        return any(create.undecided for create in self._with(external_task_id).values())

    def is_unsent(self, external_task_id: str) -> bool:
        """Whether a create with this external id that has certainly not reached the service is under way."""
        return any(not create.undecided for create in self._with(external_task_id).values())

    async def wait_for(self, external_task_id: str, endpoint: str | None = None) -> bool:
        """Waits for creates with this external id, of this endpoint if one is given; returns whether there were any."""
        found = [each for each, create in self._with(external_task_id).items() if endpoint in {None, create.endpoint}]
        if found:
            await asyncio.wait(found)
        return bool(found)

    def _with(self, external_task_id: str) -> "dict[asyncio.Task[TaskWatch], Create]":
        return {each: create for each, create in self._creates.items() if create.external_task_id == external_task_id}

    # -------------------------------------------------------------------------------------------- tasks of creates

    def made(self, task: Task) -> None:
        """Records the id of a created task, for as long as another create could mistake the task for its own."""
        now = self._api.task_time()
        self._made[task.task_id] = now
        if next(iter(self._made.values())) >= now - SHOWN_WITHIN:
            return  # none is old enough to be dropped
        undecided = [each.search_since.timestamp() for each in self._creates.values() if each.undecided]
        needed_since = min([now, *undecided]) - SHOWN_WITHIN
        for task_id in list(itertools.takewhile(lambda each: self._made[each] < needed_since, self._made)):
            del self._made[task_id]

    def left_in_doubt(self, create: Create) -> None:
        """Records a create that ended in doubt, if its task may show without an external id."""
        if create.may_be_unnamed:
            self._doubts.append(create)

    def made_lately(self) -> frozenset[str]:
        """Returns ids of tasks that this client has created: none of them belongs to a create that begins now."""
        return frozenset(self._made)

    def is_known(self, task: Task) -> bool:
        """Whether this client has created or follows a task."""
        return task.task_id in self._made or self._watch_of(task) is not None

    def is_anothers(self, external_task_id: str, task: Task) -> bool:
        """Whether a task is followed under another external id."""
        watch = self._watch_of(task)
        return watch is not None and watch.external_task_id not in {None, external_task_id}

    @property
    def begun_here(self) -> frozenset[str]:
        """External ids of creates that are under way or ended in doubt, without those from earlier processes."""
        known = [*self._creates.values(), *self._doubts]
        return frozenset(create.external_task_id for create in known if create not in self._inherited)

    def may_be_others(self, create: Create) -> bool:
        """Whether a task without an external id may belong to another create that is, or ended, in doubt."""
        others = [other for other in self._creates.values() if other.undecided and other is not create]
        early = create.search_since - timedelta(seconds=SHOWN_WITHIN)
        return any(other.may_be_unnamed and self._last_made(other) > early for other in [*others, *self._doubts])

    def _last_made(self, create: Create) -> datetime:
        """Returns the latest possible creation time of a create's task, including resends, by the service's clock."""
        return max(create.search_since, create.last_send_ended + timedelta(seconds=self._api.clock_offset.of_tasks))

    def _watch_of(self, task: Task) -> TaskWatch | None:
        return self._poller.find(Reference(task.endpoint, task.task_id))


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
