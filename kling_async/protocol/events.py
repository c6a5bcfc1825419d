"""Events about the client's work: plain values that contain no secrets, addresses or exceptions.

All events about one piece of work have the same `work`, a number that is unique in the process:

    Queued ─▶ Sent ─▶ Accepted ─▶ Changed ─▶ Ended ─▶ Paid
                │ └─▶ Throttled, SendFailed, InDoubt: then Sent again, Accepted or Refused
                └───▶ Refused, or InDoubt that is `final`
    Attached ─▶ Changed ─▶ Ended ─▶ Paid       a task that was made earlier, or by another client
    Saving ─▶ Saved, or NotSaved               once for each save of its files
    Polled                                     a query about the tasks of any number of pieces of work

All durations are in seconds of a monotonic clock. `attrs.asdict(event)` is ready for JSON except for its decimals.
"""

from typing import ClassVar

import attrs

from kling_async.protocol.cost import Cost
from kling_async.protocol.reference import Reference


@attrs.frozen(kw_only=True)
class Event:
    """The base class of all events.

    Attributes:
        at: when it happened, in seconds since 1970 by this machine's clock.
    """

    name: ClassVar[str]
    """The event's `kling_event` in the log; failed sends and polls have names of their own there, see `event_log`."""

    at: float


@attrs.frozen(kw_only=True)
class WorkEvent(Event):
    """The base class of events about one piece of work.

    Attributes:
        work: number of the piece of work: the same in all of its events, and unique in this process.
        endpoint: name of the endpoint, which is the first half of the task's reference.
        line: the queue in which it waits for slots: its model, or model and resource pack; empty for an attached task.
        key: the caller's key for it in the journal; None if it has none.
        external_task_id: the id by which its task is looked up, whether it is sent or not; None for an attached task.
        task_id: the service's id; None until it is known.
    """

    work: int
    endpoint: str
    line: str = ""
    key: str | None = None
    external_task_id: str | None = None
    task_id: str | None = None

    @property
    def reference(self) -> str | None:
        """The text to `attach` by; None until the task's id is known."""
        return None if self.task_id is None else str(Reference(self.endpoint, self.task_id))


@attrs.frozen(kw_only=True)
class Failure(WorkEvent):
    """The base class of events that report an error, or may report one.

    Attributes:
        error: the error's message, of at most 400 characters, with queries and passwords removed from addresses. Of
            errors from outside this package only the symbol of a system error, such as `ENOSPC`, is given. Empty
            without an error.
        error_type: name of the error's class, such as `RateLimited`; empty without an error.
        code: the service's error code; None if the answer had none.
    """

    error: str = ""
    error_type: str = ""
    code: int | None = None


# --------------------------------------------------------------------------------------------- its create


@attrs.frozen(kw_only=True)
class Queued(WorkEvent):
    """The request waits for slots; nothing was sent.

    Attributes:
        slots: number of slots that it takes.
    """

    name: ClassVar[str] = "queued"

    slots: int


@attrs.frozen(kw_only=True)
class Sent(WorkEvent):
    """The first byte of the request is about to be sent: from now on it may be billed.

    Attributes:
        send: number of the send, from 1; sends that the account's limits refuse (1302, 1303) are counted too.
        seconds: since it was queued, or since the last send.
    """

    name: ClassVar[str] = "sent"

    send: int
    seconds: float


@attrs.frozen(kw_only=True)
class Throttled(Failure):
    """The account's slots are taken (1303), or requests came too fast (1302): nothing was created; it is sent again.

    Attributes:
        full: whether it is queued again, in its former place; otherwise it is sent again after a delay.
    """

    name: ClassVar[str] = "throttled"

    full: bool


@attrs.frozen(kw_only=True)
class SendFailed(Failure):
    """The request did not leave this machine: nothing was created, and it is sent again."""

    name: ClassVar[str] = "send_failed"


@attrs.frozen(kw_only=True)
class InDoubt(Failure):
    """An answer was lost: there may be a task, which may be billed.

    Attributes:
        final: whether the client has given up on it: `attach` by its external id, or `recover` with a journal,
            may find it. Otherwise it is looked up, and `Accepted`, `Refused` or a `final` `InDoubt` follows.
        trace: as in `Attached`, if an earlier process left it in doubt.
    """

    name: ClassVar[str] = "in_doubt"

    final: bool
    trace: str | None = None


