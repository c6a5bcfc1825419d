"""The create state machine: one paid task per request, whatever happens to the answers.

`create_states` defines the states and transitions. A request whose task is not found by its external id is sent again
with the same id, three times in all. Paths of the current generation may drop the id: before such a request is sent
again, all tasks made since the first send are searched (`create_search`), and a possible match ends in doubt.

A task that is found but older than the first send is a conflict, or accepted with `adopt`. After a send by an earlier
process, whose clock is unknown, a task that seems older ends in doubt. If a journal was copied, an id made from a key
is not unique either: a first send that is refused because of its id accepts no older task. If an endpoint cannot look
up tasks by external id, a create in doubt ends with `CreateInDoubt` at once. A success that names no task ends the
create with that answer, in any state.

The README describes what depends on the service refusing a second task with the same external id.
"""

import enum
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import attrs

from kling_async.protocol import create_conflict, create_doubt, create_search, create_times
from kling_async.protocol.create_rules import CreateRules
from kling_async.protocol.create_search import NO_OTHERS, Others
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
"""Factor for `settle` after a timeout, since the service may still be processing the request."""

SENDS: Final = 3
"""Maximum sends of one create, not counting those refused because of limits (1302, 1303) and those that never left."""


_SEARCHED_AFTER: Final = frozenset({CreateState.DOUBTFUL, CreateState.EXPECTED})


class Action(enum.Enum):
    """What the caller has to do next."""

    SEND = "send the request: call `sending` before its first byte, and `answered` with the outcome"
    LOOK_UP = "query by the external id, then call `looked_up`"
    SEARCH = "list all tasks since `search_since`, then call `searched`"
    TAKE_SLOT = "the account is full: give the slot back, wait for one, then call `slot_taken`"


class Pause(NamedTuple):
    """Wait before the next action.

    Attributes:
        seconds: how long.
    """

    seconds: float


