"""The transition table of the create machine."""

from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from kling_async.protocol.create_recovery import SENDS, Action, Create, Pause
from kling_async.protocol.create_search import NO_OTHERS, Others
from kling_async.protocol.create_states import TRANSITIONS, CreateState
from kling_async.protocol.create_times import CLOCK_TOLERANCE
from kling_async.protocol.errors import (
    ClientClosed,
    CreateInDoubt,
    ExternalTaskIdConflict,
    KlingError,
    NotTheService,
    Remedy,
    UnexpectedAnswer,
)
from kling_async.protocol.results import Video
from kling_async.protocol.retry import Retry
from kling_async.protocol.tasks import Task, TaskStatus

from .create_world import CLAIMS, CLEAR, DOUBTFUL, READABLE, UNREADABLE, WALL, Service, create, drive, failure, moment

S = CreateState

TO: dict[CreateState, list[tuple[str, float]]] = {
    S.UNSENT: [],
    S.SENDING: [("sending", 0)],
    S.STOPPING: [("sending", 0), ("stop", 0)],
    S.FULL: [("sending", 0), ("1303", 0)],
    S.CLAIMED: [("sending", 0), ("1201", 0)],
    S.SETTLING: [("sending", 0), ("reset", 0)],
    S.DOUBTFUL: [("sending", 0), ("reset", 0), ("look reset", 15)],
    S.MISSING: [("sending", 0), ("reset", 0), ("look not-found", 15)],
    S.SEARCHING: [("sending", 0), ("reset", 0), ("look not-found", 15)],
    S.SENDING_AGAIN: [("sending", 0), ("reset", 0), ("look not-found", 15), ("sending", 15)],
    S.EXPECTED: [("sending", 0), ("html-200", 0)],
    S.ACCEPTED: [("sending", 0), ("made", 0)],
    S.REFUSED: [("sending", 0), ("1102", 0)],
}
"""State -> events that lead to it, each with its time: answers and look-ups by their faults."""

OUTCOME = Task(task_id="801", status=TaskStatus.SUBMITTED, external_task_id="mine", endpoint="image2video")
UNNAMED = attrs.evolve(OUTCOME, task_id="802", external_task_id=None, created_at=datetime.fromtimestamp(0, UTC))
"""A task without an external id."""
FOUND: dict[str, list[Task] | KlingError] = {
    "none": [],
    "one": [UNNAMED],
    "two": [UNNAMED, attrs.evolve(UNNAMED, task_id="803")],
    "one-of-many": [attrs.evolve(UNNAMED, external_task_id="theirs"), UNNAMED],
    "other-case": [attrs.evolve(UNNAMED, external_task_id="Mine")],
    "named": [UNNAMED, OUTCOME],
    "reset": failure("reset"),
    "not-the-service": NotTheService("another web server", http_status=404),
}
"""What is found when all tasks are looked at."""


def happens(machine: Create, event: str, now: float) -> None:  # noqa: C901  (a table)
    """Passes one event to the machine."""
    match event.split():
        case ["sending"]:
            machine.sending(now)
        case ["stop"]:
            machine.stop()
        case ["slot"]:
            machine.slot_taken()
        case ["search", found]:
            machine.searched(now, FOUND[found])
        case ["look", "found"]:
            machine.looked_up(now, OUTCOME, 0)
        case ["look", "not-the-service"]:
            machine.looked_up(now, NotTheService("another web server", http_status=404), 0)
        case ["look", fault]:
            machine.looked_up(now, failure(fault, look_up=True), 0)
        case ["made"]:
            machine.answered(now, OUTCOME)
        case ["no", "task"]:
            machine.answered(now, UnexpectedAnswer("the path may make no task", data={}))
        case ["closed"]:
            machine.answered(now, ClientClosed("closed"))
        case _:
            machine.answered(now, failure(event))


def machine_in(state: CreateState, machine: Create | None = None) -> Create:
    """A machine in this state."""
    machine = machine or create(searches=state is S.SEARCHING)
    for event, now in TO[state]:
        happens(machine, event, now)
    assert machine.state is state
    return machine


