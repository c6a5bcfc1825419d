"""Queries by id: which tasks each query contains, and what its answer means for each of them.

A query of the current generation contains up to twenty tasks. Legacy tasks are queried one by one, unless the account
has shown that it answers about both generations in one query. Their ends are always read from their own paths.
"""

import collections
import math
from collections.abc import Iterator, Mapping
from typing import Final, Generic, NamedTuple, TypeVar

import attrs

from kling_async.protocol.endpoint import SHOWN_WITHIN, Endpoint, Generation
from kling_async.protocol.errors import BadResponse, KlingError
from kling_async.protocol.lifecycle import is_missing, may_follow
from kling_async.protocol.polling.batches import BatchKey, batch_key, early_tasks, grouped
from kling_async.protocol.polling.followed import FollowedTask
from kling_async.protocol.polling.mixed_queries import MixedQuerySupport
from kling_async.protocol.polling.page_query import outlives_a_page
from kling_async.protocol.polling.single_or_list import EndpointPlan
from kling_async.protocol.reference import TASKS
from kling_async.protocol.retry import is_transient
from kling_async.protocol.tasks import Task

Answers = Mapping[str, Task | KlingError]
"""An answer about several tasks, by the names in the query."""

MAX_QUERIES: Final = 32
"""Maximum number of concurrent queries: enough for thousands of tasks, few enough not to overload the service."""
LAST_LOOK_SECONDS: Final = 10.0
"""Timeout in seconds of the last poll of a task whose deadline has passed, from when it is sent: after a suspend the
deadline may be long past, and the network needs a moment to come back."""
TRIAL_SECONDS: Final = 10.0
"""Timeout in seconds of a trial of a mixed query."""
VIEW_TOLERANCE: Final = 5.0
"""Seconds by which the answers of one generation may lag behind those of the other."""

_F = TypeVar("_F", bound=FollowedTask)


class Query(NamedTuple, Generic[_F]):
    """A query for one task, or for several at once.

    Attributes:
        endpoint: endpoint to query.
        followed: the task, or the first of them.
        ends_at: when the query times out.
        due: tasks that are due, by their names in the query; empty in a trial, which no task depends on.
        early: tasks that are due next and fill the query, since an answer about them is nearly free.
    """

    endpoint: Endpoint
    followed: _F
    ends_at: float
    due: Mapping[str, _F]
    early: Mapping[str, _F]

    @property
    def names(self) -> list[str]:
        """The names of all tasks in the query."""
        return [*self.due, *self.early]


