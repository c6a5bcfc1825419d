"""What a journal knows of one piece of work."""

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
    """How far a piece of work has come."""

    INTENT = "intent"
    """It may have been sent; where its client is gone, it is in doubt until `recover()` has looked it up."""
    ACCEPTED = "accepted"
    """The service has the task."""
    ENDED = "ended"
    """The task has succeeded or failed, and its files are not known to be saved."""
    SAVED = "saved"
    """Its files are saved whole."""
    REFUSED = "refused"
    """Nothing was created, and nothing is paid."""
    LOST = "lost"
    """Nothing can be done any more: it can never be known whether there is a task, or the service has deleted it."""


@attrs.frozen
class SavedFile:
    """A file that was saved whole.

    Attributes:
        path: where, absolute.
        size: in bytes.
        sha256: of its bytes, in hexadecimal digits.
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
        key: the caller's name of the work; None where there was none.
        attempt: from 1; another one begins with `again="failed"`.
        endpoint: the first half of the task's reference.
        external_task_id: by which the service finds the task; None where it does not.
        request: the JSON members that are sent; a file is a mapping with its `path`, if it has one, and its `sha256`.
        known: the members that the version knew which kept it; None for a path without a record.
        line: what the request stands in line for.
        slots: how many slots it takes.
        save_to: where its files go, absolute; None where that was not said.
        state: how far it has come.
        owner: the client that works on it; None where there is none.
        intended_at: when it was about to be sent (UTC), as the next three by this machine's clock.
        accepted_at: when the service accepted it.
        ended_at: when its end was heard.
        saved_at: when its files were whole.
        task_id: the service's id.
        estimate: what it costs by the price table.
        status: the task's last, once it has ended.
        units: that were paid, where the service said so.
        quota: money that was paid, from accounts with a balance.
        list_price: the same before discount, where legacy paths told it.
        currency: of the money, where the service named it.
        error: why it was refused, failed, is lost or in doubt; empty otherwise.
        saving_to: where a save has begun while nothing was there: a file, or what files in a directory begin with.
        files: that were saved.
        trace: what the tracing of the client that made it wanted to be kept; None without.
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
        """The text that `attach` takes; None where there is no task, or nothing that finds it."""
        if self.task_id is not None:
            return str(Reference(self.endpoint, self.task_id))
        own_id = self.external_task_id
        return None if own_id is None else str(Reference.by_external_task_id(self.endpoint, own_id))

    @property
    def cost(self) -> Cost | None:
        """What it took from the account; None where the service has not said so."""
        told = self.units is not None or self.quota is not None
        return Cost(units=self.units, amount=self.quota, currency=self.currency) if told else None

    @property
    def failed(self) -> bool:
        """Whether the service could not make it."""
        return self.status is TaskStatus.FAILED
