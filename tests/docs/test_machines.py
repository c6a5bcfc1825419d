"""The drawings of the state machines are complete."""

from docs.tools import machines_page
from kling_async.protocol.create_states import TRANSITIONS, CreateState
from kling_async.protocol.tasks import TaskStatus


def test_each_state_has_a_place() -> None:
    """Each state has a place in the drawings, and no two cards overlap."""
    assert {*machines_page.PLACES, *machines_page.ENDS} == set(CreateState)
    assert set(machines_page.STATUS_PLACES) == set(TaskStatus)
    for places in (machines_page.PLACES, machines_page.STATUS_PLACES):
        assert len(set(places.values())) == len(places)


def test_each_step_is_drawn_and_explained() -> None:
    """Each transition is an arrow with its reason below; transitions to ends are marks on the cards."""
    [(_, text)] = machines_page.pages()
    _, task, create = (each.partition("</div>")[0] for each in text.split('<div class="machine">'))
    steps = [(begin, end) for begin, further in TRANSITIONS.items() for end in further]
    arrows = [step for step in steps if step[1] not in machines_page.ENDS]
    assert create.count('class="arrow"') == len(arrows)
    assert task.count('class="arrow"') == 5
    assert create.count('class="good"') + create.count('class="bad"') == len(steps) - len(arrows)
    for begin, end in steps:
        assert f"| `{begin.name}` | `{end.name}` | {TRANSITIONS[begin][end]} |" in text


def test_a_drawing_has_no_empty_line() -> None:
    """An empty line would end the drawing, since it is embedded in Markdown."""
    [(_, text)] = machines_page.pages()
    assert all("\n\n" not in each.partition("</div>")[0] for each in text.split('<div class="machine">')[1:])