class IdQueries(Generic[_F]):
    """All queries by id of one client.

    Args:
        plans: the plans of the endpoints, by endpoint name; more may be added later.
        mixed: whether the account answers queries about both generations.
    """

    def __init__(self, plans: Mapping[str, EndpointPlan[_F]], mixed: MixedQuerySupport) -> None:
        self._plans = plans
        self._mixed = mixed
        self._ready: collections.deque[_F] = collections.deque()
        self._under_way = 0

    def add(self, followed: _F) -> None:
        """Adds a task that is to be queried by its id."""
        self._ready.append(followed)

    def queries(self, now: float) -> Iterator[Query[_F]]:
        """Yields the queries to send now, each once."""
        # A callback may have reported the end in the meantime.
        ready = [followed for followed in self._ready if followed.end is None]
        self._ready.clear()
        has_room = False
        for group in grouped(ready, lambda followed: self._batch_key(followed, now)):
            if self._under_way >= MAX_QUERIES:
                self._ready.extend(group)
                continue
            query = self._query(group, now)
            has_room |= self._is_batch(query) and len(query.names) < query.endpoint.ids_at_once
            self._under_way += 1
            yield query
        if has_room and (trial := self._trial(now)) is not None:
            self._under_way += 1
            yield trial

    def answered(self, query: Query[_F], answer: Task | Answers | KlingError, now: float, service_time: float) -> None:
        """Applies the answer to a query, or the error that came instead.

        Args:
            query: the query.
            answer: the task; or several tasks, by their names in the query; or an error if there was no answer.
            now: seconds of the monotonic clock.
            service_time: the service's time of day, in seconds since 1970.
        """
        self._under_way -= 1
        if isinstance(answer, Task):
            self._check_staleness(query.followed, answer, now, service_time)
            self._plan(query.followed).apply_answer(query.followed, answer, now, service_time)
        elif isinstance(answer, KlingError):
            self._failed(query, answer, now, service_time)
        else:
            if not query.due:
                current, legacy = (isinstance(answer.get(name), Task) for name in query.early)
                self._mixed.tried(now, legacy=legacy, current=current)
            self._apply_answers(query, answer, now, service_time)

    def cancelled(self, query: Query[_F], now: float, *, again: bool) -> None:
        """Notes that a query was cancelled.

        Args:
            query: the query.
            now: seconds of the monotonic clock.
            again: whether its tasks are queried again.
        """
        self._under_way -= 1
        if not query.due:
            self._mixed.failed(now, in_passing=True)
        if again:
            self._requeue_all(query, now)

    # ------------------------------------------------------------------------------ which tasks share a query

    def _query(self, group: tuple[_F, ...], now: float) -> Query[_F]:
        first = group[0]
        key = self._batch_key(first, now)
        plan = self._plan(first) if key is None else self._plans[TASKS]
        plan.id_query_sent()
        queues = (each.queue for each in self._plans.values() if each is plan or self._mixed.is_on)
        others = early_tasks(group, queues, lambda followed: self._batch_key(followed, now))
        due, early = ({each.reference.id: each for each in some} for some in (group, others))
        return Query(plan.endpoint, first, min(_ends_at(followed, now) for followed in group), due, early)

    def _batch_key(self, followed: _F, now: float) -> BatchKey | None:
        """Returns the batch key of a task; None if it needs its own query, as it does near its deadline."""
        if not outlives_a_page(followed, now):
            return None
        if not self._is_current(followed) and not (self._mixed.is_on and self._may_mix(followed, now)):
            return None
        key, unmixed = batch_key(followed), self._mixed.is_on and now < followed.unmixed_until
        return key._replace(unmixed=True) if key is not None and unmixed else key

    def _may_mix(self, followed: _F, now: float) -> bool:
        """Whether a legacy task may be put into a query of the current generation.

        Not once most tasks of its kind have ended: its own path may be ahead of what the current generation shows.
        """
        plan = self._plan(followed)
        followed_as_current = followed.reference.id in self._plans[TASKS].names
        known = plan.is_known(followed) and not plan.endpoint.is_raw and not followed_as_current
        until = followed.begun_at + followed.estimate.look_schedule().third_quartile
        return known and followed.unmixed_until <= now < until

    def _trial(self, now: float) -> Query[_F] | None:
        """Returns a trial query of one task per generation, both accepted long enough ago; neither leaves its queue."""
        if not self._mixed.may_try(now):
            return None
        waiting = [
            followed
            for plan in self._plans.values()
            for followed in plan.queue
            if plan.is_known(followed) and now >= followed.begun_at + SHOWN_WITHIN
        ]
        current = next((each for each in waiting if self._is_current(each)), None)
        legacy = next((each for each in waiting if not self._is_current(each) and self._may_mix(each, now)), None)
        if current is None or legacy is None:
            return None
        self._mixed.begin()
        both = {each.reference.id: each for each in (current, legacy)}
        return Query(self._plans[TASKS].endpoint, current, now + TRIAL_SECONDS, {}, both)

    # --------------------------------------------------------------------------------------- what answers mean

    def _apply_answers(self, query: Query[_F], answers: Answers, now: float, service_time: float) -> None:
        is_mixed = self._is_mixed(query)
        for name in query.names:
            is_due = name in query.due
            followed = query.due[name] if is_due else query.early[name]
            if not is_due and followed.rate == 0:
                continue  # in a query of its own by now
            answer, plan = answers.get(name), self._plan(followed)
            if not self._is_current(followed):
                self._apply_to_legacy(followed, answer, now, service_time, is_due=is_due)
            elif is_due and is_mixed and not isinstance(answer, Task):
                followed.unmixed_until = now + SHOWN_WITHIN
                self._requeue(followed, now)
            elif isinstance(answer, Task) or (is_due and answer is not None):
                if not is_mixed and now < followed.unmixed_until and followed.missing_since is None:
                    self._mixed.failed(now, in_passing=False)  # it was omitted because of the legacy tasks in the query
                plan.apply_answer(followed, answer, now, service_time)
            elif is_due:
                plan.apply_missing(followed, now, service_time)

    def _apply_to_legacy(
        self, followed: _F, answer: Task | KlingError | None, now: float, service_time: float, *, is_due: bool
    ) -> None:
        """Applies an answer of the current generation about a legacy task.

        Only a status that is not final is trusted; for anything else the task is polled at its own path.
        """
        if followed.end is not None:
            return
        plan = self._plan(followed)
        if isinstance(answer, Task) and not answer.status.is_final:
            plan.apply_answer(followed, attrs.evolve(answer, endpoint=followed.reference.endpoint), now, service_time)
            return
        has_ended = isinstance(answer, Task)
        followed.unmixed_until = math.inf if has_ended else now + SHOWN_WITHIN
        if has_ended or is_due:
            followed.callback_missed = followed.callback_missed or has_ended  # its callback is slower than this query
            plan.queue.put(followed, now, now)

    def _failed(self, query: Query[_F], error: KlingError, now: float, service_time: float) -> None:
        """Applies an error; if another task in the query may have caused it, the next batches are smaller."""
        refused = is_missing(error) or (isinstance(error, BadResponse) and not error.foreign)
        if self._is_mixed(query):
            self._mixed.failed(now, in_passing=is_transient(error) and not refused)
            self._requeue_all(query, now)
            return
        together = len(query.names)
        if refused and together > 1:
            for followed in (*query.due.values(), *query.early.values()):
                followed.max_batch = max(1, min(followed.max_batch, together) // 2)
            if is_missing(error):
                self._requeue_all(query, now)
                return
        for followed in query.due.values():
            self._plan(followed).apply_answer(followed, error, now, service_time)

    def _requeue_all(self, query: Query[_F], now: float) -> None:
        for followed in query.due.values():
            self._requeue(followed, now)

    def _requeue(self, followed: _F, now: float) -> None:
        if followed.end is None:
            self._plan(followed).queue.put(followed, now, now)

    def _check_staleness(self, followed: _F, answer: Task, now: float, service_time: float) -> None:
        """Stops mixed queries if the task's own path shows that an earlier answer to a mixed query was stale."""
        if not self._mixed.is_on or answer.updated_at is None:
            return
        last_seen_at = service_time - (now - followed.last_seen_at)
        if may_follow(followed.status, answer.status) and answer.updated_at.timestamp() + VIEW_TOLERANCE < last_seen_at:
            self._mixed.failed(now, in_passing=False)

    def _is_mixed(self, query: Query[_F]) -> bool:
        return self._is_batch(query) and not all(map(self._is_current, (*query.due.values(), *query.early.values())))

    def _is_batch(self, query: Query[_F]) -> bool:
        return query.endpoint.generation is Generation.CURRENT

    def _is_current(self, followed: _F) -> bool:
        return followed.reference.endpoint == TASKS

    def _plan(self, followed: _F) -> EndpointPlan[_F]:
        return self._plans[followed.reference.endpoint]


def _ends_at(followed: FollowedTask, now: float) -> float:
    """Returns when a query for a task times out."""
    if now >= followed.deadline_at and followed.gives_up_at is None:
        followed.gives_up_at = now + LAST_LOOK_SECONDS
    # A query sent before the deadline ends at the deadline: after a suspend its answer may be old.
    return followed.deadline_at if followed.gives_up_at is None else followed.gives_up_at
