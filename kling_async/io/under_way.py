"""Creates under way, each brought to its end whatever becomes of its caller, and what they mean for each other."""

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
"""Seconds that `close()` gives to creates whose outcome is not known yet."""


class CreatesUnderWay:
    """The creates of one client that hold a slot and have not ended, and what is left of those that have.

    Args:
        poller: knows the tasks that are followed.
        api: knows the service's clock.
    """

    def __init__(self, poller: Poller, api: Api) -> None:
        self._poller = poller
        self._api = api
        self._creates: dict[asyncio.Task[TaskWatch], Create] = {}
        self._orphans: dict[object, str | None] = {}
        """Creates without a caller, each with the reference by which it can be found at the moment."""
        self._made: dict[str, float] = {}
        """Tasks that were made lately, with their time."""
        self._doubts: list[Create] = []
        """Creates that ended in doubt where tasks have no id."""
        self._left: weakref.WeakSet[Create] = weakref.WeakSet()
        """Creates that an earlier process left: nobody knows when that sent them last."""
        self._closed = False

    # -------------------------------------------------------------------------------------------- their life

    async def run(
        self,
        steps: Coroutine[Any, Any, TaskWatch],
        create: Create,
        on_failed: Callable[[BaseException], None],
        *,
        was_left: bool = False,
    ) -> TaskWatch:
        """Runs a create; one that may be paid for goes on when the caller is cancelled.

        Args:
            steps: what it does.
            create: its machine.
            on_failed: called with its error, if it ends with one, when it is not under way any more.
            was_left: whether an earlier process may have sent it.

        Raises:
            KlingError: as the steps.
        """
        if was_left:
            self._left.add(create)
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
        elif self._closed or create.undecided:  # as its caller hears it
            error = create.interrupted()
        else:
            error = asyncio.CancelledError()
        if error is not None:
            on_failed(error)

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

    # -------------------------------------------------------------------------------------------- who asks for one

    @property
    def unsettled(self) -> tuple[str, ...]:
        """References of creates that nobody has a handle of, and that may be paid for."""
        in_doubt = [create.reference for create in self._creates.values() if create.undecided]
        return tuple(dict.fromkeys(filter(None, [*self._orphans.values(), *in_doubt])))

    def is_undecided(self, external_task_id: str) -> bool:
        """Whether a create with this id is under way that may be paid for."""
        return any(create.undecided for create in self._with(external_task_id).values())

    def is_unsent(self, external_task_id: str) -> bool:
        """Whether a create with this id is under way of which nothing has reached the service yet."""
        return any(not create.undecided for create in self._with(external_task_id).values())

    async def wait_for(self, external_task_id: str, endpoint: str | None = None) -> bool:
        """Waits as long as a create with this id is under way, of this endpoint if one is given; whether one was."""
        found = [each for each, create in self._with(external_task_id).items() if endpoint in {None, create.endpoint}]
        if found:
            await asyncio.wait(found)
        return bool(found)

    def _with(self, external_task_id: str) -> "dict[asyncio.Task[TaskWatch], Create]":
        return {each: create for each, create in self._creates.items() if create.external_task_id == external_task_id}

    # -------------------------------------------------------------------------------------------- whose a task is

    def made(self, task: Task) -> None:
        """Keeps the id of a task as long as a create may be under way that could take it for its own."""
        now = self._api.task_time()
        self._made[task.task_id] = now
        if next(iter(self._made.values())) >= now - SHOWN_WITHIN:
            return  # none is so old, whoever is under way
        undecided = [each.search_since.timestamp() for each in self._creates.values() if each.undecided]
        needed_since = min([now, *undecided]) - SHOWN_WITHIN
        for task_id in list(itertools.takewhile(lambda each: self._made[each] < needed_since, self._made)):
            del self._made[task_id]

    def left_in_doubt(self, create: Create) -> None:
        """Keeps a create that ended in doubt, if its task may show without an id."""
        if create.may_be_unnamed:
            self._doubts.append(create)

    def made_lately(self) -> frozenset[str]:
        """Ids of tasks that this client has made: none of them can be that of a create that begins now."""
        return frozenset(self._made)

    def is_known(self, task: Task) -> bool:
        """Whether a task is one that this client has made, or follows."""
        return task.task_id in self._made or self._followed(task) is not None

    def is_anothers(self, external_task_id: str, task: Task) -> bool:
        """Whether a task is followed under another id than this one."""
        watch = self._followed(task)
        return watch is not None and watch.external_task_id not in {None, external_task_id}

    @property
    def begun_here(self) -> frozenset[str]:
        """External ids of creates that are under way or ended in doubt, and that no earlier process has sent."""
        known = [*self._creates.values(), *self._doubts]
        return frozenset(create.external_task_id for create in known if create not in self._left)

    def may_be_others(self, create: Create) -> bool:
        """Whether a task without an id may be that of another create, which is in doubt or ended so."""
        others = [other for other in self._creates.values() if other.undecided and other is not create]
        early = create.search_since - timedelta(seconds=SHOWN_WITHIN)
        return any(other.may_be_unnamed and self._last_made(other) > early for other in [*others, *self._doubts])

    def _last_made(self, create: Create) -> datetime:
        """When a task of a create was made at the latest, by the service's clock: it may have been sent again."""
        return max(create.search_since, create.last_send_ended + timedelta(seconds=self._api.clock_offset.of_tasks))

    def _followed(self, task: Task) -> TaskWatch | None:
        return self._poller.find(Reference(task.endpoint, task.task_id))


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