TABLE: list[tuple[CreateState, str, float, CreateState]] = [
    (S.UNSENT, "sending", 0, S.SENDING),
    (S.UNSENT, "unreached", 0, S.UNSENT),  # before its first byte: this machine is short of open files
    (S.UNSENT, "unreadable", 0, S.REFUSED),
    (S.UNSENT, "closed", 0, S.REFUSED),
    (S.UNSENT, "stop", 0, S.REFUSED),
    (S.SENDING, "sending", 0, S.SENDING),  # once more, with a new token
    (S.SENDING, "made", 0, S.ACCEPTED),
    (S.SENDING, "1302", 0, S.UNSENT),
    (S.SENDING, "unreached", 0, S.UNSENT),
    (S.SENDING, "1303", 0, S.FULL),
    (S.SENDING, "unreadable", 0, S.REFUSED),
    (S.SENDING, "closed", 0, S.REFUSED),
    *((S.SENDING, fault, 0, S.REFUSED) for fault in CLEAR),
    *((S.SENDING, fault, 0, S.CLAIMED) for fault in CLAIMS),
    *((S.SENDING, fault, 0, S.SETTLING) for fault in READABLE),
    *((S.SENDING, fault, 0, S.EXPECTED) for fault in UNREADABLE),
    (S.SENDING, "stop", 0, S.STOPPING),
    (S.STOPPING, "sending", 0, S.STOPPING),
    (S.STOPPING, "made", 0, S.ACCEPTED),
    (S.STOPPING, "1302", 0, S.REFUSED),
    (S.STOPPING, "unreached", 0, S.REFUSED),
    (S.STOPPING, "1303", 0, S.REFUSED),
    (S.STOPPING, "1102", 0, S.REFUSED),
    (S.STOPPING, "1201", 0, S.CLAIMED),
    (S.STOPPING, "reset", 0, S.SETTLING),
    (S.STOPPING, "html-200", 0, S.EXPECTED),
    (S.STOPPING, "stop", 0, S.STOPPING),
    (S.FULL, "slot", 0, S.UNSENT),
    (S.FULL, "stop", 0, S.REFUSED),
    (S.CLAIMED, "look found", 0, S.ACCEPTED),
    (S.CLAIMED, "look not-found", 0, S.REFUSED),
    (S.CLAIMED, "look reset", 0, S.CLAIMED),
    (S.CLAIMED, "look reset", 14.9, S.CLAIMED),
    (S.CLAIMED, "look reset", 15, S.REFUSED),
    (S.CLAIMED, "stop", 0, S.CLAIMED),
    (S.SEARCHING, "search none", 31, S.MISSING),
    (S.SEARCHING, "search none", 300, S.REFUSED),
    (S.SEARCHING, "search one", 31, S.REFUSED),
    (S.SEARCHING, "search one-of-many", 31, S.REFUSED),
    (S.SEARCHING, "search two", 31, S.REFUSED),
    (S.SEARCHING, "search named", 31, S.ACCEPTED),
    (S.SEARCHING, "search reset", 31, S.SEARCHING),
    (S.SEARCHING, "search reset", 300, S.REFUSED),
    (S.SEARCHING, "search not-the-service", 31, S.REFUSED),
    (S.SEARCHING, "stop", 31, S.SEARCHING),
    (S.SETTLING, "look found", 1, S.ACCEPTED),
    (S.SETTLING, "look not-found", 1, S.SETTLING),
    (S.SETTLING, "look reset", 1, S.SETTLING),
    (S.SETTLING, "look not-found", 14.9, S.SETTLING),
    (S.SETTLING, "look not-found", 15, S.MISSING),
    (S.SETTLING, "look reset", 15, S.DOUBTFUL),
    (S.SETTLING, "look not-the-service", 1, S.REFUSED),
    (S.SETTLING, "look not-found", 300, S.REFUSED),
    (S.SETTLING, "stop", 1, S.SETTLING),
    (S.DOUBTFUL, "look found", 31, S.ACCEPTED),
    (S.DOUBTFUL, "look not-found", 31, S.MISSING),
    (S.DOUBTFUL, "look reset", 31, S.DOUBTFUL),
    (S.DOUBTFUL, "look html-404", 31, S.DOUBTFUL),
    (S.DOUBTFUL, "look not-found", 300, S.REFUSED),
    (S.DOUBTFUL, "look not-the-service", 31, S.REFUSED),
    (S.DOUBTFUL, "stop", 31, S.DOUBTFUL),
    (S.MISSING, "sending", 15, S.SENDING_AGAIN),
    (S.MISSING, "unreadable", 15, S.SETTLING),
    (S.MISSING, "unreached", 15, S.SETTLING),
    (S.MISSING, "closed", 15, S.SETTLING),
    (S.MISSING, "look not-found", 300, S.REFUSED),
    (S.MISSING, "look found", 300, S.ACCEPTED),
    (S.MISSING, "stop", 15, S.MISSING),
    (S.SENDING_AGAIN, "sending", 15, S.SENDING_AGAIN),
    (S.SENDING_AGAIN, "made", 15, S.ACCEPTED),
    (S.SENDING_AGAIN, "no task", 15, S.REFUSED),
    *((S.SENDING_AGAIN, fault, 15, S.SETTLING) for fault in [*READABLE, "1302", "1303", "unreached", "unreadable"]),
    *((S.SENDING_AGAIN, fault, 15, S.EXPECTED) for fault in [*UNREADABLE, *CLEAR, *CLAIMS]),
    (S.SENDING_AGAIN, "stop", 15, S.SENDING_AGAIN),
    (S.EXPECTED, "look found", 1, S.ACCEPTED),
    (S.EXPECTED, "look not-found", 14.9, S.EXPECTED),
    (S.EXPECTED, "look reset", 14.9, S.EXPECTED),
    (S.EXPECTED, "look not-found", 15, S.REFUSED),
    (S.EXPECTED, "look reset", 15, S.REFUSED),
    (S.EXPECTED, "look not-the-service", 1, S.REFUSED),
    (S.EXPECTED, "stop", 1, S.EXPECTED),
    (S.ACCEPTED, "stop", 0, S.ACCEPTED),
    (S.REFUSED, "stop", 0, S.REFUSED),
]


