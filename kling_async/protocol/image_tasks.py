"""Number and price of pictures, for the endpoints that make them."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from kling_async.protocol.capability import CapabilityMap
from kling_async.protocol.rules.image_settings import PICTURES_MOST
from kling_async.protocol.rules.models import HasModel
from kling_async.protocol.rules.values import is_whole


def number_of_pictures(request: Any) -> int:
    """Returns `n` of a request; a value that the rules refuse counts as one."""
    return request.n if is_whole(request.n) and 1 <= request.n <= PICTURES_MOST else 1


def units_by(
    capabilities: CapabilityMap[Any], number: Callable[[Any], int | None] = number_of_pictures
) -> Callable[[HasModel], Decimal | None]:
    """Returns a function that prices requests by a map: each picture, by the features that the request uses.

    Args:
        capabilities: the map.
        number: returns how many pictures a request makes; None if that is not known in advance.
    """

    def units(request: HasModel) -> Decimal | None:
        pictures = number(request)
        used = {feature.name for feature in capabilities.features_used(request)}
        known = isinstance(request.model_name, str)  # the rules refuse others
        price = capabilities.units(request.model_name, None, None, using=used) if known else None
        return None if price is None or pictures is None else price * pictures

    return units
