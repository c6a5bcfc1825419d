"""Decisions about a key or an unfinished entry, made from what the journal has."""

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
    """The state of an entry's owner, as seen by one client."""

    OURS = "this client"
    LIVING = "another client, which may work on the entry at any moment"
    GONE = "no client, or one that is closed or whose process is dead"


@attrs.frozen
class Open:
    """Begin an attempt: nothing is paid under this key, or only an earlier attempt.

    Attributes:
        attempt: the number of the attempt.
        replaces: the refused entry that it replaces.
    """

    attempt: int = 1
    replaces: int | None = None


class Use(enum.Enum):
    """What to do with an existing entry."""

    FOLLOW = "follow its task"
    SETTLE = "look up whether there is a task, before anything is sent"
    WAIT = "wait for the other client that is working on it"
    DOUBT = "whether there is a task can never be known: send nothing again"
    QUERY = "query the service, since the journal does not have whether the task failed"


@attrs.frozen
class Conflict:
    """The key belongs to another request."""

    differences: tuple[Difference, ...]


Decision = Open | Use | Conflict


def for_key(
    last: Entry | None, owner: OwnerState, different: Sequence[Difference], *, again_if_failed: bool
) -> Decision:
    """Decides what to do with a key.

    Args:
        last: its last attempt.
        owner: the state of that attempt's owner.
        different: the differences between the two requests.
        again_if_failed: whether to make another attempt if the task failed.
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
        return Use.QUERY
    return Use.FOLLOW


class Left(enum.Enum):
    """What `recover()` does with an entry that a client left unfinished."""

    SETTLE = "look up the task, and send the request if there is none"
    FOLLOW = "follow its task, or save its files"
    UNKNOWABLE = "give up: in doubt, and the service does not find tasks of this endpoint by external id"
    EXPIRED = "give up: the service has deleted the task"


def for_left(entry: Entry, now: datetime) -> Left:
    """Decides what to do with an entry without a living owner."""
    if now - entry.intended_at > RETENTION:
        return Left.EXPIRED
    if entry.task_id is not None:
        return Left.FOLLOW
    return Left.SETTLE if entry.external_task_id is not None else Left.UNKNOWABLE


def is_new(entry: Entry, now: datetime) -> bool:
    """Whether a task was accepted so recently that the service may not show it yet."""
    return entry.accepted_at is not None and now - entry.accepted_at < timedelta(seconds=NOT_FOUND_PATIENCE)
