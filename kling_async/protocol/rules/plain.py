"""Converts arbitrary values to plain ones, which can safely be compared, counted and shown."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from kling_async.protocol.media.given import Media

VALUES_MOST: Final = 1_000
"""Maximum number of values converted: a list that contains itself is infinite."""
DEPTH_MOST: Final = 10


@attrs.frozen
class Strange:
    """Replaces a value that JSON does not have.

    Attributes:
        described: description of the value, for a message.
    """

    described: str


def plain(value: object) -> Any:
    """Copies None, booleans, numbers, texts, lists and dicts to exactly these types; all else becomes `Strange`.

    Of a strange value's methods only its iteration is called, which may raise. Files are not copied.
    """
    return _plain(value, DEPTH_MOST, iter(range(VALUES_MOST)))


def _plain(value: Any, depth: int, left: Iterator[int]) -> Any:
    # Not by `isinstance`, which uses `__class__`, which the value may override.
    kind = type(value)
    if next(left, None) is None:
        return Strange(f"more than {VALUES_MOST} values")
    try:
        if value is None or issubclass(kind, bool | Media):
            return value
        if issubclass(kind, str):
            return str.__str__(value)
        if issubclass(kind, int):
            return int.__index__(value)
        if issubclass(kind, float):
            return float.__float__(value)
        if issubclass(kind, list | tuple | Mapping) and depth == 0:
            return Strange("a value within ten others")
        if issubclass(kind, Mapping):
            return {_plain(name, 0, left): _plain(value[name], depth - 1, left) for name in value}
        if issubclass(kind, list | tuple):
            return [_plain(member, depth - 1, left) for member in value]
    except Exception as error:  # noqa: BLE001  (inspecting a value may raise anything)
        return Strange(f"a value that raises {type(error).__name__[:60]}")
    return Strange(f"a value of type {kind.__name__[:60]}")
