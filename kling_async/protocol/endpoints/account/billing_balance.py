"""`/account/billing/balance`: deductions from the balance of the account, in money."""

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
    """The deduction from the balance for one task or call, in money.

    `deduction_amount` is what was paid; `Deduction` has the other members.

    Attributes:
        cash_type: `balance` or `test_balance`.
        balance_before_deduction: balance before the deduction.
        balance_after_deduction: balance after the deduction.
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
    """Deductions from the balance of the account, in money: `POST /account/billing/balance`.

    It is free, and requires an API key: an access key pair is refused. Accounts that pay from packs have
    `billing_package`.

    Attributes:
        start_time: start of the queried period: a `datetime`, or milliseconds since 1970.
        end_time: end of the period, later than `start_time`.
        limit: deductions per request, 1 to 500.
        filters: only deductions with one of the values of each: `{"api_key_name": ["ci"]}`.
    """

    start_time: int = attrs.field(converter=milliseconds)
    end_time: int = attrs.field(converter=milliseconds, kw_only=True)
    limit: int = attrs.field(default=billing.ROWS_MOST, kw_only=True)
    filters: tuple[BillingFilter, ...] | None = attrs.field(default=None, converter=billing.filters, kw_only=True)


def filters(request: BillingBalance) -> Iterator[Problem]:
    """Filters by the name of the API key."""
    yield from billing.filtered_by(request, *FILTERS)


def read(data: Any) -> CursorPage:
    """Reads a page.

    Raises:
        BadResponse: it is not a page.
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
