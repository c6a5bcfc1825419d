import random
from collections.abc import Sequence
from typing import Final

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async.protocol.polling.listing import PENALTY, PENALTY_MAXIMUM, ListScan, ListStrategy, cost, useful_depth
from tests.repeatable import same_draws


@pytest.mark.parametrize(("size", "questions"), [(75, 1.5), (150, 2), (450, 4)])
def test_a_page_costs_a_question_and_one_more_for_each_150_items(size: int, questions: float) -> None:
    """Large pages are not free: the service makes them, the network carries them, the loop reads them."""
    assert cost(size) == pytest.approx(questions)


@pytest.mark.parametrize(
    ("waiting", "worth", "size"),
    [
        (0, 0, None),
        (1, 1, None),  # one question is cheaper than any page
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
def test_a_page_is_asked_for_where_it_answers_more_than_it_costs(waiting: int, worth: float, size: int | None) -> None:
    """Before the first page, the waiting tasks are assumed to be the first of the list."""
    scan = ListStrategy().begin(waiting, worth)
    assert (scan and scan.size) == size


@pytest.mark.parametrize(
    ("length", "positions", "left", "goes_on", "exhausted"),
    [
        (500, range(500), 400, True, False),  # full of ours, and more of ours wait
        (500, range(500), 8.7, True, False),
        (500, range(500), 8.6, False, False),  # five hundred of a thousand that are left: half of it, and not worth it
        (499, range(499), 400, False, True),  # the list ends here
        (500, range(4), 400, False, True),  # too few of ours to hope for more
        (500, range(40), 400, True, False),
        (500, range(40), 90, False, False),
        (500, [], 400, False, True),
    ],
)
def test_the_next_page_is_asked_for_while_pages_pay(
    length: int, positions: Sequence[int], left: float, *, goes_on: bool, exhausted: bool
) -> None:
    """A scan for 1,500 tasks, in pages that cost 4.3 questions; the next is taken to hold as many as the last one."""
    scan = ListScan(size=500, waiting=1500, worth=400)
    assert scan.answered(length, positions, gained=3, left=left) is goes_on
    assert (scan.number, scan.exhausted) == (2 if goes_on else 1, exhausted)


def test_no_page_behind_the_last_one_is_asked_for() -> None:
    """The service has pages 1 to 1000."""
    scan = ListScan(size=500, waiting=10**6, worth=10**6, number=1000)
    assert not scan.answered(500, range(500), gained=500, left=10**6)


def scanned(pages: ListStrategy, waiting: int, positions: Sequence[int]) -> ListScan:
    """One scan over an endless list with ours at these places; each that waits is due."""
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
        (range(100), 130),  # one beside the other: just so many
        (range(0, 200, 2), 255),  # every second is another's: a second page was worth it, next time one will do
        (range(0, 1200, 12), 500),  # one in twelve: the largest pages there are
        ([*range(90), 125], 162),  # one alone is worth 150 items
        (range(50), 130),
    ],
)
def test_the_next_page_is_as_large_as_the_last_one_shows(positions: Sequence[int], size: int) -> None:
    """A hundred wait, and the first page has 130 items."""
    pages = ListStrategy()
    scanned(pages, 100, positions)
    assert pages.size(100) == pytest.approx(size, rel=0.1)


@pytest.mark.parametrize(
    ("last", "missing", "size"),
    [
        (96, 90, 130),  # they stood in the first three quarters of the page: all of them are likely to be there
        (97, 90, 330),
        (97, 5, 130),  # hardly any were missing
    ],
)
def test_where_a_page_was_too_short_the_next_is_twice_as_long(last: int, missing: int, size: int) -> None:
    """It ended among ours, and most were not on it: as many places again are read for each that waits."""
    pages = ListStrategy()
    scan = pages.begin(100, 100)
    assert scan is not None
    found = 100 - missing
    scan.answered(130, [*range(found - 1), last], gained=found, left=1)
    pages.ended(scan)
    assert pages.size(100) == size


def test_a_page_that_is_too_long_for_the_few_that_wait_becomes_shorter() -> None:
    """Ours stood far apart: it would cost more than two questions; after 32 of them a quarter of it is tried."""
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
    """A fleet that is nearly done needs a small page, as long as it stands at the front of the list."""
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
    """So many items more must bring a question's worth."""
    assert useful_depth(positions, each) == depth


def test_a_page_that_brought_nothing_is_tried_again_ever_more_rarely() -> None:
    """After the first 32 single questions, then 256, then 2048, and so on."""
    pages = ListStrategy()
    gaps = []
    for _ in range(5):
        scanned(pages, 100, [])
        asked = 0
        while pages.begin(100, 100) is None:
            pages.single_query_sent()
            asked += 1
        gaps.append(asked)
    assert gaps == [PENALTY, PENALTY * 8, PENALTY_MAXIMUM, PENALTY_MAXIMUM, PENALTY_MAXIMUM]


def test_a_page_that_failed_counts_as_one_that_brought_nothing() -> None:
    """A list whose page fails is not requested again for a while."""
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


def test_one_page_that_pays_ends_the_doubt() -> None:
    """After it, the next is requested at once, and a failure counts as the first again."""
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
    """Ours may have been pushed behind the page: each trial is larger, up to the maximum, then it begins anew."""
    pages, sizes = ListStrategy(), []
    for _ in range(5):
        sizes.append(scanned(pages, 20, []).size)
        for _ in range(PENALTY_MAXIMUM):
            pages.single_query_sent()
    assert sizes == [30, 105, 405, 500, 30]


def test_a_share_of_the_list_is_enough_where_many_wait() -> None:
    """If a page contains a tenth of the waiting tasks, it is requested as long as that tenth is worth it."""
    pages = ListStrategy()
    scanned(pages, 400, range(0, 500, 12))
    assert pages.begin(400, 400) is not None
    assert pages.begin(400, 35) is None


@attrs.define
class Account:
    """A list with tasks of this client and others: the newest first, the oldest first, or in no order at all."""

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


def questions(account: Account, count: int, alive: int) -> tuple[float, int]:
    """What it costs to ask for tasks on one beat: a new one comes at each of `count` moments, and waits `alive` beats.

    Returns:
        The questions, pages weighed by their cost, and the single ones that would have been asked.
    """
    pages, spent, single = ListStrategy(), 0.0, 0
    for moment in range(count):
        account.put(moment)
        if moment % alive:
            continue
        # Once in a beat all that wait are due.
        waiting = set(range(max(0, moment - alive * BEATS), moment + 1))
        single += len(waiting)
        scan = pages.begin(len(waiting), len(waiting))
        while scan is not None:
            spent += cost(scan.size)
            page = account.page(scan.number, scan.size)
            places = [place for place, whose in enumerate(page) if whose in waiting]
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
    """Against single questions: a tenth in an account of one's own, and not more in one full of others' tasks."""
    account = Account(order, others, same_draws(3))
    spent, single = questions(account, 600, alive=2)
    assert spent <= most * single + 12  # one page that is tried at first, and may be in vain


@given(
    st.lists(st.tuples(st.integers(1, 2000), st.floats(0, 1), st.floats(0, 1), st.booleans()), min_size=1, max_size=80)
)
def test_whatever_pages_bring_their_waste_is_bounded(answers: list[tuple[int, float, float, bool]]) -> None:
    """Pages that did not pay are at most one in 32 of the single questions, and one more."""
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
