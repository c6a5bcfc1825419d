"""The followed tasks of one endpoint: which a page of the list is to answer, and which are asked for by their ids."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeVar

from kling_async.protocol.endpoint import Endpoint
from kling_async.protocol.errors import KlingError
from kling_async.protocol.polling.callback_trust import LEFT_RUNNING, CallbackTrust
from kling_async.protocol.polling.durations import Durations
from kling_async.protocol.polling.followed import FollowedTask
from kling_async.protocol.polling.following import Following, Update
from kling_async.protocol.polling.listing import ListStrategy, cost
from kling_async.protocol.polling.outcome_or_deadline import OutcomeRules
from kling_async.protocol.polling.page_query import PAGE_SECONDS, PageQuery, Scan, outlives_a_page
from kling_async.protocol.polling.queue import share_passed
from kling_async.protocol.polling.together import stretch, worth
from kling_async.protocol.retry import is_transient
from kling_async.protocol.tasks import TaskStatus
from kling_async.protocol.wire.responses import Listed

_F = TypeVar("_F", bound=FollowedTask)


class EndpointPlan(Following[_F]):
    """Plans the questions about the tasks of one endpoint.

    Args:
        endpoint: of the tasks.
        rules: what news mean.
        durations: how long tasks take; it learns.
        trust: in callbacks; it learns.
        ask: takes a task that is to be asked for by its id.
        emit: takes what is new about a task.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        rules: OutcomeRules,
        durations: Durations,
        trust: CallbackTrust[_F],
        *,
        ask: Callable[[_F], None],
        emit: Callable[[Update[_F]], None],
    ) -> None:
        super().__init__(endpoint, rules, durations, trust, emit)
        self._ask = ask
        self._strategy = ListStrategy()
        self._scan: Scan[_F] | None = None
        self._page_wanted = False
        self._at_once = 1

    def stretch(self) -> float:
        """As of a `Following`: pages tell of all tasks, questions by ids of some."""
        waiting = 1 + len(self.queue)
        self._at_once = max(self._at_once, waiting) if waiting > 1 else 1
        return stretch(waiting, self.endpoint.ids_at_once, self._at_once, by_pages=not self._strategy.barred)

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
            elif self._can_list(followed) and outlives_a_page(followed, now):
                listed[followed.reference.id] = followed
            else:
                singly.append(followed)
        if listed and self._scan is None:
            self._begin(listed, now)
        if self._scan is None:
            singly += listed.values()
        else:
            self._scan.waiting |= listed
        self._all_by_ids(singly)

    def _all_by_ids(self, due: Iterable[_F]) -> None:
        for followed in due:
            self._ask(followed)

    def _begin(self, listed: dict[str, _F], now: float) -> None:
        waiting, most = len(self.queue) + len(listed), self.endpoint.ids_at_once
        # A page that tells of all is worth more than questions by ids, of which each is a request, too.
        by_ids = most > 1 and waiting <= most
        instead = worth(len(listed), self.queue, most, now) / cost(waiting) if by_ids else 1.0
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
        """Whether a page is likely to hold a task."""
        if not self.endpoint.lists or self.endpoint.is_raw:  # of a raw path nobody knows whether it lists
            return False
        return self.is_known(followed) and not followed.missed

    def asked_by_ids(self) -> None:
        """A question by ids goes out."""
        self._strategy.asked_singly()

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

    # ---------------------------------------------------------------------------------- what pages bring

    def page_answered(self, scan: Scan[_F], listed: Listed, now: float, service_time: float) -> None:
        """Takes a page; asks for the next one as long as they pay, then singly for what was on none of them."""
        gained = self._take_page(scan, listed, now, service_time)
        self._ask_overdue(scan, now)
        left = self.queue.value(now) + len(scan.waiting)
        more = listed.cursor is not None if self._are_current else None
        if scan.pages.answered(listed.length, list(listed.changes), gained=gained, left=left, more=more):
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
        self._all_by_ids(missed)
        # The time of the others came meanwhile.
        self.ask([followed for task_id, followed in scan.waiting.items() if task_id not in scan.wanted], now)

    def _take_page(self, scan: Scan[_F], listed: Listed, now: float, service_time: float) -> float:
        """Takes what a page says; returns what that was worth, in single questions."""
        gained = 0.0
        # What is new comes first: how long those took tells when to ask for the others again.
        for task_id, task in sorted(listed.changes.values(), key=lambda change: change[1] is None):
            followed = self.names.get(task_id)
            if followed is None or self.known(task_id) is None:
                continue  # on the page twice, or asked for singly since the page was read
            followed.missed = False
            asked = scan.waiting.pop(task_id, None)
            share, due = share_passed(followed, now), followed.due
            if task is None:
                self.take_unchanged(followed, now)
            else:
                self.take(followed, task, now, service_time)
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
            if now >= followed.due + PAGE_SECONDS or not outlives_a_page(followed, now)
        ]
        for followed in overdue:
            del scan.waiting[followed.reference.id]
        self._all_by_ids(overdue)


def _left_to_another(followed: FollowedTask, now: float) -> float | None:
    """Until when the question can wait that another client asks, too; None where it is to be asked now."""
    if followed.attempts is not None:
        return None
    schedule = followed.estimate.look_schedule()
    age = schedule.age_when_left(max(0.0, followed.last_seen_at - followed.begun_at), LEFT_RUNNING)
    later = min(followed.begun_at + age, followed.deadline_at)
    return later if now < later else None
