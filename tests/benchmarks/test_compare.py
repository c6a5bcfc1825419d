"""Marks for figures that got worse since another report."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as main
from benchmarks import compare
from benchmarks.compare import Figure
from benchmarks.work.runs import REPOSITORY

BEFORE = """# Results

## Where

2 cores, Linux. Measured: work 2026-01-01 (5 s).

| environment | versions |
| --- | --- |
| kling_async | 7 |

## Goals

| figure | goal | measured |  |
| --- | --- | --- | --- |
| CPU | at most 1.0 x | 1.30 (1.21 to 1.56) x (3.39 ms) | **missed by 30 %** |
| throughput | at least 0.8 x | 1.77 (1.65 to 1.88) x | met |

## Work

**500 tasks**

| client | CPU ms | lag s | server's CPU % |
| --- | ---: | ---: | ---: |
| aiohttp by hand | 2.7 | 1.5 | 5.0 |
| kling_async, 3 s * | 3.4 (3.3 to 3.7) | 1,475 | 4.0 |

**50 tasks**

| client | CPU ms |
| --- | ---: |
| kling_async, 3 s | 4.7 |

## Downloads

| client | at once | MB/s |
| --- | ---: | ---: |
| kling_async: `save` | 1 | 714 (697 to 748) |
| kling_async: `save` | 32 | 943 (855 to 1,019) |
"""
CPU = "Work, 500 tasks, kling_async, 3 s, CPU ms"


def test_nothing_is_worse_than_itself() -> None:
    """A report compared with itself is unchanged; so is the committed one."""
    committed = (REPOSITORY / "benchmarks" / "RESULTS.md").read_text("utf-8")
    assert compare.marked(BEFORE, BEFORE) == (BEFORE, [])
    assert compare.marked(committed, committed) == (committed, [])


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("3.4 (3.3 to 3.7)", "4.4 (4.3 to 4.7)", f"{CPU}: 4.4 (4.3 to 4.7), was 3.4 (3.3 to 3.7)"),
        ("1,475", "1,775", "Work, 500 tasks, kling_async, 3 s, lag s: 1,775, was 1,475"),
        ("| 4.7 |", "|  |", "Work, 50 tasks, kling_async, 3 s, CPU ms: not measured, was 4.7"),
        (
            "943 (855 to 1,019)",
            "643 (600 to 700)",
            "Downloads, kling_async: `save`, 32 at once, MB/s: 643 (600 to 700), was 943 (855 to 1,019)",
        ),
        (
            "1.30 (1.21 to 1.56) x",
            "1.80 (1.60 to 1.90) x",
            "Goals, CPU: 1.80 (1.60 to 1.90) x (3.39 ms), was 1.30 (1.21 to 1.56) x (3.39 ms)",
        ),
        ("1.77 (1.65 to 1.88) x", "1.2 x", "Goals, throughput: 1.2 x, was 1.77 (1.65 to 1.88) x"),
        ("1.77 (1.65 to 1.88) x", "not measured", "Goals, throughput: not measured, was 1.77 (1.65 to 1.88) x"),
    ],
)
def test_what_is_worse_is_marked_where_it_stands(old: str, new: str, told: str) -> None:
    """A worse or missing figure is marked with the old one, and a line names it; all else is unchanged."""
    text, worse = compare.marked(BEFORE.replace(old, new), BEFORE)
    assert worse == [told]
    assert f" **worse: was {told.rpartition(', was ')[2]}** |" in text
    assert text.count("**worse: was ") == 1
    assert len(text.splitlines()) == len(BEFORE.splitlines())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("3.4 (3.3 to 3.7)", "2.4 (2.3 to 2.7)"),  # better
        ("3.4 (3.3 to 3.7)", "4.4 (3.6 to 4.7)"),  # within what was seen
        ("3.4 (3.3 to 3.7)", "3.8"),  # hardly more
        ("943 (855 to 1,019)", "1,443 (1,300 to 1,500)"),  # more is better
        ("| 1.5 | 5.0 |", "| 9.5 | 5.0 |"),  # another client's
        ("| 1,475 | 4.0 |", "| 1,475 | 9.0 |"),  # the server's
        ("kling_async, 3 s *", "kling_async, 3 s"),  # the same row
        ("| kling_async | 7 |", "| kling_async | 9 |"),  # no figure
        ("kling_async, 3 s |", "kling_async, 4 s |"),  # was not measured before
    ],
)
def test_what_is_not_worse_is_left_alone(old: str, new: str) -> None:
    """Better, within the spread, of others, new: the report stays as it is."""
    assert old in BEFORE
    report = BEFORE.replace(old, new)
    assert compare.marked(report, BEFORE) == (report, [])


def test_a_row_is_known_whatever_is_added_to_its_name() -> None:
    """Neither the star of what ran beside others nor the number of runs that were whole makes another row of it."""
    report = BEFORE.replace("3 s * | 3.4 (3.3 to 3.7)", "3 s * (2 of 3 runs whole) | 9.9")
    assert compare.marked(report, BEFORE)[1] == [f"{CPU}: 9.9, was 3.4 (3.3 to 3.7)"]


@pytest.mark.parametrize("text", ["", "none", "met", "15.3 at 5 s; 9 at 8 s", ",", "1.2.3", "-"])
def test_what_is_no_figure_is_none(text: str) -> None:
    """Words, several figures, marks: nothing is compared with them."""
    assert Figure.read(text) is None


def test_the_section_names_all_that_is_worse() -> None:
    """With the commit and the machine of the report before."""
    said = compare.section(["a: 2, was 1", "b: 4, was 3"], BEFORE, "1234567 of 2026-01-02")
    assert "commit 1234567 of 2026-01-02: 2 cores, Linux. Measured: work 2026-01-01 (5 s)." in said
    assert said.endswith("\n\n- a: 2, was 1\n- b: 4, was 3\n")
    assert compare.section([], "", "1234567").endswith("\n\nNothing got worse.\n")


def test_a_run_that_is_worse_than_the_committed_one_says_so(tmp_path: Path, monkeypatch: Any) -> None:
    """The exit message names the figures; the report is marked, and has the section; without git nothing happens."""
    path = tmp_path / "RESULTS.md"
    path.write_text(BEFORE.replace("3.4 (3.3 to 3.7)", "9.9"))
    monkeypatch.setattr(main, "_git", lambda *_: "")
    assert main._compared(path) is None
    monkeypatch.setattr(main, "_git", lambda *words: BEFORE if words[0] == "show" else "1234567 of 2026-01-02\n")
    line = f"{CPU}: 9.9, was 3.4 (3.3 to 3.7)"
    assert main._compared(path) == f"worse than in the last committed run:\n{line}"
    assert "9.9 **worse: was 3.4 (3.3 to 3.7)** |" in path.read_text()
    assert path.read_text().endswith(f"\n\n- {line}\n")
    path.write_text(BEFORE)
    assert main._compared(path) is None
