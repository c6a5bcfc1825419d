"""Questions about tasks by their ids: which tasks each is about, and what its answer means for each of them.

One question of the current generation is about up to twenty tasks. Those of the legacy one have questions of their
own, unless the account has shown that it answers about both generations at once; of their ends their own paths tell.
"""

import collections
import math
from collections.abc import Iterator, Mapping
from typing import Final, Generic, NamedTuple, TypeVar

import attrs

from kling_async.protocol.endpoint import SHOWN_WITHIN, Endpoint, Generation
from kling_async.protocol.errors import BadResponse, KlingError
from kling_async.protocol.lifecycle import is_missing, may_follow
from kling_async.protocol.polling.followed import FollowedTask
from kling_async.protocol.polling.page_query import outlives_a_page
from kling_async.protocol.polling.sharing import Sharing
from kling_async.protocol.polling.single_or_list import EndpointPlan
from kling_async.protocol.polling.together import Kind, grouped, kind_of, riders
from kling_async.protocol.reference import TASKS
from kling_async.protocol.retry import is_transient
from kling_async.protocol.tasks import Task

Answers = Mapping[str, Task | KlingError]
"""What an answer tells of several tasks, by the names they were asked for by."""

QUERIES_AT_ONCE: Final = 32
"""Questions by ids under way at once: enough for thousands of tasks, few enough not to crowd the service."""
LAST_LOOK_SECONDS: Final = 10.0
"""Seconds for the last look at a task whose deadline has passed, from when that question goes out: after a suspend the
deadline may be long past, and the network needs a moment to come back."""
TRIAL_SECONDS: Final = 10.0
"""Seconds in which a trial is answered."""
VIEW_TOLERANCE: Final = 5.0
"""Seconds by which the answers of one generation may be behind those of the other."""

_F = TypeVar("_F", bound=FollowedTask)


class Query(NamedTuple, Generic[_F]):
    """A task to ask for, or several at once.

    Attributes:
        endpoint: that is asked.
        followed: the task, or the first of them.
        ends_at: when an answer is not waited for any more.
        asked: tasks that are due, by the names they are asked for by; none in a trial, for which nobody waits.
        riders: others whose time comes next, and that an answer is nearly free for.
    """

    endpoint: Endpoint
    followed: _F
    ends_at: float
    asked: Mapping[str, _F]
    riders: Mapping[str, _F]

    @property
    def names(self) -> list[str]:
        """All that is asked for."""
        return [*self.asked, *self.riders]


