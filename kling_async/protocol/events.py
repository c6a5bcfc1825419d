"""What happens to work, as named events: plain values, without secrets, addresses and exceptions.

Each event of one piece of work has its `work`, a number that no other piece has in this process:

    Queued ─▶ Sent ─▶ Accepted ─▶ Changed ─▶ Ended ─▶ Paid
                │ └─▶ Throttled, SendFailed, InDoubt: then Sent again, Accepted or Refused
                └───▶ Refused, or InDoubt that is `final`
    Attached ─▶ Changed ─▶ Ended ─▶ Paid       a task that was made earlier, or elsewhere
    Saving ─▶ Saved, or NotSaved               as often as its files are saved
    Polled                                     a question about tasks, of however many pieces of work

All seconds of durations are of a monotonic clock. `attrs.asdict(event)` is ready for JSON but for its decimals.
"""

from typing import ClassVar

import attrs

from kling_async.protocol.cost import Cost
from kling_async.protocol.reference import Reference


@attrs.frozen(kw_only=True)
class Event:
    """Something that has happened.

    Attributes:
        at: when, in seconds since 1970, by this machine's clock.
    """

    name: ClassVar[str]
    """In the log, as `kling_event`; what a failed send or question is called there, see `event_log`."""

    at: float


@attrs.frozen(kw_only=True)
class WorkEvent(Event):
    """Something that has happened to one piece of work.

    Attributes:
        work: its number: the same in all of its events, and no other work of this process has it.
        endpoint: that makes it: the first half of its task's reference.
        line: what it stands in line for, which is its model, or what that is called with its pack; empty where a task
            was attached.
        key: the caller's own name of it in the journal; None where it has none.
        external_task_id: by which its task is looked up, or which was made for it, whether it is sent or not; None
            where a task was attached.
        task_id: the service's id; None as long as it is not known.
    """

    work: int
    endpoint: str
    line: str = ""
    key: str | None = None
    external_task_id: str | None = None
    task_id: str | None = None

    @property
    def reference(self) -> str | None:
        """The text that `attach` takes; None as long as the task is not known."""
        return None if self.task_id is None else str(Reference(self.endpoint, self.task_id))


@attrs.frozen(kw_only=True)
class Failure(WorkEvent):
    """Something has gone wrong with one piece of work, or may have.

    Attributes:
        error: what happened; empty where nothing did, and for an error that is not of this package, but for the
            system's, as `ENOSPC`. Without queries and passwords of addresses, at most 400 letters.
        error_type: name of the class of the error, such as `RateLimited`; empty where there was none.
        code: the service's business code, where it gave one.
    """

    error: str = ""
    error_type: str = ""
    code: int | None = None


# --------------------------------------------------------------------------------------------- its create


@attrs.frozen(kw_only=True)
class Queued(WorkEvent):
    """It stands in line for slots; nothing was sent.

    Attributes:
        slots: that it takes.
    """

    name: ClassVar[str] = "queued"

    slots: int


@attrs.frozen(kw_only=True)
class Sent(WorkEvent):
    """Its first byte is about to go out: from now on it may be paid for.

    Attributes:
        send: which one of its sends, from 1; each that is refused as full or too fast is one, too.
        seconds: since it was queued, or since the last send.
    """

    name: ClassVar[str] = "sent"

    send: int
    seconds: float


@attrs.frozen(kw_only=True)
class Throttled(Failure):
    """The account is full (1303), or asked too fast (1302): nothing was created, and it waits.

    Attributes:
        full: whether it stands in line again, in its former place; else it is sent again after a delay.
    """

    name: ClassVar[str] = "throttled"

    full: bool


@attrs.frozen(kw_only=True)
class SendFailed(Failure):
    """A send did not leave this machine: nothing was created, and it is sent again."""

    name: ClassVar[str] = "send_failed"


