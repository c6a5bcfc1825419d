"""`/account/billing/package`: deductions from the resource packs of the account, in units."""

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

FILTERS: Final = ("api_key_name", "product_type", "package_name", "package_id")


@attrs.frozen(kw_only=True)
class PackageDetail(Deduction):
    """The deduction from a resource pack for one task or call, in units.

    `deduction_amount` is the units; `Deduction` has the other members.

    Attributes:
        package_id: id of the pack.
        product_type: product of the pack: `video`, `image` or `try-on`.
        unit_before_deduction: units before the deduction.
        unit_after_deduction: units after the deduction.
    """

    package_id: str = ""
    product_type: str = ""
    unit_before_deduction: Decimal | None = None
    unit_after_deduction: Decimal | None = None


@attrs.frozen
class BillingPackage(Call[list[PackageDetail]]):
    """Deductions from the resource packs of the account, in units: `POST /account/billing/package`.

    It is free, and requires an API key: an access key pair is refused. Accounts that pay in money have
    `billing_balance`.

    Attributes:
        start_time: start of the queried period: a `datetime`, or milliseconds since 1970.
        end_time: end of the period, later than `start_time`.
        limit: deductions per request, 1 to 500.
        filters: only deductions with one of the values of each: `{"product_type": ["video", "image"]}`; keys are
            `api_key_name`, `product_type` (`video`, `image`, `try-on`), and one of `package_name` and `package_id`.
    """

    start_time: int = attrs.field(converter=milliseconds)
    end_time: int = attrs.field(converter=milliseconds, kw_only=True)
    limit: int = attrs.field(default=billing.ROWS_MOST, kw_only=True)
    filters: tuple[BillingFilter, ...] | None = attrs.field(default=None, converter=billing.filters, kw_only=True)


def filters(request: BillingPackage) -> Iterator[Problem]:
    """Filters by the name of the API key, the product, and the pack."""
    yield from billing.filtered_by(request, *FILTERS)


def read(data: Any) -> CursorPage:
    """Reads a page.

    Raises:
        BadResponse: it is not a page.
    """
    return billing.page(data, PackageDetail, _own)


def _own(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "package_id": service_text(row.get("package_id")),
        "product_type": service_text(row.get("product_type")),
        "unit_before_deduction": decimal(row.get("unit_before_deduction")),
        "unit_after_deduction": decimal(row.get("unit_after_deduction")),
    }


ENDPOINT = CursorListEndpoint(
    path="/account/billing/package",
    generation=Generation.CURRENT,
    record=BillingPackage,
    rules=(times, billing.limit, filters),
    read=read,
)
