"""Converters of record fields: more lenient than the wire format, and total.

A converter returns a value that it cannot convert unchanged, so that the rules can report all problems at once instead
of the first.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, Final, Literal, overload

import attrs

from kling_async.protocol.media.given import without_query
from kling_async.protocol.media.image import Image, ImageGiven
from kling_async.protocol.media.sound import Sound, SoundGiven

AS_TEXT: Mapping[str, Any] = {"wire": "text"}
"""Metadata of a field whose number is sent as text."""
ON_OFF: Mapping[str, Any] = {"wire": "on_off"}
"""Metadata of a boolean field that is sent as `on` or `off`."""
YES_NO: Mapping[str, Any] = {"wire": "yes_no"}
"""Metadata of a boolean field that is sent as `yes` or `no`."""


ITEMS_MOST: Final = 1_000
"""Maximum number of items of a list; a longer iterable may be infinite."""


def each_in(member: str) -> Mapping[str, Any]:
    """Returns metadata of a list of pictures that are sent in an object each: `[{"image": ...}, ...]`.

    Args:
        member: name of the member in each object.
    """
    return {"each_in": member}


def instead_of(member: str, attribute: str) -> Mapping[str, Any]:
    """Returns metadata of a field that stands in for another member: it is sent as that, by an attribute of its value.

    ```python
    video: Video | None = attrs.field(default=None, metadata=instead_of("video_id", "id"), kw_only=True)
    ```

    Args:
        member: the documented member, which is a field of the record too; only one of the two may be given.
        attribute: of the value, such as the `id` of a `Video`.
    """
    return {"instead_of": StandIn(member, attribute)}


def inside(member: str) -> Mapping[str, Any]:
    """Returns metadata of a field that is sent within an object of this name: parameters stay flat."""
    return {"inside": member}


@attrs.frozen
class StandIn:
    """The member and the attribute that a stand-in field is sent as."""

    member: str
    attribute: str


@attrs.frozen
class Malformed:
    """Replaces a nested value that could not be converted; the rules report it.

    Attributes:
        complaint: what was expected. The value itself is not kept: it may contain a picture.
    """

    complaint: str


def read(convert: Callable[..., Any], *given: Any) -> Any:
    """Converts a value, even if inspecting it raises."""
    try:
        return convert(*given)
    except Exception as error:  # noqa: BLE001  (an unbound proxy, an array without a truth value)
        return Malformed(f"cannot be looked at: it raises {type(error).__name__[:60]}")


def as_record(cls: type, value: Any) -> Any:
    """Converts the documented dict to its record."""
    return read(_as_record, cls, value)


def _as_record(cls: type, value: Any) -> Any:
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


def as_item(cls: type, member: str, value: Any) -> Any:
    """Converts the documented dict, or a bare value of its main member, to the record."""
    return as_record(cls, value if value is None or issubclass(type(value), cls | Mapping) else {member: value})


def each(convert: Callable[[Any], Any], values: Any) -> Any:
    """Converts each item of a list of at most 1,000; text, bytes and dicts do not count as lists."""
    return read(_each, convert, values)


def _each(convert: Callable[[Any], Any], values: Any) -> Any:
    if values is None:
        return None
    if isinstance(values, str | bytes | bytearray | memoryview | Mapping) or not isinstance(values, Iterable):
        return Malformed(f"expected a list, got {type(values).__name__}")
    items = tuple(convert(value) for value in islice(values, ITEMS_MOST + 1))
    return items if len(items) <= ITEMS_MOST else Malformed(f"expected a list, got more than {ITEMS_MOST} items")


def image(value: ImageGiven | None) -> Image | None:
    """Accepts a path, an `http(s)://` address, bytes, an `Image`, or the `Picture` of an earlier task."""
    return None if value is None else Image.of(value)


def images(values: Iterable[ImageGiven | Mapping[str, Any]] | None, member: str) -> tuple[Image, ...] | None:
    """Accepts pictures, and the documented dicts that contain one each as `member`."""
    found: tuple[Image, ...] | None = each(lambda value: image(alone(value, member)), values)
    return found


def texts(values: Iterable[str | Mapping[str, Any]] | None, member: str) -> tuple[str, ...] | None:
    """Accepts texts, and the documented dicts that contain one each as `member`."""
    found: tuple[str, ...] | None = each(lambda value: alone(value, member), values)
    return found


def alone(value: Any, member: str) -> Any:
    """Unwraps the documented dict whose only member is `member`; returns any other value unchanged."""
    return value[member] if issubclass(type(value), Mapping) and value.keys() == {member} else value


def sound(value: SoundGiven | None) -> Sound | None:
    """Accepts a path, an `http(s)://` address, bytes, or a `Sound`; "" means none, as in official examples."""
    return None if value is None or is_empty(value) else Sound.of(value)


@overload
def whole_number(value: int | str) -> int: ...


@overload
def whole_number(value: int | str | None) -> int | None: ...


def whole_number(value: int | str | None) -> int | None:
    """Accepts `5`, `5.0` and the documented `"5"`."""
    number: int | None = read(_whole_number, value)
    return number


def _whole_number(given: Any) -> Any:
    digits = isinstance(given, str) and given.strip().isascii() and given.strip().isdigit() and len(given) < 20
    is_whole = digits or (isinstance(given, float) and given.is_integer())
    return int(given) if is_whole else given


def switch(value: bool | Literal["on", "off"] | None) -> bool | None:  # noqa: FBT001  (a converter)
    """Accepts True and False as well as the documented `"on"` and `"off"`."""
    found: bool | None = read(_word, value, {"on": True, "off": False})
    return found


def yes_no(value: bool | Literal["yes", "no"] | None) -> bool | None:  # noqa: FBT001  (a converter)
    """Accepts True and False as well as the documented `"yes"` and `"no"`."""
    found: bool | None = read(_word, value, {"yes": True, "no": False})
    return found


def _word(value: Any, words: Mapping[str, bool]) -> Any:
    return words.get(value.lower(), value) if isinstance(value, str) else value


def address_shown(value: object) -> str:
    """Returns the `repr` of a field: an address without its query, which may contain a signature, or the type's name.

    Results of earlier requests, which stand in for addresses and ids, have a safe repr themselves.
    """
    if attrs.has(type(value)):
        return repr(value)
    is_address = isinstance(value, str) and value.lower().startswith(("http://", "https://"))
    return repr(without_query(str(value))) if is_address else "None" if value is None else f"<{type(value).__name__}>"


def is_empty(value: object) -> bool:
    """Whether the value is the text ""; calls no method that the value overrides."""
    return issubclass(type(value), str) and not str.__len__(value)  # type: ignore[arg-type]  # it is text


def none_if_empty(value: str | None) -> str | None:
    """Converts `""`, which official examples send for none, to None."""
    return None if is_empty(value) else value
