"""The contents of a request: materials by type; types of other paths are accepted and ignored."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from kling_async.emulator.service.checks import fields
from kling_async.emulator.service.errors import invalid

IMAGES: Final = frozenset({"first_frame", "middle_frame", "last_frame", "refer_image", "image"})
"""Types of pictures: by URL, or in base64."""

VIDEOS: Final = frozenset({"feature_video", "base_video", "video"})
"""Types of videos: by URL."""

TYPES: Final = IMAGES | VIDEOS | {"prompt", "element", "voice"}
"""Types that every path accepts."""

ITEM: Final[dict[str, Any]] = {
    "type": str,
    "text": str,
    "url": str,
    "id": str,
    "element_id": str,
    "voice_id": str,
}
"""Members of an item of any type."""


@attrs.frozen(kw_only=True)
class Item:
    """One material.

    Attributes:
        place: Its place in the request: "contents.0".
        type: Its type.
        value: Its text, URL, or the id of an element or a voice.
        name: The name by which the prompt refers to it, or "".
    """

    place: str
    type: str
    value: str
    name: str = ""


_VALUES: Final = {"prompt": "text", "element": "element_id", "voice": "voice_id"}


def member_of(kind: str) -> str:
    """Returns the member that contains the value of an item of a type."""
    return _VALUES.get(kind, "url")


def read(body: Mapping[str, Any]) -> list[Item]:
    """Reads all contents, including types of other paths.

    Raises:
        Refusal: 1201, with the observed message.
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
    """Whether a text has the form of a URL: it is not fetched before the task is created."""
    return url.lower().startswith(("http://", "https://")) and url.split() == [url]


def _check_element(value: str) -> None:
    """Checks the form of an id only, because elements made before the emulator started are not known here."""
    if not (value.isascii() and value.isdecimal()):
        raise invalid("Invalid element id")
    if int(value) <= 1:  # the refusal of 1 was recorded
        raise invalid(f"Element id not found: {value}")


def of(items: list[Item], *kinds: str) -> list[Item]:
    """Returns the items of some types."""
    return [each for each in items if each.type in kinds]


def unchecked_types(body: Mapping[str, Any]) -> Iterator[str]:
    """Yields the types of the contents of an unchecked request."""
    contents = body.get("contents")
    for each in contents if isinstance(contents, list) else ():
        kind = each.get("type") if isinstance(each, dict) else None
        if isinstance(kind, str):
            yield kind
