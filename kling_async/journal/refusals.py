"""The errors by which a key or an unfinished entry is refused."""

from kling_async.journal.decisions import Conflict
from kling_async.journal.entry import Entry
from kling_async.journal.store import Work
from kling_async.protocol.endpoint import Endpoint
from kling_async.protocol.errors import CreateInDoubt, KeyConflict, Remedy


def conflict(conflict: Conflict, work: Work, entry: Entry | None) -> KeyConflict:
    """Returns the error for a key that belongs to another request."""
    listed = "; ".join(map(str, conflict.differences))
    return KeyConflict(
        f"the key {work.key!r} belongs to another request ({listed}); use another key, or the same request",
        differences=conflict.differences,
        reference=entry.reference if entry else None,
    )


def unknowable(endpoint: Endpoint, entry: Entry) -> CreateInDoubt:
    """Returns the error for an entry of which it can never be known whether there is a task."""
    return in_doubt(
        endpoint,
        entry,
        "in doubt, cannot be settled: whether there is a task is not known, and the service does not find tasks of "
        f"{endpoint.name} by their external id; it may be billed, and is never sent again under this key",
    )


def expired(endpoint: Endpoint, entry: Entry) -> CreateInDoubt:
    """Returns the error for an entry whose task, if there was one, the service has deleted."""
    return in_doubt(
        endpoint,
        entry,
        "older than the 30 days that the service keeps tasks"
        + ("; whether it was billed is not known, and it is never sent again under this key" * (not entry.task_id)),
    )


def in_doubt(endpoint: Endpoint, entry: Entry, message: str) -> CreateInDoubt:
    """Returns the error for an entry of which it is not known whether there is a task."""
    return CreateInDoubt(
        message,
        remedy=Remedy.LIST,
        endpoint=endpoint.name,
        sent_at=entry.intended_at,
    )
