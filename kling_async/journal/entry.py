"""The entries of a journal: one for each attempt at a piece of work."""

import enum
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import attrs

from kling_async.protocol.cost import Cost
from kling_async.protocol.estimate import Estimate
from kling_async.protocol.reference import Reference
from kling_async.protocol.tasks import TaskStatus


class EntryState(enum.StrEnum):
    """The state of a piece of work."""

    INTENT = "intent"
    """It may have been sent; if its client has died, it is in doubt until `recover()` has looked it up."""
    ACCEPTED = "accepted"
    """The service accepted the task."""
    ENDED = "ended"
    """The task has succeeded or failed, and its files are not known to be saved."""
    SAVED = "saved"
    """All its files are saved."""
    REFUSED = "refused"
    """Nothing was created, and nothing is paid."""
    LOST = "lost"
    """Nothing can be done any more: it can never be known whether there is a task, or the service has deleted it."""


@attrs.frozen
class SavedFile:
    """A file that was saved completely.

    Attributes:
        path: its absolute path.
        size: its size in bytes.
        sha256: the SHA-256 of its bytes, in hexadecimal digits.
        watermark: whether it is the watermarked variant.
    """

    path: str
    size: int
    sha256: str
    watermark: bool = False


@attrs.frozen(kw_only=True)
class Entry:
    """One attempt at one piece of work.

    Attributes:
        id: its number in the journal.
        key: the caller's key for the work; None without one.
        attempt: the number of the attempt, from 1; `again="failed"` begins another one.
        endpoint: the first half of the task's reference.
        external_task_id: the id by which the service finds the task; None if it does not support that.
        request: the JSON members that are sent; a file is a mapping with its `path`, if it has one, and its `sha256`.
        known: the request members known to the version that wrote the entry; None for a raw path.
        line: the line in which the request waits for its slots.
        slots: how many slots it takes.
        save_to: where its files are to be saved, absolute; None if no place was given.
        state: its state.
        owner: the client that works on it; None without one.
        intended_at: when it was about to be sent (UTC); this and the next three are by this machine's clock.
        accepted_at: when the service accepted it.
        ended_at: when its end became known.
        saved_at: when its files were saved.
        task_id: the service's id.
        estimate: its cost by the price table.
        status: the final status of the task, once it has ended.
        units: the units paid, if the service reported them.
        quota: the money paid, for accounts with a balance.
        list_price: the same before discount, if a legacy path reported it.
        currency: the currency of the money, if the service named it.
        error: why it was refused, failed, is lost or in doubt; empty otherwise.
        saving_to: where a save has begun while the place was free: a file, or the common prefix of several.
        files: the saved files.
        trace: the trace context stored by the client that created the entry; None without tracing.
    """

    id: int
    key: str | None
    attempt: int
    endpoint: str
    external_task_id: str | None
    request: Mapping[str, Any] = attrs.field(repr=False)
    known: frozenset[str] | None = attrs.field(default=None, repr=False)
    line: str = ""
    slots: int = 1
    save_to: str | None = None
    state: EntryState = EntryState.INTENT
    owner: int | None = None
    intended_at: datetime
    estimate: Estimate
    accepted_at: datetime | None = None
    ended_at: datetime | None = None
    saved_at: datetime | None = None
    task_id: str | None = None
    status: TaskStatus | None = None
    units: Decimal | None = None
    quota: Decimal | None = None
    list_price: Decimal | None = None
    currency: str | None = None
    error: str = ""
    saving_to: str | None = None
    files: tuple[SavedFile, ...] = ()
    trace: str | None = None

    @property
    def reference(self) -> str | None:
        """The reference for `attach`; None if neither a task id nor an external id is known."""
        if self.task_id is not None:
            return str(Reference(self.endpoint, self.task_id))
        own_id = self.external_task_id
        return None if own_id is None else str(Reference.by_external_task_id(self.endpoint, own_id))

    @property
    def cost(self) -> Cost | None:
        """What the task cost the account; None if the service has not reported it."""
        is_known = self.units is not None or self.quota is not None
        return Cost(units=self.units, amount=self.quota, currency=self.currency) if is_known else None

    @property
    def failed(self) -> bool:
        """Whether the task failed."""
        return self.status is TaskStatus.FAILED
