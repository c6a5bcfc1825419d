"""Finds figures of this client that are worse than in another report, beyond the spread of its runs."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

import attrs

MARGIN: Final = 1.15
"""Factor by which a median must be worse: two runs of the same code differ by this much on an idle machine."""
OURS: Final = "kling_async"
WHERE: Final = "Where"
GOALS: Final = "Goals"
MORE_IS_BETTER: Final = {"MB/s", "beside `curl`", "files whole"}
"""Columns in which more is better; the same holds for goals of "at least"."""
NOT_OURS: Final = ("server's", "its worst")
"""Prefixes of columns and titles about the server."""
NAMING: Final = {"at once"}
"""Columns that, like the first, identify a row."""

_NUMBER: Final = r"(-?\d[\d,]*(?:\.\d+)?)"
_FIGURE: Final = re.compile(rf"{_NUMBER}(?: \({_NUMBER} to {_NUMBER}\))?")


@attrs.frozen
class Figure:
    """A figure of a report.

    Attributes:
        median: Of all runs.
        low: The lowest.
        high: The highest.
    """

    median: float
    low: float
    high: float

    @classmethod
    def read(cls, text: str, *, alone: bool = True) -> "Figure | None":
        """Parses `1.9 (1.8 to 2.1)` or `1.9`; None for other text, or, with `alone`, if more text follows."""
        found = _FIGURE.fullmatch(text) if alone else _FIGURE.match(text)
        if found is None:
            return None
        median, low, high = (float((part or found[1]).replace(",", "")) for part in found.groups())
        return cls(median, low, high)

    def is_worse_than(self, before: "Figure", *, more_is_better: bool) -> bool:
        """Whether all runs are worse than all of those before, and the median by more than `MARGIN`."""
        if more_is_better:
            return self.high < before.low and self.median * MARGIN < before.median
        return self.low > before.high and self.median > before.median * MARGIN


@attrs.frozen
class Cell:
    """A table cell with a figure of this client.

    Attributes:
        line: Number of its line.
        place: Number of its column.
        key: Identifies the figure in all reports.
        text: Of the cell.
        figure: Parsed from the text; None where it contains none.
        more_is_better: Whether a higher figure is better.
    """

    line: int
    place: int
    key: tuple[str, ...]
    text: str
    figure: Figure | None
    more_is_better: bool = False


def marked(text: str, before: str) -> tuple[str, list[str]]:
    """Marks figures in a report that got worse.

    Args:
        text: Report made by `report.write`.
        before: Report to compare with.

    Returns:
        The report, with the old figure added to each cell that is worse now or empty; and a line for each such cell.
    """
    earlier = {cell.key: cell for cell in _cells(before) if cell.figure is not None}
    lines, worse = text.splitlines(), []
    for cell in _cells(text):
        old = earlier.get(cell.key)
        if old is None or old.figure is None:
            continue
        if cell.figure is None or cell.figure.is_worse_than(old.figure, more_is_better=cell.more_is_better):
            cells = _split(lines[cell.line])
            cells[cell.place] += f" **worse: was {old.text}**"
            lines[cell.line] = f"| {' | '.join(cells)} |"
            worse.append(f"{', '.join(cell.key)}: {cell.text or 'not measured'}, was {old.text}")
    return "\n".join(lines) + "\n", worse


def section(worse: Sequence[str], before: str, commit: str) -> str:
    """Returns the section of the report about figures that got worse.

    Args:
        worse: Lines from `marked`.
        before: The other report.
        commit: That the other report is from.
    """
    where = re.search(r"^## Where\n\n(.+)$", before, re.MULTILINE)
    made = where[1] if where else "on an unknown machine."
    head = f"## Compared with the last committed run\n\nThat of commit {commit}: {made}"
    found = "".join(f"- {line}\n" for line in worse) if worse else "Nothing got worse.\n"
    return (
        f"{head} Worse is what lies beyond all runs of then, by its median more than {MARGIN - 1:.0%}; only figures of "
        f"`{OURS}` are compared. On another machine, or one that is busier, all of them may be worse.\n\n{found}"
    )


def _cells(text: str) -> Iterator[Cell]:
    """Yields the figures of this client in all tables of a report."""
    heading = title = ""
    header: list[str] = []
    for number, line in enumerate(text.splitlines()):
        if line.startswith("## "):
            heading, title = line[3:], ""
        elif line.startswith("**"):
            title = line.strip("*")
        if not line.startswith("| "):
            header = []
        elif not header:
            header = _split(line)
        elif not line.startswith("| ---"):
            yield from _of_row(number, heading, title, header, _split(line))


def _of_row(line: int, heading: str, title: str, header: list[str], row: list[str]) -> Iterator[Cell]:
    if heading == GOALS:
        name, goal, measured, _ = row
        figure, more = Figure.read(measured, alone=False), goal.startswith("at least")
        yield Cell(line, 2, (heading, name), measured, figure, more)
    elif row[0].startswith(OURS) and heading != WHERE and not title.startswith(NOT_OURS):
        # Without the star for runs beside others, and without the number of whole runs.
        name = re.sub(r"( \*)?( \(\d+ of \d+ runs whole\))?$", "", row[0])
        of = tuple(f"{row[place]} {column}" for place, column in enumerate(header) if column in NAMING)
        for place, column in enumerate(header):
            if place and column not in NAMING and not column.startswith(NOT_OURS):
                key = tuple(part for part in (heading, title, name, *of, column) if part)
                yield Cell(line, place, key, row[place], Figure.read(row[place]), column in MORE_IS_BETTER)


def _split(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]
