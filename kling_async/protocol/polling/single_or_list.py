"""The followed tasks of one endpoint: which a page of the list is to answer, and which are asked for by their ids."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final, Generic, NamedTuple, TypeVar

import attrs

from kling_async.protocol.endpoint import SHOWN_WITHIN, Endpoint, Generation
from kling_async.protocol.errors import BadResponse, KlingError, TaskNotFound
from kling_async.protocol.lifecycle import is_missing, is_news, may_follow
from kling_async.protocol.polling.callback_news import has_results
from kling_async.protocol.polling.callback_trust import LEFT_RUNNING, CallbackTrust
from kling_async.protocol.polling.durations import DurationEstimate, Durations
from kling_async.protocol.polling.followed import SLOW_ANSWER, FollowedTask, age_of
from kling_async.protocol.polling.listing import ListScan, ListStrategy, cost
from kling_async.protocol.polling.outcome_or_deadline import Outcome, OutcomeRules, checked, filled, learn
from kling_async.protocol.polling.queue import PollQueue, share_passed
from kling_async.protocol.polling.schedule import SHORTEST_DELAY
from kling_async.protocol.polling.together import grouped, riders, stretch, worth
from kling_async.protocol.reference import Reference
from kling_async.protocol.retry import is_transient
from kling_async.protocol.tasks import Task, TaskStatus
from kling_async.protocol.wire import requests
from kling_async.protocol.wire.requests import HttpRequest
from kling_async.protocol.wire.responses import Listed

PAGE_SECONDS: Final = 10.0
"""Seconds that a page of the list may take, and that a task waits for pages before it is asked for singly."""

_F = TypeVar("_F", bound=FollowedTask)


class Update(NamedTuple, Generic[_F]):
    """What is new about a task: a new status, the end, or both."""

    followed: _F
    snapshot: Task | None
    end: Task | KlingError | None


@attrs.define
class Scan(Generic[_F]):
    """A scan of the list that is under way.

    Attributes:
        pages: which page to ask for, and whether another one follows.
        wanted: ids of the tasks for which it began.
        waiting: tasks that are due and wait for it, by id; some of them may have become due after it began.
        since: when the first of the tasks was made that it could answer; None where that is not known.
        cursor: where its next page begins, in a list that goes on by cursor.
    """

    pages: ListScan
    wanted: frozenset[str]
    waiting: dict[str, _F]
    since: datetime | None = None
    cursor: str | None = None


class PageQuery(NamedTuple, Generic[_F]):
    """A page of the list to ask for.

    Attributes:
        endpoint: whose list.
        number: of the page, from 1.
        size: tasks on a page.
        ends_at: when an answer is not waited for any more.
        known: tells the status of a task that the page may tell about; None for all others.
        scan: that the page is of, and that knows where it begins.
    """

    endpoint: Endpoint
    number: int
    size: int
    ends_at: float
    known: Callable[[str], TaskStatus | None]
    scan: Scan[_F]

    @property
    def request(self) -> HttpRequest:
        """What is sent."""
        if self.endpoint.generation is Generation.CURRENT:
            return requests.page_from(self.size, self.scan.cursor, since=self.scan.since)
        return requests.page(self.endpoint, self.number, self.size)


class EndpointPlan(Generic[_F]):
    """Plans the questions about the tasks of one endpoint.

    Args:
        endpoint: of the tasks.
        rules: what news mean.
        durations: how long tasks take; it learns.
        trust: in callbacks; it learns.
        ask: takes the tasks that are to be asked for by one question, each of them by its id.
        tell: takes what is new about a task.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        rules: OutcomeRules,
        durations: Durations,
        trust: CallbackTrust[_F],
        *,
        ask: Callable[[tuple[_F, ...]], None],
        tell: Callable[[Update[_F]], None],
    ) -> None:
        self.endpoint = endpoint
        self._rules = rules
        self._durations = durations
        self._trust = trust
        self._ask = ask
        self._are_current = endpoint.generation is Generation.CURRENT
        self._tell = tell
        self._strategy = ListStrategy()
        self._scan: Scan[_F] | None = None
        self._page_wanted = False
        self.names: dict[str, _F] = {}
        """The tasks that have not ended, by each of their ids."""
        self.queue = PollQueue[_F]()

    @property
    def estimate(self) -> DurationEstimate:
        """How long tasks of this endpoint take, whatever their kind."""
        return self._durations.of(self.endpoint.name, self.endpoint.typical_seconds(None))

    def follow(self, followed: _F, created: Task | None, now: float, service_time: float) -> None:
        """Begins with a task; one that was attached is asked for at once."""
        if created is not None and (age := age_of(created, service_time)) > SLOW_ANSWER:
            followed.begun_at = now - age  # an older task that was adopted, or one that was looked up later
        self._take_name(followed, followed.reference.id)
        if created is None:
            self.queue.put(followed, now, now)
        else:
            self.take(followed, created, now, service_time)

    def take(self, followed: _F, news: Task | KlingError, now: float, service_time: float) -> None:
        """Takes an answer about a task, or what came instead."""
        if followed.end is not None:
            return
        followed.stretch = self._stretch()
        news = checked(followed, news)
        if isinstance(news, Task):
            if self._are_current and not followed.snapshots:
                followed = self._joined(followed, news.task_id)
            self._name(followed, news)
        outcome = self._rules.of(followed, news, now, service_time)
        if outcome.snapshot is not None:
            self._trust.heard(followed, now, by_callback=followed.prompted)
        self._apply(followed, outcome, now)

    def _stretch(self) -> float:
        return stretch(1 + len(self.queue), self.endpoint.ids_at_once, by_pages=not self._strategy.barred)

    def called_back(self, followed: _F, news: Task, now: float, service_time: float, *, signed: bool) -> None:
        """Takes what a callback says: if the service has signed it, that is the news; else the task is asked for."""
        if not is_news(followed.snapshots[-1] if followed.snapshots else None, news):
            return
        if signed and has_results(news, self.endpoint.result):
            news = filled(followed, news)
            self._name(followed, news)
            outcome = self._rules.told(followed, news, now, service_time)
            self._trust.heard(followed, now, by_callback=True)
            self._apply(followed, outcome, now)
        elif not followed.held:  # else it is asked for by who follows it
            self._ask_soon(followed, news.status, now)

    def _ask_soon(self, followed: _F, status: TaskStatus, now: float) -> None:
        """Asks for a task of which a callback says that there is news, however many of them come."""
        followed.prompted = True
        if followed.rate == 0:
            followed.hinted = status
        elif (due := max(now, followed.heard_at + SHORTEST_DELAY)) < followed.due:
            self.queue.put(followed, now, due)

    def _apply(self, followed: _F, outcome: Outcome, now: float) -> None:
        if outcome.end is not None:
            learn(followed, (followed.estimate, self.estimate), now, ended=isinstance(outcome.end, Task))
            self.finish(followed, outcome.end, outcome.snapshot)
            return
        if outcome.snapshot is not None:
            self._say(followed, outcome.snapshot, None)
        if outcome.due is not None:
            again = followed.hinted is not None and may_follow(followed.status, followed.hinted)
            followed.prompted, followed.hinted = again, None
            self._trust.answered(followed)
            self.queue.put(followed, now, min(outcome.due, now + SHORTEST_DELAY) if again else outcome.due)

    def finish(self, followed: _F, end: Task | KlingError, snapshot: Task | None = None) -> None:
        """Ends the following of a task."""
        self.queue.remove(followed)
        self._trust.answered(followed)
        for name in followed.names:
            del self.names[name]
        followed.names = ()
        self._say(followed, snapshot, end)

    def _say(self, followed: _F, snapshot: Task | None, end: Task | KlingError | None) -> None:
        """Tells what is new about a task, by whatever name it is followed."""
        followed.end = end
        self._tell(Update(followed, snapshot, end))
        for twin in followed.twins:
            twin.end = end
            self._tell(Update(twin, snapshot, end))

    def _joined(self, followed: _F, task_id: str) -> _F:
        """The following of a task whose id is heard of now: if it is followed by that already, the two are one."""
        other = self.names.get(task_id)
        if other is None or other is followed:
            return followed
        self.queue.remove(followed)
        self._trust.answered(followed)
        for name in followed.names:
            self.names[name] = other
        other.names, followed.names = (*other.names, *followed.names), ()
        other.twins = (*other.twins, followed)
        followed.reference, followed.snapshots = other.reference, other.snapshots
        if other.snapshots:
            self._tell(Update(followed, other.snapshots[-1], None))
        return other

    def names_of(self, task: Task) -> tuple[str, ...]:
        """What a task may be followed by: its id, and the caller's own."""
        if task.external_task_id is None:
            return (task.task_id,)
        return task.task_id, Reference.by_external_task_id(self.endpoint.name, task.external_task_id).id

    def _name(self, followed: _F, task: Task) -> None:
        for name in self.names_of(task):
            self._take_name(followed, name)

    def _take_name(self, followed: _F, name: str) -> None:
        if name not in self.names:
            self.names[name] = followed
            followed.names = (*followed.names, name)

    # ------------------------------------------------------------------------------------ by list or by ids

    def ask(self, due: Iterable[_F], now: float) -> None:
        """Asks for tasks that are due: by a page what it can answer, if it is worth one, the rest by their ids.

        Those of which others tell, their callbacks or another client, are put off.
        """
        listed: dict[str, _F] = {}
        singly: list[_F] = []
        for followed in due:
            later = _left_to_another(followed, now) if followed.held else self._trust.put_off(followed, now)
            if later is not None:
                self.queue.put(followed, now, later)
            elif self._can_list(followed) and _outlives_a_page(followed, now):
                listed[followed.reference.id] = followed
            else:
                singly.append(followed)
        if listed and self._scan is None:
            self._begin(listed, now)
        if self._scan is None:
            singly += listed.values()
        else:
            self._scan.waiting |= listed
        self._all_by_ids(singly, now)

    def _begin(self, listed: dict[str, _F], now: float) -> None:
        waiting, most = len(self.queue) + len(listed), self.endpoint.ids_at_once
        instead = worth(len(listed), self.queue, most, now) / cost(min(most, waiting)) if most > 1 else 1.0
        pages = self._strategy.begin(waiting, self.queue.value(now) + len(listed), instead)
        if pages is not None:
            self._scan = Scan(pages, frozenset(listed), {}, self._since() if self._are_current else None)
            self._page_wanted = True

    def _since(self) -> datetime | None:
        """When the first of all tasks was made, as far as the service has told."""
        heard = [followed.snapshots[-1].created_at for followed in self.names.values() if followed.snapshots]
        known = [created_at for created_at in heard if created_at is not None]
        return min(known) if len(known) == len(heard) else None

    def _can_list(self, followed: _F) -> bool:
        """Whether a page is likely to hold a task, and its id stands for this following alone."""
        if not self.endpoint.lists or self.endpoint.is_raw:  # of a raw path nobody knows whether it lists
            return False
        known = bool(followed.snapshots) and self.names.get(followed.reference.id) is followed
        return known and not followed.missed

    def _all_by_ids(self, due: Iterable[_F], now: float) -> None:
        for group in grouped(due, self.endpoint.ids_at_once, lambda followed: _may_share(followed, now)):
            self._strategy.asked_singly()
            self._ask(group)

    def riders(self, group: tuple[_F, ...], now: float) -> tuple[_F, ...]:
        """Tasks that are not due yet, and that fill a question for others."""
        return riders(group, self.queue, self.endpoint.ids_at_once, lambda followed: _may_share(followed, now))

    def page(self, now: float) -> PageQuery[_F] | None:
        """The page to ask for now, once."""
        if self._scan is None or not self._page_wanted:
            return None
        self._page_wanted = False
        pages = self._scan.pages
        return PageQuery(self.endpoint, pages.number, pages.size, now + PAGE_SECONDS, self.known, self._scan)

    def known(self, task_id: str) -> TaskStatus | None:
        """The status of a task that a page can tell about; not of one to which a single question is under way."""
        followed = self.names.get(task_id)
        if followed is None or followed.reference.id != task_id:
            return None
        asked = followed.rate > 0 or (self._scan is not None and task_id in self._scan.waiting)
        return followed.status if asked else None

    # ---------------------------------------------------------------------------- what questions by ids bring

    def answered(
        self,
        asked: Mapping[str, _F],
        riders: Mapping[str, _F],
        news: Mapping[str, Task | KlingError] | KlingError,
        now: float,
        service_time: float,
    ) -> None:
        """Takes the answer to a question about several tasks, or what came instead.

        Args:
            asked: the tasks that were due, by the names they were asked for by.
            riders: those that were not, and wait for their own time if the answer does not tell of them.
            news: by those names; an error where no answer came.
            now: seconds of the monotonic clock.
            service_time: the service's time of day, in seconds since 1970.
        """
        if isinstance(news, KlingError):
            for followed in asked.values():
                self._failed(followed, news, now, service_time, joint=len(asked) + len(riders) > 1)
            return
        for name, followed in [*asked.items(), *riders.items()]:
            told = news.get(name)
            if name not in asked and (not isinstance(told, Task) or followed.rate == 0):
                continue  # its own question tells, which may be under way by now
            if told is not None:
                self.take(followed, told, now, service_time)
            else:
                self._left_out(followed, now, service_time)

    def _failed(self, followed: _F, error: KlingError, now: float, service_time: float, *, joint: bool) -> None:
        """No answer came: what may be another task's fault is tried again without it."""
        followed.alone = followed.alone or (joint and (is_missing(error) or isinstance(error, BadResponse)))
        if joint and is_missing(error) and followed.end is None:
            self.queue.put(followed, now, now)
        else:
            self.take(followed, error, now, service_time)

    def _left_out(self, followed: _F, now: float, service_time: float) -> None:
        """The answer does not have the task: what was made lately may not show yet, nor is one answer a proof."""
        if followed.end is not None:
            return
        if followed.missing_at is None:
            followed.missing_at, may_show = now, True
        else:
            may_show = bool(followed.snapshots) and now < followed.missing_at + SHOWN_WITHIN
        if may_show or (followed.is_new and now < followed.accepted_at + SHOWN_WITHIN):
            self._apply(followed, self._rules.failed(followed, now), now)
        else:
            self.take(followed, TaskNotFound("its answers do not have it", http_status=200), now, service_time)

    # ---------------------------------------------------------------------------------- what pages bring

    def page_answered(self, scan: Scan[_F], listed: Listed, now: float, service_time: float) -> None:
        """Takes a page; asks for the next one as long as they pay, then singly for what was on none of them."""
        gained = self._take_page(scan, listed, now, service_time)
        self._ask_overdue(scan, now)
        left = self.queue.value(now) + len(scan.waiting)
        more = listed.cursor is not None if self._are_current else None
        if scan.pages.answered(listed.length, list(listed.news), gained=gained, left=left, more=more):
            scan.cursor = listed.cursor
            self._page_wanted = True
        else:
            self._strategy.ended(scan.pages)
            self._end(scan, now)

    def page_failed(self, scan: Scan[_F], error: KlingError | None, now: float, service_time: float) -> None:
        """Ends the scan: what failed in passing delays the tasks that wait as a question of their own would.

        Args:
            scan: that the page was of.
            error: what came instead of the page; None where nothing came in time, or it could not be read.
            now: seconds of the monotonic clock.
            service_time: the service's time of day, in seconds since 1970.
        """
        scan.pages.failed()
        self._strategy.ended(scan.pages)
        if error is not None and is_transient(error):
            self._scan = None
            for followed in scan.waiting.values():
                self.take(followed, error, now, service_time)
        else:
            self._end(scan, now)

    def page_cancelled(self, scan: Scan[_F], now: float) -> None:
        """The question was cancelled: the tasks that wait for it are asked for again."""
        self._scan = None
        for followed in scan.waiting.values():
            self.queue.put(followed, now, now)

    def _end(self, scan: Scan[_F], now: float) -> None:
        """Asks by their ids for the tasks that no page held."""
        self._scan = None
        missed = [followed for task_id, followed in scan.waiting.items() if task_id in scan.wanted]
        for followed in missed:
            followed.missed = scan.pages.exhausted
        self._all_by_ids(missed, now)
        # The time of the others came meanwhile.
        self.ask([followed for task_id, followed in scan.waiting.items() if task_id not in scan.wanted], now)

    def _take_page(self, scan: Scan[_F], listed: Listed, now: float, service_time: float) -> float:
        """Takes what a page says; returns what that was worth, in single questions."""
        gained = 0.0
        # What is new comes first: how long those took tells when to ask for the others again.
        for task_id, news in sorted(listed.news.values(), key=lambda told: told[1] is None):
            followed = self.names.get(task_id)
            if followed is None or self.known(task_id) is None:
                continue  # on the page twice, or asked for singly since the page was read
            followed.missed = False
            asked = scan.waiting.pop(task_id, None)
            share, due = share_passed(followed, now), followed.due
            followed.stretch = self._stretch()
            if news is None:
                self._apply(followed, self._rules.unchanged(followed, now), now)
            else:
                self.take(followed, news, now, service_time)
            if asked is not None or followed.end is not None:
                gained += 1.0
            elif followed.due != due:  # else its question comes all the same
                gained += share
        return gained

    def _ask_overdue(self, scan: Scan[_F], now: float) -> None:
        """Tasks that have waited for pages long enough, or whose deadline is near, are asked for singly."""
        overdue = [
            followed
            for followed in scan.waiting.values()
            if now >= followed.due + PAGE_SECONDS or not _outlives_a_page(followed, now)
        ]
        for followed in overdue:
            del scan.waiting[followed.reference.id]
        self._all_by_ids(overdue, now)


def _may_share(followed: FollowedTask, now: float) -> bool:
    """Whether a task may be asked for together with others: not near its deadline, at which a question is cut off."""
    return not followed.alone and _outlives_a_page(followed, now)


def _left_to_another(followed: FollowedTask, now: float) -> float | None:
    """Until when the question can wait that another client asks, too; None where it is to be asked now."""
    if followed.attempts is not None:
        return None
    schedule = followed.estimate.look_schedule()
    age = schedule.age_when_left(max(0.0, followed.heard_at - followed.begun_at), LEFT_RUNNING)
    later = min(followed.begun_at + age, followed.deadline_at)
    return later if now < later else None


def _outlives_a_page(followed: FollowedTask, now: float) -> bool:
    """Whether a page that is asked for now is there before the task's deadline."""
    return now + PAGE_SECONDS <= followed.deadline_at
