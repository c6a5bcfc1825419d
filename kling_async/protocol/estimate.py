"""What something costs before it is made."""

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:  # it takes time to import
    from decimal import Decimal


@attrs.frozen(kw_only=True)
class Estimate:
    """What a clip costs by the price table, before it is made; what it did cost is in `Task`.

    Attributes:
        units: units of the resource pack; None where no price is known.
        usd: dollars at list price; None where no price is known.
    """

    units: "Decimal | None"
    usd: "Decimal | None"
