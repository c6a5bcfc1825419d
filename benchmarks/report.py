"""The report of all parts: machine and versions, goals, then the section of each part."""

import os
import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from benchmarks import plot
from benchmarks.figures import Goal, number, table


@attrs.frozen
class Section:
    """The report of one part.

    Attributes:
        text: Section in Markdown.
        goals: Rows for the table of goals.
    """

    text: str
    goals: Sequence[Goal]


def write(
    directory: Path,
    sections: Sequence[Section],
    kept: Mapping[str, Mapping[str, Any]],
    versions: Mapping[str, Mapping[str, str]],
) -> None:
    """Writes `RESULTS.md` and the plot.

    Args:
        directory: Of the report.
        sections: Of the parts.
        kept: Raw figures of each part, with date and duration.
        versions: Of each environment.
    """
    drawn = plot.draw({name: part["data"] for name, part in kept.items()}, directory / "RESULTS.svg")
    parts = [
        "# Results\n\nWritten by `nox -s bench`; nothing here is typed in by hand.",
        *(["![CPU, requests and lag of each client](RESULTS.svg)"] if drawn else []),
        _machine(kept, versions),
        "## Goals\n\n" + goals_table([goal for section in sections for goal in section.goals]),
        *(section.text.strip() for section in sections),
    ]
    (directory / "RESULTS.md").write_text("\n\n".join(parts) + "\n", "utf-8")


def _machine(kept: Mapping[str, Mapping[str, Any]], versions: Mapping[str, Mapping[str, str]]) -> str:
    rows = [
        [name, ", ".join(f"{package} {version}" for package, version in of.items())] for name, of in versions.items()
    ]
    parts = ", ".join(f"{name} {part['measured']} ({number(part['seconds'])} s)" for name, part in kept.items())
    machine = f"{os.cpu_count()} cores ({processor()}), {platform.system()}, Python {platform.python_version()}"
    # All columns left-aligned: there are no figures in this table.
    versions_table = table(["environment", "versions"], rows).replace("---:", "---")
    return f"## Where\n\n{machine}. Measured: {parts}.\n\n{versions_table}"


def goals_table(goals: Sequence[Goal]) -> str:
    """Returns a table of the goals with their figures."""
    rows = [[goal.name, goal.goal, goal.measured, _verdict(goal)] for goal in goals]
    return table(["figure", "goal", "measured", ""], rows).replace("---:", "---")


def _verdict(goal: Goal) -> str:
    if goal.excess is None:
        return "**not measured**"
    return "met" if goal.met else f"**missed by {number(100 * goal.excess)} %**"


def processor() -> str:
    """Returns the name of this machine's processor."""
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1] if found else platform.machine()
