"""Many tasks of one client, asked for as the plan of polling says, on an account and in a time that are made up."""

import functools
import heapq
import itertools
import math
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

import attrs

from kling_async.protocol.errors import KlingError, RequestRefused
from kling_async.protocol.polling.durations import Durations
from kling_async.protocol.polling.followed import FollowedTask
from kling_async.protocol.polling.id_queries import Query
from kling_async.protocol.polling.page_query import PageQuery
from kling_async.protocol.polling.plan import PollPlan
from kling_async.protocol.polling.schedule import AimedPolling
from kling_async.protocol.reference import Reference
from kling_async.protocol.retry import Retry
from kling_async.protocol.tasks import Task, TaskStatus
from kling_async.protocol.wire.responses import Listed

EPOCH: Final = 1_800_000_000.0
ANSWER: Final = 0.1
"""Seconds until an answer is there."""
BEGINS: Final = 4.0
"""Seconds until it is under way."""
TYPICAL: Final = 85.0
"""Seconds that a task takes, as published."""
SIGMA: Final = 0.25
"""Spread of their logarithm."""
LEGACY: Final = "image2video"
CURRENT: Final = "tasks"


LegacyIds = Literal["shown", "left out", "refused", "alone", "stale"]
"""What a question of the current generation does with ids of the legacy one. After the first of both generations:
`alone` leaves the others out instead, and `stale` tells for ever that the tasks go on."""