class Create:
    """One create, from its first byte until its outcome is certain. All times are seconds of one monotonic clock.

    Args:
        endpoint: name of the endpoint that lists the task.
        external_task_id: the id by which the task can be looked up.
        rules: that it follows.
        retry: delays, settle and budget.
        uniform: random numbers for the delays.
        belongs_to_another: whether a task is known to belong to another create: an answer may reach the wrong request.
        keeps_id: whether an answer has shown that the path keeps the external id, or drops it; None if unknown.
        is_known: whether a task belongs to another create of this client.
        made_before: ids of tasks that existed before: one of them with the caller's id is an older task, whatever its
            creation time.
        others_undecided: whether another create is under way that may have made a task without its id.
        clock_error: seconds by which a task may be younger than its creation time, as far as the service's clock is
            known.

    Attributes:
        rules: that it follows.
        state: the current state.
        end: the task or the error, once it has ended.
        kept_id: whether the task in the answer to a send has the id that was sent; None if there was no such answer.
    """

    def __init__(
        self,
        endpoint: str,
        external_task_id: str,
        rules: CreateRules,
        retry: Retry,
        uniform: Uniform,
        *,
        belongs_to_another: Callable[[Task], bool],
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
        """The id with which the service is queried for the task."""
        self.reference = str(named) if rules.can_look_up else None
        self.rules = rules
        self.state = CreateState.UNSENT
        self.end: Task | KlingError | None = None
        self._retry = retry
        self._resend = rules.resend
        self._belongs_to_another = belongs_to_another
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
        """The external id that is sent with the request: the user's, or the one by which the task is looked up."""
        return self.external_task_id if self.rules.can_look_up or not self.rules.own_id else None

    @property
    def may_be_unnamed(self) -> bool:
        """Whether its task may appear without an external id."""
        return self.id_sent is None or (self.rules.searches and self._keeps_id() is not True)

    def next(self, now: float) -> Action | Pause | Task | KlingError:
        """Returns the next action; a task or an error is the end. Must not be called while a send is under way."""
        if self.end is not None:
            return self.end
        if self.state is CreateState.FULL:
            return Action.TAKE_SLOT
        if now < self._not_before:
            return Pause(self._not_before - now)
        if self.state is CreateState.SEARCHING:
            return Action.SEARCH
        # Nothing is sent after the budget: no look-up would follow.
        send_again = self.state is CreateState.MISSING and not self._attempts.is_over(now)
        if send_again or self.state is CreateState.UNSENT:
            self._last_sent_at = now
            return Action.SEND
        return Action.LOOK_UP

    @property
    def undecided(self) -> bool:
        """Whether there may be a billed task that is not known yet: then the create must not be dropped."""
        return self.state in UNDECIDED

    def sending(self, wall: float, clock_offset: float = 0.0, counts_from: float = 0.0) -> None:
        """Records that the first byte is about to be sent; called again if it is resent with a new token.

        Args:
            wall: the time by this machine's clock.
            clock_offset: seconds by which the service's clock is ahead, as far as its answers show.
            counts_from: the time by this machine's clock when the monotonic clock was 0.
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
        """Whether a task in the answer to the send under way was certainly made by that send."""
        return self.rules.own_id and self.state is CreateState.SENDING

    def answered(self, now: float, outcome: Task | KlingError) -> None:
        """Records the outcome of a send."""
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
        """Records that an earlier process may have sent it: it is looked up before anything is sent.

        Args:
            now: the monotonic time.
            first_sent_wall: the earliest time at which it was sent, by that process's clock.
            wall: the time by this machine's clock.
        """
        self._times.sent_before(first_sent_wall, wall)
        self._last_error = ConnectionFailed("an earlier attempt left it undecided")
        self._gives_up_at = now + self._retry.budget
        self._settle(now, self._last_error)

    def slot_taken(self) -> None:
        """Records that the create has a slot again."""
        self.state = CreateState.UNSENT

    def looked_up(self, now: float, outcome: Task | KlingError, clock_offset: float, counts_from: float = 0.0) -> None:
        """Records the outcome of a look-up.

        Args:
            now: the monotonic time.
            outcome: of the look-up.
            clock_offset: seconds by which the service's clock is ahead of this machine's.
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
        """The earliest time at which this create's task can have been made, by the service's clock."""
        return self._times.made_since(self._clock_error())

    @property
    def last_send_ended(self) -> datetime:
        """When the last send ended, by this machine's clock."""
        return self._times.ended

    def searched(self, now: float, outcome: Sequence[Task] | KlingError, others: Others = NO_OTHERS) -> None:
        """Records the result of a search.

        Args:
            now: the monotonic time.
            outcome: all tasks since `search_since`, without exception; or the error.
            others: what is known about the tasks of other clients.
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
            # A path that drops ids does not refuse a duplicate.
            self._refuse(self._in_doubt(candidates=may_be))
        elif self._sends_left > 0:
            self.state = CreateState.MISSING
        else:
            self.state = CreateState.DOUBTFUL
            self._wait(now)

    @property
    def _may_be_missed(self) -> bool:
        """Whether its task may have no id and a creation time that the search did not cover."""
        return self._times.is_unknown and self._keeps_id() is not True

    def _is_surely_ours(self, may_be: Sequence[Task], others: Others) -> bool:
        """Whether there is a single candidate, made while a send was under way, that no other create can have made."""
        if len(may_be) != 1 or may_be[0].created_at is None or others.may_have_made or self._others_undecided(self):
            return False
        return self._times.was_under_way(may_be[0].created_at)

    def stop(self) -> None:
        """Records that the client closes: a request that has created nothing so far is not sent again."""
        if self.state in {CreateState.UNSENT, CreateState.FULL}:
            self._refuse(_closed())
        elif self.state is CreateState.SENDING:
            self.state = CreateState.STOPPING

    def interrupted(self) -> KlingError:
        """Returns the error for an unfinished create that is cut off because the client closes."""
        if not self.undecided:
            return _closed()
        closed = "the client was closed before an answer said whether the task was created"
        return create_doubt.in_doubt(attrs.evolve(self._about, last=None), closed)

    def about(self, error: KlingError) -> KlingError:
        """Adds the reference to an error, if it may lead to a task."""
        return error if self.reference is None or self._made_nothing else error.about(self.reference)

    # ------------------------------------------------------------------------------------------ inside

    def _checked(self, outcome: Task | KlingError) -> Task | KlingError:
        """Replaces an answer about another create's task by an error; its `task_info` may be empty, so ids decide."""
        if isinstance(outcome, Task) and self._belongs_to_another(outcome):
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
            # 1201 is the code of a duplicate, too: a reference could lead to an older task with the same id.
            self._made_nothing = error.code == 1201
            self._refuse(error)

    def _send_later(self, now: float, error: KlingError) -> None:
        """Sends again later, since nothing was created; `budget` limits this, too."""
        if self.state is CreateState.STOPPING:
            self._refuse(_closed())
            return
        if isinstance(error, ConcurrencyExceeded):
            self.state = CreateState.FULL
            self._attempts.ends_at = float("inf")  # waiting for a slot does not count as failing
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
            self._sends_left = 0  # it must not be sent again: only an earlier send's task can still appear
        if isinstance(error, UnexpectedAnswer):
            self._refuse(error)
        elif made_nothing(error) or not refused(error):
            self._settle(now, error)
        else:  # an earlier send may have made the task that this one collides with
            self._expect()
            self._look_up_at_once(now, min(now + self._settle_seconds, self._gives_up_at))

    def _settle(self, now: float, error: KlingError) -> None:
        """Looks the task up, which may exist, and gives the service `settle` seconds to show it."""
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
        # However short `settle` is, there is a look-up after the first delay before the request is sent again.
        self._attempts.ends_at = settled_at if expected else self._gives_up_at
        self._wait(now)
        self._attempts.ends_at = settled_at

    def _expect(self) -> None:
        self.state = CreateState.EXPECTED
        self._resend = False

    def _search(self, now: float) -> None:
        """Searches all tasks after one more delay, so that a task made shortly after its answer was lost is visible."""
        self.state = CreateState.SEARCHING
        self._attempts.ends_at = self._gives_up_at
        self._wait(now)

    def _look_up_at_once(self, now: float, ends_at: float) -> None:
        self._attempts.progressed()
        self._attempts.ends_at = ends_at
        self._not_before = now

    def _wait(self, now: float) -> None:
        """Sets the growing delay before the next send or look-up; none after the deadline, for a last attempt."""
        self._not_before = now + (self._attempts.failed(now) or 0.0)

    def _found(self, task: Task) -> None:
        if self.rules.adopt or not (self._is_of_a_copy(task) if self.rules.own_id else self._is_older(task)):
            self._accept(task)
            return
        if self._times.by_earlier_process:
            seems = create_conflict.seems_older(self.external_task_id)
            self._refuse(create_doubt.in_doubt(self._about, seems, [task]))
            return
        refusal = self._last_error if self.state is CreateState.CLAIMED else None
        self._refuse(create_conflict.older_task(self.external_task_id, task, refusal, own_id=self.rules.own_id))

    def _is_older(self, task: Task) -> bool:
        """Whether a task with the user's id was certainly not made by this create."""
        is_older = self._times.is_older(task.created_at, max(self._clock_error(), CLOCK_TOLERANCE))
        return is_older or task.task_id in self._made_before

    def _is_of_a_copy(self, task: Task) -> bool:
        """Whether the first send was refused because of an older task; later sends are refused because of the first."""
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
