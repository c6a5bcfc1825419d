"""The state machines, out of the code that decides: the one of a task is a table, the one of a create is walked."""

import copy
import functools
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from kling_async.protocol import errors
from kling_async.protocol.create_recovery import Ask, Create, Pause
from kling_async.protocol.create_states import CreateState
from kling_async.protocol.lifecycle import TRANSITIONS
from kling_async.protocol.retry import Retry
from kling_async.protocol.tasks import Task, TaskStatus

OURS: Final = Task(task_id="801", status=TaskStatus.SUBMITTED, external_task_id="mine", endpoint="image2video")
UNNAMED: Final = Task(task_id="802", status=TaskStatus.SUBMITTED, endpoint="image2video")
RETRY: Final = Retry()
ENDS: Final = frozenset({CreateState.ACCEPTED, CreateState.REFUSED})
SENDING: Final = frozenset({CreateState.SENDING, CreateState.STOPPING, CreateState.SENDING_AGAIN})
CERTAIN: Final = ENDS | {CreateState.UNSENT, CreateState.FULL, CreateState.SENDING, CreateState.STOPPING}
"""States before anything is in doubt, and after."""

NEVER_LEFT: Final = "it never left this machine"
UNREADABLE: Final = "a local file cannot be read"
BEFORE_IT_LEFT: Final = (NEVER_LEFT, UNREADABLE)
"""How a send can also end before its first byte."""

Outcome = Task | errors.KlingError
Found = list[Task] | errors.KlingError
WALL: Final = 1.8e9
ANSWERS: Final[dict[str, Outcome]] = {
    "an answer about our task": OURS,
    "1303: the account is full": errors.ConcurrencyExceeded("full", code=1303, http_status=429),
    "1302: too fast": errors.RateLimited("too fast", code=1302, http_status=429),
    NEVER_LEFT: errors.ConnectionFailed("refused", sent=False),
    UNREADABLE: errors.InvalidRequest.of([errors.Problem("image", "gone")]),
    "a refusal that the same id could cause: 1201, 1202, HTTP 409": errors.RequestRefused(
        "bad", code=1201, http_status=400
    ),
    "any other refusal": errors.InsufficientBalance("empty", code=1102, http_status=429),
    "no answer, or none of the service: reset, timeout, 5000 to 5002, a gateway's page": errors.ConnectionFailed("cut"),
    "a 2xx that cannot be read": errors.BadResponse("a page", http_status=200),
    "success that names no task": errors.UnexpectedAnswer("no task", http_status=200),
}
LOOKS: Final[dict[str, Outcome]] = {
    "found": OURS,
    "the service says that there is none": errors.TaskNotFound("none"),
    "no answer of the service": errors.ConnectionFailed("cut"),
    "another server answers at the address": errors.NotTheService("a router"),
}
SEARCHES: Final[dict[str, Found]] = {
    "a task with our id": [OURS],
    "exactly one that may be ours": [UNNAMED],
    "several that may be ours": [UNNAMED, Task(task_id="803", status=TaskStatus.SUBMITTED, endpoint="image2video")],
    "none that may be ours": [],
    "no answer of the service": errors.ConnectionFailed("cut"),
}

EARLY, SETTLED, OVER = "", "after `settle`", "after `budget`"
JUMPS: Final = {EARLY: 0.0, SETTLED: RETRY.settle, OVER: RETRY.budget}


GIVEN_BACK: Final = frozenset(list(ANSWERS)[1:4])
"""Answers to a send that does not count as one: full, too fast, never left."""
SENT: Final = "its first byte goes out"

Happens = Callable[[Create], object]
Story = tuple[Happens, ...]
"""What happened to a create, in order: played anew for each step, since a machine cannot be copied."""


class Edge(NamedTuple):
    """One step of a create.

    Attributes:
        state: in which something happens.
        event: what.
        when: how late: early, or after `settle` or `budget` seconds.
        then: the state that it leads to.
    """

    state: CreateState
    event: str
    when: str
    then: CreateState


def of_a_task() -> dict[TaskStatus, frozenset[TaskStatus]]:
    """Status -> those that may follow it, from the table of `protocol.lifecycle`."""
    return {status: after for status, after in TRANSITIONS.items() if status is not None}


