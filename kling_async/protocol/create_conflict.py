"""The error of a create whose external id belongs to an older task, and the message if that is uncertain."""

from kling_async.protocol.errors import ExternalTaskIdConflict, KlingError, Remedy
from kling_async.protocol.tasks import Task


def seems_older(external_task_id: str) -> str:
    """Returns the message for a create that an earlier process sent, whose clock is unknown."""
    return (
        f"external_task_id {external_task_id!r} belongs to a task that seems older than this create, which an earlier "
        "process sent: the task belongs to another create, or the clock of that process was wrong"
    )


def older_task(
    external_task_id: str, task: Task, refusal: KlingError | None, *, own_id: bool
) -> ExternalTaskIdConflict:
    """Returns the error.

    Args:
        external_task_id: that was sent.
        task: the older task, which has that id.
        refusal: of the send, if the service refused it because of the id.
        own_id: whether the id was made from a key instead of given by the user.
    """
    conflict = f"external_task_id {external_task_id!r} belongs to an older task"
    if own_id:
        conflict += (
            f", {task.reference}, and was made from the key: was the journal copied, or restored from a backup? "
            "Nothing was created now; whether that task is of the same request is not known. Another key (of a "
            "batch: another id) makes a new one"
        )
    return ExternalTaskIdConflict(
        conflict,
        remedy=Remedy.ATTACH if own_id else Remedy.ADOPT,
        code=refusal.code if refusal else None,
        reference=task.reference,
        task=task,
    )