@pytest.mark.parametrize(("state", "event", "now", "then"), TABLE)
def test_what_an_event_means(state: CreateState, event: str, now: float, then: CreateState) -> None:
    """Each event in each state where it can occur leads to this state; only the two final ones have an end."""
    machine = machine_in(state)
    happens(machine, event, now)
    assert machine.state is then
    assert (machine.end is not None) is (then in {S.ACCEPTED, S.REFUSED})
    assert isinstance(machine.end, Task) is (then is S.ACCEPTED)


SEARCHES: list[tuple[CreateState, str, float, CreateState]] = [
    (S.SETTLING, "look not-found", 14.9, S.SETTLING),
    (S.SETTLING, "look not-found", 15, S.SEARCHING),
    (S.SETTLING, "look reset", 15, S.DOUBTFUL),
    (S.SETTLING, "look not-the-service", 15, S.REFUSED),
    (S.DOUBTFUL, "look not-found", 31, S.SEARCHING),
    (S.DOUBTFUL, "look found", 31, S.ACCEPTED),
    (S.DOUBTFUL, "look reset", 31, S.DOUBTFUL),
    (S.DOUBTFUL, "look reset", 300, S.SEARCHING),
    (S.DOUBTFUL, "look not-the-service", 300, S.REFUSED),
    (S.EXPECTED, "look not-found", 14.9, S.EXPECTED),
    (S.EXPECTED, "look not-found", 15, S.SEARCHING),
    (S.EXPECTED, "look reset", 15, S.SEARCHING),
    (S.EXPECTED, "look found", 15, S.ACCEPTED),
    (S.CLAIMED, "look reset", 15, S.REFUSED),
    (S.CLAIMED, "look not-found", 0, S.REFUSED),
]
"""The same where all tasks are looked at before anything is sent again."""


@pytest.mark.parametrize(("state", "event", "now", "then"), SEARCHES)
def test_what_an_event_means_with_searches(state: CreateState, event: str, now: float, then: CreateState) -> None:
    """A task not found by its id is searched in the list before another send, and before a doubt."""
    machine = create(searches=True)
    for earlier, at in TO[state]:
        happens(machine, earlier, at)
    happens(machine, event, now)
    assert machine.state is then


def test_the_table_is_complete_and_minimal() -> None:
    """`TRANSITIONS`, which the docs draw, has exactly the transitions of the tables above and those listed below."""
    shown = {(state, then) for state, _, _, then in [*TABLE, *SEARCHES] if state is not then}
    shown |= {(S.SEARCHING, S.DOUBTFUL)}  # after three sends
    assert {(state, then) for state, further in TRANSITIONS.items() for then in further} == shown


