"""What the poller does next, decided without I/O: answers and the time go in, queries to send come out.

The poller calls `step` after each answer or callback, and at the time that the last step named. It sends the queries of
the step, publishes its updates, and passes each answer back to the plan.
"""

from typing import Generic, NamedTuple, TypeVar

import attrs

from kling_async.protocol.catalog import endpoint_named
from kling_async.protocol.errors import ClientClosed, KlingError, Remedy
from kling_async.protocol.polling.callback_trust import CallbackTrust
from kling_async.protocol.polling.durations import DurationEstimate, Durations
from kling_async.protocol.polling.followed import FollowedTask
from kling_async.protocol.polling.following import Update
from kling_async.protocol.polling.id_queries import Answers, IdQueries, Query
from kling_async.protocol.polling.mixed_queries import MixedQuerySupport
from kling_async.protocol.polling.outcome_or_deadline import OutcomeRules
from kling_async.protocol.polling.page_query import PageQuery
from kling_async.protocol.polling.schedule import AimedPolling, Polling
from kling_async.protocol.polling.single_or_list import EndpointPlan
from kling_async.protocol.reference import Reference
from kling_async.protocol.retry import Retry, Uniform
from kling_async.protocol.tasks import Task
from kling_async.protocol.wire.responses import Listed

_F = TypeVar("_F", bound=FollowedTask)


class Step(NamedTuple, Generic[_F]):
    """What to do now.

    Attributes:
        updates: updates of tasks to publish, in order.
        queries: queries by id to send.
        pages: pages of the list to request.
        wake_at: when to take the next step, unless an answer arrives before; None if no task waits.
    """

    updates: list[Update[_F]]
    queries: list[Query[_F]]
    pages: list[PageQuery[_F]]
    wake_at: float | None