class PolledAccount:
    """An account on which tasks are made and asked for; all that is drawn comes from one seed.

    Args:
        seed: of what is drawn.
        legacy_ids: what the current generation's question does with ids of the legacy one.
    """

    def __init__(self, seed: int, legacy_ids: LegacyIds = "shown") -> None:
        self._random = random.Random(seed)  # noqa: S311  (no secret)
        self._legacy_ids = legacy_ids
        self._mixed = 0
        self._durations = Durations()
        self._plan = PollPlan[FollowedTask](AimedPolling(), Retry(), self._random.random, self._durations)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._tasks: dict[str, tuple[str, float, float]] = {}
        self._on_end: dict[str, Callable[[], None]] = {}
        self._wakes_at = 0.0
        self.now = 0.0
        self.questions = {"ids": 0, "pages": 0}
        self.queries: list[Query[FollowedTask]] = []
        """All questions by ids, in order."""
        self.lags: dict[str, list[float]] = {LEGACY: [], CURRENT: []}
        """Of each task that ended, as a share of `TYPICAL`."""

    @property
    def asked(self) -> int:
        """Questions of any kind."""
        return sum(self.questions.values())

    def lag(self, endpoint: str) -> float:
        """The mean."""
        return sum(self.lags[endpoint]) / len(self.lags[endpoint])

    def at_once(self, count: int, endpoints: tuple[str, ...], *, within: float = 0.0) -> None:
        """So many tasks, in turn of each endpoint, made within so many seconds; runs until all have ended."""
        for number in range(count):
            create = functools.partial(self._create, endpoints[number % len(endpoints)])
            self._at(within * self._random.random(), create)
        self._run()

    def in_flight(self, count: int, endpoints: tuple[str, ...], *, ends: int) -> None:
        """So many tasks at any time, until so many have ended."""
        left = itertools.count(count)

        def again() -> None:
            if (number := next(left)) < ends:
                self._create(endpoints[number % len(endpoints)], again)

        for number in range(count):
            create = functools.partial(self._create, endpoints[number % len(endpoints)], again)
            self._at(TYPICAL * self._random.random(), create)
        self._run()

    def _at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._numbers), what))

    def _run(self) -> None:
        while self._events:
            self.now, _, what = heapq.heappop(self._events)
            what()
            self._step()
        assert not self._plan.unfinished()

    def _step(self) -> None:
        step = self._plan.step(self.now)
        for followed, _, end in step.updates:
            if end is not None:
                assert isinstance(end, Task), end
                endpoint, _, ended_at = self._tasks[followed.reference.id]
                self.lags[endpoint].append((self.now - ended_at) / TYPICAL)
                self._at(self.now, self._on_end.pop(followed.reference.id))
        for query in step.queries:
            self.questions["ids"] += 1
            self.queries.append(query)
            self._at(self.now + ANSWER, functools.partial(self._answer, query))
        for page in step.pages:
            self.questions["pages"] += 1
            self._at(self.now + ANSWER, functools.partial(self._answer_page, page))
        if step.wake_at is not None and not self.now < self._wakes_at <= step.wake_at:
            self._wakes_at = max(step.wake_at, self.now)
            self._at(self._wakes_at, lambda: None)

    def _create(self, endpoint: str, on_end: Callable[[], None] = lambda: None) -> None:
        task_id = str(len(self._tasks))
        took = TYPICAL * math.exp(self._random.gauss(-(SIGMA**2) / 2, SIGMA))
        self._tasks[task_id] = endpoint, self.now, self.now + took
        self._on_end[task_id] = on_end
        estimate = self._durations.of(f"{endpoint}/kling-9", TYPICAL)
        followed = FollowedTask(Reference(endpoint, task_id), self.now, 7200, estimate, created_here=True)
        self._plan.follow(followed, self._told(task_id), self.now, EPOCH + self.now)

    def _told(self, task_id: str, endpoint: str | None = None) -> Task:
        made_at, began, ends = self._tasks[task_id]
        status, since = TaskStatus.SUBMITTED, began
        for word, when in ((TaskStatus.PROCESSING, began + BEGINS), (TaskStatus.SUCCEED, ends)):
            status, since = (word, when) if self.now >= when else (status, since)
        return Task(
            endpoint=endpoint or made_at,
            task_id=task_id,
            status=status,
            created_at=_moment(began),
            updated_at=_moment(since),
        )

    def _answer(self, query: Query[FollowedTask]) -> None:
        self._plan.answered(query, self._news(query), self.now, EPOCH + self.now)

    def _news(self, query: Query[FollowedTask]) -> Task | Mapping[str, Task | KlingError] | KlingError:
        if query.endpoint.name == LEGACY:
            return self._told(query.followed.reference.id)
        names = query.names
        assert 1 <= len(names) == len(set(names)) <= 20
        legacy = {name for name in names if self._tasks[name][0] == LEGACY}
        if legacy and self._legacy_ids == "refused":
            return RequestRefused("task_ids: invalid", code=1201, http_status=400)
        self._mixed += 0 < len(legacy) < len(names)
        told = {name: self._told(name, CURRENT) for name in names}
        if self._legacy_ids == "left out" or (self._legacy_ids == "alone" and legacy and self._mixed > 1):
            left_out = legacy if self._legacy_ids == "left out" else told.keys() - legacy
            return {name: task for name, task in told.items() if name not in left_out}
        if self._legacy_ids == "stale" and self._mixed > 1:
            stale = {name: attrs.evolve(told[name], status=TaskStatus.PROCESSING) for name in legacy}
            return told | stale
        return told

    def _answer_page(self, page: PageQuery[FollowedTask]) -> None:
        ids = [task_id for task_id, (endpoint, *_) in self._tasks.items() if page.endpoint.name in {endpoint, CURRENT}]
        newest = ids[::-1]
        start = 0 if page.scan.cursor is None else int(page.scan.cursor)
        if page.endpoint.name != CURRENT:
            start = (page.number - 1) * page.size
        shown = newest[start : start + page.size]
        news: dict[int, Any] = {}
        for place, task_id in enumerate(shown):
            if (status := page.known(task_id)) is not None:
                told = self._told(task_id, page.endpoint.name)
                news[place] = (task_id, None if told.status is status else told)
        more = start + page.size < len(newest)
        cursor = str(start + page.size) if more and page.endpoint.name == CURRENT else None
        self._plan.page_answered(page, Listed(len(shown), news, cursor), self.now, EPOCH + self.now)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(EPOCH + seconds, UTC)