SEARCHED: list[tuple[str, dict[str, Any], CreateState]] = [
    ("none", {"keeps_id": None}, S.MISSING),
    ("none", {"keeps_id": True}, S.MISSING),
    ("none", {"keeps_id": False}, S.REFUSED),  # a twin would not be refused there
    ("none", {"resend": False}, S.REFUSED),
    ("one", {"keeps_id": None}, S.REFUSED),
    ("one", {"keeps_id": True}, S.REFUSED),
    ("one", {"keeps_id": False}, S.ACCEPTED),
    ("one", {"keeps_id": False, "resend": False}, S.ACCEPTED),
    ("one", {"keeps_id": False, "others_undecided": True}, S.REFUSED),
    ("one-of-many", {"keeps_id": False}, S.ACCEPTED),
    ("other-case", {"keeps_id": True}, S.REFUSED),
    ("two", {"keeps_id": False}, S.REFUSED),
    ("two", {"keeps_id": None}, S.REFUSED),
    ("named", {"keeps_id": None}, S.ACCEPTED),
    ("named", {"keeps_id": False, "others_undecided": True}, S.ACCEPTED),
    ("named", {"resend": False}, S.ACCEPTED),
]


@pytest.mark.parametrize(("found", "how", "then"), SEARCHED)
def test_a_search_of_all_tasks(found: str, how: dict[str, Any], then: CreateState) -> None:
    """A search accepts a task with our id, or a single one where ids are dropped; other candidates prevent a send."""
    machine = machine_in(S.SEARCHING, create(searches=True, **how))
    happens(machine, f"search {found}", 31)
    assert machine.state is then
    if isinstance(machine.end, Task):
        assert (machine.end.task_id, machine.end.external_task_id) == ("801" if found == "named" else "802", "mine")
    if isinstance(machine.end, CreateInDoubt):
        may_be = FOUND[found]
        assert isinstance(may_be, list)
        assert machine.end.candidates == tuple(task.reference for task in may_be)
        assert all(task.reference in machine.end.message for task in may_be)
        assert machine.end.reference == "image2video:mine"


def test_all_tasks_are_searched_one_delay_after_the_last_look_up() -> None:
    """The delay lets a task appear that the service created after the connection was lost."""
    machine = machine_in(S.SEARCHING)
    pause = machine.next(15)
    assert isinstance(pause, Pause)
    assert machine.next(15 + pause.seconds - 0.1) != Action.SEARCH
    assert machine.next(15 + pause.seconds) is Action.SEARCH


def test_a_probably_created_task_is_never_sent_again() -> None:
    """Expected -> searching -> refused: a search that finds nothing allows no other send."""
    machine = machine_in(S.EXPECTED, create(searches=True))
    happens(machine, "look not-found", 15)
    happens(machine, "search none", 31)
    assert type(machine.end) is CreateInDoubt


def test_after_three_sends_look_ups_and_searches_go_on() -> None:
    """Searching -> doubtful: look-ups and searches go on until the budget, with a last one at its end."""
    story = drive(create(searches=True), Service(["reset"] * 9))
    assert type(story.end) is CreateInDoubt
    assert len(story.times("send")) == SENDS
    assert len(story.times("list")) > SENDS
    assert story.times("look")[-1] > story.times("list")[SENDS - 1]
    assert story.steps[-1] == ("list", 300)


@pytest.mark.parametrize("offset", [-3600, 0, 3600])
def test_all_tasks_are_searched_from_the_first_send_on_by_the_services_clock(offset: float) -> None:
    """A search begins at the first send by the service's clock, which is unknown before the first answer."""
    machine = create(searches=True)
    machine.sending(WALL)
    happens(machine, "reset", 0)
    machine.looked_up(15, failure("not-found", look_up=True), offset)
    assert machine.search_since == moment(min(offset, 0) - CLOCK_TOLERANCE)
    happens(machine, "search none", 31)
    machine.sending(WALL + 31, offset)
    assert machine.search_since == moment(min(offset, 0) - CLOCK_TOLERANCE)


