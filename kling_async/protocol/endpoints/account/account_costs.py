"""`/account/costs`: the resource packs of the account, and their remaining units."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

import attrs

from kling_async.protocol.call import Call, CallEndpoint
from kling_async.protocol.converters import none_if_empty
from kling_async.protocol.error_codes import code_of, row_for
from kling_async.protocol.errors import ApiError, BadResponse, Problem
from kling_async.protocol.redaction import service_text
from kling_async.protocol.rules.values import text, whole
from kling_async.protocol.wire.members import decimal, items, mapping, moment


def milliseconds(value: datetime | int) -> int:
    """Converts a `datetime` to the documented milliseconds since 1970; other values pass unchanged."""
    given: Any = value
    try:
        found: int = round(given.timestamp() * 1000) if issubclass(type(given), datetime) else given
    except (OverflowError, ValueError):  # cannot be converted to UTC: the rules refuse it
        found = cast("int", given)
    return found


@attrs.frozen(kw_only=True)
class ResourcePack:
    """A pack of units that was bought, and how many are left.

    Attributes:
        resource_pack_name: its name.
        resource_pack_id: its id.
        resource_pack_type: `decreasing_total` (units that are used up) or `constant_period` (units for each period).
        total_quantity: units bought.
        remaining_quantity: units left; the service counts them up to 12 hours late.
        purchase_time: when it was bought (UTC).
        effective_time: from when it is valid (UTC).
        invalid_time: until when it is valid (UTC).
        status: `toBeOnline`, `online`, `expired` or `runOut`.
    """

    resource_pack_name: str
    resource_pack_id: str = ""
    resource_pack_type: str = ""
    total_quantity: Decimal | None = None
    remaining_quantity: Decimal | None = None
    purchase_time: datetime | None = None
    effective_time: datetime | None = None
    invalid_time: datetime | None = None
    status: str = ""


@attrs.frozen
class AccountCosts(Call[tuple[ResourcePack, ...]]):
    """The resource packs of the account, and their remaining units: `GET /account/costs`.

    It is free. The documentation allows one call a second. The result is empty for an account without packs.

    Attributes:
        start_time: start of the queried period: a `datetime`, or milliseconds since 1970.
        end_time: end of the period, later than `start_time`.
        resource_pack_name: exact name of one pack; all packs if omitted.
    """

    start_time: int = attrs.field(converter=milliseconds)
    end_time: int = attrs.field(converter=milliseconds, kw_only=True)
    resource_pack_name: str | None = attrs.field(default=None, converter=none_if_empty, kw_only=True)


def times(request: AccountCosts) -> Iterator[Problem]:
    """`end_time` is later than `start_time`."""
    problems = [*whole("start_time", request.start_time, 0), *whole("end_time", request.end_time, 0)]
    yield from problems
    if not problems and request.end_time <= request.start_time:
        yield Problem("end_time", "must be later than start_time")


def name(request: AccountCosts) -> Iterator[Problem]:
    """Text."""
    if request.resource_pack_name is not None:
        yield from text("resource_pack_name", request.resource_pack_name)


def read(data: Any) -> tuple[ResourcePack, ...]:
    """Reads the packs; `data` contains its own code in addition to that of the envelope.

    Raises:
        ApiError: that code is not 0.
        BadResponse: the data is not an object.
    """
    if not isinstance(data, dict):
        raise BadResponse(f"expected the account's packs, got {type(data).__name__}")
    code = 0 if data.get("code") is None else code_of(data["code"])
    if code != 0:
        row = row_for(code)
        reason = service_text(data.get("msg")) or "the service gave no reason"
        raise (row.error if row else ApiError)(reason, code=code)
    packs = (mapping(item) for item in items(data.get("resource_pack_subscribe_infos")))
    return tuple(_pack(pack) for pack in packs if pack)


def _pack(pack: Any) -> ResourcePack:
    return ResourcePack(
        resource_pack_name=service_text(pack.get("resource_pack_name")),
        resource_pack_id=service_text(pack.get("resource_pack_id")),
        resource_pack_type=service_text(pack.get("resource_pack_type")),
        total_quantity=decimal(pack.get("total_quantity")),
        remaining_quantity=decimal(pack.get("remaining_quantity")),
        purchase_time=moment(pack.get("purchase_time")),
        effective_time=moment(pack.get("effective_time")),
        invalid_time=moment(pack.get("invalid_time")),
        status=service_text(pack.get("status")),
    )


ENDPOINT = CallEndpoint(
    method="GET",
    path="/account/costs",
    record=AccountCosts,
    rules=(times, name),
    read=read,
)
