"""A simulated service whose tasks take about two minutes, and a client that receives its callbacks.

Nothing is awaited and no real time passes: the same seed always gives the same run.
"""

import functools
import heapq
import itertools
import math
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import attrs

from kling_async.protocol.polling.durations import Durations
from kling_async.protocol.polling.followed import FollowedTask
from kling_async.protocol.polling.id_queries import Query
from kling_async.protocol.polling.page_query import PageQuery
from kling_async.protocol.polling.plan import PollPlan
from kling_async.protocol.polling.schedule import AimedPolling, Polling
from kling_async.protocol.reference import Reference
from kling_async.protocol.results import Video
from kling_async.protocol.retry import Retry
from kling_async.protocol.tasks import Task, TaskStatus
from kling_async.protocol.wire.responses import Listed

EPOCH: Final = 1_800_000_000.0
ON_THE_WAY: Final = 0.1
"""Seconds that a callback, a query or an answer takes."""
KIND: Final = "image2video/kling-v2-6/std/5"
VIDEOS: Final = (Video(id="1", url="https://h/a.mp4"),)

Lost = Callable[["World"], bool]


@attrs.frozen
class SeenEnd:
    """The end of a task as the client saw it.

    Attributes:
        number: number of the task.
        took: seconds from its beginning to its end.
        lag: seconds from the end until it was seen.
        polls: queries and pages so far.
    """

    number: int
    took: float
    lag: float
    polls: int


class World:
    """A simulation that keeps tasks in flight and follows each to its end.

    Args:
        lost: whether the current callback is lost.
        seed: seed of the random numbers.
        concurrency: number of tasks at once.
        polling: polling schedule of the client.
        signed: whether callbacks are signed; unsigned ones make the client poll.
        lists: whether a page of the list may answer about many tasks.
    """

    def __init__(
        self,
        lost: Lost,
        *,
        seed: int,
        concurrency: int,
        polling: Polling | AimedPolling | None = None,
        signed: bool = True,
        lists: bool = True,
    ) -> None:
        self.seen_ends: list[SeenEnd] = []
        self.draws = random.Random(seed)  # noqa: S311  (for a test)
        self.polls = 0
        self._lost = lost
        self._signed = signed
        self._endpoint = "image2video" if lists else "raw:/v1/x"
        self._concurrency = concurrency
        self._now = 0.0
        self._wakes_at = -1.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._begun: list[tuple[float, float, float]] = []
        durations = Durations()
        self._estimate = durations.of(KIND, 110.0)
        uniform = random.Random(seed).random if polling is None else lambda: 0.5  # noqa: S311  (for a test)
        self._plan = PollPlan[FollowedTask](polling or AimedPolling(), Retry(), uniform, durations)

    def run(self, count: int) -> "World":
        """Runs until this many tasks have ended."""
        durations = random.Random(count)  # noqa: S311  (the same tasks in every world)
        self._left = [(durations.uniform(3, 10), 120 * math.exp(durations.gauss(0, 0.12))) for _ in range(count)][::-1]
        for _ in range(self._concurrency):
            self._create()
        self._step()
        while len(self.seen_ends) < count:
            self._now, _, happen = heapq.heappop(self._events)
            happen()
            self._step()
        return self

    def _later(self, seconds: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self._now + seconds, next(self._order), happen))

    def _create(self) -> None:
        if not self._left:
            return
        starts, takes = self._left.pop()
        number = len(self._begun)
        self._begun.append((self._now, self._now + starts, self._now + takes))
        followed = FollowedTask(
            Reference(self._endpoint, str(number)), self._now, 7200, self._estimate, created_here=True, calls_back=True
        )
        self._plan.follow(followed, self._task(number), self._now, EPOCH + self._now)
        for after in (starts, takes):
            self._later(after, functools.partial(self._changed, number))

    def _changed(self, number: int) -> None:
        self._later(ON_THE_WAY, functools.partial(self._call_back, self._task(number)))

    def _task(self, number: int) -> Task:
        """Returns a task as the service reports it now."""
        created, started, ended = self._begun[number]
        moments = {TaskStatus.SUBMITTED: created, TaskStatus.PROCESSING: started, TaskStatus.SUCCEED: ended}
        status, moment = max(((s, at) for s, at in moments.items() if at <= self._now), key=lambda found: found[1])
        return Task(
            task_id=str(number),
            status=status,
            endpoint=self._endpoint,
            created_at=datetime.fromtimestamp(EPOCH + created, UTC),
            updated_at=datetime.fromtimestamp(EPOCH + moment, UTC),
            videos=VIDEOS if status is TaskStatus.SUCCEED else (),
            raw={"videos": []},
        )

    def _call_back(self, task: Task) -> None:
        if not self._lost(self):
            self._plan.called_back(task, self._now, EPOCH + self._now, signed=self._signed)

    def _step(self) -> None:
        step = self._plan.step(self._now)
        for query in step.queries:
            self._poll(query)
        for page in step.pages:
            self._poll_page(page)
        for followed, _, end in step.updates:
            if end is not None:
                number = int(followed.reference.id)
                created, _, ended = self._begun[number]
                self.seen_ends.append(SeenEnd(number, ended - created, self._now - ended, self.polls))
                self._create()
        if step.updates:
            self._step()
        elif step.wake_at is not None and not self._now < self._wakes_at <= step.wake_at:
            self._wakes_at = max(self._now, step.wake_at)
            self._later(self._wakes_at - self._now, lambda: None)

    def _poll(self, query: Query[FollowedTask]) -> None:
        self.polls += 1

        def arrive() -> None:
            task = self._task(int(query.followed.reference.id))
            self._later(ON_THE_WAY, lambda: self._plan.answered(query, task, self._now, EPOCH + self._now))

        self._later(ON_THE_WAY, arrive)

    def _poll_page(self, page: PageQuery[FollowedTask]) -> None:
        self.polls += 1

        def arrive() -> None:
            newest = range(len(self._begun) - 1, -1, -1)[(page.number - 1) * page.size :][: page.size]
            listed = [self._task(number) for number in newest]

            def answer() -> None:
                changes: dict[int, tuple[str, Task | None]] = {}
                for place, each in enumerate(listed):
                    if (known := page.known(each.task_id)) is not None:
                        changes[place] = (each.task_id, None if each.status is known else each)
                self._plan.page_answered(page, Listed(len(listed), changes), self._now, EPOCH + self._now)

            self._later(ON_THE_WAY, answer)

        self._later(ON_THE_WAY, arrive)
