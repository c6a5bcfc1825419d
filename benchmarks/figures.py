"""How figures are kept, compared with their goals, and written down; shared by all parts of the report."""

import statistics
from collections.abc import Iterable, Sequence

import attrs


@attrs.frozen
class Goal:
    """A figure that was aimed at, and what came of it.

    Attributes:
        name: Which figure.
        goal: What it should be, as text.
        measured: What it is, with its spread.
        met: Whether that is enough.
    """

    name: str
    goal: str
    measured: str
    met: bool


def _floats(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(values)


@attrs.frozen
class Spread:
    """The same figure of several runs: `str()` gives its median, and lowest and highest where there are several.

    Attributes:
        values: One per run, at least one.
    """

    values: tuple[float, ...] = attrs.field(converter=_floats, validator=attrs.validators.min_len(1))

    @property
    def median(self) -> float:
        """The one in the middle."""
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
        """As `1.9 (1.8 to 2.1)`."""
        if len(self.values) == 1:
            return number(self.median)
        return f"{number(self.median)} ({number(self.low)} to {number(self.high)})"


def number(value: float) -> str:
    """A number with two digits that count, or all before the point."""
    if abs(value) >= 10:
        return f"{value:,.0f}"
    return f"{value:.2g}" if abs(value) < 1 else f"{value:.1f}"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown; the first column to the left, the others to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
