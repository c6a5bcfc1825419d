"""The price of a request, before it is sent."""

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:  # it takes time to import
    from decimal import Decimal


@attrs.frozen(kw_only=True)
class Estimate:
    """The price of a request by the price table; the actual cost is in `Task`.

    Attributes:
        units: units of the resource pack; None if the price is not known.
        usd: dollars at list price; None if the price is not known.
    """

    units: "Decimal | None"
    usd: "Decimal | None"
