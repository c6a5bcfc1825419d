"""The create machine: one paid task per request, whatever happens to the answers.

    UNSENT ──▶ SENDING ──200 about our task──────────────────▶ ACCEPTED
      ▲  ▲        ├──refusal of the service──────────────────▶ REFUSED (nothing was created)
      │  │        ├──one that a duplicate could cause─▶ CLAIMED, looked up once: ACCEPTED or REFUSED
      │  └────────┤ 1302, or it never left: again after a delay
      └───FULL ◀──┤ 1303: again with a new slot
                  ├──a 2xx that cannot be read──────────▶ EXPECTED
                  ▼ all else: reset, timeout, 5000-5002, an answer that is not the service's or not about our task
              SETTLING ──found───────────────────────────────▶ ACCEPTED
                  ▼ not found in `settle` seconds
              DOUBTFUL ──found───────────────────────────────▶ ACCEPTED
                  │  └──`budget` seconds─────────────────────▶ REFUSED with `CreateInDoubt`
                  ▼ the service itself says that there is no such task
              MISSING ──▶ SENDING_AGAIN (the same id, three sends in all) ──200 about our task──▶ ACCEPTED
                              ├──refusal, or a 2xx that cannot be read──▶ EXPECTED
                              └──all else──▶ SETTLING
              EXPECTED ──found───────────────────────────────▶ ACCEPTED
                     └──not found in `settle` seconds────────▶ REFUSED with `CreateInDoubt`

Where it is not documented that a path keeps the external id, and no answer has shown it, DOUBTFUL leads to SEARCHING,
in which all tasks since the first send are looked at: none that may be ours leads to MISSING, any other to REFUSED
with `CreateInDoubt`. Where an answer has shown that it drops the id, what would lead to SETTLING or EXPECTED leads to
SEARCHING after `settle` seconds: exactly one is ACCEPTED, any other number is REFUSED, and nothing is sent again.

STOPPING is SENDING while the client closes: what would lead to UNSENT or FULL is REFUSED then. Once the budget is over,
MISSING is looked up for the last time and not sent again.

A task that is found but older than our first send is REFUSED as a conflict, or ACCEPTED with `adopt`. An address that
turns out not to be the service's ends all doubt with `CreateInDoubt`. Where tasks cannot be looked up by their external
id, what would lead to SETTLING or EXPECTED is REFUSED with `CreateInDoubt` at once, and what would lead to CLAIMED is
REFUSED. A path that answers yes without naming a task is REFUSED with that answer, wherever the create is.

What rests on the service refusing a second task with the same `external_task_id` is said in the README.
"""

import enum
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

import attrs

from kling_async.protocol.errors import (
    BadResponse,
    ClientClosed,
    ConcurrencyExceeded,
    ConnectionFailed,
    CreateInDoubt,
    ExternalTaskIdConflict,
    InvalidRequest,
    KlingError,
    NotTheService,
    Remedy,
    UnexpectedAnswer,
)
from kling_async.protocol.lifecycle import is_missing
from kling_async.protocol.reference import Reference
from kling_async.protocol.retry import Retry, Uniform
from kling_async.protocol.send_failures import (
    is_unreadable_success,
    made_nothing,
    may_be_a_duplicate,
    refused,
    was_slow,
)
from kling_async.protocol.tasks import Task, TaskStatus

CLOCK_TOLERANCE: Final = 10.0
"""Seconds by which a task may seem older than our first send and still be ours: clocks agree to about a second."""

TIMEOUT_FACTOR: Final = 4.0
"""After a timeout the service may still be at work, so a task settles that many times longer."""

CANDIDATES_SHOWN: Final = 10
"""Tasks that the error of a doubt names at most."""

SENDS: Final = 3
"""Sends of one create at most, not counting those that were refused as full or too fast, or never left."""


