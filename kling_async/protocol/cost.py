"""Costs of tasks and calls, as the service reports them: units and money, which are never added up."""

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from kling_async.protocol.results import BalanceDeduction


@attrs.frozen(kw_only=True)
class Cost:
    """The amount taken from the account. Units and money are two separate payments, not one in two currencies.

    Attributes:
        units: units of a resource pack; None if the service reports none. 0 if nothing was taken, as for most failed
            tasks.
        amount: money, after discount; None if the service reports none.
        currency: of the money: `USD` or `CNY`. None if the service does not name it, as on all legacy paths.
        package_type: of the pack that the units were taken from: `video`, `image` or `audio`, whose units differ in
            price. None if the service does not name it. Not compared.
    """

    units: Decimal | None = None
    amount: Decimal | None = None
    currency: str | None = None
    package_type: str | None = attrs.field(default=None, eq=False)


def legacy(units: Decimal | None, money: "BalanceDeduction | None") -> Cost | None:
    """Returns the cost in `final_unit_deduction` and `final_balance_deduction`; None if both are empty.

    For accounts that pay from a pack, the service reports no money or 0, and the other way round.
    """
    amount = money.quota if money is not None and money.quota else None
    taken = None if amount and not units else units
    return None if taken is None and amount is None else Cost(units=taken, amount=amount)


def total(costs: Iterable[Cost]) -> Cost | None:
    """Returns the sum of several costs; None if there are none, or if their money is in several currencies."""
    costs = list(costs)
    units = [each.units for each in costs if each.units is not None]
    amounts = [each.amount for each in costs if each.amount is not None]
    paid = [each for each in costs if each.amount] or [each for each in costs if each.amount is not None]
    currencies = {each.currency for each in paid}
    if len(currencies) > 1 or not (units or amounts):
        return None
    packs = {each.package_type for each in costs if each.units}
    return Cost(
        package_type=packs.pop() if len(packs) == 1 else None,
        units=sum(units, Decimal(0)) if units else None,
        amount=sum(amounts, Decimal(0)) if amounts else None,
        currency=next(iter(currencies), None),
    )
