"""Sums of the account's deductions by day, model and pack."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC
from decimal import Decimal

import attrs

from kling_async.protocol.endpoints import BalanceDetail, Deduction, PackageDetail

NOTHING = Decimal(0)


@attrs.frozen(kw_only=True)
class Spent:
    """The sum of the deductions of one day, model and pack.

    Attributes:
        day: in UTC, as `2026-11-30`; `?` where a deduction has no time.
        model_name: of the tasks and calls.
        product_type: of the pack; empty for deductions in money.
        deductions: number of deductions.
        units: of the pack.
        amounts: money by currency.
    """

    day: str
    model_name: str
    product_type: str
    deductions: int
    units: Decimal
    amounts: Mapping[str, Decimal]


def by_day(deductions: Iterable[Deduction]) -> list[Spent]:
    """Returns the sums of each day, model and pack, sorted; units of different packs and money are never added up."""
    groups: dict[tuple[str, str, str], list[Deduction]] = defaultdict(list)
    for each in deductions:
        day = "?" if each.deduction_time is None else f"{each.deduction_time.astimezone(UTC):%Y-%m-%d}"
        pack = each.product_type or "?" if isinstance(each, PackageDetail) else ""
        groups[day, each.model_name or each.product_function or "?", pack].append(each)
    return [
        Spent(
            day=day,
            model_name=model_name,
            product_type=pack,
            deductions=len(group),
            units=units_of(group),
            amounts=amounts_of(group),
        )
        for (day, model_name, pack), group in sorted(groups.items())
    ]


def units_of(deductions: Iterable[Deduction]) -> Decimal:
    """Returns the units deducted from packs."""
    return sum((each.deduction_amount or NOTHING for each in deductions if isinstance(each, PackageDetail)), NOTHING)


def amounts_of(deductions: Iterable[Deduction]) -> dict[str, Decimal]:
    """Returns the money deducted, by currency; `?` where the service named none."""
    amounts: dict[str, Decimal] = {}
    for each in deductions:
        if isinstance(each, BalanceDetail) and each.deduction_amount is not None:
            currency = each.currency or "?"
            amounts[currency] = amounts.get(currency, NOTHING) + each.deduction_amount
    return amounts


def totals(spent: Iterable[Spent]) -> dict[str, Decimal]:
    """Returns total amounts by units of a pack or currency: `video units`, `image units`, `USD`."""
    found: dict[str, Decimal] = {}
    for each in spent:
        parts = {f"{each.product_type} units": each.units} if each.product_type else each.amounts
        for name, amount in parts.items():
            found[name] = found.get(name, NOTHING) + amount
    return found
