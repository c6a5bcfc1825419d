"""Values of unknown origin as plain ones, which can be compared, counted and shown whatever they were."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from kling_async.protocol.media.given import Media

VALUES_MOST: Final = 1_000
"""That are looked at: a list that contains itself has no end."""
DEPTH_MOST: Final = 10


@attrs.frozen
class Strange:
    """Stands in for what JSON does not have.

    Attributes:
        described: in words, for a message.
    """

    described: str


def plain(value: object) -> Any:
    """A copy of None, booleans, numbers, texts, lists and dicts, of these very types; all else is `Strange`.

    Nothing of a strange value's own is called but its iteration, and that may raise. Files are left as they are.
    """
    return _plain(value, DEPTH_MOST, iter(range(VALUES_MOST)))


def _plain(value: Any, depth: int, left: Iterator[int]) -> Any:
    # Not by isinstance, which asks the value itself what it is.
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
    except Exception as error:  # noqa: BLE001  (whatever it does when it is looked at)
        return Strange(f"a value that raises {type(error).__name__[:60]}")
    return Strange(f"a value of type {kind.__name__[:60]}")
