"""The account's resource packs, without the lag of up to 12 hours that the service has."""

from decimal import Decimal
from typing import Any, Final

from kling_async.emulator.service.answers import decimal_text, milliseconds
from kling_async.emulator.service.endpoint import PACKS, Body, Pack
from kling_async.emulator.service.errors import invalid
from kling_async.emulator.service.synchronous import CallContext, CallEndpoint


def _costs(query: Body, context: CallContext) -> dict[str, Any]:
    """Returns the packs inside a second envelope; without packs, the list is absent, as recorded."""
    for name in ("start_time", "end_time"):
        if not query.get(name, "").isdecimal():
            raise invalid(f"{name} is invalid")
    if int(query["end_time"]) <= int(query["start_time"]):
        raise invalid("end_time must be later than start_time")
    wanted = query.get("resource_pack_name")
    packs = [_pack(kind, context) for kind in PACKS if context.account.initial[kind] > 0]
    shown = [pack for pack in packs if wanted in {None, "", pack["resource_pack_name"]}]
    return {"code": 0, "msg": "success"} | ({"resource_pack_subscribe_infos": shown} if shown else {})


def _pack(kind: Pack, context: CallContext) -> dict[str, Any]:
    """Returns the balance of one kind as a single resource pack, the one that the account began with."""
    account, moment = context.account, milliseconds(context.opened_at)
    initial, remaining = account.initial[kind], max(account.balance(kind), Decimal(0))
    return {
        "resource_pack_name": pack_name(kind, context),
        "resource_pack_id": pack_id(kind),
        "resource_pack_type": "decreasing_total",
        "total_quantity": float(initial),
        "remaining_quantity": float(remaining),
        "purchase_time": moment,
        "effective_time": moment,
        "invalid_time": moment + 365 * 86_400_000,
        "status": "online" if remaining else "runOut",
    }


def pack_name(kind: Pack, context: CallContext) -> str:
    """Returns the name of the pack of a kind."""
    units = decimal_text(context.account.initial[kind])
    return f"Emulated-{kind.capitalize()}-{units}Units-{context.account.concurrency}Con-12Months"


def pack_id(kind: Pack) -> str:
    """Returns the id of the pack of a kind."""
    return f"{PACKS.index(kind):032d}"


ENDPOINT: Final = CallEndpoint(path="/account/costs", kind="account", answer=_costs)
