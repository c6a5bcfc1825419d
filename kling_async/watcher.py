"""Follows all tasks of a client: who is asked for when, in one heap with one timer and no task per handle."""

import asyncio
import collections
import heapq
import itertools
import logging
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from kling_async.api import Api
from kling_async.protocol.endpoints import ENDPOINTS
from kling_async.protocol.errors import BadResponse, ClientClosed, KlingError, TaskTimeout
from kling_async.protocol.lifecycle import judge
from kling_async.protocol.models import Reference, Task, TaskStatus
from kling_async.protocol.schedule import Polling, Retry, Uniform

logger = logging.getLogger("kling_async")

POLLS: Final = 32
"""Queries under way at once: enough for thousands of tasks, few enough not to crowd the service."""


class Listener(Protocol):
    """Someone who is told about a task."""

    def told(self, task: Task) -> None:
        """The task has a new status."""

    def ended(self, end: Task | KlingError) -> None:
        """There is nothing more to come."""


class Following:
    """One task that is followed, however many handles there are to it."""

    __slots__ = (
        "accepted_at",
        "created_here",
        "deadline",
        "due",
        "end",
        "failures",
        "keys",
        "last_error",
        "listeners",
        "on_end",
        "polls",
        "reference",
        "snapshots",
    )

    def __init__(
        self, reference: Reference, accepted_at: float, deadline: float, polls: Iterator[float], *, created_here: bool
    ) -> None:
        self.reference = reference
        self.accepted_at = accepted_at
        self.deadline = deadline
        self.polls = polls
        self.created_here = created_here
        self.due = accepted_at
        self.failures: Iterator[float] | None = None
        self.keys: list[tuple[str, str]] = []
        self.last_error: KlingError | None = None
        self.snapshots: list[Task] = []
        self.listeners: list[Listener] = []
        self.on_end: Callable[[], None] | None = None
        self.end: Task | KlingError | None = None

    @property
    def status(self) -> TaskStatus | None:
        """The status last told."""
        return self.snapshots[-1].status if self.snapshots else None

    def listen(self, listener: Listener) -> None:
        """Tells the listener from now on; what was told before is in `snapshots`."""
        self.listeners.append(listener)

    def learn(self, task: Task) -> None:
        """Takes a new status."""
        self.snapshots.append(task)
        self.reference = Reference(task.endpoint, task.task_id)
        for listener in self.listeners:
            listener.told(task)

    def finish(self, end: Task | KlingError) -> None:
        """Ends it, once."""
        if self.end is not None:
            return
        self.end = end
        if self.on_end is not None:
            self.on_end()
        listeners, self.listeners = self.listeners, []
        for listener in listeners:
            listener.ended(end)


