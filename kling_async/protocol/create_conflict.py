"""The error of a create whose external id an older task has, and what is said where that is not sure."""

from kling_async.protocol.errors import ExternalTaskIdConflict, KlingError, Remedy
from kling_async.protocol.tasks import Task


def seems_older(external_task_id: str) -> str:
    """What is known where an earlier process sent it, whose clock nobody knows, in words."""
    return (
        f"external_task_id {external_task_id!r} belongs to a task that seems older than this, which an earlier process "
        "sent: it is another's, or the clock was wrong then"
    )


def older_task(
    external_task_id: str, task: Task, refusal: KlingError | None, *, own_id: bool
) -> ExternalTaskIdConflict:
    """The error.

    Args:
        external_task_id: that was sent.
        task: has it.
        refusal: of the send, where the service refused it for this.
        own_id: whether the id was made from a key, and is not the user's.
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
