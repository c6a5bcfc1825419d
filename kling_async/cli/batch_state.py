"""A batch at one moment, and its rows, as text and JSON data. Pure functions of values."""

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
"""Weight of the planned time per row against the measured one, in rows."""


@attrs.frozen(kw_only=True)
class Moment:
    """A batch while it runs.

    Attributes:
        counts: rows by status.
        sums: cost so far.
        spending: of the budget, if there is one.
        elapsed: seconds since it began.
        left: estimated seconds left; None where unknown.
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
        """Number of rows that this run is finished with."""
        return self.total - sum(self.counts.get(status, 0) for status in (*UNDER_WAY, RowStatus.WAITING))

    def counted(self) -> str:
        """Returns the number of rows of each status as text."""
        return counted(self.counts)

    def money(self) -> str:
        """Returns the money spent, and what is left of the budget, as text."""
        return ", ".join(filter(None, [money_text(self.sums), self._budget()]))

    def data(self) -> dict[str, Any]:
        """Returns JSON data."""
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
    """Returns the cost of rows as text: the units of each pack, and dollars."""
    packs = [units_of(pool.value, units) for pool, units in sums.units.items() if units]
    about = "about " * bool(sums.estimated)
    return about + ", ".join([*packs, dollars(sums.usd or NOTHING)]) if packs else "nothing spent"


def money_data(sums: Sums) -> dict[str, Any]:
    """Returns the cost of rows as JSON data; units of all packs are added up unconverted."""
    return {
        "units": float(sum(sums.units.values())),
        "usd": as_data(sums.usd),
        "estimated": bool(sums.estimated),
        "unpriced": sums.unpriced,
    }


def budget_data(spending: Spending | None) -> dict[str, Any] | None:
    """Returns the state of a budget as JSON data."""
    return None if spending is None else as_data(attrs.asdict(spending)) | {"left": float(spending.left)}


def counted(counts: Mapping[RowStatus, int]) -> str:
    """Returns the number of rows of each status as text."""
    return ", ".join(f"{counts[status]} {status.value}" for status in RowStatus if counts.get(status))


def seconds_left(elapsed: float, ended: int, to_make: int, planned: float | None) -> float | None:
    """Returns the estimated seconds left: at first from the plan, then more and more from the measured pace.

    Args:
        elapsed: seconds since the batch began.
        ended: rows made since then.
        to_make: rows to make, including the ended ones.
        planned: planned seconds for all of them; None where unknown.
    """
    if not to_make or (planned is None and not ended):
        return None
    planned_each = elapsed / ended if planned is None else planned / to_make
    each = (_ROWS_PLANNED * planned_each + elapsed * bool(ended)) / (_ROWS_PLANNED + ended)
    left = (to_make - ended) * each
    return left if ended else max(0.0, left - elapsed)


# ------------------------------------------------------------------------------------------------------------ rows


def place(line: int | None, id_: str | None) -> str:
    """Returns the location of a row: its line, and its id."""
    return " ".join(filter(None, [f"line {line}" if line else "", f"({id_})" if line and id_ else id_ or ""]))


def one_line(text: str) -> str:
    """Returns external text without line breaks, so that no part of it looks like a line of this program."""
    return " ".join(text.split())


def is_left_out(result: RowResult) -> bool:
    """Whether a row was invalid when it was read, and skipped on purpose; not so for rows found invalid later."""
    return result.status is RowStatus.INVALID and result.row is None


def is_reported(result: RowResult) -> bool:
    """Whether a row gets its own line while the batch runs; rows over the budget are only counted."""
    return not (result.status in {RowStatus.DONE, RowStatus.OVER_BUDGET} or is_left_out(result))


def row_text(result: RowResult) -> str:
    """Returns the status of a row and its error as text."""
    return one_line(f"{result.status.value}: {place(result.line, result.id)}: {unsigned(result.error)}")


def row_data(result: RowResult) -> dict[str, Any]:
    """Returns the result of a row as JSON data."""
    data: dict[str, Any] = as_data(attrs.asdict(result, recurse=False, filter=lambda field, _: field.name != "row"))
    return data | {"error": unsigned(result.error) or None}