class Point(NamedTuple):
    """Where the walk is.

    Attributes:
        story: what happened so far.
        again: further sends, as far as they count.
        now: seconds since the beginning.
        doubt: when it was first in doubt, from where `budget` counts; None before.
    """

    story: Story = ()
    again: int = 0
    now: float = 0.0
    doubt: float | None = None

    @property
    def ends_at(self) -> float:
        """When `budget` is over."""
        return (self.doubt or 0.0) + RETRY.budget


@functools.cache
def of_a_create(*, can_look_up: bool = True, keeps_id: bool | None = True) -> frozenset[Edge]:
    """All steps that a create can take, found by letting everything happen in each state that it comes to.

    Args:
        can_look_up: whether the service finds tasks of the path by their external id.
        keeps_id: whether the path keeps that id; None where nobody has shown it.
    """

    def after(story: Story) -> Create:
        machine = Create(
            "image2video",
            "mine",
            RETRY,
            lambda: 1.0,
            can_look_up=can_look_up,
            own_id=True,
            adopt=False,
            resend=True,
            is_anothers=lambda _: False,
            searches=keeps_id is not True,
            keeps_id=lambda: keeps_id,
        )
        for happens in story:
            happens(machine)
        return machine

    edges: set[Edge] = set()
    seen: set[tuple[CreateState, int, bool]] = set()  # without where it begins: failed sends change what comes of it
    waiting = [Point()]
    while waiting:
        point = waiting.pop(0)
        state = after(point.story).state
        for event, when, happens, now in _steps(after(point.story), point):
            then = after((*point.story, happens)).state
            edges.add(Edge(state, event, when, then))
            again = point.again + (event == SENT and then is CreateState.SENDING_AGAIN)
            again -= event in GIVEN_BACK and state is CreateState.SENDING_AGAIN
            doubt = now if point.doubt is None and then not in CERTAIN else point.doubt
            following = Point((*point.story, happens), again, now, doubt)
            if then not in ENDS and (then, again, now >= following.ends_at) not in seen:
                seen.add((then, again, now >= following.ends_at))
                waiting.append(following)
    return frozenset(edges)


def _steps(machine: Create, point: Point) -> Iterator[tuple[str, str, Happens, float]]:
    """Everything that can happen next: what, how late, the way to let it happen, and the time then."""
    if machine.state in SENDING:
        for event, outcome in ANSWERS.items():
            yield event, OVER if point.now >= point.ends_at else EARLY, _answered(point.now, outcome), point.now
    else:
        for when, seconds in JUMPS.items() if point.story else [(EARLY, 0.0)]:
            for event, happens, at in _asked(machine, min(point.now + seconds, max(point.now, point.ends_at))):
                yield event, OVER if at >= point.ends_at else when, happens, at
    yield "the client closes", EARLY, Create.stop, point.now


def _asked(machine: Create, now: float) -> Iterator[tuple[str, Happens, float]]:
    """What the machine asks for, and each way in which that can end."""
    ask = machine.next(now)
    if isinstance(ask, Pause):
        now += ask.seconds
        ask = machine.next(now)
    match ask:
        case Pause() | Task() | errors.KlingError():
            raise AssertionError(f"nothing is asked for in {machine.state.name}")
        case Ask.TAKE_SLOT:
            yield "a slot is free", Create.slot_taken, now
        case Ask.SEND:
            yield SENT, lambda each: each.sending(WALL), now
            for event in BEFORE_IT_LEFT:
                yield event, _answered(now, ANSWERS[event]), now
        case Ask.LOOK_UP:
            for event, outcome in LOOKS.items():
                yield event, _looked_up(now, outcome), now
        case Ask.SEARCH:
            for event, found in SEARCHES.items():
                yield event, _searched(now, found), now


def _answered(now: float, outcome: Outcome) -> Happens:
    return lambda machine: machine.answered(now, copy.copy(outcome))  # a machine adds to errors


def _looked_up(now: float, outcome: Outcome) -> Happens:
    return lambda machine: machine.looked_up(now, copy.copy(outcome), 0.0)


def _searched(now: float, found: Found) -> Happens:
    return lambda machine: machine.searched(now, copy.copy(found))
