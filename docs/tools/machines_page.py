"""The page of the state machines: drawings and tables of the transitions of tasks and creates."""

from collections.abc import Collection, Iterator, Mapping
from typing import Final, TypeVar

from docs.tools.drawing import Card, Place, svg
from kling_async.protocol import create_states, lifecycle
from kling_async.protocol.create_recovery import SENDS, TIMEOUT_FACTOR
from kling_async.protocol.create_states import CreateState
from kling_async.protocol.create_times import CLOCK_TOLERANCE
from kling_async.protocol.retry import Retry
from kling_async.protocol.tasks import TaskStatus

_S = CreateState
T = TypeVar("T")

PLACES: Final[Mapping[CreateState, Place]] = {
    _S.UNSENT: (0, 0),
    _S.FULL: (1, 0),
    _S.STOPPING: (2, 0),
    _S.SENDING: (0, 1),
    _S.CLAIMED: (1, 1),
    _S.DOUBTFUL: (0, 2),
    _S.SETTLING: (1, 2),
    _S.EXPECTED: (2, 2),
    _S.SEARCHING: (0, 3),
    _S.MISSING: (1, 3),
    _S.SENDING_AGAIN: (2, 3),
}
STATUS_PLACES: Final[Mapping[TaskStatus, Place]] = {
    TaskStatus.SUBMITTED: (0, 1),
    TaskStatus.PROCESSING: (1, 0),
    TaskStatus.SUCCEED: (2, 0),
    TaskStatus.FAILED: (2, 1),
}
ENDS: Final = {_S.ACCEPTED: ("accepted", "good"), _S.REFUSED: ("refused", "bad")}
"""Ends of a create, and their CSS classes on its cards."""

INTRODUCTION: Final = "Generated from the transition tables in the code, on each build of these pages."
A_TASK: Final = f"""Any other status is late or repeated, and ignored. If the service has no such task, that means
nothing in the first {lifecycle.NOT_FOUND_PATIENCE:.0f} seconds after it was accepted here, or last seen."""
A_CREATE: Final = f"""One request that creates a task, from its first byte to certainty: one paid task, whatever happens
to the responses. It is sent {SENDS} times at most, not counting sends that were refused as full or too fast, or that
failed before the first byte. The numbers are those of the table below.

- **accepted**: the task is known. **refused**: there is none, or this is unknown; then the error is `CreateInDoubt`.
- `settle` and `budget` are those of `Retry`: {Retry().settle:.0f} and {Retry().budget:.0f} seconds; after a timeout,
  `settle` is {TIMEOUT_FACTOR:.0f} times as long.
- A task that is found but was created more than {CLOCK_TOLERANCE:.0f} seconds before the first send is a conflict, or
  accepted with `if_exists="adopt"`.
- Where no id finds the task (lip-sync, `RawTask`), `CreateInDoubt` is raised at once in place of a look-up."""


def pages() -> Iterator[tuple[str, str]]:
    """Yields the page: its file and its text."""
    parts = ["# State machines", INTRODUCTION, "## A task", _task(), A_TASK, "## A create", A_CREATE, _create()]
    parts += ["### Transitions", _steps(), "### States", _states()]
    yield "machines.md", "\n\n".join(parts) + "\n"


def _task() -> str:
    cards = {status.value: Card(place, status.value) for status, place in STATUS_PLACES.items()}
    further = {status: after for status, after in lifecycle.TRANSITIONS.items() if status is not None}
    return svg("the statuses of a task", cards, dict.fromkeys(((a.value, b.value) for a, b in _pairs(further)), ""))


def _create() -> str:
    cards = {}
    for state, place in PLACES.items():
        ends = tuple(mark for end, mark in ENDS.items() if end in create_states.TRANSITIONS[state])
        cards[state.name] = Card(place, state.name, state.value, ends)
    return svg("a create", cards, {(a.name, b.name): number for (a, b), number in numbered().items() if number})


def numbered() -> dict[tuple[CreateState, CreateState], str]:
    """Returns all transitions with the numbers of their arrows; transitions to an end have none."""
    pairs = _pairs(create_states.TRANSITIONS)
    arrows = [pair for pair in pairs if pair[1] not in ENDS]
    return {pair: str(arrows.index(pair) + 1) if pair in arrows else "" for pair in pairs}


def _pairs(table: Mapping[T, Collection[T]]) -> list[tuple[T, T]]:
    """Returns each state with each possible next state, in the order of declaration."""
    order = list(table)
    return [(begin, end) for begin, further in table.items() for end in sorted(further, key=order.index)]


def _steps() -> str:
    rows = ["| | from | to | when |", "|--:|---|---|---|"]
    for (begin, end), number in numbered().items():
        rows.append(f"| {number} | `{begin.name}` | `{end.name}` | {create_states.TRANSITIONS[begin][end]} |")
    return "\n".join(rows)


def _states() -> str:
    return "\n".join(["| state | |", "|---|---|", *(f"| `{state.name}` | {state.value} |" for state in CreateState)])