@attrs.frozen(kw_only=True)
class Refused(Failure):
    """There is no task, and nothing is billed: the service refused the request, or it was given up before the send."""

    name: ClassVar[str] = "refused"


@attrs.frozen(kw_only=True)
class Accepted(WorkEvent):
    """The service has created the task.

    Attributes:
        seconds: since its first byte was sent; 0.0 if this client did not send it.
        found: whether the task was found by its external id, because an answer was lost or the task existed before.
    """

    name: ClassVar[str] = "accepted"

    seconds: float
    found: bool


# ---------------------------------------------------------------------------------------------- its task


@attrs.frozen(kw_only=True)
class Attached(WorkEvent):
    """The client follows a task that it did not make: one that was attached, or taken from the journal.

    `task_id` is the id in its reference, which may be the external id until the first answer about the task.

    Attributes:
        trace: the W3C `traceparent` that the client that made it stored in the journal; None if there is none.
    """

    name: ClassVar[str] = "attached"

    trace: str | None = None


@attrs.frozen(kw_only=True)
class Polled(Event):
    """A query about tasks was answered, or failed.

    Attributes:
        endpoint: name of the tasks' endpoint.
        references: the tasks that were queried by id; empty for a page of the list.
        page: number of the page of the list; None for a query by id.
        seconds: that the query took.
        error: the error, as in `Failure`; empty if the query was answered.
        error_type: class of the error; empty if the query was answered.
        code: the service's error code; None if the answer had none.
    """

    name: ClassVar[str] = "polled"

    endpoint: str
    references: tuple[str, ...] = ()
    page: int | None = None
    seconds: float
    error: str = ""
    error_type: str = ""
    code: int | None = None


@attrs.frozen(kw_only=True)
class Changed(WorkEvent):
    """The task has a new status.

    Attributes:
        status: `submitted`, `processing`, `succeed` or `failed`.
    """

    name: ClassVar[str] = "changed"

    status: str


@attrs.frozen(kw_only=True)
class Ended(Failure):
    """The task has ended, or this client no longer follows it.

    Attributes:
        cost: what the task took from the account, if its last answer contains that; add up `Paid` instead.
        status: `succeed` or `failed`; None if the outcome is not known: `TaskTimeout`, `ClientClosed`.
        seconds: since this client first knew of the task.
    """

    name: ClassVar[str] = "ended"

    status: str | None
    seconds: float
    cost: Cost | None = None


@attrs.frozen(kw_only=True)
class Paid(WorkEvent):
    """The amount that a task, or a call without a task, took from the account, as the service reports it; never 0.

    Emitted once per task and client, however often the task is attached. With a journal, no other client emits it again
    once the journal has the task's cost: only a process killed between the event and that write causes a repetition,
    with the same `task_id`. Without a journal, every client that receives the end of the task emits it.

    Attributes:
        cost: the amount.
    """

    name: ClassVar[str] = "paid"

    cost: Cost


# --------------------------------------------------------------------------------------------- its files


@attrs.frozen(kw_only=True)
class Saving(WorkEvent):
    """A save of the task's files has begun; it waits for the end of the task.

    Attributes:
        watermark: whether the watermarked variants are saved.
    """

    name: ClassVar[str] = "saving"

    watermark: bool


@attrs.frozen(kw_only=True)
class Saved(WorkEvent):
    """All files of the save are complete.

    Attributes:
        paths: of the files.
        size: of all files together, in bytes.
        seconds: since the end of the task was known.
    """

    name: ClassVar[str] = "saved"

    paths: tuple[str, ...]
    size: int
    seconds: float


@attrs.frozen(kw_only=True)
class NotSaved(Failure):
    """A save failed: the task failed, the save was cancelled, or a file could not be downloaded.

    Attributes:
        seconds: since the end of the task was known; None if the task did not succeed, so that nothing was downloaded.
    """

    name: ClassVar[str] = "not_saved"

    seconds: float | None