def test_an_older_task_with_the_users_id_is_a_conflict_in_the_list_too() -> None:
    """A search may return older tasks than requested; one with the user's id is a conflict."""
    old = attrs.evolve(OUTCOME, created_at=moment(-11))
    for adopt, kind in ((False, ExternalTaskIdConflict), (True, Task)):
        machine = create(searches=True, own_id=False, adopt=adopt)
        machine.sending(WALL)
        happens(machine, "reset", 0)
        happens(machine, "look not-found", 15)
        machine.searched(31, [old])
        assert isinstance(machine.end, kind)


MADE = attrs.evolve(UNNAMED, created_at=moment(0))


def searched(tasks: list[Task], others: Others = NO_OTHERS, **how: Any) -> Task | KlingError | None:
    """The end of a create, sent from 0 to 4 s, where ids are dropped and the list has these tasks."""
    machine = create(is_known=lambda task: task.task_id == "known", searches=True, keeps_id=False, **how)
    assert machine.next(0) is Action.SEND
    machine.sending(WALL)
    happens(machine, "reset", 4)
    happens(machine, "look not-found", 19)
    machine.searched(35, tasks, others)
    return machine.end


def test_tasks_of_others_are_no_candidates() -> None:
    """Tasks that are older, already followed, in the journal, or of another kind are no candidates."""
    others = [
        attrs.evolve(MADE, created_at=moment(-10.1)),
        attrs.evolve(MADE, task_id="known"),
        attrs.evolve(MADE, task_id="neighbour's"),
        attrs.evolve(MADE, status=TaskStatus.SUCCEED),
        attrs.evolve(MADE, external_task_id="theirs"),
    ]
    for fits in (
        attrs.evolve(MADE, status=TaskStatus.FAILED),
        attrs.evolve(MADE, status=TaskStatus.SUCCEED, videos=(Video(id="v", url="https://h/v.mp4"),)),
    ):
        end = searched([*others, fits], Others(frozenset({"neighbour's"})))
        assert isinstance(end, Task)
        assert (end.task_id, end.external_task_id) == ("802", "mine")


@pytest.mark.parametrize(
    ("made_at", "is_ours"),
    [(-10, False), (-1.1, False), (-1, True), (0, True), (6, True), (6.1, False), (60, False), (None, False)],
)
def test_only_a_task_created_during_the_send_is_accepted(
    made_at: float | None,
    *,
    is_ours: bool,
) -> None:
    """A task from outside the time of the send, within the clock error, or without a time causes a doubt."""
    end = searched([attrs.evolve(MADE, created_at=None if made_at is None else moment(made_at))])
    assert isinstance(end, Task if is_ours else CreateInDoubt)
    assert getattr(end, "candidates", ("image2video:802",)) == ("image2video:802",)


def test_a_task_that_another_client_may_have_created_is_not_accepted() -> None:
    """If another client's create is in doubt at the same time, a doubt names the task."""
    end = searched([MADE], Others(may_have_made=True))
    assert isinstance(end, CreateInDoubt)
    assert end.candidates == ("image2video:802",)


@pytest.mark.parametrize(("error", "names"), [(1.0, 0), (3600.0, 1)])
def test_candidates_depend_on_the_error_of_the_clock(error: float, names: int) -> None:
    """A task five minutes older may be ours where no answer has shown the service's clock."""
    end = searched([attrs.evolve(MADE, created_at=moment(-300))], clock_error=lambda: error)
    assert isinstance(end, CreateInDoubt)
    assert len(end.candidates) == names


@pytest.mark.parametrize(
    ("how", "may_be"),
    [
        ({"can_look_up": False}, True),
        ({"can_look_up": False, "own_id": False}, False),
        ({}, False),
        ({"searches": True}, True),
        ({"searches": True, "keeps_id": False}, True),
        ({"searches": True, "keeps_id": True}, False),
    ],
)
def test_paths_whose_tasks_may_lack_an_id(how: dict[str, Any], *, may_be: bool) -> None:
    """Tasks may lack an id on paths that do not take one, or that have not been seen to keep it."""
    assert create(**how).may_be_unnamed is may_be


