"""What the poller does, decided apart from awaiting: news and time go in, questions to ask come out.

The shell calls `step` after each piece of news and when the time has come that the last step named; it asks what the
step says, passes on what is new, and brings each answer back.
"""

from typing import Generic, NamedTuple, TypeVar

import attrs

from kling_async.protocol.catalog import endpoint_named
from kling_async.protocol.errors import ClientClosed, KlingError, Remedy
from kling_async.protocol.polling.callback_trust import CallbackTrust
from kling_async.protocol.polling.durations import DurationEstimate, Durations
from kling_async.protocol.polling.followed import FollowedTask
from kling_async.protocol.polling.following import Update
from kling_async.protocol.polling.id_questions import Answers, IdQuestions, Query
from kling_async.protocol.polling.outcome_or_deadline import OutcomeRules
from kling_async.protocol.polling.page_query import PageQuery
from kling_async.protocol.polling.schedule import AimedPolling, Polling
from kling_async.protocol.polling.sharing import Sharing
from kling_async.protocol.polling.single_or_list import EndpointPlan
from kling_async.protocol.reference import Reference
from kling_async.protocol.retry import Retry, Uniform
from kling_async.protocol.tasks import Task
from kling_async.protocol.wire.responses import Listed

_F = TypeVar("_F", bound=FollowedTask)


class Step(NamedTuple, Generic[_F]):
    """What to do now.

    Attributes:
        updates: what to tell of tasks, in order.
        queries: questions by ids to ask.
        pages: pages of the list to ask for.
        wake_at: when to take the next step, if no news come before; None if nothing waits.
    """

    updates: list[Update[_F]]
    queries: list[Query[_F]]
    pages: list[PageQuery[_F]]
    wake_at: float | None


class PollPlan(Generic[_F]):
    """Plans the questions about all followed tasks. All times are seconds of one monotonic clock.

    Each `service_time` is the service's time of day in seconds since 1970, as far as its answers tell.

    Args:
        polling: when tasks are asked for.
        retry: when again after a question that failed.
        uniform: random numbers for the delays.
        durations: how long tasks take; it learns.
    """

    def __init__(self, polling: Polling | AimedPolling, retry: Retry, uniform: Uniform, durations: Durations) -> None:
        self._rules = OutcomeRules(polling, retry, uniform)
        self._durations = durations
        self._trust = CallbackTrust[_F]()
        self._endpoints: dict[str, EndpointPlan[_F]] = {}
        self._by_ids = IdQuestions[_F](self._endpoints, Sharing())
        self._updates: list[Update[_F]] = []
        self._closed = False

    # ------------------------------------------------------------------------------------ what is followed

    def find(self, reference: Reference) -> _F | None:
        """The followed task with this id, either of the two, if there is one."""
        return self._of(reference).names.get(reference.id)

    def estimate(self, reference: Reference) -> DurationEstimate:
        """How long a task takes of which only the reference is known."""
        return self._of(reference).estimate

    def follow(self, followed: _F, created: Task | None, now: float, service_time: float) -> None:
        """Begins to follow a task.

        Args:
            followed: the task.
            created: the answer to its create; None for a task that was attached, which is asked for at once.
            now: the time.
            service_time: as above.
        """
        self._of(followed.reference).follow(followed, created, now, service_time)

    def hold(self, followed: _F, now: float, *, held: bool) -> None:
        """Leaves a task to another client that follows it, or asks for it now.

        Args:
            followed: the task.
            now: the time.
            held: whether there is such a client.
        """
        followed.held = held
        if followed.rate > 0:  # else it has ended, or is asked for already
            self._of(followed.reference).queue.put(followed, now, now)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is followed."""
        return not any(plan.names for plan in self._endpoints.values())

    def unfinished(self) -> list[_F]:
        """All tasks that have not ended, each once."""
        named = (followed for plan in self._endpoints.values() for followed in plan.names.values())
        return list({id(followed): followed for followed in named}.values())

    # ---------------------------------------------------------------------------------------------- news

    def answered(self, query: Query[_F], answer: Task | Answers | KlingError, now: float, service_time: float) -> None:
        """Takes the answer to a question, or what came instead; where one has several tasks, by their names."""
        self._by_ids.answered(query, answer, now, service_time)

    def cancelled(self, query: Query[_F], now: float) -> None:
        """A question was cancelled: it is asked again, unless the client closes."""
        self._by_ids.cancelled(query, now, again=not self._closed)

    def page_answered(
        self, page: PageQuery[_F], answer: Listed | KlingError | None, now: float, service_time: float
    ) -> None:
        """Takes a page of the list, or what came instead; None where nothing came in time, or it could not be read."""
        plan = self._endpoints[page.endpoint.name]
        if isinstance(answer, Listed):
            plan.page_answered(page.scan, answer, now, service_time)
        else:
            plan.page_failed(page.scan, answer, now, service_time)

    def page_cancelled(self, page: PageQuery[_F], now: float) -> None:
        """The question for a page was cancelled: the tasks that wait for it are asked for again."""
        if not self._closed:
            self._endpoints[page.endpoint.name].page_cancelled(page.scan, now)

    def called_back(self, task: Task, now: float, service_time: float, *, signed: bool) -> bool:
        """Takes what a callback says of a task; tells whether that is followed, and not by another client.

        Args:
            task: as it came; a callback does not name its endpoint.
            now: the time.
            service_time: as above.
            signed: whether it is the service's own word; else the task is asked for.
        """
        found = self._called(task)
        if found is None:
            return False
        plan, followed = found
        answer = attrs.evolve(task, endpoint=followed.reference.endpoint)
        plan.called_back(followed, answer, now, service_time, signed=signed)
        return not followed.held

    def _called(self, task: Task) -> tuple[EndpointPlan[_F], _F] | None:
        """The followed task that a callback is about, by its id; by the caller's id if it was attached by that."""
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
        """Nothing is asked any more; answers to what is under way still count."""
        self._closed = True

    def forget(self, followed: _F, end: KlingError) -> None:
        """Follows a task no longer, if it has not ended; nothing is learned from it."""
        if followed.end is None:
            self._of(followed.reference).finish(followed, end)

    def abandon(self) -> None:
        """Ends the following of all tasks; each waiter gets `ClientClosed` with the reference."""
        for followed in self.unfinished():
            reference = str(followed.reference)
            end = ClientClosed("the client was closed; the task goes on", remedy=Remedy.ATTACH, reference=reference)
            self._of(followed.reference).finish(followed, end)

    # ------------------------------------------------------------------------------------------- questions

    def step(self, now: float) -> Step[_F]:
        """What is new, and what is to be asked now, each once, and when to call again."""
        updates = list(self._updates)
        self._updates.clear()
        if self._closed:
            return Step(updates, [], [], None)
        for followed in self._trust.called_in():
            if followed.rate > 0:  # else it is asked for already
                self._of(followed.reference).queue.put(followed, now, now)
        plans = self._endpoints.values()
        for plan in plans:
            if due := plan.queue.take_due(now):
                plan.ask(due, now)
        queries = list(self._by_ids.due(now))
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
                ask=self._by_ids.add,
                emit=self._updates.append,
            )
            self._endpoints[reference.endpoint] = plan
        return plan
