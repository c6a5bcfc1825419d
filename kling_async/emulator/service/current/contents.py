"""The contents of a request: materials by type, of which the types of other paths are taken, and ignored."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from kling_async.emulator.service.checks import fields
from kling_async.emulator.service.errors import invalid

IMAGES: Final = frozenset({"first_frame", "middle_frame", "last_frame", "refer_image", "image"})
"""Types that are pictures: by URL, or in base64."""

VIDEOS: Final = frozenset({"feature_video", "base_video", "video"})
"""Types that are videos: by URL."""

TYPES: Final = IMAGES | VIDEOS | {"prompt", "element", "voice"}
"""What passes on every path."""

ITEM: Final[dict[str, Any]] = {
    "type": str,
    "text": str,
    "url": str,
    "id": str,
    "element_id": str,
    "voice_id": str,
}
"""Members of an item, of whatever type."""


@attrs.frozen(kw_only=True)
class Item:
    """One material.

    Attributes:
        place: Where it is: "contents.0".
        type: Its type.
        value: Its text, URL, or the id of an element or a voice.
        name: By which the prompt calls it, "" for none.
    """

    place: str
    type: str
    value: str
    name: str = ""


_VALUES: Final = {"prompt": "text", "element": "element_id", "voice": "voice_id"}


def member_of(kind: str) -> str:
    """Give the member that holds what an item of a type is about."""
    return _VALUES.get(kind, "url")


def read(body: Mapping[str, Any]) -> list[Item]:
    """Read all contents, those of other paths' types too.

    Raises:
        Refusal: 1201, worded as seen.
    """
    contents = body.get("contents")
    if contents is not None and not isinstance(contents, list):
        raise invalid("contents value type is invalid, expected array")
    if not contents:
        raise invalid("contents cannot be empty")
    return [_item(number, each) for number, each in enumerate(contents)]


def _item(number: int, item: Any) -> Item:
    place = f"contents[{number}]"
    if not isinstance(item, dict):
        raise invalid(f"{place} value type is invalid, expected object")
    kind = item.get("type")
    if not isinstance(kind, str) or kind not in TYPES:
        raise invalid(f"{place}.type value '{'' if kind is None else kind}' is invalid")
    name = member_of(kind)
    value = item.get(name)
    if not isinstance(value, str) or not value.strip():
        article = "" if kind == "prompt" else "a "
        raise invalid(f"content item of type '{kind}' must have {article}non-blank {name}")
    if kind in VIDEOS and not _is_address(value):
        raise invalid("Video URL is invalid")
    if kind == "element":
        _check_element(value)
    return Item(place=f"contents.{number}", type=kind, value=value, name=fields.text(item, "id"))


def _is_address(url: str) -> bool:
    """Tell whether a URL has the form of one: it is not fetched before the task is there."""
    return url.lower().startswith(("http://", "https://")) and url.split() == [url]


def _check_element(value: str) -> None:
    """Check the form of an id: elements of the account that were made before the emulator was are not known here."""
    if not (value.isascii() and value.isdecimal()):
        raise invalid("Invalid element id")
    if int(value) <= 1:  # of this one the refusal was recorded
        raise invalid(f"Element id not found: {value}")


def of(items: list[Item], *kinds: str) -> list[Item]:
    """Give those of some types."""
    return [each for each in items if each.type in kinds]


def unchecked_types(body: Mapping[str, Any]) -> Iterator[str]:
    """Give the types of the contents of a request that need not have been checked."""
    contents = body.get("contents")
    for each in contents if isinstance(contents, list) else ():
        kind = each.get("type") if isinstance(each, dict) else None
        if isinstance(kind, str):
            yield kind
