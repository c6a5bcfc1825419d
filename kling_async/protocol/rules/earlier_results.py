"""Rules for results of earlier tasks that are given to a new one."""

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
"""How long the service keeps what it made: ids and addresses."""
NEAR: Final = timedelta(days=2)
"""How long before the end of that time a request is warned of."""


ADDRESS_FIELDS: Final = ("video_url", "voice_url", "sound_file")
"""Where the documentation has addresses beside the ids of earlier results."""


def stand_ins(request: object) -> Iterator[Problem]:
    """What stands in for an id or an address is of the field's kind, and has one."""
    for path, field, value in values_in(request):
        stand_in: StandIn | None = field and field.metadata.get("instead_of")
        if stand_in is None:
            continue
        sent: Any = getattr(value, stand_in.attribute, None) if isinstance(value, field.type) else None
        if sent is None:
            got = "text" if isinstance(value, str) else type(value).__name__  # itself it may be a signed address
            yield Problem(
                path,
                f"expected what an earlier request made, with its {stand_in.attribute}, got {got}; "
                f"{stand_in.member} takes the {stand_in.attribute} by itself{_address_field(request, stand_in, value)}",
            )
        elif sent == "":
            yield Problem(path, f"this one came without {stand_in.attribute}: give {stand_in.member} or another one")


def _address_field(request: object, stand_in: StandIn, value: object) -> str:
    """Where the address belongs that was given for an earlier result, if the request takes one."""
    if stand_in.attribute == "url" or not (isinstance(value, str) and is_address(value)):
        return ""
    names = [name for name in ADDRESS_FIELDS if hasattr(request, name)]
    return f", {names[0]} an address" if names else ""


def ages(request: object, now: datetime) -> Iterator[Problem]:
    """A warning for what the service keeps for less than two days more: 30 days after it was made it is gone.

    Args:
        request: what is about to be sent.
        now: by the service's clock.
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
