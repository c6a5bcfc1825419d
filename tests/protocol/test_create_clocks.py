"""Ages in a create where clocks may be wrong: its own, an earlier process's, or the service's."""

from typing import Any

import pytest

from kling_async.protocol.clock_offset import ABSURD, DATE_ERROR, MADE_ERROR, UNSEEN_ERROR
from kling_async.protocol.create_recovery import Action, Create
from kling_async.protocol.create_states import CreateState
from kling_async.protocol.create_times import EARLIER_PROCESS_ERROR
from kling_async.protocol.errors import ConnectionFailed, CreateInDoubt, ExternalTaskIdConflict, KlingError
from kling_async.protocol.tasks import Task, TaskStatus

from .create_world import WALL, create, failure, moment

HOUR = 3600.0
MISSING = failure("not-found", look_up=True)


def task(made_at: float, external_task_id: str | None = "mine") -> Task:
    """A task with a creation time by the service's clock."""
    return Task(
        endpoint="image2video",
        task_id="802",
        status=TaskStatus.SUBMITTED,
        external_task_id=external_task_id,
        created_at=moment(made_at),
    )


def taken_up(sent_at: float, *, offset: float = 0.0, **how: Any) -> Create:
    """A create sent by an earlier process at a time by its clock; the time is 0 now, and no task has its id."""
    machine = create(**{"searches": True, **how})
    machine.sent_before(0, WALL + sent_at, WALL)
    machine.looked_up(15, MISSING, offset)
    return machine


def searched(machine: Create, *tasks: Task) -> Create:
    """The create after a search of all tasks."""
    assert machine.state is CreateState.SEARCHING
    machine.searched(31, tasks)
    return machine


@pytest.mark.parametrize(("made_at", "may_be"), [(-ABSURD - 61, False), (-ABSURD - 60, True), (-60, True)])
def test_the_clock_of_an_earlier_process_may_have_been_ahead(made_at: float, *, may_be: bool) -> None:
    """Searching -> refused: a task of the previous day may be ours; only without one the create is sent again."""
    machine = searched(taken_up(-60), task(made_at, None))
    if may_be:
        assert isinstance(machine.end, CreateInDoubt)
        assert machine.end.candidates == ("image2video:802",)
    else:
        assert machine.next(32) is Action.SEND


@pytest.mark.parametrize("ahead", [11.0, HOUR, 365 * ABSURD])
def test_a_create_sent_in_the_future_is_not_sent_again(ahead: float) -> None:
    """A send time in the future makes a search by time unreliable: the doubt names possible tasks."""
    for tasks in ((), (task(-ABSURD, None),)):
        machine = searched(taken_up(ahead), *tasks)
        assert isinstance(machine.end, CreateInDoubt)
        assert len(machine.end.candidates) == len(tasks)
        assert machine.end.reference == "image2video:mine"
        assert "a clock that was ahead" in str(machine.end)
        assert machine.end.sent_at == moment(0)


def test_a_search_never_begins_before_1970() -> None:
    """A search never begins before 1970, which other systems do not support."""
    machine = create(searches=True)
    machine.sent_before(0, 60.0, WALL)
    assert machine.search_since.timestamp() == 0


def test_clocks_do_not_matter_where_ids_are_kept() -> None:
    """Where the service keeps ids, a create without a task is sent again, whenever it was sent."""
    for how in ({"keeps_id": True}, {"searches": False}):
        machine = taken_up(HOUR, **how)
        if machine.state is CreateState.SEARCHING:
            searched(machine)
        assert machine.next(32) is Action.SEND


def test_a_clock_that_is_behind_explains_a_send_in_the_future() -> None:
    """A send time in the future is plausible if the service's responses show that the clock is behind."""
    assert searched(taken_up(HOUR, offset=2 * HOUR)).next(32) is Action.SEND


@pytest.mark.parametrize(("ahead", "is_taken"), [(-60, True), (HOUR, True), (EARLIER_PROCESS_ERROR + 1, False)])
@pytest.mark.parametrize("searches", [False, True])
def test_no_age_by_the_clock_of_an_earlier_process_is_a_conflict(
    ahead: float, *, searches: bool, is_taken: bool
) -> None:
    """A task with the user's id is accepted, as it may be ours; if it seems much older, a doubt names it."""
    machine = create(own_id=False, searches=searches)
    machine.sent_before(0, WALL + ahead, WALL + max(ahead, 0))
    machine.looked_up(15, task(0), 0)
    assert isinstance(machine.end, Task if is_taken else CreateInDoubt)
    if isinstance(machine.end, CreateInDoubt):
        assert machine.end.candidates == ("image2video:802",)
        assert "the clock of that process was wrong" in str(machine.end)