class IdQuestions(Generic[_F]):
    """All questions by ids of one client.

    Args:
        plans: of the endpoints, by their names; more may come.
    """

    def __init__(self, plans: Mapping[str, EndpointPlan[_F]], sharing: Sharing) -> None:
        self._plans = plans
        self._sharing = sharing
        self._ready: collections.deque[_F] = collections.deque()
        self._under_way = 0

    def add(self, followed: _F) -> None:
        """A task is to be asked for."""
        self._ready.append(followed)

    def due(self, now: float) -> Iterator[Query[_F]]:
        """The questions to ask now, each once."""
        # A callback may have told of the end meanwhile.
        ready = [followed for followed in self._ready if followed.end is None]
        self._ready.clear()
        has_room = False
        for group in grouped(ready, lambda followed: self._kind(followed, now)):
            if self._under_way >= QUERIES_AT_ONCE:
                self._ready.extend(group)
                continue
            query = self._query(group, now)
            has_room |= self._is_joint(query) and len(query.names) < query.endpoint.ids_at_once
            self._under_way += 1
            yield query
        if has_room and (trial := self._trial(now)) is not None:
            self._under_way += 1
            yield trial

    def answered(self, query: Query[_F], answer: Task | Answers | KlingError, now: float, service_time: float) -> None:
        """Takes the answer to a question, or what came instead; where one has several tasks, by their names.

        Args:
            query: the question.
            answer: the task, tasks by the names they were asked for by, or an error where no answer came.
            now: seconds of the monotonic clock.
            service_time: the service's time of day, in seconds since 1970.
        """
        self._under_way -= 1
        if isinstance(answer, Task):
            self._compare(query.followed, answer, now, service_time)
            self._plan(query.followed).take(query.followed, answer, now, service_time)
        elif isinstance(answer, KlingError):
            self._failed(query, answer, now, service_time)
        else:
            if not query.asked:
                current, legacy = (isinstance(answer.get(name), Task) for name in query.riders)
                self._sharing.tried(now, legacy=legacy, current=current)
            self._take_answers(query, answer, now, service_time)

    def cancelled(self, query: Query[_F], now: float, *, again: bool) -> None:
        """A question was cancelled.

        Args:
            query: the question.
            now: seconds of the monotonic clock.
            again: whether it is asked again.
        """
        self._under_way -= 1
        if not query.asked:
            self._sharing.failed(now, in_passing=True)
        if again:
            self._ask_again(query, now)

    # ------------------------------------------------------------------------------------ what is asked together

    def _query(self, group: tuple[_F, ...], now: float) -> Query[_F]:
        first = group[0]
        kind = self._kind(first, now)
        plan = self._plan(first) if kind is None else self._plans[TASKS]
        plan.asked_by_ids()
        queues = (each.queue for each in self._plans.values() if each is plan or self._sharing.is_on)
        others = riders(group, queues, lambda followed: self._kind(followed, now))
        asked, along = ({each.reference.id: each for each in some} for some in (group, others))
        return Query(plan.endpoint, first, min(_ends_at(followed, now) for followed in group), asked, along)

    def _kind(self, followed: _F, now: float) -> Kind | None:
        """Of a task that may be asked for with others: not near its deadline, at which a question is cut off."""
        if not outlives_a_page(followed, now):
            return None
        if not self._is_current(followed) and not (self._sharing.is_on and self._may_be_guest(followed, now)):
            return None
        kind, apart = kind_of(followed), self._sharing.is_on and now < followed.apart_until
        return kind._replace(apart=True) if kind is not None and apart else kind

    def _may_be_guest(self, followed: _F, now: float) -> bool:
        """Whether a task of the legacy generation has an id that the current one can be asked for.

        When most tasks like it have ended its own path tells, which may be ahead of the other generation's view.
        """
        plan = self._plan(followed)
        followed_there_too = followed.reference.id in self._plans[TASKS].names
        known = plan.is_known(followed) and not plan.endpoint.is_raw and not followed_there_too
        until = followed.begun_at + followed.estimate.look_schedule().third_quartile
        return known and followed.apart_until <= now < until

    def _trial(self, now: float) -> Query[_F] | None:
        """A question about one task of each generation, both long there; they go on waiting for their own questions."""
        if not self._sharing.may_try(now):
            return None
        waiting = [
            followed
            for plan in self._plans.values()
            for followed in plan.queue
            if plan.is_known(followed) and now >= followed.begun_at + SHOWN_WITHIN
        ]
        current = next((each for each in waiting if self._is_current(each)), None)
        legacy = next((each for each in waiting if not self._is_current(each) and self._may_be_guest(each, now)), None)
        if current is None or legacy is None:
            return None
        self._sharing.begin()
        both = {each.reference.id: each for each in (current, legacy)}
        return Query(self._plans[TASKS].endpoint, current, now + TRIAL_SECONDS, {}, both)

    # ------------------------------------------------------------------------------------------ what answers mean

    def _take_answers(self, query: Query[_F], answers: Answers, now: float, service_time: float) -> None:
        has_guests = self._has_guests(query)
        for name in query.names:
            is_due = name in query.asked
            followed = query.asked[name] if is_due else query.riders[name]
            if not is_due and followed.rate == 0:
                continue  # its own question tells, which may be under way by now
            answer, plan = answers.get(name), self._plan(followed)
            if not self._is_current(followed):
                self._take_guest(followed, answer, now, service_time, is_due=is_due)
            elif is_due and has_guests and not isinstance(answer, Task):
                followed.apart_until = now + SHOWN_WITHIN
                self._put_again(followed, now)
            elif isinstance(answer, Task) or (is_due and answer is not None):
                if not has_guests and now < followed.apart_until and followed.missing_at is None:
                    self._sharing.failed(now, in_passing=False)  # the guests were why it was left out
                plan.take(followed, answer, now, service_time)
            elif is_due:
                plan.take_left_out(followed, now, service_time)

    def _take_guest(
        self, followed: _F, answer: Task | KlingError | None, now: float, service_time: float, *, is_due: bool
    ) -> None:
        """Takes what the current generation tells of a task of the legacy one: that it goes on. All else is checked."""
        if followed.end is not None:
            return
        plan = self._plan(followed)
        if isinstance(answer, Task) and not answer.status.is_final:
            plan.take(followed, attrs.evolve(answer, endpoint=followed.reference.endpoint), now, service_time)
            return
        has_ended = isinstance(answer, Task)
        followed.apart_until = math.inf if has_ended else now + SHOWN_WITHIN
        if has_ended or is_due:
            followed.overlooked = followed.overlooked or has_ended  # its callback is slower than this question
            plan.queue.put(followed, now, now)

    def _failed(self, query: Query[_F], error: KlingError, now: float, service_time: float) -> None:
        """No answer came: what may be another task's fault is asked again without it, by halves."""
        refused = is_missing(error) or (isinstance(error, BadResponse) and not error.foreign)
        if self._has_guests(query):
            self._sharing.failed(now, in_passing=is_transient(error) and not refused)
            self._ask_again(query, now)
            return
        together = len(query.names)
        if refused and together > 1:
            for followed in (*query.asked.values(), *query.riders.values()):
                followed.together_at_most = max(1, min(followed.together_at_most, together) // 2)
            if is_missing(error):
                self._ask_again(query, now)
                return
        for followed in query.asked.values():
            self._plan(followed).take(followed, error, now, service_time)

    def _ask_again(self, query: Query[_F], now: float) -> None:
        for followed in query.asked.values():
            self._put_again(followed, now)

    def _put_again(self, followed: _F, now: float) -> None:
        if followed.end is None:
            self._plan(followed).queue.put(followed, now, now)

    def _compare(self, followed: _F, answer: Task, now: float, service_time: float) -> None:
        """What a task's own path tells, answers about both generations that came later must have told, too."""
        if not self._sharing.is_on or answer.updated_at is None:
            return
        last_seen_at = service_time - (now - followed.last_seen_at)
        if may_follow(followed.status, answer.status) and answer.updated_at.timestamp() + VIEW_TOLERANCE < last_seen_at:
            self._sharing.failed(now, in_passing=False)

    def _has_guests(self, query: Query[_F]) -> bool:
        return self._is_joint(query) and not all(map(self._is_current, (*query.asked.values(), *query.riders.values())))

    def _is_joint(self, query: Query[_F]) -> bool:
        return query.endpoint.generation is Generation.CURRENT

    def _is_current(self, followed: _F) -> bool:
        return followed.reference.endpoint == TASKS

    def _plan(self, followed: _F) -> EndpointPlan[_F]:
        return self._plans[followed.reference.endpoint]


def _ends_at(followed: FollowedTask, now: float) -> float:
    """When an answer about a task is not waited for any more."""
    if now >= followed.deadline_at and followed.gives_up_at is None:
        followed.gives_up_at = now + LAST_LOOK_SECONDS
    # A question from before the deadline is cut off at it: its answer may be as old as a suspend is long.
    return followed.deadline_at if followed.gives_up_at is None else followed.gives_up_at