class CreateState(enum.Enum):
    """Where a create is, by what is known of its task."""

    UNSENT = "nothing was created; the request is to be sent"
    FULL = "nothing was created; the account is full, and a slot is waited for"
    SENDING = "the first send is under way"
    STOPPING = "the first send is under way; the client closes, so there is no other"
    CLAIMED = "the first send was refused, perhaps since a task with this id exists; it is looked up"
    SETTLING = "a send may have made the task, which may not show yet; it is looked up for `settle` seconds"
    DOUBTFUL = "it has not shown by then; it is looked up until the service says that it does not exist"
    SEARCHING = "it may have been made without its id; it is looked for among all tasks since it was sent"
    MISSING = "the service says so; the same id is to be sent again"
    SENDING_AGAIN = "a further send is under way"
    EXPECTED = "a send has probably made the task; it is looked up for `settle` seconds, and never sent again"
    ACCEPTED = "the task is known"
    REFUSED = "there is no task, or nobody knows: the error says which"


_SENDING: Final = frozenset({CreateState.SENDING, CreateState.STOPPING, CreateState.SENDING_AGAIN})
_UNDECIDED: Final = _SENDING | {
    CreateState.CLAIMED,
    CreateState.SETTLING,
    CreateState.DOUBTFUL,
    CreateState.SEARCHING,
    CreateState.MISSING,
    CreateState.EXPECTED,
}


class Ask(enum.Enum):
    """What the shell is to do next."""

    SEND = "send the request: call `sending` before its first byte, and `answered` with the outcome"
    LOOK_UP = "query by the external id, then call `looked_up`"
    SEARCH = "list all tasks since `search_since`, then call `searched`"
    TAKE_SLOT = "the account is full: give the slot back, wait for one, then call `slot_taken`"


class Pause(NamedTuple):
    """Do nothing for a while.

    Attributes:
        seconds: how long.
    """

    seconds: float


