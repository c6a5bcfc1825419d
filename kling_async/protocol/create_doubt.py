"""The error of a create that may or may not have made a task: what is known, and how to find out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import attrs

from kling_async.protocol.errors import CreateInDoubt, KlingError, Remedy
from kling_async.protocol.lifecycle import is_missing
from kling_async.protocol.tasks import Task

CANDIDATES_SHOWN: Final = 10
"""Maximum number of tasks that the message names."""


@attrs.frozen
class Sent:
    """A create that was sent.

    Attributes:
        endpoint: name of its endpoint.
        reference: by which its task is looked up; None if that is impossible.
        sent_at: when it was first sent, by the service's clock.
        last: error of the last send.
    """

    endpoint: str
    reference: str | None
    sent_at: datetime
    last: KlingError | None


def what_is_known(sent: Sent, look_up: KlingError | None) -> str:
    """Describes the outcome of the sends and look-ups in words.

    Args:
        sent: the create.
        look_up: error of the last look-up, if there was one.
    """
    return (
        "no answer said whether the task was created"
        + (", and looking it up did not either" if sent.reference is not None else "")
        + (f" (the last send ended with: {sent.last.message})" if sent.last else "")
        + (f" (the last look-up ended with: {look_up.message})" if look_up and not is_missing(look_up) else "")
    )


def in_doubt(sent: Sent, known: str, candidates: Sequence[Task] = ()) -> CreateInDoubt:
    """Returns the error.

    Args:
        sent: the create.
        known: what is known about it, in words.
        candidates: tasks of which one may be the create's.
    """
    named = tuple(task.reference for task in candidates)
    listed = ", ".join(named[:CANDIDATES_SHOWN])
    shown = f" (it may be {listed}: a task does not show which request made it)" if listed else ""
    where = (
        ": look for it in the account's list of tasks before it is submitted again, among those of "
        f"{sent.endpoint} that were created at about {sent.sent_at:%Y-%m-%d %H:%M:%S} UTC or later"
    )
    last = sent.last
    return CreateInDoubt(
        f"{known}{shown}; it may be billed{where if sent.reference is None else ''}",
        remedy=Remedy.LIST if sent.reference is None else Remedy.FIND,
        code=last.code if last else None,
        http_status=last.http_status if last else None,
        request_id=last.request_id if last else None,
        reference=sent.reference,
        endpoint=sent.endpoint,
        sent_at=sent.sent_at,
        candidates=named,
    )
