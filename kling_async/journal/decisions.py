"""What becomes of a key, by what the journal has under it."""

import enum
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import attrs

from kling_async.journal.entry import Entry, EntryState
from kling_async.protocol.errors import Difference
from kling_async.protocol.lifecycle import NOT_FOUND_PATIENCE
from kling_async.protocol.tasks import TaskStatus

RETENTION: Final = timedelta(days=30)
"""How long the service keeps tasks and results ("Query task": results are deleted after 30 days)."""


class OwnerState(enum.Enum):
    """The client that works on an entry, as seen by another one."""

    OURS = "this client"
    LIVING = "another one that may work on it at any moment"
    GONE = "none, or one that is closed or whose process is gone"


@attrs.frozen
class Open:
    """Nothing is paid under this key: a new attempt, or a refused one anew.

    Attributes:
        attempt: its number.
        replaces: the refused entry that it takes the place of.
    """

    attempt: int = 1
    replaces: int | None = None


class Use(enum.Enum):
    """What is done with an entry that is there."""

    FOLLOW = "its task is followed"
    SETTLE = "it is looked up whether there is a task, before anything is sent"
    WAIT = "another client is at it: what it writes is waited for"
    DOUBT = "nobody will ever know whether there is a task: nothing is sent again"
    ASK = "whether it failed is not known here: the service is asked"


@attrs.frozen
class Conflict:
    """Another request has this key."""

    differences: tuple[Difference, ...]


Decision = Open | Use | Conflict


def for_key(
    last: Entry | None, owner: OwnerState, different: Sequence[Difference], *, again_if_failed: bool
) -> Decision:
    """Decides about a key.

    Args:
        last: its last attempt.
        owner: who works on that.
        different: in what the requests differ.
        again_if_failed: whether a failed task is to be followed by another attempt.
    """
    if last is None:
        return Open()
    if last.state is EntryState.REFUSED:
        return Open(last.attempt, last.id)
    if different:
        return Conflict(tuple(different))
    if again_if_failed and last.status is TaskStatus.FAILED:
        return Open(last.attempt + 1)
    if last.state is EntryState.INTENT:
        return Use.WAIT if owner is OwnerState.LIVING else Use.SETTLE
    if last.task_id is None:
        return Use.DOUBT
    if again_if_failed and last.state is EntryState.ACCEPTED:
        return Use.ASK
    return Use.FOLLOW


class Left(enum.Enum):
    """What `recover()` does with an entry that a client left unfinished."""

    SETTLE = "looked up, and sent if there is no task"
    FOLLOW = "its task goes on, or its files are to be saved"
    UNKNOWABLE = "in doubt, and the service finds no such task by its id"
    EXPIRED = "the service has deleted the task"


def for_left(entry: Entry, now: datetime) -> Left:
    """Decides about an entry without an owner."""
    if now - entry.intended_at > RETENTION:
        return Left.EXPIRED
    if entry.task_id is not None:
        return Left.FOLLOW
    return Left.SETTLE if entry.external_task_id is not None else Left.UNKNOWABLE


def is_new(entry: Entry, now: datetime) -> bool:
    """Whether a task was accepted so lately that the service may not show it yet."""
    return entry.accepted_at is not None and now - entry.accepted_at < timedelta(seconds=NOT_FOUND_PATIENCE)
