"""The error of a create of which nobody knows whether it made a task: what is known, and what finds out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import attrs

from kling_async.protocol.errors import CreateInDoubt, KlingError, Remedy
from kling_async.protocol.lifecycle import is_missing
from kling_async.protocol.tasks import Task

CANDIDATES_SHOWN: Final = 10
"""Tasks that the text names at most."""


@attrs.frozen
class Sent:
    """What was sent.

    Attributes:
        endpoint: its name.
        reference: by which its task is looked up; None where that cannot be.
        sent_at: when it was sent first, by the service's clock.
        last: how the last send ended.
    """

    endpoint: str
    reference: str | None
    sent_at: datetime
    last: KlingError | None


def what_is_known(sent: Sent, look_up: KlingError | None) -> str:
    """What came of the sends and of looking it up, in words.

    Args:
        sent: what was sent.
        look_up: how the last look-up ended, if that says anything.
    """
    return (
        "no answer said whether the task was created"
        + (", and looking it up did not either" if sent.reference is not None else "")
        + (f" (the last send ended with: {sent.last.message})" if sent.last else "")
        + (f" (the last look-up ended with: {look_up.message})" if look_up and not is_missing(look_up) else "")
    )


def in_doubt(sent: Sent, known: str, candidates: Sequence[Task] = ()) -> CreateInDoubt:
    """The error.

    Args:
        sent: what was sent.
        known: what is known of it, in words.
        candidates: tasks one of which may be its.
    """
    named = tuple(task.reference for task in candidates)
    listed = ", ".join(named[:CANDIDATES_SHOWN])
    shown = f" (it may be {listed}: such tasks do not tell whose they are)" if listed else ""
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
