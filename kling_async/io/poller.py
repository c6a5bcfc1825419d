"""Asks the questions that the plan of polling names, and tells what comes of the answers; one timer for all tasks."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final

from kling_async.io.api import Api
from kling_async.io.events import Events
from kling_async.io.task_watch import Listener, TaskWatch
from kling_async.protocol.catalog import endpoint_named
from kling_async.protocol.errors import KlingError, RequestTimeout
from kling_async.protocol.polling.durations import DurationEstimate, Durations
from kling_async.protocol.polling.id_queries import Answers, Query
from kling_async.protocol.polling.page_query import PageQuery
from kling_async.protocol.polling.plan import PollPlan
from kling_async.protocol.polling.schedule import AimedPolling, Polling
from kling_async.protocol.reference import Reference
from kling_async.protocol.retry import Retry, Uniform
from kling_async.protocol.tasks import Task, TaskStatus
from kling_async.protocol.wire.responses import Listed

logger = logging.getLogger("kling_async")


COST_SECONDS: Final = 30.0
"""Seconds that the answer may take which tells what a task has cost, of which a callback did not tell."""


def _is_uncounted(task: Task) -> bool:
    """Whether a task has succeeded and does not say what it has cost."""
    known = task.cost is not None or task.final_balance_deduction is not None
    return task.status is TaskStatus.SUCCEED and not known


class Poller:
    """Asks for every followed task until it ends; `PollPlan` decides, this awaits.

    Args:
        api: asks.
        polling: when.
        retry: when again after a question that failed.
        uniform: random numbers for the delays.
        durations: how long tasks take; it learns.
        events: of the client.
    """

    def __init__(
        self,
        api: Api,
        polling: Polling | AimedPolling,
        retry: Retry,
        uniform: Uniform,
        durations: Durations,
        *,
        events: Events | None = None,
    ) -> None:
        self._api = api
        self._events = events if events is not None else Events()
        self._deadline = polling.deadline
        self.durations = durations
        self._plan = PollPlan[TaskWatch](polling, retry, uniform, durations)
        self._under_way: set[asyncio.Task[None]] = set()
        self.on_follow: Callable[[], None] | None = None
        """Called whenever a task is followed from now on."""
        self._timer: asyncio.TimerHandle | None = None

    def find(self, reference: Reference) -> TaskWatch | None:
        """The following of this task, by either of its ids, if there is one."""
        return self._plan.find(reference)

    def follow(
        self,
        reference: Reference,
        *,
        created: Task | None,
        estimate: DurationEstimate | None = None,
        deadline: float | None = None,
        calls_back: bool = False,
        held: bool = False,
        on_end: Callable[[], None],
    ) -> TaskWatch:
        """Begins to follow a task.

        Args:
            reference: of the task.
            created: the answer to its create; None for a task that was attached, which is asked for at once.
            estimate: how long tasks of its kind take, where the kind is known.
            deadline: seconds from now to `TaskTimeout`, where they are not those of `polling`.
            calls_back: whether the service was asked to tell of its changes where this client hears them.
            held: whether another client may follow it, until `hold` tells.
            on_end: called once, when it ends; before this returns if it was done when it was found.
        """
        now = asyncio.get_running_loop().time()
        estimate = estimate or self._plan.estimate(reference)
        deadline = self._deadline if deadline is None else deadline
        watch = TaskWatch(
            reference,
            now,
            deadline,
            estimate,
            created_here=created is not None,
            calls_back=calls_back,
            on_end=on_end,
        )
        watch.held = held
        self._plan.follow(watch, created, now, self._api.service_time())
        self._step()
        if self.on_follow is not None:
            self.on_follow()
        return watch

    def hold(self, watch: TaskWatch, *, held: bool) -> None:
        """Leaves a task to another client that follows it, or asks for it now."""
        self._plan.hold(watch, asyncio.get_running_loop().time(), held=held)
        self._step()

    def forget(self, watch: TaskWatch, end: KlingError) -> None:
        """Follows a task no longer, since it was given away; all waiters get the error."""
        self._plan.forget(watch, end)
        self._step()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is followed."""
        return self._plan.is_idle

    def called_back(self, task: Task, *, signed: bool) -> bool:
        """Takes what a callback says of a task, and tells all who wait before it returns.

        Args:
            task: as it came.
            signed: whether it is the service's own word; else the task is asked for.

        Returns:
            Whether the task is followed, and not by another client.
        """
        now = asyncio.get_running_loop().time()
        followed = self._plan.called_back(task, now, self._api.service_time(), signed=signed)
        self._step(uncounted=_is_uncounted(task))
        return followed

    def unfinished(self) -> list[TaskWatch]:
        """All that have not ended."""
        return self._plan.unfinished()

    async def close(self) -> None:
        """Stops asking; all waiters get `ClientClosed` with the reference."""
        self._plan.close()
        if self._timer is not None:
            self._timer.cancel()
        under_way = list(self._under_way)
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        self._plan.abandon()
        self._step()

    def _step(self, *, uncounted: bool = False) -> None:
        """Does what the plan says; `uncounted` where an end that is new does not tell what the task has cost."""
        step = self._plan.step(asyncio.get_running_loop().time())
        for page in step.pages:
            self._start(self._ask_page(page))
        for query in step.queries:
            self._start(self._ask(query))
        if step.wake_at is not None:
            self._wake_at(step.wake_at)
        for watch, snapshot, end in step.updates:
            counting = watch.publish(snapshot, end, uncounted=uncounted and isinstance(end, Task))
            if counting and isinstance(end, Task):
                self._start(self._ask_cost(watch.reference, end, counting))

    def _start(self, question: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(question)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def _wake_at(self, when: float) -> None:
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(when, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._step()

    async def _ask(self, query: Query[TaskWatch]) -> None:
        loop, reference = asyncio.get_running_loop(), query.followed.reference
        begun = loop.time()
        failure: Exception | None = None
        try:
            async with asyncio.timeout_at(query.ends_at):
                answer: Task | Answers | KlingError
                if query.endpoint.ids_at_once == 1:
                    answer = await self._api.query(query.endpoint, reference.id)
                else:
                    answer = await self._api.query_all(query.endpoint, query.names)
        except KlingError as error:
            answer = failure = error
        except TimeoutError:
            failure = TimeoutError("no answer in time")
            answer = RequestTimeout(str(failure))
        except asyncio.CancelledError:
            self._plan.cancelled(query, loop.time())
            self._step()
            raise
        except Exception as error:  # noqa: BLE001  (those who wait must get it, whatever it is)
            answer = failure = KlingError(f"following failed unexpectedly ({type(error).__name__})").about(
                str(reference)
            )
        self._events.polled(reference.endpoint, _asked(query), begun, failure)
        self._plan.answered(query, answer, loop.time(), self._api.service_time())
        self._step()

    async def _ask_cost(self, reference: Reference, end: Task, counting: list[Listener]) -> None:
        """Asks once for a finished task, for those who have to know what it has cost."""
        counted, begun = end, asyncio.get_running_loop().time()
        try:
            endpoint = endpoint_named(reference.endpoint)
            if endpoint is not None:
                async with asyncio.timeout(COST_SECONDS):
                    answered = await self._api.query(endpoint, reference.id)
                self._events.polled(reference.endpoint, [reference], begun)
                counted = answered if answered.status is end.status else end
        except (KlingError, TimeoutError) as error:
            logger.debug("what %s has cost: %s", reference, error, extra={"kling_event": "poll_failed"})
        finally:
            for listener in counting:
                listener.ended(counted)

    async def _ask_page(self, page: PageQuery[TaskWatch]) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        answer: Listed | KlingError | None = None
        failure: Exception | None = None
        try:
            async with asyncio.timeout_at(page.ends_at):
                answer = await self._api.listed(page.endpoint, page.request, page.known)
        except KlingError as error:
            answer = failure = error
        except TimeoutError:
            failure = TimeoutError("no answer in time")
        except asyncio.CancelledError:
            self._plan.page_cancelled(page, loop.time())
            self._step()
            raise
        except Exception as error:  # the tasks that wait for it must be asked for all the same
            failure = error
            logger.exception("reading the list failed unexpectedly", extra={"kling_event": "page_failed"})
        self._events.polled(page.endpoint.name, (), begun, failure, page.number)
        self._plan.page_answered(page, answer, loop.time(), self._api.service_time())
        self._step()


def _asked(query: Query[TaskWatch]) -> Iterator[Reference]:
    """The tasks that a question is about."""
    for each in (*query.due.values(), *query.early.values()):
        yield each.reference
