"""What the list of all tasks since a create was sent says of its task: that it is one of them, may be, or is none.

A task does not tell what it was made from, not even its model. By its external id it is ours or another's. One without
an id may be what a path made that drops ids, or anybody's who gives none.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

import attrs

from kling_async.protocol.reference import is_same_id
from kling_async.protocol.tasks import Task, TaskStatus


@attrs.frozen
class Others:
    """What is known of those who make tasks beside this client.

    Attributes:
        tasks: ids of theirs.
        may_have_made: whether one of them may have made a task that nobody knows to be its.
    """

    tasks: frozenset[str] = frozenset()
    may_have_made: bool = False


NOBODY: Final = Others()


def named(tasks: Iterable[Task], external_task_id: str) -> Task | None:
    """The task that has our id, if there is one."""
    return next((task for task in tasks if task.external_task_id == external_task_id), None)


def unnamed(
    tasks: Iterable[Task], external_task_id: str, since: datetime, is_known: Callable[[Task], bool]
) -> list[Task]:
    """Those that may be ours: without an id, or with ours in another case, not older, and nobody's that is known.

    Args:
        tasks: that the list has; the service may give older ones than it was asked for.
        external_task_id: ours.
        since: when ours was made at the earliest, by the service's clock.
        is_known: whether a task is that of another create.
    """
    return [task for task in tasks if _may_be_ours(task, external_task_id, since) and not is_known(task)]


def _may_be_ours(task: Task, external_task_id: str, since: datetime) -> bool:
    made_other = task.status is TaskStatus.SUCCEED and not task.videos
    is_older = task.created_at is not None and task.created_at < since
    has_no_other_id = task.external_task_id is None or is_same_id(task.external_task_id, external_task_id)
    return has_no_other_id and not made_other and not is_older
