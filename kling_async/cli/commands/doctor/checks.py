"""The checks of `doctor`, each with its state and advice, as text and as JSON data."""

import enum
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, Final

import attrs

QUOTES: Final = "\"'`\u2018\u2019\u201c\u201d"
"""Quotes that `docker --env-file` and careless pasting leave around a value."""


class State(enum.Enum):
    """The state of a check."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    SKIPPED = "skipped"


@attrs.frozen
class Check:
    """One check and its result.

    Attributes:
        name: one word, stable for programs.
        state: of the check.
        text: result for people.
        advice: how to fix a problem; empty where there is none.
    """

    name: str
    state: State
    text: str
    advice: str = ""


@attrs.frozen
class Note:
    """An additional finding of a check.

    Attributes:
        text: the finding.
        advice: how to fix it.
        state: its severity.
    """

    text: str
    advice: str
    state: State = State.WARNING


def noted(name: str, text: str, notes: Sequence[Note]) -> Check:
    """Returns a check with the state of the worst of its notes."""
    worst = next((s for s in (State.PROBLEM, State.WARNING) if any(note.state is s for note in notes)), State.OK)
    advice = dict.fromkeys(note.advice for note in notes if note.advice)
    return Check(name, worst, "; ".join([text, *(note.text for note in notes)]), "; ".join(advice))


def problems_in(checks: Iterable[Check]) -> list[str]:
    """Returns the names of the checks that found a problem."""
    return [check.name for check in checks if check.state is State.PROBLEM]


def as_text(checks: Sequence[Check], width: int | None = None) -> str:
    """Returns text for people: each check, with its advice below.

    Args:
        checks: in order.
        width: of the terminal; None for lines of any length.
    """
    return "\n".join(line for check in checks for line in _lines(check, width))


def as_data(checks: Sequence[Check]) -> list[dict[str, Any]]:
    """Returns JSON data."""
    return [
        {"name": check.name, "state": check.state.value, "text": check.text, "advice": check.advice or None}
        for check in checks
    ]


def summary(checks: Sequence[Check]) -> str:
    """Returns one sentence about all checks."""
    problems, warned = problems_in(checks), [check.name for check in checks if check.state is State.WARNING]
    more = f" (worth a look: {', '.join(warned)})" if warned else ""
    return f"problems: {', '.join(problems)}{more}" if problems else f"no problems found{more}"


_MARKS: Final = {State.OK: "ok", State.WARNING: "warning", State.PROBLEM: "PROBLEM", State.SKIPPED: "skipped"}
_INDENT: Final = " " * 22


def _lines(check: Check, width: int | None) -> list[str]:
    lines = _wrapped(f"{_MARKS[check.state]:<9}{check.name:<13}", check.text, _INDENT, width)
    if check.advice:
        lines += _wrapped(f"{_INDENT}-> ", check.advice, f"{_INDENT}   ", width)
    return lines


def _wrapped(first: str, text: str, later: str, width: int | None) -> list[str]:
    if width is None:
        return [first + text]
    # Addresses and words of commands are not broken, so that they can be copied.
    return textwrap.wrap(
        text,
        max(width, 50),
        initial_indent=first,
        subsequent_indent=later,
        break_on_hyphens=False,
        break_long_words=False,
    )
