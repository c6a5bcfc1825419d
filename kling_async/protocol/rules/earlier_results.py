"""Rules for results of earlier tasks that are used in a new one."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from kling_async.protocol.converters import StandIn
from kling_async.protocol.errors import Problem
from kling_async.protocol.media.image import Image
from kling_async.protocol.results import Audio, Video
from kling_async.protocol.rules.nested import values_in
from kling_async.protocol.rules.values import is_address

USABLE: Final = timedelta(days=30)
"""How long the service keeps the ids and addresses of results."""
NEAR: Final = timedelta(days=2)
"""How long before the end of that time a warning is issued."""


ADDRESS_FIELDS: Final = ("video_url", "voice_url", "sound_file")
"""Documented fields for addresses, in requests that accept ids of earlier results as well."""


def stand_ins(request: object) -> Iterator[Problem]:
    """Requires stand-ins for an id or an address to be of the field's type, and to have that id or address."""
    for path, field, value in values_in(request):
        stand_in: StandIn | None = field and field.metadata.get("instead_of")
        if stand_in is None:
            continue
        sent: Any = getattr(value, stand_in.attribute, None) if isinstance(value, field.type) else None
        if sent is None:
            got = "text" if isinstance(value, str) else type(value).__name__  # the text may be a signed address
            yield Problem(
                path,
                f"expected what an earlier request made, with its {stand_in.attribute}, got {got}; "
                f"{stand_in.member} takes the {stand_in.attribute} by itself{_address_field(request, stand_in, value)}",
            )
        elif sent == "":
            yield Problem(path, f"this one came without {stand_in.attribute}: give {stand_in.member} or another one")


def _address_field(request: object, stand_in: StandIn, value: object) -> str:
    """Names the field for an address that was given in place of an earlier result, if the request has one."""
    if stand_in.attribute == "url" or not (isinstance(value, str) and is_address(value)):
        return ""
    names = [name for name in ADDRESS_FIELDS if hasattr(request, name)]
    return f", {names[0]} an address" if names else ""


def ages(request: object, now: datetime) -> Iterator[Problem]:
    """Warns of results that the service keeps for less than two more days: it deletes them after 30 days.

    Args:
        request: that is about to be sent.
        now: the time by the service's clock.
    """
    for path, _, value in values_in(request):
        made = value.created_at if isinstance(value, Video | Audio | Image) else None
        if made is not None and now > made + USABLE - NEAR:
            yield Problem(path, _ending(made + USABLE, now), only_warns=True)


def _ending(end: datetime, now: datetime) -> str:
    day = f"{end:%Y-%m-%d %H:%M} UTC"
    if now >= end:
        return f"the service kept this result until {day} (30 days), and probably has it no more"
    return f"the service keeps this result until {day} (30 days after it was made); it may refuse it from then on"
