"""Which tasks share a query, where the service accepts several ids at once."""

import heapq
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import Final, NamedTuple, TypeVar

from kling_async.protocol.polling.followed import FollowedTask
from kling_async.protocol.polling.queue import PollQueue, share_passed

_F = TypeVar("_F", bound=FollowedTask)


MAX_STRETCH: Final = 1.5
"""The most by which the factor on the targeted lag exceeds 1, where many tasks share queries."""
ENOUGH: Final = 100
"""Number of tasks above which a page costs so little per task that a shorter lag is preferred."""


class BatchKey(NamedTuple):
    """Tasks with equal keys may share a query.

    Attributes:
        by_external: whether they are queried by their external ids; a query cannot contain both sorts of ids.
        max_size: maximum number of tasks in the query.
        unmixed: whether the query may not contain legacy tasks.
    """

    by_external: bool
    max_size: int
    unmixed: bool = False


def batch_key(followed: FollowedTask) -> BatchKey | None:
    """Returns the key of a task; None if it must have a query of its own."""
    if followed.max_batch == 1:
        return None
    return BatchKey(followed.reference.external_task_id is not None, followed.max_batch)


def stretch(waiting: int, most: int, at_once: int, *, by_pages: bool) -> float:
    """Returns the factor for the targeted lag with which the actual mean lag is about the target, or less.

    Tasks in one query are polled whenever the most urgent of them is due, which is more often than each one needs.

    Args:
        waiting: number of tasks that may share queries.
        most: maximum number of ids in one query.
        at_once: the largest number of tasks that waited at once since the queue was last empty.
        by_pages: whether pages of the list are in use, which answer about all of them.
    """
    if by_pages and waiting > most > 1:
        return 1 + MAX_STRETCH * min(1.0, ENOUGH / at_once) ** 2
    covered = min(1.0, most / waiting)
    return 1 + MAX_STRETCH * covered * (1 - 1 / min(waiting, most))


def grouped(due: Iterable[_F], key_of: Callable[[_F], BatchKey | None]) -> Iterator[tuple[_F, ...]]:
    """Groups due tasks into queries, in order.

    Args:
        due: the tasks.
        key_of: returns the batch key of a task; a task without one gets a query of its own.
    """
    groups: dict[BatchKey, list[_F]] = {}
    for followed in due:
        key = key_of(followed)
        if key is None:
            yield (followed,)
            continue
        group = groups.setdefault(key, [])
        group.append(followed)
        if len(group) == key.max_size:
            yield tuple(groups.pop(key))
    yield from map(tuple, groups.values())


def early_tasks(
    group: tuple[_F, ...], queues: Iterable[PollQueue[_F]], key_of: Callable[[_F], BatchKey | None]
) -> tuple[_F, ...]:
    """Returns tasks that fill a query: those that are due next. An answer about them is nearly free.

    Args:
        group: the due tasks of the query, all with the same key.
        queues: queues of waiting tasks.
        key_of: as in `grouped`.
    """
    key = key_of(group[0])
    if key is None or (room := key.max_size - len(group)) == 0:
        return ()
    soonest = (each for queue in queues for each in queue.soonest(room, lambda waiting: key_of(waiting) == key))
    return tuple(heapq.nsmallest(room, soonest, key=attrgetter("due")))


def worth(due: int, queue: PollQueue[_F], most: int, now: float) -> float:
    """Returns the value of a query by ids, in due single queries: tasks that fill it count for less than 1 each."""
    due = min(due, most)
    return due + sum(share_passed(each, now) for each in queue.soonest(most - due))
