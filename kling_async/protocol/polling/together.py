"""Which tasks are asked for by one question, where the service takes several ids at once."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from kling_async.protocol.polling.followed import FollowedTask
from kling_async.protocol.polling.queue import PollQueue, share_passed

_F = TypeVar("_F", bound=FollowedTask)


MOST_STRETCH: Final = 1.5
"""What is added to a factor of 1 where very many tasks are asked for together."""


def stretch(waiting: int, most: int, *, by_pages: bool) -> float:
    """What the aimed lag can be multiplied by, so that the mean lag becomes about what is aimed at.

    Tasks that are asked for together are each looked at whenever the most urgent of them is: more often than they need.

    Args:
        waiting: tasks that may share questions.
        most: ids in one question.
        by_pages: whether a page answers about all of them.
    """
    told = 1.0 if by_pages else min(1.0, most / waiting)
    return 1 + MOST_STRETCH * told * (1 - 1 / min(waiting, most))


def grouped(due: Iterable[_F], most: int, fits: Callable[[_F], bool]) -> Iterator[tuple[_F, ...]]:
    """Puts tasks that are due together, in their order.

    Args:
        due: the tasks.
        most: ids in one question.
        fits: whether a task may be asked for with others; else it has a question of its own.
    """
    by_kind: dict[bool, list[_F]] = {False: [], True: []}
    for followed in due:
        if not fits(followed):
            yield (followed,)
            continue
        group = by_kind[by_external(followed)]
        group.append(followed)
        if len(group) == most:
            yield tuple(group)
            group.clear()
    yield from (tuple(group) for group in by_kind.values() if group)


def by_external(followed: FollowedTask) -> bool:
    """Whether a task is asked for by the caller's id: one question has either kind."""
    return followed.reference.external_task_id is not None


def riders(group: tuple[_F, ...], queue: PollQueue[_F], most: int, fits: Callable[[_F], bool]) -> tuple[_F, ...]:
    """Tasks that fill a question: those whose time comes next. An answer about them is nearly free.

    Args:
        group: that is asked for.
        queue: of those that wait.
        most: ids in one question.
        fits: as in `grouped`.
    """
    if len(group) >= most or not all(map(fits, group)):
        return ()
    kind = by_external(group[0])
    return tuple(each for each in queue.soonest(most - len(group)) if fits(each) and by_external(each) == kind)


def worth(due: int, queue: PollQueue[_F], most: int, now: float) -> float:
    """What a question by ids would bring, as single questions count that are due."""
    due = min(due, most)
    return due + sum(share_passed(each, now) for each in queue.soonest(most - due))
