"""Finds a create's task, or candidates for it, in the list of all tasks since it was sent.

An answer about a task does not contain its request, not even its model. The external id decides whether it is ours. A
task without an id may be ours, if the path drops ids, or any task that was made without one.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

import attrs

from kling_async.protocol.reference import is_same_id
from kling_async.protocol.tasks import Task, TaskStatus


@attrs.frozen
class Others:
    """What is known about the tasks of other clients.

    Attributes:
        tasks: ids of their tasks.
        may_have_made: whether one of them may have made a task that is not in `tasks`.
    """

    tasks: frozenset[str] = frozenset()
    may_have_made: bool = False


NO_OTHERS: Final = Others()


def named(tasks: Iterable[Task], external_task_id: str) -> Task | None:
    """Returns the task with our id, if there is one."""
    return next((task for task in tasks if task.external_task_id == external_task_id), None)


def unnamed(
    tasks: Iterable[Task], external_task_id: str, since: datetime, is_known: Callable[[Task], bool]
) -> list[Task]:
    """Returns the tasks that may be ours: without an id or with ours in another case, not older, of no other create.

    Args:
        tasks: of the list; the service may include older tasks than were requested.
        external_task_id: our id.
        since: the earliest time at which ours can have been made, by the service's clock.
        is_known: whether a task belongs to another create.
    """
    return [task for task in tasks if _may_be_ours(task, external_task_id, since) and not is_known(task)]


def _may_be_ours(task: Task, external_task_id: str, since: datetime) -> bool:
    made_other = task.status is TaskStatus.SUCCEED and not task.videos
    is_older = task.created_at is not None and task.created_at < since
    has_no_other_id = task.external_task_id is None or is_same_id(task.external_task_id, external_task_id)
    return has_no_other_id and not made_other and not is_older
