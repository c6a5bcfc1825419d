"""Which task is to be asked for when: one heap, and what one answer about all of them would be worth now."""

import heapq
import itertools
import math
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Final, Generic, TypeVar

MOVED_AT_ONCE: Final = 1000
"""Places of the heap that are put right at once: a page may put off as many, and each by itself would wake the loop."""


class QueueEntry:
    """Something that is asked for again and again. All times are seconds of one monotonic clock."""

    __slots__ = ("asked_at", "due", "heap_time", "rate")

    asked_at: float
    """When the last answer came; unset before it was put for the first time."""
    due: float
    """When to ask again; unset before, too."""

    def __init__(self) -> None:
        self.heap_time = math.inf
        """The place in the heap, infinity for none; it may be earlier than `due`, and is moved when it is reached."""
        self.rate = 0.0
        """Share of the way to `due` that passes in a second; 0 for what is not waiting."""


_T = TypeVar("_T", bound=QueueEntry)


class PollQueue(Generic[_T]):
    """All that wait for their next question; each change costs the logarithm of their number at most."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, _T]] = []
        self._numbers = itertools.count()  # what is due at one time is taken in the order in which it was put
        self._waiting = 0
        # The value is a sum of (now - asked_at) * rate: linear in now, so two sums give it for all.
        self._slope = 0.0
        self._offset = 0.0

    def __len__(self) -> int:
        """How many wait."""
        return self._waiting

    def put(self, item: _T, now: float, due: float) -> None:
        """Waits until `due`; what waits already waits anew."""
        self.remove(item)
        if due < item.heap_time:
            self._push(item, due)
        item.asked_at, item.due = now, due
        item.rate = 1 / max(due - now, 0.001)
        self._slope += item.rate
        self._offset += item.rate * now
        self._waiting += 1

    def remove(self, item: _T) -> None:
        """Does not wait any more."""
        if item.rate == 0:
            return
        self._slope -= item.rate
        self._offset -= item.rate * item.asked_at
        item.rate = 0.0
        self._waiting -= 1
        if not self._waiting:
            self._slope = self._offset = 0.0  # nor do the errors of rounding stay

    def take_due(self, now: float) -> list[_T]:
        """All that are due; they do not wait any more."""
        due: list[_T] = []
        while self._heap and self._heap[0][0] <= now:
            item = self._heap[0][2]
            if self._is_in_place():
                heapq.heappop(self._heap)
                item.heap_time = math.inf
                self.remove(item)
                due.append(item)
            else:
                self._put_in_place()
        return due

    def __iter__(self) -> Iterator[_T]:
        """All that wait, in no order."""
        return (item for when, _, item in self._heap if item.rate > 0 and item.heap_time == when)

    def soonest(self, count: int, wanted: Callable[[_T], bool] = bool) -> list[_T]:
        """So many of those that wait, whose time comes first; they go on waiting.

        Args:
            count: of them, at most.
            wanted: which of them are looked for.
        """
        return heapq.nsmallest(count, filter(wanted, self), key=attrgetter("due"))

    def next_time(self) -> float | None:
        """When to look here next; None if nothing waits."""
        for _ in range(MOVED_AT_ONCE):
            if not self._heap or self._is_in_place():
                break
            self._put_in_place()
        return self._heap[0][0] if self._heap else None

    def value(self, now: float) -> float:
        """What an answer about all that wait would be worth: each counts with the share of its wait that has passed."""
        return max(0.0, self._slope * now - self._offset)

    def _is_in_place(self) -> bool:
        """Whether what is first in the heap is due then."""
        heap_time, _, item = self._heap[0]
        return heap_time == item.heap_time and item.rate > 0 and item.due <= heap_time

    def _put_in_place(self) -> None:
        """Moves what is first in the heap and is due later, or takes it out where it does not wait there."""
        heap_time, _, item = heapq.heappop(self._heap)
        if heap_time == item.heap_time:  # else it was pushed anew, earlier
            item.heap_time = math.inf
            if item.rate > 0:
                self._push(item, item.due)

    def _push(self, item: _T, when: float) -> None:
        item.heap_time = when
        heapq.heappush(self._heap, (when, next(self._numbers), item))


def share_passed(item: QueueEntry, now: float) -> float:
    """How much of its wait has passed, up to 1."""
    return min(1.0, (now - item.asked_at) * item.rate)
