import random
from collections.abc import Sequence
from typing import Final

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async.protocol.polling.listing import PENALTY, PENALTY_MAXIMUM, ListScan, ListStrategy, cost, useful_depth
from tests.repeatable import same_draws


@pytest.mark.parametrize(("size", "costs"), [(75, 1.5), (150, 2), (450, 4)])
def test_a_page_costs_a_query_and_one_more_for_each_150_items(size: int, costs: float) -> None:
    """The cost of a page includes its preparation, transfer and parsing."""
    assert cost(size) == pytest.approx(costs)


@pytest.mark.parametrize(
    ("waiting", "worth", "size"),
    [
        (0, 0, None),
        (1, 1, None),  # one query is cheaper than any page
        (2, 1.05, None),  # the other one was polled just now
        (2, 1.9, 10),
        (3, 2, 10),
        (100, 1.8, None),
        (100, 30, 130),
        (100, 1.9, 130),
        (500, 4, None),  # 500 items for a few that are due
        (500, 300, 500),
        (10_000, 4000, 500),
    ],
)
def test_a_page_is_requested_if_it_saves_more_than_it_costs(waiting: int, worth: float, size: int | None) -> None:
    """Before the first page, the waiting tasks are assumed to be at the front of the list."""
    scan = ListStrategy().begin(waiting, worth)
    assert (scan and scan.size) == size


@pytest.mark.parametrize(
    ("length", "positions", "left", "goes_on", "exhausted"),
    [
        (500, range(500), 400, True, False),  # all items are ours, and more of ours wait
        (500, range(500), 8.7, True, False),
        (500, range(500), 8.6, False, False),  # 500 of the remaining 1,000 tasks: half of 8.6 is less than the cost
        (499, range(499), 400, False, True),  # the list ends here
        (500, range(4), 400, False, True),  # too few of ours to expect more
        (500, range(40), 400, True, False),
        (500, range(40), 90, False, False),
        (500, [], 400, False, True),
    ],
)
def test_the_next_page_is_requested_while_pages_pay(
    length: int, positions: Sequence[int], left: float, *, goes_on: bool, exhausted: bool
) -> None:
    """Pages of 500 cost 4.3 queries; the next page is expected to contain as many tasks as the last."""
    scan = ListScan(size=500, waiting=1500, worth=400)
    assert scan.answered(length, positions, gained=3, left=left) is goes_on
    assert (scan.number, scan.exhausted) == (2 if goes_on else 1, exhausted)


def test_no_page_after_the_last_one_is_requested() -> None:
    """No page after 1000, the service's last one, is requested."""
    scan = ListScan(size=500, waiting=10**6, worth=10**6, number=1000)
    assert not scan.answered(500, range(500), gained=500, left=10**6)


def scanned(pages: ListStrategy, waiting: int, positions: Sequence[int]) -> ListScan:
    """One scan of an endless list with this client's tasks at these positions; each waiting task is due."""
    scan = pages.begin(waiting, waiting)
    assert scan is not None
    goes_on = True
    while goes_on:
        page = range((scan.number - 1) * scan.size, scan.number * scan.size)
        found = [place - page.start for place in positions if place in page]
        waiting -= len(found)
        goes_on = scan.answered(scan.size, found, gained=len(found), left=waiting)
    pages.ended(scan)
    return scan


@pytest.mark.parametrize(
    ("positions", "size"),
    [
        (range(100), 130),  # contiguous: their number
        (range(0, 200, 2), 255),  # every second item: two pages were worth it, next time one is enough
        (range(0, 1200, 12), 500),  # every twelfth item: the maximum size
        ([*range(90), 125], 162),  # one alone is worth 150 items
        (range(50), 130),
    ],
)
def test_the_next_page_is_as_large_as_the_last_one_shows(positions: Sequence[int], size: int) -> None:
    """The size of the next page follows from the positions seen; 100 tasks wait, and the first page has 130 items."""
    pages = ListStrategy()
    scanned(pages, 100, positions)
    assert pages.size(100) == pytest.approx(size, rel=0.1)


