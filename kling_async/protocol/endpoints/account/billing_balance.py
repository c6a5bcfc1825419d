"""`/account/billing/balance`: what was taken from the balance of the account, in money."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import attrs

from kling_async.protocol.call import Call, CursorListEndpoint, CursorPage
from kling_async.protocol.endpoint import Generation
from kling_async.protocol.endpoints.account import billing
from kling_async.protocol.endpoints.account.account_costs import milliseconds, times
from kling_async.protocol.endpoints.account.billing import BillingFilter, Deduction
from kling_async.protocol.errors import Problem
from kling_async.protocol.redaction import service_text
from kling_async.protocol.wire.members import decimal

FILTERS: Final = ("api_key_name",)


@attrs.frozen(kw_only=True)
class BalanceDetail(Deduction):
    """What one task or call took from the balance, in money.

    `deduction_amount` is what was paid; `Deduction` has the other members.

    Attributes:
        cash_type: `balance` or `test_balance`.
        balance_before_deduction: money that was there before.
        balance_after_deduction: money that was left.
        list_price: the price before discount.
        currency: `USD` or `CNY`.
    """

    cash_type: str = ""
    balance_before_deduction: Decimal | None = None
    balance_after_deduction: Decimal | None = None
    list_price: Decimal | None = None
    currency: str = ""


@attrs.frozen
class BillingBalance(Call[list[BalanceDetail]]):
    """What was taken from the balance of the account, in money: `POST /account/billing/balance`.

    It is free, and wants an API key: a pair of keys is refused. Accounts that pay from packs have `billing_package`.

    Attributes:
        start_time: begin of the time that is looked at: a `datetime`, or milliseconds since 1970.
        end_time: its end, later than `start_time`.
        limit: deductions that are asked for at once, 1 to 500.
        filters: only those that have one of the values of each: `{"api_key_name": ["ci"]}`.
    """

    start_time: int = attrs.field(converter=milliseconds)
    end_time: int = attrs.field(converter=milliseconds, kw_only=True)
    limit: int = attrs.field(default=billing.ROWS_MOST, kw_only=True)
    filters: tuple[BillingFilter, ...] | None = attrs.field(default=None, converter=billing.filters, kw_only=True)


def filters(request: BillingBalance) -> Iterator[Problem]:
    """By the name of the key."""
    yield from billing.filtered_by(request, *FILTERS)


def read(data: Any) -> CursorPage:
    """Reads a page.

    Raises:
        BadResponse: it is none.
    """
    return billing.page(data, BalanceDetail, _own)


def _own(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "cash_type": service_text(row.get("cash_type")),
        "balance_before_deduction": decimal(row.get("balance_before_deduction")),
        "balance_after_deduction": decimal(row.get("balance_after_deduction")),
        "list_price": decimal(row.get("list_price")),
        "currency": service_text(row.get("currency")),
    }


ENDPOINT = CursorListEndpoint(
    path="/account/billing/balance",
    generation=Generation.CURRENT,
    record=BillingBalance,
    rules=(times, billing.limit, filters),
    read=read,
)
