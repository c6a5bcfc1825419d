"""Whether to request a page of the list instead of many single queries, and how large a page.

The order of the list is not documented, and the account may be full of tasks of other clients. So a page is judged by
its gain against its cost. The gain is the number of tasks that it answered, each weighted with the share of its wait
that had passed. Tasks that it did not contain are queried one by one.
"""

import math
from collections.abc import Sequence
from typing import Final

from kling_async.protocol.wire.requests import PAGE_NUMBER_MAXIMUM, PAGE_SIZE_MAXIMUM

PAGE_MINIMUM: Final = 10
ITEMS_PER_QUERY: Final = 150
"""Number of items on a page that cost as much as one single query."""
PENALTY: Final = 32
"""Single queries after a page that did not pay, before the next page is tried."""
PENALTY_GROWTH: Final = 8
PENALTY_MAXIMUM: Final = 2048


def cost(size: int) -> float:
    """Returns the cost of a page of this size, in single queries."""
    return 1 + size / ITEMS_PER_QUERY


class ListScan:
    """One pass over the list: its first page, and those after it as long as they pay.

    Args:
        size: size of its pages.
        waiting: number of tasks that it could answer.
        worth: value of an answer about all of them, in single queries, above 0.
        number: number of the first page to request, from 1.
        id_query_worth: value of a query by ids, in single queries; it costs as much as one.
    """

    def __init__(self, size: int, waiting: int, worth: float, number: int = 1, *, id_query_worth: float = 1.0) -> None:
        self.size = size
        self.number = number
        """Number of the page to request now."""
        self.exhausted = False
        """Whether the list ended, or the last page contained too few tasks to expect the others on the next one."""
        self._waiting = waiting
        self._worth = worth
        self._id_query_worth = id_query_worth
        self._gained = 0.0
        self._found = 0
        self._deepest = 0
        self._full = False
        self._failed = False

    def answered(
        self, length: int, positions: Sequence[int], *, gained: float, left: float, more: bool | None = None
    ) -> bool:
        """Applies a page and returns whether to request the next one.

        Args:
            length: number of items on the page.
            positions: positions of this client's followed tasks on the page, from 0, in order.
            gained: what they were worth.
            left: value of an answer about all other tasks now.
            more: whether the list has another page; None if the page does not contain that: then it has if it is full.
        """
        if positions:
            each = gained / len(positions) / self._id_query_worth
            self._deepest = (self.number - 1) * self.size + useful_depth(positions, each)
        self._gained += gained
        self._full = length >= self.size if more is None else more
        self._found += len(positions)
        price = cost(self.size) * self._id_query_worth
        self.exhausted = not self._full or self.number >= PAGE_NUMBER_MAXIMUM or len(positions) < price
        unseen = self._waiting - self._found
        # Assumes as many tasks on the next page as on this one, each worth the average of the remaining tasks.
        if self.exhausted or unseen <= 0 or left * min(1, len(positions) / unseen) < price:
            return False
        self.number += 1
        return True

    def failed(self) -> None:
        """Notes that the request for the page failed."""
        self._failed = True

    @property
    def paid(self) -> bool:
        """Whether its gain was at least its cost."""
        return not self._failed and self._gained >= self.number * cost(self.size) * self._id_query_worth

    @property
    def found_none(self) -> bool:
        """Whether it found none of the tasks although the list goes on."""
        return self._full and self._deepest == 0

    @property
    def share(self) -> float:
        """Its gain, as a share of what it could have gained."""
        return min(1.0, self._gained / self._worth)

    @property
    def places(self) -> float:
        """Number of list items to read per waiting task."""
        seen = self.number * self.size
        # Some tasks were missing, and those found reached to the end of the page: more may follow.
        if self._full and self.share < 0.95 and self._deepest > seen * 3 // 4:
            return 2 * seen / self._waiting
        return max(1.0, self._deepest / self._waiting)


class ListStrategy:
    """Decides when pages of the list of one endpoint are worth their cost, from the results of earlier scans."""

    def __init__(self) -> None:
        self._places = 1.0
        self._share = 1.0
        self._penalty = PENALTY  # after the next page that does not pay
        self._barred = False
        self._until_trial = PENALTY

    @property
    def barred(self) -> bool:
        """Whether no pages are requested for now, since the last one did not pay."""
        return self._barred

    def size(self, waiting: int) -> int:
        """Returns the smallest size of a page that is likely to contain this many tasks."""
        return max(PAGE_MINIMUM, min(PAGE_SIZE_MAXIMUM, math.ceil(waiting * self._places * 1.25) + PAGE_MINIMUM // 2))

    def begin(self, waiting: int, worth: float, id_query_worth: float = 1.0) -> ListScan | None:
        """Returns a scan if it is likely to cost less than the queries by id that it replaces, otherwise None.

        Args:
            waiting: number of tasks that it could answer.
            worth: value of an answer about all of them, in single queries, above 0.
            id_query_worth: as in `ListScan`.
        """
        size = self.size(waiting)
        pages = max(1, math.ceil(waiting * self._places / size))
        if self._barred or worth * self._share < pages * cost(size) * id_query_worth:
            return None
        return ListScan(size, waiting, worth, id_query_worth=id_query_worth)

    def ended(self, scan: ListScan) -> None:
        """Updates the strategy with the result of a scan."""
        self._barred = not scan.paid
        if scan.paid:
            self._penalty = self._until_trial = PENALTY
            self._share = scan.share
            self._places = min(scan.places, PAGE_SIZE_MAXIMUM)
            return
        if scan.found_none:
            # Newer tasks of other clients may precede: the next trial reads deeper, and at the limit starts over.
            deeper = self._places * 4
            useless = scan.size == PAGE_SIZE_MAXIMUM or deeper * cost(PAGE_SIZE_MAXIMUM) >= PAGE_SIZE_MAXIMUM
            self._places = 1.0 if useless else deeper
        self._until_trial = self._penalty
        self._penalty = min(PENALTY_MAXIMUM, self._penalty * PENALTY_GROWTH)

    def single_query_sent(self) -> None:
        """Counts a query by id; after enough of them a page is tried again."""
        self._until_trial -= 1
        if self._until_trial == 0:
            if not self._barred:  # pages of the estimated size cost too much for the tasks that wait now
                self._places = max(1.0, self._places / 4)
                self._until_trial = PENALTY
            self._barred = False
            self._share = 1.0


def useful_depth(positions: Sequence[int], each: float) -> int:
    """Returns how many items of a list to read; a few tasks far behind the others are not worth it.

    Args:
        positions: positions of the wanted tasks, in order, from 0.
        each: value of a task, in single queries.
    """
    gains = [(count * each - position / ITEMS_PER_QUERY, position) for count, position in enumerate(positions, 1)]
    return max(gains)[1] + 1