@pytest.mark.parametrize(
    ("last", "missing", "size"),
    [
        (96, 90, 130),  # in the first three quarters of the page: probably all of ours
        (97, 90, 330),
        (97, 5, 130),  # few were missing
    ],
)
def test_where_a_page_was_too_short_the_next_is_twice_as_long(last: int, missing: int, size: int) -> None:
    """If a page ends among ours and most of them are missing, the next is more than twice as long."""
    pages = ListStrategy()
    scan = pages.begin(100, 100)
    assert scan is not None
    found = 100 - missing
    scan.answered(130, [*range(found - 1), last], gained=found, left=1)
    pages.ended(scan)
    assert pages.size(100) == size


def test_a_page_that_is_too_long_for_the_few_that_wait_becomes_shorter() -> None:
    """Few tasks far apart are not worth a page; after 32 single queries a shorter page is tried."""
    pages, scan = ListStrategy(), ListScan(size=500, waiting=7, worth=7)
    scan.answered(500, range(0, 500, 75), gained=7, left=0)
    pages.ended(scan)
    assert pages.begin(7, 7) is not None
    for _ in range(PENALTY):
        assert pages.begin(2, 2) is None
        pages.single_query_sent()
    trial = pages.begin(2, 2)
    assert trial is not None
    assert trial.size == 46


def test_the_page_shrinks_with_the_tasks_that_wait() -> None:
    """The fewer tasks wait at the front of the list, the smaller the page."""
    pages = ListStrategy()
    scanned(pages, 100, range(100))
    assert [pages.size(waiting) for waiting in (100, 20, 2)] == [130, 30, 10]


@pytest.mark.parametrize(
    ("positions", "each", "depth"),
    [
        ([0], 1, 1),
        ([7], 1, 8),
        (range(100), 1, 100),
        ([0, 1, 2, 499], 1, 3),
        ([*range(100), 249], 1, 250),
        ([*range(100), 250], 1, 100),
        ([0, 80], 0.5, 1),
    ],
)
def test_the_list_is_read_as_far_as_it_is_worth_it(positions: Sequence[int], each: float, depth: int) -> None:
    """Each 150 further items must save a query."""
    assert useful_depth(positions, each) == depth


def test_a_page_that_brought_nothing_is_tried_again_ever_more_rarely() -> None:
    """A useless page is retried after 32 single queries, then 256, then 2048, which is the maximum."""
    pages = ListStrategy()
    gaps = []
    for _ in range(5):
        scanned(pages, 100, [])
        queries = 0
        while pages.begin(100, 100) is None:
            pages.single_query_sent()
            queries += 1
        gaps.append(queries)
    assert gaps == [PENALTY, PENALTY * 8, PENALTY_MAXIMUM, PENALTY_MAXIMUM, PENALTY_MAXIMUM]


def test_a_page_that_failed_counts_as_one_that_brought_nothing() -> None:
    """A list whose page failed is not requested again for a while."""
    pages = ListStrategy()
    scan = pages.begin(100, 100)
    assert scan is not None
    scan.failed()
    pages.ended(scan)
    assert pages.begin(100, 100) is None
    for _ in range(PENALTY):
        pages.single_query_sent()
    assert pages.begin(100, 1.8) is None  # for the trial each task is taken to be there, and no more than that
    assert pages.begin(100, 1.9) is not None


def test_a_useful_page_resets_the_delay() -> None:
    """After a useful page the next is requested at once, and the delay after a failure is reset."""
    pages = ListStrategy()
    scanned(pages, 100, [])
    for _ in range(PENALTY):
        pages.single_query_sent()
    scanned(pages, 100, range(100))
    assert pages.begin(100, 100) is not None
    scanned(pages, 100, [])
    for _ in range(PENALTY):
        pages.single_query_sent()
    assert pages.begin(100, 100) is not None


