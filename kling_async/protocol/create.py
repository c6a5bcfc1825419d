"""The create machine: one paid task per request, whatever happens to the answers.

    unsent ──200 about our task──────────────────▶ accepted
      │ ├──refusal of the service────────────────▶ refused (nothing was created)
      │ │    └─that a duplicate could cause: claimed, looked up once: found or refused
      │ └──1302, 1303, never reached it: again, still unsent
      ▼ all else: reset, timeout, 5000-5002, an answer that is not the service's or not about our task
    doubtful ──200 about our task, or found──────▶ accepted
      │  └──it is older than our first send──────▶ refused (conflict), or accepted with `adopt`
      ├──the service itself says "not found" over `settle` seconds: the same id is sent again, three sends in all
      ├──`settle` seconds after an unreadable 2xx or a refused second send ──▶ refused with `CreateInDoubt`
      └──`budget` seconds, or an address that is not the service's ─────────▶ refused with `CreateInDoubt`

What rests on the service refusing a second task with the same `external_task_id` is said in the README.
"""

import enum
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from kling_async.protocol.errors import (
    CODES,
    ApiError,
    BadResponse,
    ClientClosed,
    ConcurrencyExceeded,
    ConnectionFailed,
    CreateInDoubt,
    ExternalTaskIdConflict,
    InvalidRequest,
    KlingError,
    NotTheService,
    RateLimited,
    Remedy,
    RequestTimeout,
    row_for,
)
from kling_async.protocol.lifecycle import is_missing
from kling_async.protocol.retry import Retry, Uniform
from kling_async.protocol.tasks import Task

CLOCK_TOLERANCE: Final = 10.0
"""Seconds by which a task may seem older than our first send and still be ours: clocks agree to about a second."""

TIMEOUT_FACTOR: Final = 4.0
"""After a timeout the service may still be at work, so look-ups go on that much longer before a second send."""

SENDS: Final = 3
"""Sends of one create at most, not counting those that were refused as full or too fast, or never left."""

_TIMEOUTS: Final = frozenset({499, 504, 524})
"""HTTP statuses by which gateways say that what is behind them took too long."""


class CreateState(enum.Enum):
    """Where a create is."""

    UNSENT = "unsent"
    CLAIMED = "claimed"  # the first send was refused, perhaps since the id exists: whose task is it?
    DOUBTFUL = "doubtful"
    ACCEPTED = "accepted"
    REFUSED = "refused"


class Ask(enum.Enum):
    """What the shell is to do next."""

    SEND = "send the request, then tell `answered`"
    LOOK_UP = "query by the external id, then tell `looked_up`"
    TAKE_SLOT = "the account is full: give the slot back, wait for one, then tell `slot_taken`"


class Pause(NamedTuple):
    """Do nothing for a while.

    Attributes:
        seconds: how long.
    """

    seconds: float


