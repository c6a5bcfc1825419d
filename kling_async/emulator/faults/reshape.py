"""Changes to a JSON value at pointers (RFC 6901), with `*` for each item of an array. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

_REMOVED: Final = object()


def steps(pointer: object) -> list[str]:
    """Returns the member names and indices of a pointer: "/data/*/id" has three, "" (the whole value) none.

    Raises:
        ValueError: If it is not a pointer.
    """
    if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
        raise ValueError(f'a pointer is "" or begins with "/", as "/data/task_status", not {pointer!r}')
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def found(value: Any, pointer: str) -> list[Any]:
    """Returns the values at a pointer: none, one or, with `*`, several."""
    values = [value]
    for step in steps(pointer):
        values = [each[key] for each in values for key in _keys(each, step)]
    return values


def reshaped(value: Any, changes: Mapping[str, Any], without: Iterable[str]) -> Any:
    """Changes a value in place.

    A pointer without a match changes nothing. The last step may name a new member of an object, or be `-`, which
    appends to an array.

    Args:
        value: The value to change.
        changes: New values by pointer.
        without: Pointers to members and items to remove, after the changes.

    Returns:
        The value, or another one if a pointer is "".
    """
    for pointer, new in changes.items():
        value = _put(value, steps(pointer), new)
    for pointer in without:
        _put(value, steps(pointer), _REMOVED)
    return value


def _put(value: Any, path: list[str], new: Any) -> Any:
    if not path:
        return new
    step, rest = path[0], path[1:]
    if not rest and new is not _REMOVED:
        if isinstance(value, list) and step == "-":
            value.append(new)
        elif isinstance(value, dict):
            value[step] = new
    for key in reversed(_keys(value, step)):
        if rest or new is not _REMOVED:
            value[key] = _put(value[key], rest, new)
        else:
            del value[key]
    return value


def _keys(value: Any, step: str) -> list[Any]:
    if isinstance(value, dict):
        return [step] if step in value else []
    if not isinstance(value, list):
        return []
    if step == "*":
        return list(range(len(value)))
    return [int(step)] if step.isdecimal() and step.isascii() and int(step) < len(value) else []
