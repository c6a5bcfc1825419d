"""The create machine: one paid task per request, whatever happens to the answers.

`create_states` has its states, and what leads from one to another. What is not found by its id is sent again with the
same id, three times in all. In the current generation nobody knows whether a path keeps the id: there all tasks since
the first send are looked at before (`create_search`), and one that may be ours ends it in doubt.

A task that is found but older than our first send is refused as a conflict, or accepted with `adopt`. After a send of
an earlier process, whose clock nobody knows, one that seems older ends it in doubt. An id that was made from a key is
another's too where a journal was copied: a first send that is refused for it takes no older task. Where tasks
cannot be looked up by their external id, what would be looked up is `CreateInDoubt` at once. A path that answers yes
without naming a task is refused with that answer, wherever the create is.

What rests on the service refusing a second task with the same external id is said in the README.
"""

import enum
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import attrs

from kling_async.protocol import create_conflict, create_doubt, create_search, create_times
from kling_async.protocol.create_rules import CreateRules
from kling_async.protocol.create_search import NOBODY, Others
from kling_async.protocol.create_states import SENDING, UNDECIDED, CreateState
from kling_async.protocol.create_times import CLOCK_TOLERANCE, SendTimes
from kling_async.protocol.errors import (
    BadResponse,
    ClientClosed,
    ConcurrencyExceeded,
    ConnectionFailed,
    CreateInDoubt,
    InvalidRequest,
    KlingError,
    LeaseLost,
    NotTheService,
    UnexpectedAnswer,
)
from kling_async.protocol.lifecycle import is_missing
from kling_async.protocol.reference import Reference
from kling_async.protocol.retry import Retry, Uniform
from kling_async.protocol.send_failures import (
    is_unreadable_success,
    made_nothing,
    may_be_a_duplicate,
    names_no_path,
    refused,
    was_slow,
)
from kling_async.protocol.tasks import Task

TIMEOUT_FACTOR: Final = 4.0
"""After a timeout the service may still be at work, so a task settles that many times longer."""

SENDS: Final = 3
"""Sends of one create at most, not counting those that were refused as full or too fast, or never left."""


