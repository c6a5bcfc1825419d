"""A row of the table: what is done, what must come of it, and what came of each input."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from tests.faults.ends import Case, End

HEAD: Final = "| rule | what is done | must be | paid | saved | seconds | what came |\n|---|---|---|---|---|---|---|\n"
SHOWN: Final = 3
"""Inputs that are named where a row does not hold."""


@attrs.frozen(kw_only=True)
class Row:
    """What is done, and what must come of it, the same for all of its inputs.

    Attributes:
        rule: Its number.
        done: What is done.
        must_be: What must come of it, for people.
        cases: Its inputs.
        paid: Tasks that each input costs; None where it does not matter.
        saved: Files that each input leaves.
        came: What must have come of it, a regular expression.
        says: What the error must say, a regular expression.
        within: Seconds that it may take.
        sells: Whether it stands in the README, too.
        peers: What came of it elsewhere, where that was measured.
    """

    rule: int
    done: str
    must_be: str
    cases: Mapping[str, Case] = attrs.field(repr=False)
    paid: int | None = 1
    saved: int = 1
    came: str = "saved"
    says: str = ""
    within: float = math.inf
    sells: bool = False
    peers: str = ""

    def misses(self, end: End) -> str:
        """What of an end is not as it must be; empty if all is."""
        wrong = []
        if self.paid not in {None, end.paid}:
            wrong.append(f"{end.paid} paid")
        if end.saved != self.saved:
            wrong.append(f"{end.saved} saved")
        if not re.fullmatch(self.came, end.came) or not end.holds:
            wrong.append(f"it came: {end.came}")
        if not re.search(self.says, end.said, re.DOTALL):
            wrong.append(f"it said {end.said[:100]!r}")
        if end.seconds > self.within:
            wrong.append(f"{end.seconds:.0f} s")
        return ", ".join(wrong)


@attrs.frozen
class Measured:
    """A row with what came of its inputs.

    Attributes:
        row: The row.
        ends: The ends, by input.
    """

    row: Row
    ends: Mapping[str, End]

    @classmethod
    def of(cls, row: Row) -> "Measured":
        """Measures a row."""
        return cls(row, {name: case() for name, case in row.cases.items()})

    @property
    def missed(self) -> dict[str, str]:
        """The inputs for which the row does not hold, and what came of them."""
        found = {name: self.row.misses(end) for name, end in self.ends.items()}
        return {name: text for name, text in found.items() if text}

    @property
    def came(self) -> str:
        """What came, in words; where the row does not hold, of which inputs."""
        if self.missed:
            shown = [f"{name}: {text}" for name, text in list(self.missed.items())[:SHOWN]]
            return _cell(f"**no:** {len(self.missed)} of {len(self.ends)}: {'; '.join(shown)}")
        counts = Counter(end.came for end in self.ends.values())
        if len(counts) == 1:
            return _cell(f"{next(iter(counts))}{f', each of {len(self.ends)}' if len(self.ends) > 1 else ''}")
        return _cell("; ".join(f"{count} of {len(self.ends)}: {came}" for came, count in counts.most_common()))

    @property
    def paid(self) -> str:
        """Tasks that each input cost."""
        return _range([end.paid for end in self.ends.values()])

    @property
    def saved(self) -> str:
        """Files that each input left."""
        return _range([end.saved for end in self.ends.values()])

    @property
    def line(self) -> str:
        """The row in Markdown."""
        row, figures = self.row, (self.paid, self.saved, _seconds(list(self.ends.values())))
        return f"| {' | '.join([str(row.rule), row.done, row.must_be, *figures, self.came])} |\n"


def _range(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _seconds(ends: Sequence[End]) -> str:
    low, high = (_second(each(end.seconds for end in ends)) for each in (min, max))
    return low if low == high else f"{low} to {high}"


def _second(seconds: float) -> str:
    return f"{seconds:.1f}" if 0 < seconds < 1 else f"{seconds:,.0f}"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
