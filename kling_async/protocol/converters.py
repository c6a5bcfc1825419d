"""Converters of records: kinder than the wire, and total.

What they cannot read they leave as it was given, so that the rules can report every problem at once instead of the
first.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, cast

import attrs

from kling_async.protocol.media.image import Image, ImageGiven
from kling_async.protocol.media.sound import Sound, SoundGiven

AS_TEXT: Mapping[str, Any] = {"wire": "text"}
"""Metadata of a field whose number the service wants as text."""
ON_OFF: Mapping[str, Any] = {"wire": "on_off"}
"""Metadata of a field that is True or False, and `on` or `off` to the service."""


def each_in(member: str) -> Mapping[str, Any]:
    """Metadata of a list of pictures that the service wants in an object each: `[{"image": ...}, ...]`.

    Args:
        member: that each object has.
    """
    return {"each_in": member}


def instead_of(member: str, attribute: str) -> Mapping[str, Any]:
    """Metadata of a field that stands in for another member: it is sent as that one, by an attribute of its value.

    ```python
    video: Video | None = attrs.field(default=None, metadata=instead_of("video_id", "id"), kw_only=True)
    ```

    Args:
        member: the documentation's, which is a field of the record too; only one of the two may be given.
        attribute: of what is given, such as the `id` of a `Video`.
    """
    return {"instead_of": StandIn(member, attribute)}


def inside(member: str) -> Mapping[str, Any]:
    """Metadata of a field that is sent within an object of this name: parameters stay flat."""
    return {"inside": member}


@attrs.frozen
class StandIn:
    """What a field is sent as, where it stands in for another member."""

    member: str
    attribute: str


@attrs.frozen
class Malformed:
    """Stands in for a nested value that could not be read; the rules report it.

    Attributes:
        complaint: what was expected. The value itself is not kept: it may hold a picture.
    """

    complaint: str


def as_record(cls: type, value: Any) -> Any:
    """Turns the documented dict into its record."""
    if value is None or isinstance(value, cls):
        return value
    fields = attrs.fields_dict(cls)
    if not isinstance(value, Mapping):
        return Malformed(f"expected {cls.__name__} or a dict with {', '.join(fields)}; got {type(value).__name__}")
    unknown = [str(key) for key in value if key not in fields]
    missing = [name for name, field in fields.items() if field.default is attrs.NOTHING and name not in value]
    if unknown or missing:
        return Malformed(
            "; ".join([f"unknown key {key[:40]!r}" for key in unknown] + [f"missing key {name!r}" for name in missing])
            + f"; the keys are {', '.join(fields)}"
        )
    return cls(**value)


def each(convert: Callable[[Any], Any], values: Any) -> Any:
    """Converts each item of a list; a text or a dict is none."""
    if values is None:
        return None
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        return Malformed(f"expected a list, got {type(values).__name__}")
    return tuple(convert(value) for value in values)


def image(value: ImageGiven | None) -> Image | None:
    """Accepts a path, an `http(s)://` address, bytes, an `Image`, or the `Picture` of an earlier task."""
    return None if value is None else Image.of(value)


def images(values: Iterable[ImageGiven | Mapping[str, Any]] | None, member: str) -> tuple[Image, ...] | None:
    """Accepts pictures, and the documented dicts that hold one each as `member`."""
    read: tuple[Image, ...] | None = each(lambda value: image(_alone(value, member)), values)
    return read


def texts(values: Iterable[str | Mapping[str, Any]] | None, member: str) -> tuple[str, ...] | None:
    """Accepts texts, and the documented dicts that hold one each as `member`."""
    read: tuple[str, ...] | None = each(lambda value: _alone(value, member), values)
    return read


def _alone(value: Any, member: str) -> Any:
    return value[member] if isinstance(value, Mapping) and value.keys() == {member} else value


def sound(value: SoundGiven | None) -> Sound | None:
    """Accepts a path, an `http(s)://` address, bytes, or a `Sound`; "" is none, as official examples send it."""
    return None if value is None or value == "" else Sound.of(value)


def whole_number(value: int | str) -> int:
    """Accepts `5`, `5.0` and the documented `"5"`."""
    given: Any = value
    digits = isinstance(given, str) and given.strip().isascii() and given.strip().isdigit() and len(given) < 20
    is_whole = digits or (isinstance(given, float) and given.is_integer())
    return int(given) if is_whole else cast("int", value)  # or what the rules refuse


def switch(value: bool | Literal["on", "off"] | None) -> bool | None:  # noqa: FBT001  (a converter)
    """Accepts True and False beside the documented `"on"` and `"off"`."""
    given: Any = value
    read: bool | None = _SWITCH.get(given.lower(), given) if isinstance(given, str) else given
    return read


def none_if_empty(value: str | None) -> str | None:
    """Official examples send `""` and mean none."""
    return None if value == "" else value


_SWITCH: dict[str, Any] = {"on": True, "off": False}
