"""Totals over all rows of a batch."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import attrs

from kling_async.batch.result import RowResult, RowStatus
from kling_async.protocol.catalog import described_by
from kling_async.protocol.endpoint import Pool

ORDER: Final = (
    RowStatus.DONE,
    RowStatus.FAILED,
    RowStatus.UNSAVED,
    RowStatus.UNKNOWN,
    RowStatus.OVER_BUDGET,
    RowStatus.INVALID,
    RowStatus.SAVING,
    RowStatus.RUNNING,
    RowStatus.WAITING,
)
"""The order in which statuses are shown: finished ones first."""
UNSENT: Final = frozenset({RowStatus.WAITING, RowStatus.OVER_BUDGET, RowStatus.INVALID})
"""Statuses of rows that have not cost anything."""
MADE: Final = frozenset({RowStatus.DONE, RowStatus.UNSAVED, RowStatus.UNKNOWN})
"""Statuses of rows that are paid for, or may be."""


@attrs.frozen(kw_only=True)
class Sums:
    """Totals over all rows.

    Attributes:
        counts: number of rows with each status that occurs, in the order in which they are shown.
        units: units used of each pack.
        usd: cost in dollars, with units at list price; None if no price is known.
        money: cost that is not in dollars, by currency; the currency is empty if the service did not name it.
        estimated: packs for which some units come from the price table.
        unpriced: rows that are made, or may be, with an unknown price.
        seconds: total duration of all ended tasks.
        median: median of these durations; None without any.
    """

    counts: Mapping[RowStatus, int]
    units: Mapping[Pool, Decimal]
    usd: Decimal | None
    money: Mapping[str, Decimal]
    estimated: frozenset[Pool]
    unpriced: int
    seconds: float
    median: float | None


def sums_of(results: Sequence[RowResult]) -> Sums:
    """Computes the totals; only rows that were sent count for costs."""
    counts = Counter(result.status for result in results)
    sent = [result for result in results if result.status not in UNSENT]
    units: dict[Pool, Decimal] = {}
    for result in sent:
        if result.units is not None:
            units[_pool(result)] = units.get(_pool(result), Decimal(0)) + result.units
    money: dict[str, Decimal] = {}
    for result in sent:
        if result.amount and result.usd is None:
            currency = result.currency or ""
            money[currency] = money.get(currency, Decimal(0)) + result.amount
    dollars = [result.usd for result in sent if result.usd is not None]
    seconds = [result.seconds for result in sent if result.seconds is not None]
    return Sums(
        counts={status: counts[status] for status in ORDER if counts[status]},
        units=units,
        usd=sum(dollars, Decimal(0)) if dollars else None,
        money=money,
        estimated=frozenset(_pool(result) for result in sent if result.estimated and result.units is not None),
        unpriced=sum(result.units is None and result.amount is None and result.status in MADE for result in sent),
        seconds=sum(seconds),
        median=statistics.median(seconds) if seconds else None,
    )


def _pool(result: RowResult) -> Pool:
    endpoint = None if result.row is None else described_by(type(result.row.request))
    return Pool.VIDEO if endpoint is None else endpoint.pool
