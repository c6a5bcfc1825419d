"""The drawing of a create shows what its machine does, by another way than that of the drawing."""

from docs.tools import machines, machines_page
from kling_async.protocol.create_states import CreateState
from kling_async.protocol.tasks import TaskStatus
from tests.protocol.test_create_recovery_states import TABLE


def test_each_step_of_the_table_is_drawn() -> None:
    """What the machine's own tests say of its states is on the page, and nothing between states besides."""
    edges = machines.of_a_create() | machines.of_a_create(keeps_id=None)
    drawn = {(edge.state, edge.then) for edge in edges if edge.state is not edge.then}
    told = {(state, then) for state, event, _, then in TABLE if not event.startswith("search") and state is not then}
    raw = {(CreateState.SENDING_AGAIN, CreateState.REFUSED)}  # success without a task, as only a `RawTask` gets it
    assert told - drawn == set()
    assert {(state, then) for state, then in drawn if CreateState.SEARCHING not in {state, then}} == told | raw


def test_each_state_has_a_place() -> None:
    """A state that is new is not forgotten, and no two cards lie on each other."""
    assert {*machines_page.PLACES, *machines.ENDS} == set(CreateState)
    assert set(machines_page.STATUS_PLACES) == set(TaskStatus)
    for places in (machines_page.PLACES, machines_page.STATUS_PLACES):
        assert len(set(places.values())) == len(places)


def test_the_page_has_no_empty_line_in_a_drawing() -> None:
    """One would end it, since it stands in Markdown; each arrow is in the table below it."""
    [(_, text)] = machines_page.pages()
    drawings = [each.partition("</div>")[0] for each in text.split('<div class="machine">')[1:]]
    assert len(drawings) == 4
    assert [drawing for drawing in drawings if "\n\n" in drawing] == []
