"""A row of the table: a fault, its required outcome, and the outcome of each input."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from tests.faults.ends import Case, End

HEAD: Final = "| rule | what is done | must be | paid | saved | seconds | what came |\n|---|---|---|---|---|---|---|\n"
SHOWN: Final = 3
"""Number of failing inputs that are named where a row does not hold."""


@attrs.frozen(kw_only=True)
class Row:
    """A fault and its required outcome, which is the same for all inputs.

    Attributes:
        rule: Number of the rule.
        done: Description of the fault.
        must_be: Required outcome, for people.
        cases: Inputs by name.
        paid: Tasks that each input must cost; None for any number.
        saved: Files that each input must leave.
        came: Required outcome, a regular expression.
        says: Required text of the error, a regular expression.
        within: Seconds that it may take.
        sells: Whether the row is also shown in the README.
        peers: Outcome with other clients, where that was measured.
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
        """Returns how an end differs from the required outcome; empty if it does not."""
        wrong = []
        if self.paid not in {None, end.paid}:
            wrong.append(f"{end.paid} paid")
        if end.saved != self.saved:
            wrong.append(f"{end.saved} saved")
        if not re.fullmatch(self.came, end.came) or not end.holds:
            wrong.append(f"it came: {end.came}")
        if not re.search(self.says, end.error_text, re.DOTALL):
            wrong.append(f"it said {end.error_text[:100]!r}")
        if end.seconds > self.within:
            wrong.append(f"{end.seconds:.0f} s")
        return ", ".join(wrong)


@attrs.frozen
class Measured:
    """A row with the outcomes of its inputs.

    Attributes:
        row: The row.
        ends: Outcomes by input.
    """

    row: Row
    ends: Mapping[str, End]

    @classmethod
    def of(cls, row: Row) -> "Measured":
        """Measures a row."""
        return cls(row, {name: case() for name, case in row.cases.items()})

    @property
    def missed(self) -> dict[str, str]:
        """The inputs for which the row does not hold, and how they differ."""
        found = {name: self.row.misses(end) for name, end in self.ends.items()}
        return {name: text for name, text in found.items() if text}

    @property
    def came(self) -> str:
        """The outcomes as text; where the row does not hold, those of some failing inputs."""
        if self.missed:
            shown = [f"{name}: {text}" for name, text in list(self.missed.items())[:SHOWN]]
            return _cell(f"**no:** {len(self.missed)} of {len(self.ends)}: {'; '.join(shown)}")
        counts = Counter(end.came for end in self.ends.values())
        if len(counts) == 1:
            return _cell(f"{next(iter(counts))}{f', each of {len(self.ends)}' if len(self.ends) > 1 else ''}")
        return _cell("; ".join(f"{count} of {len(self.ends)}: {came}" for came, count in counts.most_common()))

    @property
    def paid(self) -> str:
        """Range of the tasks that inputs cost."""
        return _range([end.paid for end in self.ends.values()])

    @property
    def saved(self) -> str:
        """Range of the files that inputs left."""
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
