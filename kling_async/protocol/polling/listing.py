"""Whether one page of the list is asked for in place of many single questions, and how large a page.

The order of the list is not documented, and the account may be full of other people's tasks. So a page is judged by
what it brought: the tasks that it answered, each counted with the share of its wait that had passed, against what it
cost. What it did not answer is asked for singly.
"""

import math
from collections.abc import Sequence
from typing import Final

from kling_async.protocol.wire.requests import PAGE_NUMBER_MAXIMUM, PAGE_SIZE_MAXIMUM

PAGE_MINIMUM: Final = 10
ITEMS_PER_QUESTION: Final = 150
"""Items of a page that cost as much as a question of its own."""
PENALTY: Final = 32
"""Single questions that follow a page which did not pay, before the next is tried."""
PENALTY_GROWTH: Final = 8
PENALTY_MAXIMUM: Final = 2048


def cost(size: int) -> float:
    """What a page of this size costs, in single questions."""
    return 1 + size / ITEMS_PER_QUESTION


class ListScan:
    """One pass over the list: its first page, and those after it as long as they pay.

    Args:
        size: of its pages.
        waiting: tasks that it could answer.
        worth: what an answer about all of them would be worth, above 0.
        number: of the page to ask for first, from 1.
        instead: what a question by ids is worth that costs as much as a single one.
    """

    def __init__(self, size: int, waiting: int, worth: float, number: int = 1, *, instead: float = 1.0) -> None:
        self.size = size
        self.number = number
        """Of the page to ask for now."""
        self.exhausted = False
        """Whether the list ended, or the last page hardly held any: what was not there will not be on the next one."""
        self._waiting = waiting
        self._worth = worth
        self._instead = instead
        self._gained = 0.0
        self._found = 0
        self._deepest = 0
        self._full = False
        self._failed = False

    def answered(
        self, length: int, positions: Sequence[int], *, gained: float, left: float, more: bool | None = None
    ) -> bool:
        """Takes a page; tells whether the next one is to be asked for.

        Args:
            length: items on the page.
            positions: of those that are followed here, from 0, in order.
            gained: what they were worth.
            left: what an answer about all others would be worth now.
            more: whether the list goes on, where the page says so; else it does if the page is full.
        """
        if positions:
            each = gained / len(positions) / self._instead
            self._deepest = (self.number - 1) * self.size + useful_depth(positions, each)
        self._gained += gained
        self._full = length >= self.size if more is None else more
        self._found += len(positions)
        price = cost(self.size) * self._instead
        self.exhausted = not self._full or self.number >= PAGE_NUMBER_MAXIMUM or len(positions) < price
        unseen = self._waiting - self._found
        # The next page is taken to hold as many as this one, each worth what those are on average that are left.
        if self.exhausted or unseen <= 0 or left * min(1, len(positions) / unseen) < price:
            return False
        self.number += 1
        return True

    def failed(self) -> None:
        """The page did not come."""
        self._failed = True

    @property
    def paid(self) -> bool:
        """Whether it brought what it cost."""
        return not self._failed and self._gained >= self.number * cost(self.size) * self._instead

    @property
    def found_none(self) -> bool:
        """Whether nothing of what it looked for was there, and more of the list is."""
        return self._full and self._deepest == 0

    @property
    def share(self) -> float:
        """What it brought, of all that it could have."""
        return min(1.0, self._gained / self._worth)

    @property
    def places(self) -> float:
        """Places of the list for each task that waits, as far as one has to read."""
        seen = self.number * self.size
        # Tasks were missing, and those that were there stood until the end of the page: more may follow.
        if self._full and self.share < 0.95 and self._deepest > seen * 3 // 4:
            return 2 * seen / self._waiting
        return max(1.0, self._deepest / self._waiting)


class ListStrategy:
    """What is known of the list of one endpoint."""

    def __init__(self) -> None:
        self._places = 1.0
        self._share = 1.0
        self._penalty = PENALTY  # of the next page that does not pay
        self._barred = False
        self._until_trial = PENALTY

    @property
    def barred(self) -> bool:
        """Whether pages are not asked for, since the last one did not pay."""
        return self._barred

    def size(self, waiting: int) -> int:
        """Of the page that is likely to hold so many tasks, and no larger."""
        return max(PAGE_MINIMUM, min(PAGE_SIZE_MAXIMUM, math.ceil(waiting * self._places * 1.25) + PAGE_MINIMUM // 2))

    def begin(self, waiting: int, worth: float, instead: float = 1.0) -> ListScan | None:
        """A scan, if it is likely to cost less than the questions that it answers; else they are asked by ids.

        Args:
            waiting: tasks that it could answer.
            worth: what an answer about all of them would be worth, above 0.
            instead: as in `ListScan`.
        """
        size = self.size(waiting)
        pages = max(1, math.ceil(waiting * self._places / size))
        if self._barred or worth * self._share < pages * cost(size) * instead:
            return None
        return ListScan(size, waiting, worth, instead=instead)

    def ended(self, scan: ListScan) -> None:
        """Takes what a scan tells."""
        self._barred = not scan.paid
        if scan.paid:
            self._penalty = self._until_trial = PENALTY
            self._share = scan.share
            self._places = min(scan.places, PAGE_SIZE_MAXIMUM)
            return
        if scan.found_none:
            # Others' tasks may have come since: the next trial looks deeper, and in the end begins anew.
            deeper = self._places * 4
            useless = scan.size == PAGE_SIZE_MAXIMUM or deeper * cost(PAGE_SIZE_MAXIMUM) >= PAGE_SIZE_MAXIMUM
            self._places = 1.0 if useless else deeper
        self._until_trial = self._penalty
        self._penalty = min(PENALTY_MAXIMUM, self._penalty * PENALTY_GROWTH)

    def asked_singly(self) -> None:
        """A single question went out; after enough of them a page is tried again."""
        self._until_trial -= 1
        if self._until_trial == 0:
            if not self._barred:  # pages were found too large for the tasks that wait now
                self._places = max(1.0, self._places / 4)
                self._until_trial = PENALTY
            self._barred = False
            self._share = 1.0


def useful_depth(positions: Sequence[int], each: float) -> int:
    """How far to read a list in which wanted tasks stand at these places: not for a few that are far behind the rest.

    Args:
        positions: in order, from 0.
        each: what a task is worth, in single questions.
    """
    gains = [(count * each - position / ITEMS_PER_QUESTION, position) for count, position in enumerate(positions, 1)]
    return max(gains)[1] + 1
