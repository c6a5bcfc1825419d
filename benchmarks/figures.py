"""Figures, goals and tables, shared by all parts of the report."""

import statistics
from collections.abc import Iterable, Sequence

import attrs


@attrs.frozen
class Goal:
    """A goal for a figure, and the measured figure.

    Attributes:
        name: Of the figure.
        goal: As text.
        measured: Figure with its spread.
        excess: Share of the goal by which it is missed, 0 or less where it is met; None where nothing was measured.
    """

    name: str
    goal: str
    measured: str = "not measured"
    excess: float | None = None

    @property
    def met(self) -> bool:
        """Whether the goal is met; not so where nothing was measured."""
        return self.excess is not None and self.excess <= 0


def _floats(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(values)


@attrs.frozen
class Spread:
    """The same figure of several runs: `str()` returns its median, and lowest and highest where they differ.

    Attributes:
        values: One per run, at least one.
    """

    values: tuple[float, ...] = attrs.field(converter=_floats, validator=attrs.validators.min_len(1))

    @property
    def median(self) -> float:
        """The median."""
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        """The lowest."""
        return min(self.values)

    @property
    def high(self) -> float:
        """The highest."""
        return max(self.values)

    def __str__(self) -> str:
        """Returns `1.9 (1.8 to 2.1)`, or `1.9` where all are equal."""
        return self.text()

    def text(self, decimals: int | None = None) -> str:
        """Returns the same, with this number of decimals."""
        median, low, high = (number(value, decimals) for value in (self.median, self.low, self.high))
        return median if low == high else f"{median} ({low} to {high})"


def number(value: float, decimals: int | None = None) -> str:
    """Returns a number with two significant digits, or all before the point; or with this number of decimals."""
    if decimals is not None:
        return f"{value:,.{decimals}f}"
    if abs(value) >= 10:
        return f"{value:,.0f}"
    return f"{value:.2g}" if abs(value) < 1 else f"{value:.1f}"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Returns a table in Markdown; the first column is left-aligned, the others right-aligned."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
