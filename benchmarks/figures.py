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
        excess: By what share of the goal it is missed, nothing or less where it is met; None where nothing could be
            measured.
    """

    name: str
    goal: str
    measured: str = "not measured"
    excess: float | None = None

    @property
    def met(self) -> bool:
        """Whether that is enough; what was not measured is not."""
        return self.excess is not None and self.excess <= 0


def _floats(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(values)


@attrs.frozen
class Spread:
    """The same figure of several runs: `str()` gives its median, and lowest and highest where they differ.

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
        """As `1.9 (1.8 to 2.1)`, or `1.9` where all are."""
        return self.text()

    def text(self, decimals: int | None = None) -> str:
        """The same, with so many digits after the point."""
        median, low, high = (number(value, decimals) for value in (self.median, self.low, self.high))
        return median if low == high else f"{median} ({low} to {high})"


def number(value: float, decimals: int | None = None) -> str:
    """A number with two digits that count, or all before the point; or with so many digits after it."""
    if decimals is not None:
        return f"{value:,.{decimals}f}"
    if abs(value) >= 10:
        return f"{value:,.0f}"
    return f"{value:.2g}" if abs(value) < 1 else f"{value:.1f}"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown; the first column to the left, the others to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
