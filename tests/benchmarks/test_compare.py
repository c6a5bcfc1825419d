"""Marks on figures that got worse since another report."""

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
    """A report compared with itself is unchanged, the committed one too."""
    committed = (REPOSITORY / "benchmarks" / "RESULTS.md").read_text("utf-8")
    assert compare.marked(BEFORE, BEFORE) == (BEFORE, [])
    assert compare.marked(committed, committed) == (committed, [])


@pytest.mark.parametrize(
    ("old", "new", "expected"),
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
def test_worse_figures_are_marked(old: str, new: str, expected: str) -> None:
    """A worse or missing figure is marked with the old one, and a line names it; all else is unchanged."""
    text, worse = compare.marked(BEFORE.replace(old, new), BEFORE)
    assert worse == [expected]
    assert f" **worse: was {expected.rpartition(', was ')[2]}** |" in text
    assert text.count("**worse: was ") == 1
    assert len(text.splitlines()) == len(BEFORE.splitlines())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("3.4 (3.3 to 3.7)", "2.4 (2.3 to 2.7)"),  # better
        ("3.4 (3.3 to 3.7)", "4.4 (3.6 to 4.7)"),  # within the spread
        ("3.4 (3.3 to 3.7)", "3.8"),  # hardly more
        ("943 (855 to 1,019)", "1,443 (1,300 to 1,500)"),  # more is better
        ("| 1.5 | 5.0 |", "| 9.5 | 5.0 |"),  # another client's
        ("| 1,475 | 4.0 |", "| 1,475 | 9.0 |"),  # the server's
        ("kling_async, 3 s *", "kling_async, 3 s"),  # the same row
        ("| kling_async | 7 |", "| kling_async | 9 |"),  # no figure
        ("kling_async, 3 s |", "kling_async, 4 s |"),  # was not measured before
    ],
)
def test_other_figures_are_unchanged(old: str, new: str) -> None:
    """Figures that are better, within the spread, of other clients or new leave the report unchanged."""
    assert old in BEFORE
    report = BEFORE.replace(old, new)
    assert compare.marked(report, BEFORE) == (report, [])


def test_additions_to_a_name_are_ignored() -> None:
    """A star or a number of whole runs after a row's name does not make it another row."""
    report = BEFORE.replace("3 s * | 3.4 (3.3 to 3.7)", "3 s * (2 of 3 runs whole) | 9.9")
    assert compare.marked(report, BEFORE)[1] == [f"{CPU}: 9.9, was 3.4 (3.3 to 3.7)"]


@pytest.mark.parametrize("text", ["", "none", "met", "15.3 at 5 s; 9 at 8 s", ",", "1.2.3", "-"])
def test_text_that_is_not_a_figure(text: str) -> None:
    """Words, several figures and marks are not compared."""
    assert Figure.read(text) is None


def test_the_section_names_all_that_is_worse() -> None:
    """The section lists all worse figures, with commit and machine of the earlier report."""
    section = compare.section(["a: 2, was 1", "b: 4, was 3"], BEFORE, "1234567 of 2026-01-02")
    assert "commit 1234567 of 2026-01-02: 2 cores, Linux. Measured: work 2026-01-01 (5 s)." in section
    assert section.endswith("\n\n- a: 2, was 1\n- b: 4, was 3\n")
    assert compare.section([], "", "1234567").endswith("\n\nNothing got worse.\n")


def test_a_worse_run_is_reported(tmp_path: Path, monkeypatch: Any) -> None:
    """A worse run is marked, and its exit message names the figures; without git nothing happens."""
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
