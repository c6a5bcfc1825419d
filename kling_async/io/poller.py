"""Asks for every followed task until it ends: singly, or by a page of the list that answers for many; one timer."""

import asyncio
import collections
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

import attrs

from kling_async.io.api import Api
from kling_async.io.task_watch import TaskWatch
from kling_async.protocol.endpoints import ENDPOINTS, Endpoint, typical_seconds
from kling_async.protocol.errors import BadResponse, ClientClosed, KlingError, Remedy, RequestTimeout
from kling_async.protocol.lifecycle import classify, passes
from kling_async.protocol.polling.estimates import DurationEstimate, Durations
from kling_async.protocol.polling.listing import ListScan, ListStrategy
from kling_async.protocol.polling.queue import PollQueue, share_passed
from kling_async.protocol.polling.schedule import AimedPolling, Polling
from kling_async.protocol.reference import Reference
from kling_async.protocol.retry import Retry, Uniform
from kling_async.protocol.tasks import Task, TaskStatus
from kling_async.protocol.wire.responses import Listed

logger = logging.getLogger("kling_async")

POLLS: Final = 32
"""Single queries under way at once: enough for thousands of tasks, few enough not to crowd the service."""
PAGE_SECONDS: Final = 10.0
"""Seconds that a page of the list may take, and that a task waits for pages before it is asked for singly."""
SLOW_ANSWER: Final = 5.0
"""Seconds that a task may be older than its create's answer, by the clocks, and still be taken for new."""
LAST_LOOK_SECONDS: Final = 10.0
"""Seconds for the last look at a task whose deadline has passed, from when that question goes out: after a suspend the
deadline may be long past, and the network needs a moment to come back."""


