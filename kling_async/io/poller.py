"""Sends the queries that the poll plan decides, and notifies listeners of the answers; one timer for all tasks."""

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
"""Timeout in seconds of the query for the cost of a task whose callback did not contain it."""


def _is_uncounted(task: Task) -> bool:
    """Whether a task has succeeded, but does not contain its cost."""
    known = task.cost is not None or task.final_balance_deduction is not None
    return task.status is TaskStatus.SUCCEED and not known


class Poller:
    """Polls every followed task until it ends; `PollPlan` decides, this performs the I/O.

    Args:
        api: sends the queries.
        polling: the schedule.
        retry: delays after a failed query.
        uniform: random numbers for the delays.
        durations: of tasks; learned as they end.
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
        """Called whenever the poller begins to follow a task."""
        self._timer: asyncio.TimerHandle | None = None

    def find(self, reference: Reference) -> TaskWatch | None:
        """Returns the watch of a task, by either of its ids, if it is followed."""
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
            created: the answer to its create; None for an attached task, which is queried at once.
            estimate: how long tasks of its kind take, if the kind is known.
            deadline: seconds from now to `TaskTimeout`; None for that of `polling`.
            calls_back: whether the service sends callbacks about the task to this client.
            held: whether the task is left to another client that may follow it, until `hold` changes that.
            on_end: called once, when it ends; before this returns if the task has ended already.
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
        """Leaves a task to another client that follows it, or polls it from now on."""
        self._plan.hold(watch, asyncio.get_running_loop().time(), held=held)
        self._step()

    def forget(self, watch: TaskWatch, end: KlingError) -> None:
        """Stops following a task that was handed to another client; all waiters get the error."""
        self._plan.forget(watch, end)
        self._step()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is followed."""
        return self._plan.is_idle

    def called_back(self, task: Task, *, signed: bool) -> bool:
        """Applies a callback about a task, and notifies all waiters before it returns.

        Args:
            task: as the callback contains it.
            signed: whether the callback has a valid signature of the service; else the task is queried.

        Returns:
            Whether this client follows the task, and has not left it to another one.
        """
        now = asyncio.get_running_loop().time()
        followed = self._plan.called_back(task, now, self._api.service_time(), signed=signed)
        self._step(uncounted=_is_uncounted(task))
        return followed

    def unfinished(self) -> list[TaskWatch]:
        """Returns the watches of all tasks that have not ended."""
        return self._plan.unfinished()

    async def close(self) -> None:
        """Stops polling; all waiters get `ClientClosed` with the reference."""
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
        """Executes the next step of the plan; `uncounted` if a new end does not contain the cost of its task."""
        step = self._plan.step(asyncio.get_running_loop().time())
        for page in step.pages:
            self._start(self._query_page(page))
        for query in step.queries:
            self._start(self._query(query))
        if step.wake_at is not None:
            self._wake_at(step.wake_at)
        for watch, snapshot, end in step.updates:
            unserved = watch.publish(snapshot, end, uncounted=uncounted and isinstance(end, Task))
            if unserved and isinstance(end, Task):
                self._start(self._query_cost(watch.reference, end, unserved))

    def _start(self, query: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(query)
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

    async def _query(self, query: Query[TaskWatch]) -> None:
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
        except Exception as error:  # noqa: BLE001  (the waiters must get it, whatever it is)
            answer = failure = KlingError(f"following failed unexpectedly ({type(error).__name__})").about(
                str(reference)
            )
        self._events.polled(reference.endpoint, _references_of(query), begun, failure)
        self._plan.answered(query, answer, loop.time(), self._api.service_time())
        self._step()

    async def _query_cost(self, reference: Reference, end: Task, listeners: list[Listener]) -> None:
        """Queries a finished task once, for listeners that need its cost."""
        counted, begun = end, asyncio.get_running_loop().time()
        try:
            endpoint = endpoint_named(reference.endpoint)
            if endpoint is not None:
                async with asyncio.timeout(COST_SECONDS):
                    answer = await self._api.query(endpoint, reference.id)
                self._events.polled(reference.endpoint, [reference], begun)
                counted = answer if answer.status is end.status else end
        except (KlingError, TimeoutError) as error:
            logger.debug("what %s has cost: %s", reference, error, extra={"kling_event": "poll_failed"})
        finally:
            for listener in listeners:
                listener.ended(counted)

    async def _query_page(self, page: PageQuery[TaskWatch]) -> None:
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
        except Exception as error:  # the tasks of this page must be polled all the same
            failure = error
            logger.exception("reading the list failed unexpectedly", extra={"kling_event": "page_failed"})
        self._events.polled(page.endpoint.name, (), begun, failure, page.number)
        self._plan.page_answered(page, answer, loop.time(), self._api.service_time())
        self._step()


def _references_of(query: Query[TaskWatch]) -> Iterator[Reference]:
    """The references of the tasks that a query is about."""
    for each in (*query.due.values(), *query.early.values()):
        yield each.reference
