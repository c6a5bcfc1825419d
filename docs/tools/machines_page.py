"""The page of the state machines: pictures and tables of what `machines` finds."""

from collections.abc import Iterable, Iterator
from typing import Final

from docs.tools import machines
from docs.tools.drawing import Card, Place, svg
from docs.tools.machines import EARLY, ENDS, JUMPS, Edge
from kling_async.protocol.create_recovery import CLOCK_TOLERANCE, SENDS, TIMEOUT_FACTOR
from kling_async.protocol.create_states import CreateState
from kling_async.protocol.lifecycle import NOT_FOUND_PATIENCE
from kling_async.protocol.tasks import TaskStatus

S = CreateState

PLACES: Final[dict[CreateState, Place]] = {
    S.UNSENT: (0, 0),
    S.FULL: (1, 0),
    S.STOPPING: (2, 0),
    S.SENDING: (0, 1),
    S.CLAIMED: (1, 1),
    S.DOUBTFUL: (0, 2),
    S.SETTLING: (1, 2),
    S.EXPECTED: (2, 2),
    S.SEARCHING: (0, 3),
    S.MISSING: (1, 3),
    S.SENDING_AGAIN: (2, 3),
}
STATUS_PLACES: Final[dict[TaskStatus, Place]] = {
    TaskStatus.SUBMITTED: (0, 1),
    TaskStatus.PROCESSING: (1, 0),
    TaskStatus.SUCCEED: (2, 0),
    TaskStatus.FAILED: (2, 1),
}
MARKS: Final = {S.ACCEPTED: ("accepted", "good"), S.REFUSED: ("refused", "bad")}


INTRODUCTION: Final = """Drawn from the code that decides, whenever these pages are built. A task's comes from a table;
for a create's, everything that can happen is let happen in each state that it can come to."""
A_TASK: Final = f"""Any other news is late or doubled, and changes nothing. That the service does not know a task means
nothing in the first {NOT_FOUND_PATIENCE:.0f} seconds after it was accepted."""
A_CREATE: Final = f"""One request that makes a task, from its first byte to certainty: one paid task, whatever happens
to the answers. It is sent {SENDS} times at most, not counting what was refused as full or too fast, or never left.
Point at a card to read what is known there; the numbers are those of the table.

- **accepted**: the task is known. **refused**: there is none, or nobody knows, and then the error is `CreateInDoubt`.
- `settle` and `budget` are those of `Retry`: {machines.RETRY.settle:.0f} and {machines.RETRY.budget:.0f} seconds;
  after a timeout, `settle` is {TIMEOUT_FACTOR:.0f} times as long.
- A task that is found but was made more than {CLOCK_TOLERANCE:.0f} seconds before the first send is a conflict, or
  accepted with `if_exists="adopt"`.
- `SEARCHING` is for paths of which nobody has shown whether they keep the external id."""
DROPS: Final = "Nothing is sent again; the task is looked for among all tasks since the first send."
NOT_FOUND: Final = "Lip-sync and `RawTask`: what may have made a task ends as `CreateInDoubt` at once."


def pages() -> Iterator[tuple[str, str]]:
    """The one page."""
    usual = machines.of_a_create() | machines.of_a_create(keeps_id=None)
    drops, not_found = machines.of_a_create(keeps_id=False), machines.of_a_create(can_look_up=False)
    parts = ["# State machines", INTRODUCTION, "## A task", svg("the statuses of a task", *_of_a_task()), A_TASK]
    parts += ["## A create", A_CREATE, _picture("a create", usual), _arrows(usual), "### Step by step", _steps(usual)]
    parts += ["### Where the path was seen to drop the id", DROPS]
    parts += [_picture("a create of a path that drops ids", drops, {S.SEARCHING: (1, 2)}), _arrows(drops)]
    parts += ["### Where no id finds the task", NOT_FOUND]
    parts += [_picture("a create that cannot be looked up", not_found), _arrows(not_found)]
    yield "machines.md", "\n\n".join(parts) + "\n"


def _of_a_task() -> tuple[dict[str, Card], dict[tuple[str, str], int]]:
    table = machines.of_a_task()
    cards = {status.value: Card(place, status.value) for status, place in STATUS_PLACES.items()}
    steps = [(status.value, after.value) for status in TaskStatus for after in TaskStatus if after in table[status]]
    return cards, {step: number for number, step in enumerate(steps, 1)}


def numbered(edges: Iterable[Edge]) -> dict[tuple[CreateState, CreateState], int]:
    """The arrows of a drawing: all steps to another state that is no end, in the order of the states."""
    steps = {(edge.state, edge.then) for edge in edges if edge.then not in ENDS and edge.then is not edge.state}
    order = list(CreateState)
    return {step: n for n, step in enumerate(sorted(steps, key=lambda it: (order.index(it[0]), order.index(it[1]))), 1)}


def _picture(label: str, edges: frozenset[Edge], moved: dict[CreateState, Place] | None = None) -> str:
    places = PLACES | (moved or {})
    cards = {}
    for state in CreateState:
        ends = {edge.then for edge in edges if edge.state is state and edge.then in ENDS}
        if ends:
            marks = tuple(MARKS[end] for end in MARKS if end in ends)
            cards[state.name] = Card(places[state], state.name, state.value, marks)
        elif any(edge.state is state for edge in edges):
            cards[state.name] = Card(places[state], state.name, state.value)
    return svg(label, cards, {(begin.name, end.name): n for (begin, end), n in numbered(edges).items()})


def _arrows(edges: frozenset[Edge]) -> str:
    rows = ["| | from | to | when |", "|--:|---|---|---|"]
    for (begin, end), number in numbered(edges).items():
        events: dict[str, set[str]] = {}
        for edge in edges:
            if (edge.state, edge.then) == (begin, end):
                events.setdefault(edge.event, set()).add(edge.when)
        said = "; ".join(sorted(_with_time(event, whens) for event, whens in events.items()))
        rows.append(f"| {number} | `{begin.name}` | `{end.name}` | {said} |")
    return "\n".join(rows)


def _with_time(event: str, whens: set[str]) -> str:
    return event if EARLY in whens else f"{event}, {min(whens, key=list(JUMPS).index)}"


def _steps(edges: frozenset[Edge]) -> str:
    rows = ["| in | what happens | leads to |", "|---|---|---|"]
    for state in CreateState:
        named = f"**{state.name}**: {state.value}"
        for event in dict.fromkeys(edge.event for edge in sorted(edges, key=_order)):
            found = [edge for edge in edges if (edge.state, edge.event) == (state, event)]
            if found:
                rows.append(f"| {named} | {event} | {_leads(found)} |")
                named = ""
    return "\n".join(rows)


def _order(edge: Edge) -> tuple[int, str]:
    events = [*machines.ANSWERS, *machines.LOOKS, *machines.SEARCHES]
    return (events.index(edge.event) if edge.event in events else -1, edge.event)


def _leads(found: list[Edge]) -> str:
    """Where an event leads to, with what is another state later."""
    said: list[str] = []
    before: set[CreateState] = set()
    for when in JUMPS:
        then = {edge.then for edge in found if edge.when == when}
        if then and then != before:
            names = " or ".join(f"`{state.name}`" for state in CreateState if state in then)
            said.append(f"{when} {names}".strip())
            before = then
    return ", ".join(said)