class Watcher:
    """Asks for every followed task until it ends.

    Args:
        api: asks.
        polling: when.
        retry: when again after a question that failed.
        uniform: random numbers for the delays.
    """

    def __init__(self, api: Api, polling: Polling, retry: Retry, uniform: Uniform) -> None:
        self._api = api
        self._polling = polling
        self._retry = retry
        self._uniform = uniform
        self._by_id: dict[tuple[str, str], Following] = {}
        self._queue: list[tuple[float, int, Following]] = []
        self._order = itertools.count()
        self._ready: collections.deque[Following] = collections.deque()
        self._polls: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = 0.0

    def find(self, reference: Reference) -> Following | None:
        """Who follows this task already, by either of its ids."""
        return self._by_id.get((reference.endpoint, reference.id))

    def follow(self, reference: Reference, *, created: Task | None, on_end: Callable[[], None]) -> Following:
        """Begins to follow a task.

        Args:
            reference: of the task.
            created: the answer to its create; None for a task that was attached, which is asked for at once.
            on_end: called once, when it ends; before this returns if it was done when it was found.
        """
        now = asyncio.get_running_loop().time()
        polls = self._polling.delays(self._uniform)
        following = Following(reference, now, now + self._polling.deadline, polls, created_here=created is not None)
        following.on_end = on_end
        self._index(following)
        if created is None:
            self._ask_at(following, now)
        else:
            self._take(following, created)
        return following

    def unfinished(self) -> list[Following]:
        """All that have not ended."""
        return list({id(following): following for following in self._by_id.values()}.values())

    async def close(self) -> None:
        """Stops asking; all who wait get `ClientClosed` with the reference."""
        if self._timer is not None:
            self._timer.cancel()
        self._queue.clear()
        self._ready.clear()
        for poll in self._polls:
            poll.cancel()
        await asyncio.gather(*self._polls, return_exceptions=True)
        for following in self.unfinished():
            reference = str(following.reference)
            self._finish(
                following,
                ClientClosed(
                    "the client was closed; the task goes on, attach(reference) follows it", reference=reference
                ),
            )

    # ------------------------------------------------------------------------------------- news

    def _take(self, following: Following, news: Task | KlingError) -> None:
        """Tells what the news means, and asks again if it was not the end."""
        now = asyncio.get_running_loop().time()
        if following.end is not None:
            return
        if isinstance(news, Task) and following.snapshots and news.task_id != following.reference.id:
            news = BadResponse(f"asked for task {following.reference.id}, the service answered about another one")
        following.last_error = None if isinstance(news, Task) else news
        if isinstance(news, Task):
            following.reference = Reference(news.endpoint, news.task_id)
            self._index(following, news.external_task_id)
        age = now - following.accepted_at if following.created_here else float("inf")
        verdict = judge(following.status, news, age=age, reference=str(following.reference))
        if verdict.snapshot is not None:
            following.learn(verdict.snapshot)
        if verdict.end is not None:
            self._finish(following, verdict.end)
        elif now >= following.deadline:
            self._finish(following, self._timeout(following))
        else:
            self._ask_at(following, now + self._delay(following, failing=verdict.failing))

    def _delay(self, following: Following, *, failing: bool) -> float:
        if not failing:
            following.failures = None
            return next(following.polls)
        if following.failures is None:
            following.failures = self._retry.delays(self._uniform)
        return next(following.failures)

    def _timeout(self, following: Following) -> TaskTimeout:
        last = following.last_error
        return TaskTimeout(
            f"the task did not end within {self._polling.deadline:g} s (Polling.deadline); it goes on and is billed. "
            "attach(reference) waits on" + (f". The last question ended with: {last.message}" if last else ""),
            code=last.code if last else None,
            http_status=last.http_status if last else None,
            request_id=last.request_id if last else None,
            reference=str(following.reference),
        )

    def _finish(self, following: Following, end: Task | KlingError) -> None:
        for key in following.keys:
            del self._by_id[key]
        following.keys.clear()
        following.finish(end)

    def _index(self, following: Following, external_task_id: str | None = None) -> None:
        for name in (following.reference.id, external_task_id):
            if name is None or (following.reference.endpoint, name) in self._by_id:
                continue
            self._by_id[following.reference.endpoint, name] = following
            following.keys.append((following.reference.endpoint, name))

    # ------------------------------------------------------------------------------------ asking

    def _ask_at(self, following: Following, when: float) -> None:
        following.due = min(when, following.deadline)
        heapq.heappush(self._queue, (following.due, next(self._order), following))
        self._arm()

    def _arm(self) -> None:
        if not self._queue:
            return
        due = self._queue[0][0]
        if self._timer is not None:
            if self._armed_for <= due:
                return
            self._timer.cancel()
        self._armed_for = due
        self._timer = asyncio.get_running_loop().call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        while self._queue and self._queue[0][0] <= now:
            self._ready.append(heapq.heappop(self._queue)[2])
        self._begin()
        self._arm()

    def _begin(self) -> None:
        while self._ready and len(self._polls) < POLLS:
            poll = asyncio.get_running_loop().create_task(self._poll(self._ready.popleft()))
            self._polls.add(poll)
            poll.add_done_callback(self._polled)

    def _polled(self, poll: asyncio.Task[None]) -> None:
        self._polls.discard(poll)
        self._begin()

    async def _poll(self, following: Following) -> None:
        endpoint = ENDPOINTS[following.reference.endpoint]
        # At the deadline one last look, then the end.
        last = following.deadline + self._polling.first
        try:
            async with asyncio.timeout_at(last):
                news: Task | KlingError = await self._api.query(endpoint, following.reference.id)
        except KlingError as error:
            logger.debug("poll of %s: %s", following.reference, error)
            news = error
        except TimeoutError:
            news = self._timeout(following)
        except Exception as error:  # noqa: BLE001  (whoever waits must hear of it, whatever it is)
            news = KlingError(f"following failed unexpectedly ({type(error).__name__})").about(str(following.reference))
        self._take(following, news)
