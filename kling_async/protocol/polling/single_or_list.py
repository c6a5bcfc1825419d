"""The followed tasks of one endpoint: which of them are polled by a page of the list, and which by id."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeVar

from kling_async.protocol.endpoint import Endpoint
from kling_async.protocol.errors import KlingError
from kling_async.protocol.polling.batches import stretch, worth
from kling_async.protocol.polling.callback_trust import LEFT_RUNNING, CallbackTrust
from kling_async.protocol.polling.durations import Durations
from kling_async.protocol.polling.followed import FollowedTask
from kling_async.protocol.polling.following import Following, Update
from kling_async.protocol.polling.listing import ListStrategy, cost
from kling_async.protocol.polling.outcome_or_deadline import OutcomeRules
from kling_async.protocol.polling.page_query import PAGE_SECONDS, PageQuery, Scan, outlives_a_page
from kling_async.protocol.polling.queue import share_passed
from kling_async.protocol.retry import is_transient
from kling_async.protocol.tasks import TaskStatus
from kling_async.protocol.wire.responses import Listed

_F = TypeVar("_F", bound=FollowedTask)


class EndpointPlan(Following[_F]):
    """Plans the polls of the tasks of one endpoint.

    Args:
        endpoint: endpoint of the tasks.
        rules: what answers mean.
        durations: how long tasks take; updated by each task that ends.
        trust: how reliable callbacks are; updated by each change.
        poll_by_id: called with each task that is to be queried by its id.
        emit: called with each update of a task.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        rules: OutcomeRules,
        durations: Durations,
        trust: CallbackTrust[_F],
        *,
        poll_by_id: Callable[[_F], None],
        emit: Callable[[Update[_F]], None],
    ) -> None:
        super().__init__(endpoint, rules, durations, trust, emit)
        self._poll_by_id = poll_by_id
        self._strategy = ListStrategy()
        self._scan: Scan[_F] | None = None
        self._page_wanted = False
        self._at_once = 1

    def stretch(self) -> float:
        """As in `Following`: a page answers about all tasks, a query by ids about some."""
        waiting = 1 + len(self.queue)
        self._at_once = max(self._at_once, waiting) if waiting > 1 else 1
        return stretch(waiting, self.endpoint.ids_at_once, self._at_once, by_pages=not self._strategy.barred)

    # ---------------------------------------------------------------------------------- by page or by id

    def poll(self, due: Iterable[_F], now: float) -> None:
        """Polls due tasks: by a page those that it can answer, if it is worth its cost, the others by id.

        Tasks whose end is reported by callbacks or by another client are postponed.
        """
        listed: dict[str, _F] = {}
        singly: list[_F] = []
        for followed in due:
            later = _left_to_owner(followed, now) if followed.held else self._trust.postpone(followed, now)
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
        self._poll_all_by_id(singly)

    def _poll_all_by_id(self, due: Iterable[_F]) -> None:
        for followed in due:
            self._poll_by_id(followed)

    def _begin(self, listed: dict[str, _F], now: float) -> None:
        waiting, most = len(self.queue) + len(listed), self.endpoint.ids_at_once
        # A query by ids is one request like a page, so where it can take all tasks a page must be worth more.
        by_ids = most > 1 and waiting <= most
        id_query_worth = worth(len(listed), self.queue, most, now) / cost(waiting) if by_ids else 1.0
        pages = self._strategy.begin(waiting, self.queue.value(now) + len(listed), id_query_worth)
        if pages is not None:
            self._scan = Scan(pages, frozenset(listed), {}, self._since() if self._are_current else None)
            self._page_wanted = True

    def _since(self) -> datetime | None:
        """Returns when the oldest of all tasks was created; None unless the service has reported that of each."""
        times = [followed.snapshots[-1].created_at for followed in self.names.values() if followed.snapshots]
        known = [created_at for created_at in times if created_at is not None]
        return min(known) if len(known) == len(times) else None

    def _can_list(self, followed: _F) -> bool:
        """Whether a page is likely to contain a task."""
        if not self.endpoint.lists or self.endpoint.is_raw:  # whether a raw path has a list is unknown
            return False
        return self.is_known(followed) and not followed.missing_on_page

    def id_query_sent(self) -> None:
        """Counts a query by ids."""
        self._strategy.single_query_sent()

    def page(self, now: float) -> PageQuery[_F] | None:
        """Returns the page to request now, once."""
        if self._scan is None or not self._page_wanted:
            return None
        self._page_wanted = False
        pages = self._scan.pages
        return PageQuery(self.endpoint, pages.number, pages.size, now + PAGE_SECONDS, self.known, self._scan)

    def known(self, task_id: str) -> TaskStatus | None:
        """Returns the status of a task that a page may update; None for others, and while it is queried by id."""
        followed = self.names.get(task_id)
        if followed is None or followed.reference.id != task_id:
            return None
        waiting = followed.rate > 0 or (self._scan is not None and task_id in self._scan.waiting)
        return followed.status if waiting else None

    # ---------------------------------------------------------------------------------- answers of pages

    def page_answered(self, scan: Scan[_F], listed: Listed, now: float, service_time: float) -> None:
        """Applies a page; requests the next one as long as pages pay, then queries by id what was on none of them."""
        gained = self._take_page(scan, listed, now, service_time)
        self._poll_overdue(scan, now)
        left = self.queue.value(now) + len(scan.waiting)
        more = listed.cursor is not None if self._are_current else None
        if scan.pages.answered(listed.length, list(listed.changes), gained=gained, left=left, more=more):
            scan.cursor = listed.cursor
            self._page_wanted = True
        else:
            self._strategy.ended(scan.pages)
            self._end(scan, now)

    def page_failed(self, scan: Scan[_F], error: KlingError | None, now: float, service_time: float) -> None:
        """Ends the scan. A transient error delays the tasks that wait for it like an error of a single query.

        Args:
            scan: the scan that the page belongs to.
            error: the error; None if the request timed out, or the page could not be read.
            now: seconds of the monotonic clock.
            service_time: the service's time of day, in seconds since 1970.
        """
        scan.pages.failed()
        self._strategy.ended(scan.pages)
        if error is not None and is_transient(error):
            self._scan = None
            for followed in scan.waiting.values():
                self.apply_answer(followed, error, now, service_time)
        else:
            self._end(scan, now)

    def page_cancelled(self, scan: Scan[_F], now: float) -> None:
        """Polls the tasks that wait for a page again, since its request was cancelled."""
        self._scan = None
        for followed in scan.waiting.values():
            self.queue.put(followed, now, now)

    def _end(self, scan: Scan[_F], now: float) -> None:
        """Ends the scan and queries by id the tasks that were on no page."""
        self._scan = None
        missing_on_page = [followed for task_id, followed in scan.waiting.items() if task_id in scan.wanted]
        for followed in missing_on_page:
            followed.missing_on_page = scan.pages.exhausted
        self._poll_all_by_id(missing_on_page)
        # The others became due in the meantime.
        self.poll([followed for task_id, followed in scan.waiting.items() if task_id not in scan.wanted], now)

    def _take_page(self, scan: Scan[_F], listed: Listed, now: float, service_time: float) -> float:
        """Applies the tasks on a page; returns what they were worth, in single queries."""
        gained = 0.0
        # Changed tasks first: how long they took updates the estimate by which the others are scheduled.
        for task_id, task in sorted(listed.changes.values(), key=lambda change: change[1] is None):
            followed = self.names.get(task_id)
            if followed is None or self.known(task_id) is None:
                continue  # on the page twice, or queried by id since the page was read
            followed.missing_on_page = False
            waiting = scan.waiting.pop(task_id, None)
            share, due = share_passed(followed, now), followed.due
            if task is None:
                self.apply_unchanged(followed, now)
            else:
                self.apply_answer(followed, task, now, service_time)
            if waiting is not None or followed.end is not None:
                gained += 1.0
            elif followed.due != due:  # otherwise its poll is due as before
                gained += share
        return gained

    def _poll_overdue(self, scan: Scan[_F], now: float) -> None:
        """Queries by id the tasks that have waited for pages for too long, or whose deadline is near."""
        overdue = [
            followed
            for followed in scan.waiting.values()
            if now >= followed.due + PAGE_SECONDS or not outlives_a_page(followed, now)
        ]
        for followed in overdue:
            del scan.waiting[followed.reference.id]
        self._poll_all_by_id(overdue)


def _left_to_owner(followed: FollowedTask, now: float) -> float | None:
    """Returns until when to postpone a poll that another client makes as well; None to poll now."""
    if followed.attempts is not None:
        return None
    schedule = followed.estimate.look_schedule()
    age = schedule.age_when_left(max(0.0, followed.last_seen_at - followed.begun_at), LEFT_RUNNING)
    later = min(followed.begun_at + age, followed.deadline_at)
    return later if now < later else None
