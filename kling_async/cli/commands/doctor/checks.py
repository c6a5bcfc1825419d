"""What `doctor` says: checks, each ok or with what to do, as text and as data."""

import enum
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, Final

import attrs

QUOTES: Final = "\"'`\u2018\u2019\u201c\u201d"
"""What `docker --env-file` and careless pasting leave around a value."""


class State(enum.Enum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    SKIPPED = "skipped"


@attrs.frozen
class Check:
    """One line.

    Attributes:
        name: what was looked at; one word that programs can rely on.
        state: how it ended.
        text: what was found.
        advice: what to do; empty where nothing is to be done.
    """

    name: str
    state: State
    text: str
    advice: str = ""


@attrs.frozen
class Note:
    """One thing that a check found besides.

    Attributes:
        text: what it is.
        advice: what to do.
        state: how bad it is.
    """

    text: str
    advice: str
    state: State = State.WARNING


def noted(name: str, text: str, notes: Sequence[Note]) -> Check:
    """A check that is as bad as the worst of its notes."""
    worst = next((s for s in (State.PROBLEM, State.WARNING) if any(note.state is s for note in notes)), State.OK)
    advice = dict.fromkeys(note.advice for note in notes if note.advice)
    return Check(name, worst, "; ".join([text, *(note.text for note in notes)]), "; ".join(advice))


def to_mend(checks: Iterable[Check]) -> list[str]:
    """The names of the checks that found something that must be mended."""
    return [check.name for check in checks if check.state is State.PROBLEM]


def as_text(checks: Sequence[Check], width: int | None = None) -> str:
    """For people: each check with what to do below it.

    Args:
        checks: in order.
        width: of the terminal; None for lines of any length.
    """
    return "\n".join(line for check in checks for line in _lines(check, width))


def as_data(checks: Sequence[Check]) -> list[dict[str, Any]]:
    """For programs."""
    return [
        {"name": check.name, "state": check.state.value, "text": check.text, "advice": check.advice or None}
        for check in checks
    ]


def summary(checks: Sequence[Check]) -> str:
    """All of it in one sentence."""
    problems, warned = to_mend(checks), [check.name for check in checks if check.state is State.WARNING]
    more = f" (worth a look: {', '.join(warned)})" if warned else ""
    return f"to be mended: {', '.join(problems)}{more}" if problems else f"nothing has to be mended{more}"


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
    # What can be copied stays whole: an address, a command's word.
    return textwrap.wrap(
        text,
        max(width, 50),
        initial_indent=first,
        subsequent_indent=later,
        break_on_hyphens=False,
        break_long_words=False,
    )
