"""Which tasks are asked for by one question, where the service takes several ids at once."""

import heapq
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import Final, NamedTuple, TypeVar

from kling_async.protocol.polling.followed import FollowedTask
from kling_async.protocol.polling.queue import PollQueue, share_passed

_F = TypeVar("_F", bound=FollowedTask)


MOST_STRETCH: Final = 1.5
"""What is added to a factor of 1 where many tasks are asked for together."""
ENOUGH: Final = 100
"""Tasks from which on a page for all of them costs each so little that they are rather seen sooner."""


class Kind(NamedTuple):
    """Tasks of one kind can stand in one question.

    Attributes:
        by_external: whether they are asked for by the caller's ids: one question has either.
        at_most: how many of them.
        apart: whether no task of the legacy generation is among them.
    """

    by_external: bool
    at_most: int
    apart: bool = False


def kind_of(followed: FollowedTask) -> Kind | None:
    """Of a task that may be asked for with others; None where it has to have a question of its own."""
    if followed.together_at_most == 1:
        return None
    return Kind(followed.reference.external_task_id is not None, followed.together_at_most)


def stretch(waiting: int, most: int, at_once: int, *, by_pages: bool) -> float:
    """What the aimed lag can be multiplied by, so that the mean lag becomes about what is aimed at, or less.

    Tasks that are asked for together are each looked at whenever the most urgent of them is: more often than they need.

    Args:
        waiting: tasks that may share questions.
        most: ids in one question.
        at_once: as many as waited at once, since none did.
        by_pages: whether a page answers about all of them.
    """
    if by_pages and waiting > most > 1:
        return 1 + MOST_STRETCH * min(1.0, ENOUGH / at_once) ** 2
    told = min(1.0, most / waiting)
    return 1 + MOST_STRETCH * told * (1 - 1 / min(waiting, most))


def grouped(due: Iterable[_F], kind: Callable[[_F], Kind | None]) -> Iterator[tuple[_F, ...]]:
    """Puts tasks that are due together, in their order.

    Args:
        due: the tasks.
        kind: of each; those that have none get questions of their own.
    """
    groups: dict[Kind, list[_F]] = {}
    for followed in due:
        own = kind(followed)
        if own is None:
            yield (followed,)
            continue
        group = groups.setdefault(own, [])
        group.append(followed)
        if len(group) == own.at_most:
            yield tuple(groups.pop(own))
    yield from map(tuple, groups.values())


def riders(group: tuple[_F, ...], queues: Iterable[PollQueue[_F]], kind: Callable[[_F], Kind | None]) -> tuple[_F, ...]:
    """Tasks that fill a question: those whose time comes next. An answer about them is nearly free.

    Args:
        group: that is asked for, all of one kind.
        queues: of those that wait.
        kind: as in `grouped`.
    """
    own = kind(group[0])
    if own is None or (room := own.at_most - len(group)) == 0:
        return ()
    soonest = (each for queue in queues for each in queue.soonest(room, lambda waiting: kind(waiting) == own))
    return tuple(heapq.nsmallest(room, soonest, key=attrgetter("due")))


def worth(due: int, queue: PollQueue[_F], most: int, now: float) -> float:
    """What a question by ids would bring, as single questions count that are due."""
    due = min(due, most)
    return due + sum(share_passed(each, now) for each in queue.soonest(most - due))