def test_an_own_id_that_an_earlier_process_sent_has_no_age() -> None:
    """A generated id that an earlier process sent is ours, however old its task seems."""
    machine = create()
    machine.sent_before(0, WALL + 9 * HOUR, WALL)
    machine.looked_up(15, task(-1), 0)
    assert isinstance(machine.end, Task)


def sent(set_by: float, outcome: Task | KlingError, **how: Any) -> Create:
    """A create whose answer was lost; then the machine's clock is set, which the monotonic clock reveals."""
    machine = create(**how)
    assert machine.next(0) is Action.SEND
    machine.sending(WALL, counts_from=WALL)
    machine.answered(1, ConnectionFailed("reset"))
    machine.looked_up(16, outcome, 0, WALL + set_by)
    return machine


def test_a_clock_that_is_set_back_makes_no_task_older() -> None:
    """Settling -> accepted: the clock was ahead at the send; a task that is surely older is a conflict."""
    assert isinstance(sent(-HOUR, task(-HOUR), own_id=False).end, Task)
    assert isinstance(sent(-HOUR, task(-HOUR - 11), own_id=False).end, ExternalTaskIdConflict)
    assert isinstance(sent(HOUR, task(0), own_id=False).end, Task)  # or the machine slept


@pytest.mark.parametrize(("set_by", "since"), [(-HOUR, -HOUR - 10), (HOUR, -10), (0, -10)])
def test_a_search_begins_at_the_first_send_by_either_clock(set_by: float, since: float) -> None:
    """A search begins with the earliest possible time of the first send, by the old and the new clock."""
    machine = sent(set_by, MISSING, searches=True)
    assert machine.search_since == moment(since)
    assert isinstance(searched(machine, task(since, None)).end, CreateInDoubt)


@pytest.mark.parametrize(("set_by", "kind"), [(-2, CreateInDoubt), (2, CreateInDoubt), (0.5, Task)])
def test_no_task_without_its_id_is_accepted_once_the_clock_was_set(set_by: float, kind: type) -> None:
    """Once the clock was set by seconds, no task without our id is accepted: its time proves nothing."""
    machine = sent(set_by, MISSING, searches=True, keeps_id=False)
    assert isinstance(searched(machine, task(0, None)).end, kind)


def claimed(made_at: float, *, error: float, from_key: bool = True, offset: float = 0.0, adopt: bool = False) -> Create:
    """A create whose first send was refused because a task has its id."""
    machine = create(from_key=from_key, adopt=adopt, clock_error=lambda: error)
    machine.sending(WALL)
    machine.answered(1, failure("1201"))
    machine.looked_up(1, task(made_at), offset)
    return machine


@pytest.mark.parametrize("error", [DATE_ERROR, MADE_ERROR])
@pytest.mark.parametrize("offset", [0, -300, 300])
def test_a_task_created_by_a_copy_of_the_journal_is_not_ours(error: float, offset: float) -> None:
    """Claimed -> refused: a task with our key's id from before our first send is another's, and is named."""
    machine = claimed(offset - 3, error=error, offset=offset)
    assert isinstance(machine.end, ExternalTaskIdConflict)
    assert machine.end.reference == "image2video:802"
    assert "was the journal copied" in str(machine.end)
    assert isinstance(claimed(offset - 1, error=error, offset=offset).end, Task)
    assert isinstance(claimed(offset - 3, error=error, offset=offset, adopt=True).end, Task)


def test_a_refusal_by_age_needs_a_clock_that_is_known() -> None:
    """An old task is no conflict where no `Date` was seen, or where the id is not made from a key."""
    assert isinstance(claimed(-300, error=UNSEEN_ERROR).end, Task)
    assert isinstance(claimed(-9 * HOUR, error=DATE_ERROR, from_key=False).end, Task)


def test_a_task_with_the_id_of_our_key_after_a_send_is_ours() -> None:
    """Expected -> accepted: a second send is refused because of the first one's task, whatever its creation time."""
    machine = create(from_key=True)
    machine.sending(WALL)
    machine.answered(1, ConnectionFailed("reset"))
    machine.looked_up(16, MISSING, 0)
    machine.sending(WALL + 16)
    machine.answered(17, failure("1201"))
    machine.looked_up(17, task(-HOUR), 0)
    assert isinstance(machine.end, Task)


def test_a_clock_that_was_never_compared_may_be_an_hour_ahead() -> None:
    """Without any `Date`, the clock may be an hour ahead; only a task older than that is a conflict."""
    for made_at, kind in ((-HOUR, Task), (-HOUR - 1, ExternalTaskIdConflict)):
        machine = create(own_id=False, clock_error=lambda: UNSEEN_ERROR)
        machine.sending(WALL)
        machine.answered(1, failure("1201"))
        machine.looked_up(1, task(made_at), 0)
        assert isinstance(machine.end, kind)
