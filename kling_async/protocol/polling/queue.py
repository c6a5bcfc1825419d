"""The queue of tasks that wait for their next poll, and what an answer about all of them would be worth now."""

import heapq
import itertools
import math
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Final, Generic, TypeVar

MAX_MOVES: Final = 1000
"""Stale heap entries fixed in one go: a page may postpone as many tasks, and each would otherwise wake the loop."""


class QueueEntry:
    """Something that is polled repeatedly. All times are seconds of one monotonic clock."""

    __slots__ = ("due", "heap_time", "queued_at", "rate")

    queued_at: float
    """When it was last put into the queue; unset before the first time."""
    due: float
    """When to poll it next; unset before the first time."""

    def __init__(self) -> None:
        self.heap_time = math.inf
        """Time of its entry in the heap, infinity for none. It may be before `due`, and is then moved when reached."""
        self.rate = 0.0
        """Share of its wait that passes per second; 0 if it is not waiting."""


_T = TypeVar("_T", bound=QueueEntry)


class PollQueue(Generic[_T]):
    """The items that wait for their next poll; each change takes at most O(log n)."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, _T]] = []
        self._numbers = itertools.count()  # items due at the same time are taken in the order in which they were put
        self._waiting = 0
        # The value is a sum of (now - queued_at) * rate: linear in now, so two sums give it for all.
        self._slope = 0.0
        self._offset = 0.0

    def __len__(self) -> int:
        """Number of waiting items."""
        return self._waiting

    def put(self, item: _T, now: float, due: float) -> None:
        """Lets an item wait until `due`, even if it is waiting already."""
        self.remove(item)
        if due < item.heap_time:
            self._push(item, due)
        item.queued_at, item.due = now, due
        item.rate = 1 / max(due - now, 0.001)
        self._slope += item.rate
        self._offset += item.rate * now
        self._waiting += 1

    def remove(self, item: _T) -> None:
        """Removes an item, if it is waiting."""
        if item.rate == 0:
            return
        self._slope -= item.rate
        self._offset -= item.rate * item.queued_at
        item.rate = 0.0
        self._waiting -= 1
        if not self._waiting:
            self._slope = self._offset = 0.0  # discards rounding errors

    def take_due(self, now: float) -> list[_T]:
        """Removes and returns all due items."""
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
        """Iterates over all waiting items, in no particular order."""
        return (item for when, _, item in self._heap if item.rate > 0 and item.heap_time == when)

    def soonest(self, count: int, wanted: Callable[[_T], bool] = bool) -> list[_T]:
        """Returns the waiting items that are due first, without removing them.

        Args:
            count: maximum number of items.
            wanted: whether to consider an item.
        """
        return heapq.nsmallest(count, filter(wanted, self), key=attrgetter("due"))

    def next_time(self) -> float | None:
        """Returns when to call `take_due` next, perhaps before an item is due; None if no item waits."""
        for _ in range(MAX_MOVES):
            if not self._heap or self._is_in_place():
                break
            self._put_in_place()
        return self._heap[0][0] if self._heap else None

    def value(self, now: float) -> float:
        """Returns the value of an answer about all waiting items: the sum of the passed shares of their waits."""
        return max(0.0, self._slope * now - self._offset)

    def _is_in_place(self) -> bool:
        """Whether the first heap entry is at the time at which its item is due."""
        heap_time, _, item = self._heap[0]
        return heap_time == item.heap_time and item.rate > 0 and item.due <= heap_time

    def _put_in_place(self) -> None:
        """Moves the first heap entry to when its item is due, or removes it if it is obsolete."""
        heap_time, _, item = heapq.heappop(self._heap)
        if heap_time == item.heap_time:  # otherwise the item has a newer, earlier entry
            item.heap_time = math.inf
            if item.rate > 0:
                self._push(item, item.due)

    def _push(self, item: _T, when: float) -> None:
        item.heap_time = when
        heapq.heappush(self._heap, (when, next(self._numbers), item))


def share_passed(item: QueueEntry, now: float) -> float:
    """Returns the share of an item's wait that has passed, up to 1."""
    return min(1.0, (now - item.queued_at) * item.rate)