_SEARCHED_AFTER: Final = frozenset({CreateState.DOUBTFUL, CreateState.EXPECTED})


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
        rules: what it goes by.
        retry: delays, settle and budget.
        uniform: random numbers for the delays.
        is_anothers: whether a task is known to be that of another create: an answer may reach the wrong request.
        keeps_id: whether an answer has shown that the path keeps the external id, or drops it; None for neither.
        is_known: whether a task is that of another create of this client.
        made_before: ids of tasks that were there before: one that has the caller's id is an older task, however young.
        others_undecided: whether another create than this one is under way that may have made a task without its id.
        clock_error: seconds by which a task may be younger than its time says, by what the service's clock has shown.

    Attributes:
        rules: what it goes by.
        state: where it is.
        end: the task or the error, once it is at its end.
        kept_id: whether the answer to a send was about a task with the id that was sent; None for no such answer.
    """

    def __init__(
        self,
        endpoint: str,
        external_task_id: str,
        rules: CreateRules,
        retry: Retry,
        uniform: Uniform,
        *,
        is_anothers: Callable[[Task], bool],
        keeps_id: Callable[[], bool | None] = lambda: None,
        is_known: Callable[[Task], bool] = lambda _: False,
        made_before: Collection[str] = (),
        others_undecided: "Callable[[Create], bool]" = lambda _: False,
        clock_error: Callable[[], float] = lambda: CLOCK_TOLERANCE,
    ) -> None:
        self.endpoint = endpoint
        self.external_task_id = external_task_id
        named = Reference.by_external_task_id(endpoint, external_task_id)
        self.name = named.id
        """What the service is asked for to find it."""
        self.reference = str(named) if rules.can_look_up else None
        self.rules = rules
        self.state = CreateState.UNSENT
        self.end: Task | KlingError | None = None
        self._retry = retry
        self._resend = rules.resend
        self._is_anothers = is_anothers
        self._keeps_id = keeps_id
        self._is_known = is_known
        self._made_before = made_before
        self._others_undecided = others_undecided
        self._clock_error = clock_error
        self.kept_id: bool | None = None
        self._made_nothing = False
        self._last_error: KlingError | None = None
        self._times = SendTimes()
        self._last_sent_at = 0.0
        self._sends_left = SENDS
        self._not_before = 0.0
        self._settle_seconds = retry.settle
        self._gives_up_at = float("inf")
        self._attempts = retry.attempts(uniform)

    @property
    def id_sent(self) -> str | None:
        """The external id that goes along with the request: the user's, or the one by which the task is looked up."""
        return self.external_task_id if self.rules.can_look_up or not self.rules.own_id else None

    @property
    def may_be_unnamed(self) -> bool:
        """Whether its task may show without an id."""
        return self.id_sent is None or (self.rules.searches and self._keeps_id() is not True)

    def next(self, now: float) -> Ask | Pause | Task | KlingError:
        """What to do now; a task or an error is the end. Not to be asked while a send is under way."""
        if self.end is not None:
            return self.end
        if self.state is CreateState.FULL:
            return Ask.TAKE_SLOT
        if now < self._not_before:
            return Pause(self._not_before - now)
        if self.state is CreateState.SEARCHING:
            return Ask.SEARCH
        # After the budget nothing is sent: nothing would look for it.
        send_again = self.state is CreateState.MISSING and not self._attempts.is_over(now)
        if send_again or self.state is CreateState.UNSENT:
            self._last_sent_at = now
            return Ask.SEND
        return Ask.LOOK_UP

    @property
    def undecided(self) -> bool:
        """Whether something may be paid for that nobody knows of yet: then it must not be dropped."""
        return self.state in UNDECIDED

    def sending(self, wall: float, clock_offset: float = 0.0, counts_from: float = 0.0) -> None:
        """The first byte is about to go out; once more with a new token.

        Args:
            wall: the time of the machine's own clock.
            clock_offset: how far the service's clock is ahead of it, as far as its answers show.
            counts_from: what the machine's clock showed when the monotonic one was 0.
        """
        if self.state is CreateState.MISSING:
            self.state = CreateState.SENDING_AGAIN
        elif self.state is CreateState.UNSENT:
            self.state = CreateState.SENDING
        is_first = self.state is not CreateState.SENDING_AGAIN
        self._times.sending(wall, clock_offset, is_first=is_first, counts_from=counts_from)
        self._sends_left -= 1

    @property
    def shows_clock(self) -> bool:
        """Whether a task that answers the send under way has surely been made by it."""
        return self.rules.own_id and self.state is CreateState.SENDING

    def answered(self, now: float, outcome: Task | KlingError) -> None:
        """A send ended."""
        self._times.took(now - self._last_sent_at)
        outcome = self._checked(outcome)
        if isinstance(outcome, Task):
            self.kept_id = outcome.external_task_id is not None if self.id_sent is not None else None
            self._accept(outcome)
            return
        self._last_error = outcome
        if made_nothing(outcome) and self.state in SENDING:
            self._sends_left += 1
        if self.state in {CreateState.MISSING, CreateState.SENDING_AGAIN}:
            self._answered_again(now, outcome)
        else:
            self._answered_first(now, outcome)

    def sent_before(self, now: float, first_sent_wall: float, wall: float) -> None:
        """A process that is gone may have sent it: it is looked up before anything is sent.

        Args:
            now: as everywhere.
            first_sent_wall: when it was sent at the earliest, by the clock that the machine had then.
            wall: the time of the machine's own clock.
        """
        self._times.sent_before(first_sent_wall, wall)
        self._last_error = ConnectionFailed("an earlier attempt left it undecided")
        self._gives_up_at = now + self._retry.budget
        self._settle(now, self._last_error)

    def slot_taken(self) -> None:
        """A slot is held again."""
        self.state = CreateState.UNSENT

    def looked_up(self, now: float, outcome: Task | KlingError, clock_offset: float, counts_from: float = 0.0) -> None:
        """A look-up ended.

        Args:
            now: as everywhere.
            outcome: of it.
            clock_offset: what the service's clock shows more than this machine's, in seconds.
            counts_from: as for `sending`.
        """
        self._times.seen(clock_offset, counts_from)
        outcome = self._checked(outcome)
        if isinstance(outcome, Task):
            self._found(outcome)
            return
        if self.state is CreateState.SETTLING and self._attempts.is_over(now):
            self.state = CreateState.DOUBTFUL
            self._attempts.ends_at = self._gives_up_at
        missing, is_over = is_missing(outcome), self._attempts.is_over(now)
        settled = missing and self.state is CreateState.DOUBTFUL
        if missing and self.state is CreateState.CLAIMED and self._last_error is not None:
            self._last_error.message = f"{self._last_error.message}; nothing is found under its reference yet"
            self._refuse(self._last_error)
        elif isinstance(outcome, NotTheService):
            self._refuse(self._in_doubt(outcome))
        elif self.rules.searches and self.state in _SEARCHED_AFTER and (settled or is_over):
            self._search(now)
        elif is_over or (settled and not self._resend):
            self._refuse(self._in_doubt(outcome))
        elif settled and self._sends_left > 0:
            self.state = CreateState.MISSING
        else:
            self._wait(now)

    @property
    def search_since(self) -> datetime:
        """When a task that is this create's was made at the earliest, by the service's clock."""
        return self._times.made_since(self._clock_error())

    @property
    def last_send_ended(self) -> datetime:
        """When the last send ended, by this machine's own clock."""
        return self._times.ended

    def searched(self, now: float, outcome: Sequence[Task] | KlingError, others: Others = NOBODY) -> None:
        """A look at all tasks since `search_since` ended; none of them may be missing.

        Args:
            now: as everywhere.
            outcome: the tasks.
            others: what is known of those who make tasks beside this client.
        """
        is_over = self._attempts.is_over(now)
        if isinstance(outcome, KlingError):
            if isinstance(outcome, NotTheService) or is_over:
                self._refuse(self._in_doubt(outcome))
            else:
                self._wait(now)
            return
        ours = create_search.named(outcome, self.external_task_id)
        may_be = [
            task
            for task in create_search.unnamed(outcome, self.external_task_id, self.search_since, self._is_known)
            if task.task_id not in others.tasks
        ]
        drops_ids = self._keeps_id() is False
        if ours is not None:
            self._found(ours)
        elif drops_ids and self._is_surely_ours(may_be, others):
            self._accept(attrs.evolve(may_be[0], external_task_id=self.external_task_id))
        elif may_be or drops_ids or is_over or not self._resend or self._may_be_missed:
            # No twin is refused where ids are dropped.
            self._refuse(self._in_doubt(candidates=may_be))
        elif self._sends_left > 0:
            self.state = CreateState.MISSING
        else:
            self.state = CreateState.DOUBTFUL
            self._wait(now)

    @property
    def _may_be_missed(self) -> bool:
        """Whether its task may be without an id, and of a time that was not looked at."""
        return self._times.is_unknown and self._keeps_id() is not True

    def _is_surely_ours(self, may_be: Sequence[Task], others: Others) -> bool:
        """Whether one task alone may be ours, was made while a send was under way, and is nobody's that is known."""
        if len(may_be) != 1 or may_be[0].created_at is None or others.may_have_made or self._others_undecided(self):
            return False
        return self._times.was_under_way(may_be[0].created_at)

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
        closed = "the client was closed before an answer said whether the task was created"
        return create_doubt.in_doubt(attrs.evolve(self._about, last=None), closed)

    def about(self, error: KlingError) -> KlingError:
        """Adds the reference to an error, where a task can be found by it."""
        return error if self.reference is None or self._made_nothing else error.about(self.reference)

    # ------------------------------------------------------------------------------------------ inside

    def _checked(self, outcome: Task | KlingError) -> Task | KlingError:
        """The outcome, unless it is about the task of another create: `task_info`, which would say so, may be empty."""
        if isinstance(outcome, Task) and self._is_anothers(outcome):
            return BadResponse(f"the answer is about {outcome.reference}, the task of another create", http_status=200)
        return outcome

    def _answered_first(self, now: float, error: KlingError) -> None:
        if isinstance(error, InvalidRequest | ClientClosed | UnexpectedAnswer | LeaseLost):
            self._refuse(error)
        elif made_nothing(error):
            self._send_later(now, error)
        elif not refused(error):
            self._gives_up_at = now + self._retry.budget
            self._settle(now, error)
        elif self.rules.can_look_up and may_be_a_duplicate(error):
            self.state = CreateState.CLAIMED
            self._look_up_at_once(now, now + min(self._retry.settle, self._retry.budget))
        else:
            error.message = f"{error.message}; nothing was created"
            self._made_nothing = error.code == 1201  # unlike any other, it could be about an older task
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
        if isinstance(error, InvalidRequest | LeaseLost):
            self._sends_left = 0  # it must not go out again: only the first send's task can still show
        if isinstance(error, UnexpectedAnswer):
            self._refuse(error)
        elif made_nothing(error) or not refused(error):
            self._settle(now, error)
        else:  # an earlier send may have made the task that this one collides with
            self._expect()
            self._look_up_at_once(now, min(now + self._settle_seconds, self._gives_up_at))

    def _settle(self, now: float, error: KlingError) -> None:
        """The task may exist: gives the service time to show it."""
        if not self.rules.can_look_up:
            self._refuse(self._in_doubt())
            return
        looks_for = self._retry.settle * (TIMEOUT_FACTOR if was_slow(error) else 1.0)
        self._settle_seconds = max(looks_for, self.rules.resend_after)
        settled_at = min(now + self._settle_seconds, self._gives_up_at)
        expected = is_unreadable_success(error)
        if expected:
            self._expect()
        else:
            self.state = CreateState.SETTLING
            self._resend = self._resend and not names_no_path(error)
        self._attempts.progressed()
        # Before something is sent again there is a look-up after the first delay, however short `settle` is.
        self._attempts.ends_at = settled_at if expected else self._gives_up_at
        self._wait(now)
        self._attempts.ends_at = settled_at

    def _expect(self) -> None:
        self.state = CreateState.EXPECTED
        self._resend = False

    def _search(self, now: float) -> None:
        """Looks at all tasks, one delay later: what was made a little after its answer was lost shows by then."""
        self.state = CreateState.SEARCHING
        self._attempts.ends_at = self._gives_up_at
        self._wait(now)

    def _look_up_at_once(self, now: float, ends_at: float) -> None:
        self._attempts.progressed()
        self._attempts.ends_at = ends_at
        self._not_before = now

    def _wait(self, now: float) -> None:
        """Until the next send or look-up: a growing delay, or none where the time is over, for there is a last one."""
        self._not_before = now + (self._attempts.failed(now) or 0.0)

    def _found(self, task: Task) -> None:
        if self.rules.adopt or not (self._is_of_a_copy(task) if self.rules.own_id else self._is_older(task)):
            self._accept(task)
            return
        if self._times.is_anothers:
            seems = create_conflict.seems_older(self.external_task_id)
            self._refuse(create_doubt.in_doubt(self._about, seems, [task]))
            return
        refusal = self._last_error if self.state is CreateState.CLAIMED else None
        self._refuse(create_conflict.older_task(self.external_task_id, task, refusal, own_id=self.rules.own_id))

    def _is_older(self, task: Task) -> bool:
        """Whether a task with the user's id is surely not ours."""
        is_older = self._times.is_older(task.created_at, max(self._clock_error(), CLOCK_TOLERANCE))
        return is_older or task.task_id in self._made_before

    def _is_of_a_copy(self, task: Task) -> bool:
        """Whether a first send was refused for a task that was there before; later ones are refused for the first's."""
        return (
            self.rules.from_key
            and self.state is CreateState.CLAIMED
            and self._times.is_older(task.created_at, create_times.error_of_refused(self._clock_error()))
        )

    def _in_doubt(self, look_up: KlingError | None = None, candidates: Sequence[Task] = ()) -> CreateInDoubt:
        known = create_doubt.what_is_known(self._about, look_up)
        if self.rules.searches and self._may_be_missed:
            known += " (it was sent by a clock that was ahead, so that its time is not known)"
        return create_doubt.in_doubt(self._about, known, candidates)

    @property
    def _about(self) -> create_doubt.Sent:
        return create_doubt.Sent(self.endpoint, self.reference, self._times.sent_at, self._last_error)

    def _accept(self, task: Task) -> None:
        self.state = CreateState.ACCEPTED
        self.end = task

    def _refuse(self, error: KlingError) -> None:
        self.state = CreateState.REFUSED
        self.end = self.about(error)


def _closed() -> ClientClosed:
    return ClientClosed("the client was closed; nothing was created")