class Create:
    """One create, from the first byte to certainty. All times are seconds of one monotonic clock.

    Args:
        external_task_id: what the task can be looked up by.
        reference: the same as text for `KlingClient.attach`.
        retry: delays, settle and budget.
        uniform: random numbers for the delays.
        own_id: whether the id was made for this create, so that nobody else can have used it.
        adopt: whether an older task with the user's id is taken as the result.
        resend: whether what was not found over `settle` seconds is sent again; if not, it stays in doubt.
        is_anothers: whether a task is known to be that of another create: an answer may reach the wrong request.
    """

    def __init__(
        self,
        external_task_id: str,
        reference: str,
        retry: Retry,
        uniform: Uniform,
        *,
        own_id: bool = True,
        adopt: bool = False,
        resend: bool = True,
        is_anothers: Callable[[Task], bool] = lambda _: False,
    ) -> None:
        self.external_task_id = external_task_id
        self.reference = reference
        self.retry = retry
        self.uniform = uniform
        self.own_id = own_id
        self.adopt = adopt
        self.resend = resend
        self.is_anothers = is_anothers
        self.state = CreateState.UNSENT
        self.task: Task | None = None
        self.error: KlingError | None = None
        self._stopped = False
        self._last_error: KlingError | None = None
        self._in_flight = False
        self._first_sent_wall = 0.0
        self._sends = 0
        self._may_send_again = resend
        self._waits_for_slot = False
        self._missing = False
        self._not_before = 0.0
        self._settle_seconds = retry.settle
        self._send_again_at = 0.0
        self._gives_up_at = float("inf")
        self._delays: Iterator[float] | None = None

    def next(self, now: float) -> Ask | Pause | Task | KlingError:
        """What to do now; a task or an error is the end."""
        if self.state is CreateState.ACCEPTED and self.task is not None:
            return self.task
        if self.state is CreateState.REFUSED and self.error is not None:
            return self.error
        if self._waits_for_slot:
            return Ask.TAKE_SLOT
        if now < self._not_before:
            return Pause(self._not_before - now)
        if self.state is CreateState.UNSENT or self._settled(now):
            return Ask.SEND
        return Ask.LOOK_UP

    def sending(self, wall: float) -> None:
        """Tells that the first byte is about to go out, at this time of the machine's own clock."""
        if self.state is CreateState.UNSENT:  # sends before this one surely created nothing
            self._first_sent_wall = wall
        self._in_flight = True
        self._sends += 1

    @property
    def undecided(self) -> bool:
        """Whether something may be paid for that nobody knows of yet: then it must not be dropped."""
        return self._in_flight or self.state in {CreateState.CLAIMED, CreateState.DOUBTFUL}

    def stop(self) -> None:
        """Tells that the client closes: what created nothing so far is not sent again."""
        self._stopped = True
        if not self.undecided and self.state is CreateState.UNSENT:
            self._refuse(ClientClosed("the client was closed; nothing was created"))

    def slot_taken(self) -> None:
        """Tells that a slot is held again."""
        self._waits_for_slot = False

    def answered(self, now: float, outcome: Task | KlingError) -> None:
        """Tells how a send ended."""
        self._in_flight = False
        outcome = self._checked(outcome)
        if isinstance(outcome, Task):
            self._accept(outcome)
            return
        self._last_error = outcome
        if isinstance(outcome, ConcurrencyExceeded | RateLimited) or _never_sent(outcome):
            self._sends = max(0, self._sends - 1)
        if self.state is CreateState.DOUBTFUL:
            self._doubt_again(now, outcome)
        else:
            self._answered_first(now, outcome)

    def looked_up(self, now: float, outcome: Task | KlingError, clock_offset: float) -> None:
        """Tells how a look-up ended; the offset is what the service's clock shows more than this machine's."""
        outcome = self._checked(outcome)
        if isinstance(outcome, Task):
            self._found(outcome, clock_offset)
        elif self.state is CreateState.CLAIMED and self.error is not None and is_missing(outcome):
            self.error.message = f"{self.error.message}; nothing is found under its reference yet"
            self._refuse(self.error)
        elif now >= self._gives_up_at or isinstance(outcome, NotTheService):
            self._refuse(self._in_doubt(outcome))
        elif is_missing(outcome) and now >= self._send_again_at:
            self._missing_after_settling(now)
        else:
            self._missing = False
            pause = self._pause(now)
            self._not_before = min(pause, self._send_again_at) if now < self._send_again_at else pause

    # ------------------------------------------------------------------------------------------ inside

    def _checked(self, outcome: Task | KlingError) -> Task | KlingError:
        """The outcome, unless it is about the task of another create: `task_info`, which would tell, may be empty."""
        if isinstance(outcome, Task) and self.is_anothers(outcome):
            return BadResponse(f"the answer is about {outcome.reference}, the task of another create", http_status=200)
        return outcome

    def _settled(self, now: float) -> bool:
        """Whether the last look-up allows to send again; never after the budget, since nothing would look again."""
        return self.state is CreateState.DOUBTFUL and self._missing and now < self._gives_up_at

    def _missing_after_settling(self, now: float) -> None:
        if not self.resend:
            self._refuse(self._in_doubt())
        elif self._may_send_again and self._sends < SENDS:
            self._missing = True
            self._not_before = now
        else:
            self._not_before = self._pause(now)

    def _answered_first(self, now: float, error: KlingError) -> None:
        if isinstance(error, InvalidRequest | ClientClosed):
            self._refuse(error)
        elif self._stopped and (isinstance(error, ConcurrencyExceeded | RateLimited) or _never_sent(error)):
            self._refuse(ClientClosed("the client was closed; nothing was created"))
        elif isinstance(error, ConcurrencyExceeded):
            self._waits_for_slot = True
            self._gives_up_at = float("inf")  # the wait for a slot is no failing
            self._delays = None
        elif isinstance(error, RateLimited) or _never_sent(error):
            self._try_again(now, error)
        elif not _refused(error):
            self._doubt(now, error)
        elif _may_be_a_duplicate(error):
            self.error = error
            self.state = CreateState.CLAIMED
            self._gives_up_at = now + min(self.retry.settle, self.retry.budget)
            self._delays = None
            self._not_before = now
        else:
            error.message = f"{error.message}; nothing was created"
            self._refuse(error)

    def _try_again(self, now: float, error: KlingError) -> None:
        """Nothing was created; patience has an end all the same."""
        if self._gives_up_at == float("inf"):
            self._gives_up_at = now + self.retry.budget
        if now >= self._gives_up_at or (isinstance(error, ConnectionFailed) and error.permanent):
            self._refuse(error)
        else:
            self._not_before = self._pause(now)

    def _doubt(self, now: float, error: KlingError) -> None:
        self.state = CreateState.DOUBTFUL
        self._gives_up_at = now + self.retry.budget
        self._settle(now, error)

    def _doubt_again(self, now: float, error: KlingError) -> None:
        if isinstance(error, InvalidRequest):
            self._may_send_again = False  # the file is gone: only the first send's task can still show
        if not _refused(error) or isinstance(error, RateLimited | ConcurrencyExceeded):
            self._settle(now, error)
            return
        # The service refused this send; an earlier one may have made the task that it collides with.
        self._only_look_up(now)
        self._delays = None
        self._missing = False
        self._not_before = now

    def _settle(self, now: float, error: KlingError) -> None:
        slow = isinstance(error, RequestTimeout) or error.http_status in _TIMEOUTS or error.code == 5002
        self._settle_seconds = self.retry.settle * (TIMEOUT_FACTOR if slow else 1.0)
        self._send_again_at = now + self._settle_seconds
        self._delays = None
        self._missing = False
        if _is_unreadable_success(error):
            self._only_look_up(now)
        self._not_before = self._pause(now)

    def _only_look_up(self, now: float) -> None:
        """Nothing is sent again, and look-ups end after `settle`: later ones would not find it either."""
        self._may_send_again = False
        self._send_again_at = float("inf")
        self._gives_up_at = min(self._gives_up_at, now + self._settle_seconds)

    def _pause(self, now: float) -> float:
        """When the next step may come; growing, but never past the time of giving up."""
        if self._delays is None:
            self._delays = self.retry.delays(self.uniform)
        return min(now + next(self._delays), self._gives_up_at)

    def _found(self, task: Task, clock_offset: float) -> None:
        if self.own_id or self.adopt or task.created_at is None:
            self._accept(task)
            return
        first_sent = self._first_sent_wall + clock_offset
        if task.created_at.timestamp() >= first_sent - CLOCK_TOLERANCE:
            self._accept(task)
            return
        self._refuse(
            ExternalTaskIdConflict(
                f"external_task_id {self.external_task_id!r} belongs to an older task",
                remedy=Remedy.ADOPT,
                code=self.error.code if self.error else None,
                reference=task.reference,
                task=task,
            )
        )

    def _in_doubt(self, look_up: KlingError | None = None) -> CreateInDoubt:
        last = self._last_error
        return CreateInDoubt(
            "no answer told whether the task was created, and looking it up did not either; it may be billed"
            + (f" (the last send ended with: {last.message})" if last else "")
            + (f" (the last look-up ended with: {look_up.message})" if look_up and not is_missing(look_up) else ""),
            remedy=Remedy.FIND,
            code=last.code if last else None,
            http_status=last.http_status if last else None,
            request_id=last.request_id if last else None,
            reference=self.reference,
        )

    def _accept(self, task: Task) -> None:
        self.state = CreateState.ACCEPTED
        self.task = task

    def _refuse(self, error: KlingError) -> None:
        self.state = CreateState.REFUSED
        self.error = error.about(self.reference)


def _never_sent(error: KlingError) -> bool:
    return isinstance(error, ConnectionFailed) and not error.sent


def _refused(error: KlingError) -> bool:
    """Whether the service itself says that this send made no task: codes 1000 to 1399."""
    row = row_for(error.code) if isinstance(error, ApiError) else None
    return row is not None and not row.in_doubt


def _may_be_a_duplicate(error: KlingError) -> bool:
    """Whether a refusal could mean that the id exists: 1201 does, in words of many kinds; others might.

    A proxy that sent the request twice gets such a refusal for the second and passes only that one on.
    """
    return error.http_status == 409 or error.code not in CODES or error.code in {1201, 1202}


def _is_unreadable_success(error: KlingError) -> bool:
    """Whether the task probably exists: a 2xx that is not about it, or an answer whose status nobody could read."""
    status = error.http_status
    return (isinstance(error, BadResponse) and status is None) or (
        not isinstance(error, ApiError) and status is not None and 200 <= status < 300
    )
