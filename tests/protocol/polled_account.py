"""Many tasks of one client, polled by the plan of polling, on a simulated account with simulated time."""

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
"""Seconds until an answer arrives."""
BEGINS: Final = 4.0
"""Seconds until a task is processing."""
TYPICAL: Final = 85.0
"""Seconds that a task takes, as published."""
SIGMA: Final = 0.25
"""Spread of their logarithm."""
LEGACY: Final = "image2video"
CURRENT: Final = "tasks"


LegacyIds = Literal["shown", "left out", "refused", "alone", "stale"]
"""How a query of the current generation treats ids of the legacy one. After the first mixed query, `alone` omits the
other ids instead, and `stale` reports forever that the tasks go on."""


class PolledAccount:
    """A simulated account on which tasks are created and polled; all random numbers come from one seed.

    Args:
        seed: seed of the random numbers.
        legacy_ids: how a query of the current generation treats ids of the legacy one.
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
        self.counts = {"ids": 0, "pages": 0}
        self.queries: list[Query[FollowedTask]] = []
        """All queries by id, in order."""
        self.lags: dict[str, list[float]] = {LEGACY: [], CURRENT: []}
        """Lag of each task that ended, as a share of `TYPICAL`."""

    @property
    def query_count(self) -> int:
        """Number of queries and pages."""
        return sum(self.counts.values())

    def lag(self, endpoint: str) -> float:
        """Returns the mean lag."""
        return sum(self.lags[endpoint]) / len(self.lags[endpoint])

    def at_once(self, count: int, endpoints: tuple[str, ...], *, within: float = 0.0) -> None:
        """Creates tasks, alternating between endpoints, within this many seconds; runs until all have ended."""
        for number in range(count):
            create = functools.partial(self._create, endpoints[number % len(endpoints)])
            self._at(within * self._random.random(), create)
        self._run()

    def in_flight(self, count: int, endpoints: tuple[str, ...], *, ends: int) -> None:
        """Keeps `count` tasks in flight until `ends` have ended."""
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
            self.counts["ids"] += 1
            self.queries.append(query)
            self._at(self.now + ANSWER, functools.partial(self._answer, query))
        for page in step.pages:
            self.counts["pages"] += 1
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
        self._plan.follow(followed, self._task(task_id), self.now, EPOCH + self.now)

    def _task(self, task_id: str, endpoint: str | None = None) -> Task:
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
        self._plan.answered(query, self._answer_to(query), self.now, EPOCH + self.now)

    def _answer_to(self, query: Query[FollowedTask]) -> Task | Mapping[str, Task | KlingError] | KlingError:
        if query.endpoint.name == LEGACY:
            return self._task(query.followed.reference.id)
        names = query.names
        assert 1 <= len(names) == len(set(names)) <= 20
        legacy = {name for name in names if self._tasks[name][0] == LEGACY}
        if legacy and self._legacy_ids == "refused":
            return RequestRefused("task_ids: invalid", code=1201, http_status=400)
        self._mixed += 0 < len(legacy) < len(names)
        answers = {name: self._task(name, CURRENT) for name in names}
        if self._legacy_ids == "left out" or (self._legacy_ids == "alone" and legacy and self._mixed > 1):
            left_out = legacy if self._legacy_ids == "left out" else answers.keys() - legacy
            return {name: task for name, task in answers.items() if name not in left_out}
        if self._legacy_ids == "stale" and self._mixed > 1:
            stale = {name: attrs.evolve(answers[name], status=TaskStatus.PROCESSING) for name in legacy}
            return answers | stale
        return answers

    def _answer_page(self, page: PageQuery[FollowedTask]) -> None:
        ids = [task_id for task_id, (endpoint, *_) in self._tasks.items() if page.endpoint.name in {endpoint, CURRENT}]
        newest = ids[::-1]
        start = 0 if page.scan.cursor is None else int(page.scan.cursor)
        if page.endpoint.name != CURRENT:
            start = (page.number - 1) * page.size
        shown = newest[start : start + page.size]
        changes: dict[int, Any] = {}
        for place, task_id in enumerate(shown):
            if (status := page.known(task_id)) is not None:
                shown_task = self._task(task_id, page.endpoint.name)
                changes[place] = (task_id, None if shown_task.status is status else shown_task)
        more = start + page.size < len(newest)
        cursor = str(start + page.size) if more and page.endpoint.name == CURRENT else None
        self._plan.page_answered(page, Listed(len(shown), changes, cursor), self.now, EPOCH + self.now)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(EPOCH + seconds, UTC)