class Create:
    """One create, from the first byte to certainty. All times are seconds of one monotonic clock.

    Args:
        endpoint: name of the endpoint, whose list has the task.
        external_task_id: what the task can be looked up by.
        retry: delays, settle and budget.
        uniform: random numbers for the delays.
        can_look_up: whether the endpoint finds tasks by their external id. Where it does not, nothing that may have
            made a task is sent again, and its doubt ends at once.
        own_id: whether the id was made for this create, so that nobody else can have used it.
        adopt: whether an older task with the user's id is taken as the result.
        resend: whether what was not found over `settle` seconds is sent again; if not, it stays in doubt.
        is_anothers: whether a task is known to be that of another create: an answer may reach the wrong request.
        keeps_id: whether the path keeps the external id; None where nobody has shown it.
        is_known: whether a task is followed already.
        others_undecided: whether another create is under way that may have made a task without its id.

    Attributes:
        state: where it is.
        end: the task or the error, once it is at its end.
        kept_id: whether the answer to a send was about a task with the id that was sent; None for no such answer.
    """

    def __init__(
        self,
        endpoint: str,
        external_task_id: str,
        retry: Retry,
        uniform: Uniform,
        *,
        can_look_up: bool,
        own_id: bool,
        adopt: bool,
        resend: bool,
        is_anothers: Callable[[Task], bool],
        keeps_id: bool | None = True,
        is_known: Callable[[Task], bool] = lambda _: False,
        others_undecided: Callable[[], bool] = lambda: False,
    ) -> None:
        self.endpoint = endpoint
        self.external_task_id = external_task_id
        named = Reference.by_external_task_id(endpoint, external_task_id)
        self.name = named.id
        """What the service is asked for to find it."""
        self.reference = str(named) if can_look_up else None
        self.can_look_up = can_look_up
        self.own_id = own_id
        self.adopt = adopt
        self.state = CreateState.UNSENT
        self.end: Task | KlingError | None = None
        self._retry = retry
        self._resend = resend
        self._is_anothers = is_anothers
        self.keeps_id = keeps_id
        self._is_known = is_known
        self._others_undecided = others_undecided
        self.kept_id: bool | None = None
        self._last_error: KlingError | None = None
        self._first_sent_wall = 0.0
        self._clock_offset = 0.0
        self._sends_left = SENDS
        self._not_before = 0.0
        self._settle_seconds = retry.settle
        self._gives_up_at = float("inf")
        self._attempts = retry.attempts(uniform)

    @property
    def id_sent(self) -> str | None:
        """The external id that goes along with the request: the user's, or the one by which the task is looked up."""
        return self.external_task_id if self.can_look_up or not self.own_id else None

    def next(self, now: float) -> Ask | Pause | Task | KlingError:
        """What to do now; a task or an error is the end. Not to be asked while a send is under way."""
        if self.end is not None:
            return self.end
        if self.state is CreateState.FULL:
            return Ask.TAKE_SLOT
        if now < self._not_before:
            return Pause(self._not_before - now)
        # After the budget nothing is sent: nothing would look for it.
        if self.state is CreateState.SEARCHING:
            return Ask.SEARCH
        send_again = self.state is CreateState.MISSING and not self._attempts.is_over(now)
        return Ask.SEND if send_again or self.state is CreateState.UNSENT else Ask.LOOK_UP

    @property
    def undecided(self) -> bool:
        """Whether something may be paid for that nobody knows of yet: then it must not be dropped."""
        return self.state in _UNDECIDED

    def sending(self, wall: float, clock_offset: float = 0.0) -> None:
        """The first byte is about to go out; once more with a new token.

        Args:
            wall: the time of the machine's own clock.
            clock_offset: how far the service's clock is ahead of it, as far as its answers show.
        """
        if self.state is CreateState.MISSING:
            self.state = CreateState.SENDING_AGAIN
        elif self.state is CreateState.UNSENT:
            self.state = CreateState.SENDING
        if self.state is not CreateState.SENDING_AGAIN:  # sends before this one surely created nothing
            self._first_sent_wall, self._clock_offset = wall, clock_offset
        self._sends_left -= 1

    def answered(self, now: float, outcome: Task | KlingError) -> None:
        """A send ended."""
        outcome = self._checked(outcome)
        if isinstance(outcome, Task):
            self.kept_id = outcome.external_task_id is not None if self.id_sent is not None else None
            self._accept(outcome)
            return
        self._last_error = outcome
        if made_nothing(outcome) and self.state in _SENDING:
            self._sends_left += 1
        if self.state in {CreateState.MISSING, CreateState.SENDING_AGAIN}:
            self._answered_again(now, outcome)
        else:
            self._answered_first(now, outcome)

    def sent_before(self, now: float, first_sent_wall: float) -> None:
        """A process that is gone may have sent it: it is looked up before anything is sent.

        Args:
            now: as everywhere.
            first_sent_wall: when it was sent at the earliest, by the machine's own clock.
        """
        self._first_sent_wall = first_sent_wall
        self._last_error = ConnectionFailed("the process that was sending it ended")
        self._gives_up_at = now + self._retry.budget
        self._settle(now, self._last_error)

    def slot_taken(self) -> None:
        """A slot is held again."""
        self.state = CreateState.UNSENT

    def looked_up(self, now: float, outcome: Task | KlingError, clock_offset: float) -> None:
        """A look-up ended; the offset is what the service's clock shows more than this machine's, in seconds."""
        outcome = self._checked(outcome)
        if isinstance(outcome, Task):
            self._found(outcome, clock_offset)
            return
        if self.state is CreateState.SETTLING and self._attempts.is_over(now):
            self.state = CreateState.DOUBTFUL
            self._attempts.ends_at = self._gives_up_at
        missing = is_missing(outcome)
        settled = missing and self.state is CreateState.DOUBTFUL
        if missing and self.state is CreateState.CLAIMED and self._last_error is not None:
            self._last_error.message = f"{self._last_error.message}; nothing is found under its reference yet"
            self._refuse(self._last_error)
        elif isinstance(outcome, NotTheService) or self._attempts.is_over(now) or (settled and not self._resend):
            self._refuse(self._in_doubt(outcome))
        elif settled and self._sends_left > 0:
            self.state = CreateState.SEARCHING if self.keeps_id is None else CreateState.MISSING
        else:
            self._wait(now)

    @property
    def search_since(self) -> datetime:
        """When a task that is this create's was made at the earliest, by the service's clock."""
        return datetime.fromtimestamp(self._first_sent_wall + self._clock_offset - CLOCK_TOLERANCE, UTC)

    def searched(self, now: float, outcome: Sequence[Task] | KlingError) -> None:
        """A look at all tasks since `search_since` ended."""
        if isinstance(outcome, KlingError):
            if isinstance(outcome, NotTheService) or self._attempts.is_over(now):
                self._refuse(self._in_doubt(outcome))
            else:
                self._wait(now)
            return
        ours = [task for task in outcome if task.external_task_id == self.external_task_id]
        may_be = [task for task in outcome if self._may_be_ours(task)]
        if ours:
            self._accept(ours[0])
        elif self.keeps_id is False and len(may_be) == 1 and not self._others_undecided():
            self._accept(attrs.evolve(may_be[0], external_task_id=self.external_task_id))
        elif self.keeps_id is None and not may_be and self._resend and not self._attempts.is_over(now):
            self.state = CreateState.MISSING
        else:
            self._refuse(self._in_doubt(candidates=may_be))

    def _may_be_ours(self, task: Task) -> bool:
        """Whether a task of the list can be what a path made that drops ids: without one, and none that is known."""
        created_at = task.created_at
        made_other = task.status is TaskStatus.SUCCEED and not task.videos
        unnamed = task.external_task_id is None and not made_other and not self._is_known(task)
        return unnamed and (created_at is None or created_at >= self.search_since)

    def stop(self) -> None:
        """The client closes: what created nothing so far is not sent again."""
        if self.state in {CreateState.UNSENT, CreateState.FULL}:
            self._refuse(_closed())
        elif self.state is CreateState.SENDING:
            self.state = CreateState.STOPPING

    def interrupted(self) -> KlingError:
        """The error for a create that is not at its end and is cut off here, since the client closes."""
        if not self.undecided:
            return _closed()
        return self._doubt("the client was closed before an answer said whether the task was created")

    def about(self, error: KlingError) -> KlingError:
        """Adds the reference to an error, where the task can be found by it."""
        return error.about(self.reference) if self.reference is not None else error

    # ------------------------------------------------------------------------------------------ inside

    def _checked(self, outcome: Task | KlingError) -> Task | KlingError:
        """The outcome, unless it is about the task of another create: `task_info`, which would say so, may be empty."""
        if isinstance(outcome, Task) and self._is_anothers(outcome):
            return BadResponse(f"the answer is about {outcome.reference}, the task of another create", http_status=200)
        return outcome

    def _answered_first(self, now: float, error: KlingError) -> None:
        if isinstance(error, InvalidRequest | ClientClosed | UnexpectedAnswer):
            self._refuse(error)
        elif made_nothing(error):
            self._send_later(now, error)
        elif not refused(error):
            self._gives_up_at = now + self._retry.budget
            self._settle(now, error)
        elif self.can_look_up and may_be_a_duplicate(error):
            self.state = CreateState.CLAIMED
            self._look_up_at_once(now, now + min(self._retry.settle, self._retry.budget))
        else:
            error.message = f"{error.message}; nothing was created"
            self._refuse(error)

    def _send_later(self, now: float, error: KlingError) -> None:
        """Nothing was created; patience has an end all the same."""
        if self.state is CreateState.STOPPING:
            self._refuse(_closed())
            return
        if isinstance(error, ConcurrencyExceeded):
            self.state = CreateState.FULL
            self._attempts.ends_at = float("inf")  # the wait for a slot is no failing
            self._attempts.progressed()
            return
        self.state = CreateState.UNSENT
        if self._attempts.ends_at == float("inf"):
            self._attempts.ends_at = now + self._retry.budget
        if self._attempts.is_over(now) or (isinstance(error, ConnectionFailed) and error.permanent):
            self._refuse(error)
        else:
            self._wait(now)

    def _answered_again(self, now: float, error: KlingError) -> None:
        if isinstance(error, InvalidRequest):
            self._sends_left = 0  # the file is gone: only the first send's task can still show
        if isinstance(error, UnexpectedAnswer):
            self._refuse(error)
        elif made_nothing(error) or not refused(error):
            self._settle(now, error)
        else:  # an earlier send may have made the task that this one collides with
            self.state = CreateState.EXPECTED
            self._look_up_at_once(now, min(now + self._settle_seconds, self._gives_up_at))

    def _settle(self, now: float, error: KlingError) -> None:
        """The task may exist: gives the service time to show it."""
        if not self.can_look_up:
            self._refuse(self._in_doubt())
            return
        self._settle_seconds = self._retry.settle * (TIMEOUT_FACTOR if was_slow(error) else 1.0)
        if self.keeps_id is False:
            self.state = CreateState.SEARCHING
            self._attempts.progressed()
            self._attempts.ends_at = self._gives_up_at
            self._not_before = min(now + self._settle_seconds, self._gives_up_at)
            return
        settled_at = min(now + self._settle_seconds, self._gives_up_at)
        expected = is_unreadable_success(error)
        self.state = CreateState.EXPECTED if expected else CreateState.SETTLING
        self._attempts.progressed()
        # Before something is sent again there is a look-up after the first delay, however short `settle` is.
        self._attempts.ends_at = settled_at if expected else self._gives_up_at
        self._wait(now)
        self._attempts.ends_at = settled_at

    def _look_up_at_once(self, now: float, ends_at: float) -> None:
        self._attempts.progressed()
        self._attempts.ends_at = ends_at
        self._not_before = now

    def _wait(self, now: float) -> None:
        """Until the next send or look-up: a growing delay, or none where the time is over, for there is a last one."""
        self._not_before = now + (self._attempts.failed(now) or 0.0)

    def _found(self, task: Task, clock_offset: float) -> None:
        first_sent = self._first_sent_wall + clock_offset
        created_at = task.created_at
        if self.own_id or self.adopt or created_at is None or created_at.timestamp() >= first_sent - CLOCK_TOLERANCE:
            self._accept(task)
            return
        refusal = self._last_error if self.state is CreateState.CLAIMED else None
        self._refuse(
            ExternalTaskIdConflict(
                f"external_task_id {self.external_task_id!r} belongs to an older task",
                remedy=Remedy.ADOPT,
                code=refusal.code if refusal else None,
                reference=task.reference,
                task=task,
            )
        )

    def _in_doubt(self, look_up: KlingError | None = None, candidates: Sequence[Task] = ()) -> CreateInDoubt:
        last = self._last_error
        named = ", ".join(task.reference for task in candidates[:CANDIDATES_SHOWN])
        return self._doubt(
            "no answer said whether the task was created"
            + (", and looking it up did not either" if self.can_look_up else "")
            + (f" (the last send ended with: {last.message})" if last else "")
            + (f" (it may be {named}: such tasks do not tell whose they are)" if named else "")
            + (f" (the last look-up ended with: {look_up.message})" if look_up and not is_missing(look_up) else ""),
            last,
        )

    def _doubt(self, message: str, last: KlingError | None = None) -> CreateInDoubt:
        sent_at = datetime.fromtimestamp(self._first_sent_wall + self._clock_offset, UTC)
        where = (
            ": look for it in the account's list of tasks before it is submitted again, among those of "
            f"{self.endpoint} that were created at about {sent_at:%Y-%m-%d %H:%M:%S} UTC or later"
        )
        return CreateInDoubt(
            f"{message}; it may be billed{'' if self.can_look_up else where}",
            remedy=Remedy.FIND if self.can_look_up else Remedy.LIST,
            code=last.code if last else None,
            http_status=last.http_status if last else None,
            request_id=last.request_id if last else None,
            reference=self.reference,
            endpoint=self.endpoint,
            sent_at=sent_at,
        )

    def _accept(self, task: Task) -> None:
        self.state = CreateState.ACCEPTED
        self.end = task

    def _refuse(self, error: KlingError) -> None:
        self.state = CreateState.REFUSED
        self.end = self.about(error)


def _closed() -> ClientClosed:
    return ClientClosed("the client was closed; nothing was created")
