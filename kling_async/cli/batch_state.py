"""A batch at one moment, and its rows, in words and as data. Values in, text out."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import attrs

from kling_async.batch.report_sums import Sums
from kling_async.batch.report_text import unsigned
from kling_async.batch.result import RowResult, RowStatus
from kling_async.cli.data import as_data
from kling_async.cli.output import dollars, number, units_of
from kling_async.protocol.budget import Spending

UNDER_WAY: Final = (RowStatus.RUNNING, RowStatus.SAVING)
NOTHING: Final = Decimal(0)

_ROWS_PLANNED: Final = 10
"""Rows' worth of trust in the plan, against what was seen: with the first rows the two are weighed."""


@attrs.frozen(kw_only=True)
class Moment:
    """A batch while it runs.

    Attributes:
        counts: rows by status.
        sums: what they have cost so far.
        spending: of the budget, if there is one.
        elapsed: seconds since it began.
        left: seconds that it still takes about; None where nobody knows.
    """

    counts: Mapping[RowStatus, int]
    sums: Sums
    spending: Spending | None
    elapsed: float
    left: float | None

    @property
    def total(self) -> int:
        """All rows."""
        return sum(self.counts.values())

    @property
    def ended(self) -> int:
        """Rows that this run does nothing more about."""
        return self.total - sum(self.counts.get(status, 0) for status in (*UNDER_WAY, RowStatus.WAITING))

    def counted(self) -> str:
        """How many rows there are of each status."""
        return counted(self.counts)

    def money(self) -> str:
        """What was spent, and what is left of the budget."""
        return ", ".join(filter(None, [money_text(self.sums), self._budget()]))

    def data(self) -> dict[str, Any]:
        """For programs."""
        return {
            "counts": {status.value: self.counts.get(status, 0) for status in RowStatus},
            **money_data(self.sums),
            "budget": budget_data(self.spending),
            "seconds": round(self.elapsed, 1),
            "seconds_left": None if self.left is None else round(self.left),
        }

    def _budget(self) -> str:
        if self.spending is None:
            return ""
        show = dollars if self.spending.unit == "usd" else number
        reserved = f" ({show(self.spending.reserved)} reserved)" if self.spending.reserved else ""
        unit = "" if self.spending.unit == "usd" else " units"
        return f"{show(self.spending.left)} of {show(self.spending.limit)}{unit} left{reserved}"


def money_text(sums: Sums) -> str:
    """What rows cost: the units of each pack, and dollars."""
    packs = [units_of(pool.value, units) for pool, units in sums.units.items() if units]
    about = "about " * bool(sums.estimated)
    return about + ", ".join([*packs, dollars(sums.usd or NOTHING)]) if packs else "nothing spent"


def money_data(sums: Sums) -> dict[str, Any]:
    """The same for programs; units of all packs are added up as they are."""
    return {
        "units": float(sum(sums.units.values())),
        "usd": as_data(sums.usd),
        "estimated": bool(sums.estimated),
        "unpriced": sums.unpriced,
    }


def budget_data(spending: Spending | None) -> dict[str, Any] | None:
    """A budget for programs."""
    return None if spending is None else as_data(attrs.asdict(spending)) | {"left": float(spending.left)}


def counted(counts: Mapping[RowStatus, int]) -> str:
    """How many rows there are of each status."""
    return ", ".join(f"{counts[status]} {status.value}" for status in RowStatus if counts.get(status))


def seconds_left(elapsed: float, ended: int, to_make: int, planned: float | None) -> float | None:
    """About how long a batch still takes: as planned at first, then more and more as it was seen.

    Args:
        elapsed: seconds since it began.
        ended: rows that were made since.
        to_make: rows that were to be made, with those.
        planned: seconds that all were to take; None where nobody knows.
    """
    if not to_make or (planned is None and not ended):
        return None
    planned_each = elapsed / ended if planned is None else planned / to_make
    each = (_ROWS_PLANNED * planned_each + elapsed * bool(ended)) / (_ROWS_PLANNED + ended)
    left = (to_make - ended) * each
    return left if ended else max(0.0, left - elapsed)


# ------------------------------------------------------------------------------------------------------------ rows


def place(line: int | None, id_: str | None) -> str:
    """Where a row is: its line, and its id."""
    return " ".join(filter(None, [f"line {line}" if line else "", f"({id_})" if line and id_ else id_ or ""]))


def one_line(text: str) -> str:
    """A stranger's text without line breaks, which could pass for lines of ours."""
    return " ".join(text.split())


def is_left_out(result: RowResult) -> bool:
    """Whether it was wrong when it was read, and left out on purpose; those that turn out so later are not."""
    return result.status is RowStatus.INVALID and result.row is None


def is_told(result: RowResult) -> bool:
    """Whether it gets words of its own while all runs: what is over the budget is counted only."""
    return not (result.status in {RowStatus.DONE, RowStatus.OVER_BUDGET} or is_left_out(result))


def row_text(result: RowResult) -> str:
    """What became of a row, and why."""
    return one_line(f"{result.status.value}: {place(result.line, result.id)}: {unsigned(result.error)}")


def row_data(result: RowResult) -> dict[str, Any]:
    """What became of a row, for programs."""
    data: dict[str, Any] = as_data(attrs.asdict(result, recurse=False, filter=lambda field, _: field.name != "row"))
    return data | {"error": unsigned(result.error) or None}
