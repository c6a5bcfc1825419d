"""Each row of the table of FAULTS.md holds, for each of its inputs; the earlier rows have separate tests."""

from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.faults.__main__ import FAULTS, README, ROWS, SECTION
from benchmarks.faults.current import CURRENT
from benchmarks.faults.row import Measured, Row
from benchmarks.faults.rules import RULES
from tests.faults.ends import End

QUICK = 2
"""Inputs of each row that are not marked as slow."""


def inputs() -> Iterator[Any]:
    """Each row with each of its inputs."""
    for row in (*RULES, *CURRENT):
        for number, name in enumerate(row.cases):
            marks = [] if number < QUICK else [pytest.mark.slow]
            yield pytest.param(row, name, id=f"{row.rule}, {row.done[:40]}: {name[:30]}", marks=marks)


@pytest.mark.parametrize(("row", "name"), list(inputs()))
def test_a_row_holds(row: Row, name: str) -> None:
    """Payments, files, outcome and time of an input are as in the table."""
    assert row.misses(row.cases[name]()) == ""


def test_every_rule_has_a_row() -> None:
    """Every rule has a row, six rows are in the README, and every row has inputs."""
    assert {row.rule for row in ROWS} == {*range(1, 20)}
    assert sum(row.sells for row in ROWS) == 6
    assert all(row.cases for row in ROWS)


def test_the_tables_in_the_documents_match_the_rows() -> None:
    """FAULTS.md has a line for each row, and the README for each advertised one; all are measured and hold."""
    faults = FAULTS.read_text(encoding="utf-8")
    section = SECTION.search(README.read_text(encoding="utf-8"))
    assert section is not None
    assert [row.done for row in ROWS if f"| {row.rule} | {row.done} | {row.must_be} |" not in faults] == []
    assert section[0].count("\n") == 2 + 6
    for text in (faults, section[0]):
        assert "not measured" not in text
        assert "**no:**" not in text


def row(**given: Any) -> Row:
    """A row whose inputs have these ends."""
    ends = {"a": End(1, 1, 20.0, "saved"), "b": End(2, 1, 30.0, "saved | twice")}
    cases = {name: lambda end=end: end for name, end in ends.items()}
    return Row(**{"rule": 1, "done": "x", "must_be": "y", "cases": cases, **given})


def test_a_row_that_does_not_hold_shows_why() -> None:
    """A row names each input with an unexpected end, and that end; its figures are those of the run."""
    found = Measured.of(row())
    assert found.missed == {"b": "2 paid, it came: saved | twice"}
    assert found.line == (
        "| 1 | x | y | 1 to 2 | 1 | 20 to 30 | **no:** 1 of 2: b: 2 paid, it came: saved \\| twice |\n"
    )


@pytest.mark.parametrize(
    ("given", "missed"),
    [
        ({"paid": None, "came": ".*"}, {}),
        ({"paid": None, "came": ".*", "within": 25}, {"b": "30 s"}),
        ({"paid": None, "came": ".*", "says": "why"}, {"a": "it said ''", "b": "it said ''"}),
        ({"paid": None, "came": ".*", "saved": 0}, {"a": "1 saved", "b": "1 saved"}),
    ],
)
def test_each_requirement_is_checked(given: dict[str, Any], missed: dict[str, str]) -> None:
    """Paid tasks, saved files, the text of the error and the time are checked separately."""
    assert Measured.of(row(**given)).missed == missed