@attrs.frozen(kw_only=True)
class InDoubt(Failure):
    """An answer was lost, so that there may be a task, which may be billed.

    Attributes:
        final: whether nothing more is done about it here: `attach` by its external id, or `recover` with a journal,
            may find it. Else it is looked up, and `Accepted`, `Refused` or another one that is `final` follows.
        trace: as of `Attached`, where an earlier process left it in doubt.
    """

    name: ClassVar[str] = "in_doubt"

    final: bool
    trace: str | None = None


@attrs.frozen(kw_only=True)
class Refused(Failure):
    """There is no task, and nothing is paid: the service said no, or it was given up before it was sent."""

    name: ClassVar[str] = "refused"


@attrs.frozen(kw_only=True)
class Accepted(WorkEvent):
    """The service has its task.

    Attributes:
        seconds: since its first byte went out; 0.0 where this client did not send it.
        found: whether the task was found by its external id, since an answer was lost or it was there before.
    """

    name: ClassVar[str] = "accepted"

    seconds: float
    found: bool


# ---------------------------------------------------------------------------------------------- its task


@attrs.frozen(kw_only=True)
class Attached(WorkEvent):
    """A task is followed that this client did not make: it was attached, or taken from the journal.

    `task_id` is the id of its reference, which may be the caller's own until an answer has told.

    Attributes:
        trace: what the client that made it put into the journal, by its tracing: a W3C `traceparent`. None without.
    """

    name: ClassVar[str] = "attached"

    trace: str | None = None


@attrs.frozen(kw_only=True)
class Polled(Event):
    """A question about tasks was answered, or was not.

    Attributes:
        endpoint: of the tasks.
        references: that were asked for by name; empty for a page of the list.
        page: number of the page of the list; None for a question by names.
        seconds: that the answer took.
        error: what came instead of an answer, as in `Failure`.
        error_type: its class; empty where an answer came.
        code: the service's business code, where it gave one.
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
    """Its task has a new status.

    Attributes:
        status: `submitted`, `processing`, `succeed` or `failed`.
    """

    name: ClassVar[str] = "changed"

    status: str


@attrs.frozen(kw_only=True)
class Ended(Failure):
    """There is nothing more to come of its task, as far as this client follows it.

    Attributes:
        cost: what it took from the account, as far as the end told it; `Paid` is what to add up.
        status: `succeed` or `failed`; None where the end is not known: `TaskTimeout`, `ClientClosed`.
        seconds: since this client heard of the task.
    """

    name: ClassVar[str] = "ended"

    status: str | None
    seconds: float
    cost: Cost | None = None


@attrs.frozen(kw_only=True)
class Paid(WorkEvent):
    """What its task, or a call without a task, took from the account, as the service says; never 0.

    Once for each task in one client, however often it is attached. With a journal not again in another client, once
    the journal has what the task cost: only a kill within the moment between the two repeats it, with the same
    `task_id`. Without a journal each client says it that hears of the end.

    Attributes:
        cost: what was taken.
    """

    name: ClassVar[str] = "paid"

    cost: Cost


# --------------------------------------------------------------------------------------------- its files


@attrs.frozen(kw_only=True)
class Saving(WorkEvent):
    """Somebody wants its files on disk, and waits for the end of its task.

    Attributes:
        watermark: whether the watermarked variants are wanted.
    """

    name: ClassVar[str] = "saving"

    watermark: bool


@attrs.frozen(kw_only=True)
class Saved(WorkEvent):
    """Its files are whole.

    Attributes:
        paths: where they are.
        size: bytes of all of them.
        seconds: since the end of its task was known.
    """

    name: ClassVar[str] = "saved"

    paths: tuple[str, ...]
    size: int
    seconds: float


@attrs.frozen(kw_only=True)
class NotSaved(Failure):
    """A save ended without whole files: its task failed, the save was cancelled, or a file could not be had.

    Attributes:
        seconds: since the end of its task was known; None where nothing was fetched, as it did not end well.
    """

    name: ClassVar[str] = "not_saved"

    seconds: float | None