@pytest.mark.parametrize("path", ["html-404", "html-405", "html-410", "gateway-404"])
@pytest.mark.parametrize("searches", [False, True])
def test_a_path_that_a_proxy_does_not_know_is_not_sent_to_again(path: str, *, searches: bool) -> None:
    """Settling -> refused: a server without this path would repeat its answer, so the create is not sent again."""
    for fault, kind in ((path, CreateInDoubt), (f"made-{path}", Task)):
        service = Service([fault])
        story = drive(create(searches=searches), service)
        assert isinstance(story.end, kind)
        assert story.times("send") == [0]
        assert service.now <= 45


def test_an_answer_about_anothers_task_proves_nothing_but_that_one_was_made() -> None:
    """Sending -> expected: an answer about another create's task counts as a 2xx that cannot be read."""
    machine = machine_in(S.SENDING, create(belongs_to_another=lambda task: task.task_id == OUTCOME.task_id))
    happens(machine, "made", 0)
    assert machine.state is S.EXPECTED
    happens(machine, "look found", 1)
    assert machine.state is S.EXPECTED
    happens(machine, "look found", 15)
    assert type(machine.end) is CreateInDoubt
    assert (machine.end.http_status, machine.end.code) == (200, None)
    assert "the answer is about image2video:801, the task of another create" in str(machine.end)


@pytest.mark.parametrize(
    ("state", "step"),
    [
        (S.UNSENT, Action.SEND),
        (S.FULL, Action.TAKE_SLOT),
        (S.CLAIMED, Action.LOOK_UP),
        (S.SETTLING, Pause(1)),
        (S.DOUBTFUL, Pause(2)),
        (S.MISSING, Action.SEND),
        (S.EXPECTED, Pause(1)),
    ],
)
def test_what_is_to_be_done_next(state: CreateState, step: Action | Pause) -> None:
    """Each state has one next action; a look-up follows after a delay, that of a possible duplicate at once."""
    machine = machine_in(state)
    now = TO[state][-1][1] if TO[state] else 0
    assert machine.next(now) == step
    if isinstance(step, Pause):
        assert isinstance(machine.next(now + step.seconds - 0.1), Pause)
        assert machine.next(now + step.seconds) is Action.LOOK_UP


@pytest.mark.parametrize("state", CreateState)
def test_a_create_that_may_be_billed_is_undecided(state: CreateState) -> None:
    """A create must not be dropped from its first byte until its outcome is certain."""
    assert machine_in(state).undecided is (state not in {S.UNSENT, S.FULL, S.ACCEPTED, S.REFUSED})


@pytest.mark.parametrize("state", [state for state in CreateState if state not in {S.ACCEPTED, S.REFUSED}])
@pytest.mark.parametrize("can_look_up", [True, False])
def test_an_interrupted_create_says_whether_it_may_be_billed(state: CreateState, *, can_look_up: bool) -> None:
    """A create cut off by close ends with `CreateInDoubt` if it may be billed, else with `ClientClosed`."""
    if not can_look_up and state not in {S.UNSENT, S.FULL, S.SENDING, S.STOPPING}:
        return  # without look-ups there is no other state
    machine = machine_in(state, create(can_look_up=can_look_up, searches=state is S.SEARCHING))
    error = machine.interrupted()
    assert machine.state is state
    assert str(error).startswith("the client was closed")
    if not machine.undecided:
        assert type(error) is ClientClosed
        assert "nothing was created" in str(error)
        assert error.reference is None
        return
    assert type(error) is CreateInDoubt
    assert "; it may be billed" in str(error)
    expected = ("image2video:mine", Remedy.FIND) if can_look_up else (None, Remedy.LIST)
    assert (error.reference, error.remedy) == expected
    assert ("account's list of tasks" in str(error)) is not can_look_up


def test_a_stopped_create_was_not_created() -> None:
    """Closing a client ends a create that has created nothing with an error that states this."""
    for state in (S.UNSENT, S.FULL):
        machine = machine_in(state)
        machine.stop()
        assert type(machine.end) is ClientClosed
        assert "nothing was created" in str(machine.end)
    machine = machine_in(S.STOPPING)
    happens(machine, "1302", 0)
    assert type(machine.end) is ClientClosed


# ------------------------------------------------------------------- endpoints that do not find by external id