class _Watched:
    """The tasks of one endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.names: dict[str, TaskWatch] = {}
        self.agenda = PollQueue[TaskWatch]()
        self.pages = ListStrategy()
        self.swept_for: dict[str, TaskWatch] | None = None
        """While a sweep is under way: the tasks that are due and wait for it."""

    def can_list(self, following: TaskWatch) -> bool:
        """Whether a page is likely to hold a task, and its id stands for this following alone."""
        known = bool(following.snapshots) and self.names.get(following.reference.id) is following
        return known and not following.missed

    def known(self, task_id: str) -> TaskStatus | None:
        """The status of a task that a page can tell about; not of one to which a single question is under way."""
        following = self.names.get(task_id)
        if following is None or following.reference.id != task_id:
            return None
        asked = following.rate > 0 or (self.swept_for is not None and task_id in self.swept_for)
        return following.status if asked else None


class Poller:
    """Asks for every followed task until it ends.

    Args:
        api: asks.
        polling: when.
        retry: when again after a question that failed.
        uniform: random numbers for the delays.
        durations: how long tasks take; it learns.
    """

    def __init__(
        self, api: Api, polling: Polling | AimedPolling, retry: Retry, uniform: Uniform, durations: Durations
    ) -> None:
        self._api = api
        self._polling = polling
        self._retry = retry
        self._uniform = uniform
        self.durations = durations
        self._watched = {name: _Watched(endpoint) for name, endpoint in ENDPOINTS.items()}
        self._ready: collections.deque[TaskWatch] = collections.deque()
        self._polls: set[asyncio.Task[None]] = set()
        self._sweeps: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def find(self, reference: Reference) -> TaskWatch | None:
        """The following of this task, by either of its ids, if there is one."""
        return self._watched[reference.endpoint].names.get(reference.id)

    def follow(
        self,
        reference: Reference,
        *,
        created: Task | None,
        estimate: DurationEstimate | None = None,
        on_end: Callable[[], None],
    ) -> TaskWatch:
        """Begins to follow a task.

        Args:
            reference: of the task.
            created: the answer to its create; None for a task that was attached, which is asked for at once.
            estimate: how long tasks of its kind take, where the kind is known.
            on_end: called once, when it ends; before this returns if it was done when it was found.
        """
        now = asyncio.get_running_loop().time()
        estimate = estimate or self._any(reference)
        deadline = now + self._polling.deadline
        following = TaskWatch(reference, now, deadline, estimate, created_here=created is not None)
        following.on_end = on_end
        if created is not None and (age := self._api.age_of(created)) > SLOW_ANSWER:
            following.begun_at = now - age  # an older task that was adopted, or one that was looked up later
        self._name(following, reference.id)
        if created is None:
            self._wait(following, now, now)
        else:
            self._take(following, created)
        return following

    def unfinished(self) -> list[TaskWatch]:
        """All that have not ended."""
        named = (following for watched in self._watched.values() for following in watched.names.values())
        return list({id(following): following for following in named}.values())

    async def close(self) -> None:
        """Stops asking; all waiters get `ClientClosed` with the reference."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for watched in self._watched.values():
            watched.agenda.clear()
        self._ready.clear()
        under_way = self._polls | self._sweeps
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        for following in self.unfinished():
            reference = str(following.reference)
            self._finish(
                following,
                ClientClosed("the client was closed; the task goes on", remedy=Remedy.ATTACH, reference=reference),
            )

    # ------------------------------------------------------------------------------------- news

    def _take(self, following: TaskWatch, news: Task | KlingError) -> None:
        """Tells what the news means, and asks again if it was not the end."""
        now = asyncio.get_running_loop().time()
        if following.end is not None:
            return
        if isinstance(news, Task) and following.snapshots and news.task_id != following.reference.id:
            news = BadResponse(f"asked for task {following.reference.id}, the service answered about another one")
        if isinstance(news, Task):
            if news.external_task_id is None:  # the service does not always repeat it
                news = attrs.evolve(news, external_task_id=following.external_task_id)
            self._heard(following, news, now)
        else:
            following.note(news)
        age = now - following.accepted_at if following.created_here else float("inf")
        verdict = classify(following.status, news, age=age, reference=str(following.reference))
        if verdict.snapshot is not None:
            following.learn(verdict.snapshot)
        if verdict.end is not None:
            self._remember(following, now, ended=isinstance(verdict.end, Task))
            self._finish(following, verdict.end)
        elif verdict.failing:
            if following.failures is None:
                following.failures = self._retry.delays(self._uniform)
            self._ask_again(following, now, now + next(following.failures))
        else:
            self._go_on(following, now)

    def _go_on(self, following: TaskWatch, now: float) -> None:
        """The service answered, and the task has not ended."""
        following.last_error = None
        following.failures = None
        following.heard_at = now
        if following.gives_up_at is not None:
            self._give_up(following, now)
            return
        due = self._next_question(following, now)
        if due is not None:
            self._ask_again(following, now, due)

    def _ask_again(self, following: TaskWatch, now: float, due: float) -> None:
        """Waits until `due`, or until the deadline: after that there is one last look, then the end."""
        if following.gives_up_at is None:
            self._wait(following, now, min(due, following.deadline))
        elif due < following.gives_up_at:
            self._wait(following, now, due)
        else:
            self._give_up(following, now)

    def _give_up(self, following: TaskWatch, now: float) -> None:
        self._remember(following, now, ended=False)
        self._finish(following, following.timeout(self._polling.deadline))

    def _heard(self, following: TaskWatch, task: Task, now: float) -> None:
        if not following.snapshots and not following.created_here:
            following.begun_at = now - self._api.age_of(task)
        if task.task_id != following.reference.id:
            following.reference = Reference(task.endpoint, task.task_id)
        self._name(following, task.task_id, task.external_task_id)

    def _next_question(self, following: TaskWatch, now: float) -> float | None:
        """When to ask next; None where it stays as it is."""
        match self._polling:
            case AimedPolling() as aimed:
                return now + aimed.delay(following.estimate, now - following.begun_at, self._uniform)
            case Polling() as beat:
                waited = share_passed(following, now) if following.rate else 1.0
                asked = beat.asked_after(following.asked, waited)
                if asked is None:
                    return None
                following.asked = asked
                return now + beat.delay(asked - 1, self._uniform)

    def _remember(self, following: TaskWatch, now: float, *, ended: bool) -> None:
        """Learns how long it took: as the service tells, within what was seen of it from here."""
        if not following.created_here or len(following.snapshots) == 1:  # it had ended when it was first seen
            return
        age = now - following.begun_at
        task = following.snapshots[-1]
        if ended and task.created_at is not None and task.updated_at is not None:
            told = (task.updated_at - task.created_at).total_seconds()
            age = min(age, max(told, following.heard_at - following.begun_at))
        for estimate in (following.estimate, self._any(following.reference)):
            estimate.observe(age, ended=ended)

    def _any(self, reference: Reference) -> DurationEstimate:
        return self.durations.of(reference.endpoint, typical_seconds(None, 10))

    def _finish(self, following: TaskWatch, end: Task | KlingError) -> None:
        watched = self._watched[following.reference.endpoint]
        watched.agenda.remove(following)
        for name in following.names:
            del watched.names[name]
        following.names = ()
        following.finish(end)

    def _name(self, following: TaskWatch, *names: str | None) -> None:
        known = self._watched[following.reference.endpoint].names
        for name in names:
            if name is not None and name not in known:
                known[name] = following
                following.names = (*following.names, name)

    # ------------------------------------------------------------------------------------ asking

    def _wait(self, following: TaskWatch, now: float, due: float) -> None:
        self._watched[following.reference.endpoint].agenda.put(following, now, due)
        self._arm()

    def _arm(self) -> None:
        """Sets the timer for the task that is due first."""
        times = [time for watched in self._watched.values() if (time := watched.agenda.next_time()) is not None]
        if not times:
            return
        if self._timer is not None:
            if self._timer.when() <= min(times):
                return
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(min(times), self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for watched in self._watched.values():
            due = watched.agenda.take_due(now)
            if due:
                self._ask(watched, due, now)
        self._begin()
        self._arm()

    def _ask(self, watched: _Watched, due: list[TaskWatch], now: float) -> None:
        """By a page what a page can answer and is worth one, the rest singly."""
        listed = {each.reference.id: each for each in due if watched.can_list(each) and _outlives_a_page(each, now)}
        if listed and watched.swept_for is None:
            agenda = watched.agenda
            sweep = watched.pages.begin(len(agenda) + len(listed), agenda.value(now) + len(listed))
            if sweep is not None:
                watched.swept_for = {}
                _start(self._sweep(watched, sweep), self._sweeps)
        if watched.swept_for is None:
            listed.clear()
        else:
            watched.swept_for |= listed
        self._ask_singly(watched, [each for each in due if listed.get(each.reference.id) is not each])

    def _ask_singly(self, watched: _Watched, due: list[TaskWatch]) -> None:
        for following in due:
            watched.pages.asked_singly()
            self._ready.append(following)

    def _begin(self) -> None:
        while self._ready and len(self._polls) < POLLS:
            _start(self._poll(self._ready.popleft()), self._polls, self._begin)

    async def _poll(self, following: TaskWatch) -> None:
        endpoint = ENDPOINTS[following.reference.endpoint]
        now = asyncio.get_running_loop().time()
        if now >= following.deadline and following.gives_up_at is None:
            following.gives_up_at = now + LAST_LOOK_SECONDS
        # A question from before the deadline is cut off at it: its answer may be as old as a suspend is long.
        ends_at = following.deadline if following.gives_up_at is None else following.gives_up_at
        try:
            async with asyncio.timeout_at(ends_at):
                news: Task | KlingError = await self._api.query(endpoint, following.reference.id)
        except KlingError as error:
            logger.debug(
                "poll of %s: %s",
                following.reference,
                error,
                extra={"kling_event": "poll_failed", "kling_reference": str(following.reference)},
            )
            news = error
        except TimeoutError:
            news = RequestTimeout("no answer in time")
        except asyncio.CancelledError:
            self._put_back({following.reference.id: following})
            raise
        except Exception as error:  # noqa: BLE001  (those who wait must get it, whatever it is)
            news = KlingError(f"following failed unexpectedly ({type(error).__name__})").about(str(following.reference))
        self._take(following, news)

    async def _sweep(self, watched: _Watched, sweep: ListScan) -> None:
        """Asks for pages as long as they pay; then singly for the tasks that are due and were on none of them."""
        wanted = set(watched.swept_for or ())
        try:
            failure = await self._ask_pages(watched, sweep)
        except asyncio.CancelledError:
            unanswered, watched.swept_for = watched.swept_for or {}, None
            self._put_back(unanswered)
            raise
        unanswered, watched.swept_for = watched.swept_for or {}, None
        watched.pages.ended(sweep)
        if failure is not None and passes(failure):
            for following in unanswered.values():
                self._take(following, failure)
            return
        missed = [unanswered.pop(task_id) for task_id in wanted & unanswered.keys()]
        for following in missed:
            following.missed = sweep.exhausted
        self._ask_singly(watched, missed)
        if unanswered:  # their time came meanwhile
            self._ask(watched, list(unanswered.values()), asyncio.get_running_loop().time())
        self._begin()

    async def _ask_pages(self, watched: _Watched, sweep: ListScan) -> KlingError | None:
        """Page after page; the error that ended it, if one did."""
        try:
            while True:
                async with asyncio.timeout(PAGE_SECONDS):
                    listed = await self._api.listed(watched.endpoint, sweep.number, sweep.size, watched.known)
                won = self._take_page(watched, listed)
                self._ask_overdue(watched)
                left = watched.agenda.value(asyncio.get_running_loop().time()) + len(watched.swept_for or ())
                if not sweep.answered(listed.length, list(listed.news), gained=won, left=left):
                    return None
        except KlingError as error:
            logger.debug(
                "page %d of %s: %s", sweep.number, watched.endpoint.name, error, extra={"kling_event": "page_failed"}
            )
            sweep.failed()
            return error
        except TimeoutError:
            sweep.failed()
        except Exception:  # the tasks that wait for it must be asked for all the same
            logger.exception("reading the list failed unexpectedly", extra={"kling_event": "page_failed"})
            sweep.failed()
        return None

    def _put_back(self, followings: Mapping[str, TaskWatch]) -> None:
        """The question to them was cancelled: they are asked again, unless the client closes."""
        if self._closed:
            return
        now = asyncio.get_running_loop().time()
        for following in followings.values():
            self._wait(following, now, now)

    def _ask_overdue(self, watched: _Watched) -> None:
        """Tasks that have waited for pages long enough, or whose deadline is near, are asked for singly."""
        now = asyncio.get_running_loop().time()
        waiting = watched.swept_for or {}
        overdue = [
            each for each in waiting.values() if now >= each.due + PAGE_SECONDS or not _outlives_a_page(each, now)
        ]
        for following in overdue:
            del waiting[following.reference.id]
        self._ask_singly(watched, overdue)
        self._begin()

    def _take_page(self, watched: _Watched, listed: Listed) -> float:
        """Takes what a page told; what that was worth, in single questions."""
        now = asyncio.get_running_loop().time()
        won = 0.0
        # What is new comes first: how long those took tells when to ask for the others again.
        for task_id, news in sorted(listed.news.values(), key=lambda told: told[1] is None):
            following = watched.names.get(task_id)
            if following is None or watched.known(task_id) is None:
                continue  # on the page twice, or ended by what a listener did meanwhile
            following.missed = False
            asked = (watched.swept_for or {}).pop(task_id, None)
            share, due = share_passed(following, now), following.due
            if news is None:
                self._go_on(following, now)
            else:
                self._take(following, news)
            if asked is not None or following.end is not None:
                won += 1.0
            elif following.due != due:  # else its question comes all the same
                won += share
        return won


def _outlives_a_page(following: TaskWatch, now: float) -> bool:
    """Whether a page that is asked for now is there before the task's deadline."""
    return now + PAGE_SECONDS <= following.deadline


def _start(
    work: Coroutine[Any, Any, None], among: set[asyncio.Task[None]], then: Callable[[], None] = lambda: None
) -> None:
    def ended(task: asyncio.Task[None]) -> None:
        among.discard(task)
        then()

    task = asyncio.get_running_loop().create_task(work)
    among.add(task)
    task.add_done_callback(ended)
