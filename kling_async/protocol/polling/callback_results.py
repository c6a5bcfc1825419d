"""Whether a callback contains the results of its task, as the answer to a poll does."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Final

from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.tasks import Task, TaskStatus

_RESULTS: Final[Mapping[ResultKind, str]] = {
    ResultKind.VIDEO: "videos",
    ResultKind.IMAGE: "images",
    ResultKind.AUDIO: "audios",
    ResultKind.VOICE: "voices",
    ResultKind.ELEMENT: "elements",
    ResultKind.ANY: "raw",
}
"""The field of `Task` that holds the results of each kind."""


def has_results(task: Task, kind: ResultKind) -> bool:
    """Whether a task has its results, if it has succeeded. Callbacks are documented for videos and images only.

    Args:
        task: the task as a callback reports it.
        kind: what kind of result it makes.
    """
    return task.status is not TaskStatus.SUCCEED or bool(attrgetter(_RESULTS[kind])(task))