@pytest.mark.parametrize("fault", DOUBTFUL)
def test_a_create_without_look_ups_is_never_sent_twice(fault: str) -> None:
    """Sending -> refused: without look-ups any doubt ends at once, without a reference."""
    service = Service([f"made-{fault}"])
    story = drive(create(can_look_up=False), service)
    assert type(story.end) is CreateInDoubt
    assert story.steps == [("send", 0)]
    assert (story.end.reference, story.end.remedy) == (None, Remedy.LIST)
    text = str(story.end)
    assert text.startswith("no answer said whether the task was created (the last send ended with: ")
    assert "); it may be billed: look for it in the account's list of tasks before it is submitted again" in text
    assert "among those of image2video that were created at about 2026-03-29 17:23:20 UTC" in text
    assert (story.end.endpoint, story.end.sent_at.timestamp()) == ("image2video", WALL)
    assert "looking it up" not in text


def test_a_doubt_has_its_send_time_by_the_services_clock() -> None:
    """A doubt has the send time by the service's clock, comparable with `created_at` of the list."""
    machine = create(can_look_up=False)
    machine.sending(WALL, clock_offset=-3600)
    happens(machine, "reset", 0)
    assert isinstance(machine.end, CreateInDoubt)
    assert machine.end.sent_at.timestamp() == WALL - 3600
    assert "about 2026-03-29 16:23:20 UTC" in str(machine.end)


@pytest.mark.parametrize("refusal", [*CLEAR, *CLAIMS])
def test_a_refusal_of_what_cannot_be_looked_up_is_final(refusal: str) -> None:
    """Sending -> refused: without look-ups a refusal is final, and has no reference."""
    story = drive(create(can_look_up=False), Service([refusal]))
    assert isinstance(story.end, KlingError)
    assert type(story.end) is not CreateInDoubt
    assert story.steps == [("send", 0)]
    assert (story.end.code, story.end.reference) == (int(refusal.partition("-")[0]), None)
    assert "; nothing was created" in str(story.end)


@pytest.mark.parametrize("passing", ["1302", "1303", "unreached"])
def test_a_send_that_surely_created_nothing_is_repeated(passing: str) -> None:
    """Unsent: without look-ups, a send refused as full or too fast, or that never left, is still repeated."""
    story = drive(create(can_look_up=False), Service([passing, passing], slot_takes=1))
    assert isinstance(story.end, Task)
    assert [at for step, at in story.steps if step == "send"] == ([0, 1, 2] if passing == "1303" else [0, 1, 3])


def test_doubt_keeps_what_the_service_said_last() -> None:
    """A doubt has the code, status and request id of the last send's answer."""
    for can_look_up in (True, False):
        story = drive(create(Retry(budget=0), can_look_up=can_look_up), Service(["5000"]))
        assert type(story.end) is CreateInDoubt
        assert (story.end.code, story.end.http_status) == (5000, 500)
        assert story.end.request_id is not None


# --------------------------------------------------------------------------------------------- numbers of sends


@pytest.mark.parametrize("passing", ["unreached", "1302", "1303"])
def test_what_fails_before_its_first_byte_gives_no_send_back(passing: str) -> None:
    """Missing: only a send that had begun is uncounted; one that never began was not counted."""
    machine = create()
    machine.sending(0)
    happens(machine, "reset", 0)
    now = 15.0
    happens(machine, "look not-found", now)
    for _ in range(3):  # each time this machine is short of open files
        happens(machine, passing, now)
        now += 15
        happens(machine, "look not-found", now)
    for _ in range(SENDS - 1):
        assert machine.state is S.MISSING
        machine.sending(now)
        happens(machine, "reset", now)
        now += 15
        happens(machine, "look not-found", now)
    assert machine.state is S.DOUBTFUL


def test_the_first_send_that_arrived_determines_the_age() -> None:
    """Age counts from the first send that may have created a task."""
    for second, kind in ((0.0, Task), (20.0, Task), (-10.0, Task), (-10.1, ExternalTaskIdConflict)):
        machine = create(own_id=False)
        machine.sending(moment(-1000).timestamp())
        happens(machine, "1302", 0)
        machine.sending(moment(0).timestamp())
        happens(machine, "reset", 0)
        happens(machine, "look not-found", 15)
        machine.sending(moment(15).timestamp())
        happens(machine, "reset", 15)
        machine.looked_up(
            16, Task(endpoint="image2video", task_id="8", status=TaskStatus.SUBMITTED, created_at=moment(second)), 0
        )
        assert isinstance(machine.end, kind)