def test_trials_look_deeper_while_others_tasks_stand_in_front() -> None:
    """Each trial is larger, up to the maximum, then starts over: others' tasks may be in front of ours."""
    pages, sizes = ListStrategy(), []
    for _ in range(5):
        sizes.append(scanned(pages, 20, []).size)
        for _ in range(PENALTY_MAXIMUM):
            pages.single_query_sent()
    assert sizes == [30, 105, 405, 500, 30]


def test_a_share_of_the_list_is_enough_where_many_wait() -> None:
    """A page with a tenth of the waiting tasks is requested as long as that tenth is worth its cost."""
    pages = ListStrategy()
    scanned(pages, 400, range(0, 500, 12))
    assert pages.begin(400, 400) is not None
    assert pages.begin(400, 35) is None


@attrs.define
class Account:
    """A list with tasks of this client and others: newest first, oldest first, or unordered."""

    order: str
    others: int
    random: random.Random
    tasks: list[tuple[float, int]] = attrs.field(factory=list)

    def put(self, number: int) -> None:
        """Adds a task of this client, and `others` tasks of other clients."""
        for owner in [number] + [-1] * self.others:
            key = {"newest": -len(self.tasks), "oldest": len(self.tasks), "none": self.random.random()}[self.order]
            self.tasks.append((key, owner))

    def page(self, number: int, size: int) -> list[int]:
        """Returns the owner of each item; -1 for others."""
        return [owner for _, owner in sorted(self.tasks)[(number - 1) * size : number * size]]


BEATS: Final = 20


def total_cost(account: Account, count: int, alive: int) -> tuple[float, int]:
    """The cost of polling tasks on one beat: `count` tasks are created one by one, and each runs `alive` beats.

    Returns:
        The cost with pages, in single queries, and the number of single queries without pages.
    """
    pages, spent, single = ListStrategy(), 0.0, 0
    for moment in range(count):
        account.put(moment)
        if moment % alive:
            continue
        # All waiting tasks are due once per beat.
        waiting = set(range(max(0, moment - alive * BEATS), moment + 1))
        single += len(waiting)
        scan = pages.begin(len(waiting), len(waiting))
        while scan is not None:
            spent += cost(scan.size)
            page = account.page(scan.number, scan.size)
            places = [place for place, owner in enumerate(page) if owner in waiting]
            waiting -= set(page)
            if not scan.answered(len(page), places, gained=len(places), left=len(waiting)):
                pages.ended(scan)
                break
        spent += len(waiting)
        for _ in waiting:
            pages.single_query_sent()
    return spent, single


@pytest.mark.parametrize(
    ("order", "others", "most"),
    [
        ("newest", 0, 0.1),
        ("newest", 1, 0.12),
        ("newest", 10, 0.4),
        ("newest", 200, 1.02),
        ("oldest", 0, 1.02),
        ("oldest", 10, 1.02),
        ("none", 0, 1.02),
        ("none", 10, 1.02),
    ],
)
def test_pages_save_where_they_can_and_cost_nothing_where_they_cannot(order: str, others: int, most: float) -> None:
    """Pages take a tenth of the single queries in an account without others, and never noticeably more."""
    account = Account(order, others, same_draws(3))
    spent, single = total_cost(account, 600, alive=2)
    assert spent <= most * single + 12  # the first page, which may be useless


@given(
    st.lists(st.tuples(st.integers(1, 2000), st.floats(0, 1), st.floats(0, 1), st.booleans()), min_size=1, max_size=80)
)
def test_useless_pages_are_bounded(answers: list[tuple[int, float, float, bool]]) -> None:
    """Useless pages are at most one per 32 single queries, plus one."""
    pages, wasted, single = ListStrategy(), 0, 0
    for waiting, worth, found, full in answers:
        scan = pages.begin(waiting, worth * waiting)
        if scan is None:
            single += 1
            pages.single_query_sent()
            continue
        assert 10 <= scan.size <= 500
        count = int(found * min(waiting, scan.size))
        left = worth * (waiting - count)
        scan.answered(scan.size if full else scan.size - 1, range(count), gained=worth * count, left=left)
        wasted += not scan.paid
        pages.ended(scan)
    assert wasted <= 1 + single / PENALTY
