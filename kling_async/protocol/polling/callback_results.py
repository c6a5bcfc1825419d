"""What a callback may leave out: whether it tells all that an answer would."""

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
"""Where a task keeps what it makes."""


def has_results(task: Task, kind: ResultKind) -> bool:
    """Whether what a task has made is there, if it has succeeded: callbacks are documented for videos and pictures.

    Args:
        task: as a callback tells of it.
        kind: what it makes.
    """
    return task.status is not TaskStatus.SUCCEED or bool(attrgetter(_RESULTS[kind])(task))