class PollPlan(Generic[_F]):
    """Plans the polls of all followed tasks. All times are seconds of one monotonic clock.

    Each `service_time` is the service's time of day in seconds since 1970, estimated from its answers.

    Args:
        polling: when tasks are polled.
        retry: when to poll again after a failure.
        uniform: random numbers for the delays.
        durations: how long tasks take; updated by each task that ends.
    """

    def __init__(self, polling: Polling | AimedPolling, retry: Retry, uniform: Uniform, durations: Durations) -> None:
        self._rules = OutcomeRules(polling, retry, uniform)
        self._durations = durations
        self._trust = CallbackTrust[_F]()
        self._endpoints: dict[str, EndpointPlan[_F]] = {}
        self._id_queries = IdQueries[_F](self._endpoints, MixedQuerySupport())
        self._updates: list[Update[_F]] = []
        self._closed = False

    # -------------------------------------------------------------------------------------- followed tasks

    def find(self, reference: Reference) -> _F | None:
        """Returns the followed task with this id or external id; None if there is none."""
        return self._of(reference).names.get(reference.id)

    def estimate(self, reference: Reference) -> DurationEstimate:
        """Returns how long a task takes of which only the reference is known."""
        return self._of(reference).estimate

    def follow(self, followed: _F, created: Task | None, now: float, service_time: float) -> None:
        """Begins to follow a task.

        Args:
            followed: the task.
            created: the answer to its create; None for an attached task, which is polled at once.
            now: the time.
            service_time: as above.
        """
        self._of(followed.reference).follow(followed, created, now, service_time)

    def hold(self, followed: _F, now: float, *, held: bool) -> None:
        """Sets whether another client follows a task; if it waits for its next poll, it is due at once.

        Args:
            followed: the task.
            now: the time.
            held: whether another client follows it.
        """
        followed.held = held
        if followed.rate > 0:  # otherwise it has ended, or is being polled
            self._of(followed.reference).queue.put(followed, now, now)

    @property
    def is_idle(self) -> bool:
        """Whether no task is followed."""
        return not any(plan.names for plan in self._endpoints.values())

    def unfinished(self) -> list[_F]:
        """Returns all tasks that have not ended, each once."""
        named = (followed for plan in self._endpoints.values() for followed in plan.names.values())
        return list({id(followed): followed for followed in named}.values())

    # --------------------------------------------------------------------------------- answers and callbacks

    def answered(self, query: Query[_F], answer: Task | Answers | KlingError, now: float, service_time: float) -> None:
        """Applies the answer to a query, or the error that came instead; several tasks come by their names."""
        self._id_queries.answered(query, answer, now, service_time)

    def cancelled(self, query: Query[_F], now: float) -> None:
        """Notes that a query was cancelled; its tasks are polled again, unless the client is closing."""
        self._id_queries.cancelled(query, now, again=not self._closed)

    def page_answered(
        self, page: PageQuery[_F], answer: Listed | KlingError | None, now: float, service_time: float
    ) -> None:
        """Applies a page of the list, or the error; None if the request timed out or the page could not be read."""
        plan = self._endpoints[page.endpoint.name]
        if isinstance(answer, Listed):
            plan.page_answered(page.scan, answer, now, service_time)
        else:
            plan.page_failed(page.scan, answer, now, service_time)

    def page_cancelled(self, page: PageQuery[_F], now: float) -> None:
        """Notes that a page was cancelled; tasks that wait for it are polled again, unless the client is closing."""
        if not self._closed:
            self._endpoints[page.endpoint.name].page_cancelled(page.scan, now)

    def called_back(self, task: Task, now: float, service_time: float, *, signed: bool) -> bool:
        """Applies a callback about a task.

        Args:
            task: the task in the callback, which does not contain its endpoint.
            now: the time.
            service_time: as above.
            signed: whether the service's signature was verified; otherwise the task is polled.

        Returns:
            Whether the task is followed, and not by another client.
        """
        found = self._called(task)
        if found is None:
            return False
        plan, followed = found
        answer = attrs.evolve(task, endpoint=followed.reference.endpoint)
        plan.called_back(followed, answer, now, service_time, signed=signed)
        return not followed.held

    def _called(self, task: Task) -> tuple[EndpointPlan[_F], _F] | None:
        """Returns the followed task of a callback, found by its id, or by its external id if attached by that."""
        for place in range(2):
            named = [
                (plan, name) for plan in self._endpoints.values() for name in plan.names_of(task)[place : place + 1]
            ]
            found = [(plan, plan.names[name]) for plan, name in named if name in plan.names]
            sure = [each for each in found if not each[1].snapshots or each[1].reference.id == task.task_id]
            if len(sure) == 1:
                return sure[0]
        return None

    def close(self) -> None:
        """Stops polling; answers to queries in progress are still applied."""
        self._closed = True

    def forget(self, followed: _F, end: KlingError) -> None:
        """Stops following a task that has not ended; its duration is not learned."""
        if followed.end is None:
            self._of(followed.reference).finish(followed, end)

    def abandon(self) -> None:
        """Stops following all tasks; each waiter gets `ClientClosed` with the reference."""
        for followed in self.unfinished():
            reference = str(followed.reference)
            end = ClientClosed("the client was closed; the task goes on", remedy=Remedy.ATTACH, reference=reference)
            self._of(followed.reference).finish(followed, end)

    # --------------------------------------------------------------------------------------------- next step

    def step(self, now: float) -> Step[_F]:
        """Returns the updates to publish and the queries to send now, each once, and when to call again."""
        updates = list(self._updates)
        self._updates.clear()
        if self._closed:
            return Step(updates, [], [], None)
        for followed in self._trust.take_recalled():
            if followed.rate > 0:  # otherwise it is being polled
                self._of(followed.reference).queue.put(followed, now, now)
        plans = self._endpoints.values()
        for plan in plans:
            if due := plan.queue.take_due(now):
                plan.poll(due, now)
        queries = list(self._id_queries.queries(now))
        pages = [page for plan in plans if (page := plan.page(now)) is not None]
        wake_at = min((time for plan in plans if (time := plan.queue.next_time()) is not None), default=None)
        return Step(updates, queries, pages, wake_at)

    def _of(self, reference: Reference) -> EndpointPlan[_F]:
        plan = self._endpoints.get(reference.endpoint)
        if plan is None:
            endpoint = endpoint_named(reference.endpoint)
            if endpoint is None:
                raise LookupError(f"no endpoint {reference.endpoint!r}")
            plan = EndpointPlan(
                endpoint,
                self._rules,
                self._durations,
                self._trust,
                poll_by_id=self._id_queries.add,
                emit=self._updates.append,
            )
            self._endpoints[reference.endpoint] = plan
        return plan
