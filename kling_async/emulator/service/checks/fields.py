"""Typed reading of one member of a JSON object; JSON `null` counts as absent everywhere."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from kling_async.emulator.service.errors import invalid

_TYPE_NAMES: Final[dict[type, str]] = {
    str: "a string",
    bool: "a boolean",
    dict: "an object",
    list: "an array",
    int: "an integer",
}


def member(body: Mapping[str, Any], name: str, kind: type) -> Any:
    """Give a member of the asked JSON type, or None when it is absent.

    Raises:
        Refusal: 1201, when it has another type. `true` is no integer, nor is what 64 bits cannot hold.
    """
    value: Any = body.get(name)
    too_large = kind is int and isinstance(value, int) and not -(2**63) <= value < 2**63
    if value is None or (type(value) is kind and not too_large):
        return value
    raise invalid(f"{name} must be {_TYPE_NAMES[kind]}")


def text(body: Mapping[str, Any], name: str) -> str:
    """Give a string; an absent one is empty."""
    value: str = member(body, name, str) or ""
    return value


def choice(body: Mapping[str, Any], name: str, choices: Collection[str], default: str) -> str:
    """Give a string that is one of `choices`; an absent or empty one is the default."""
    value = text(body, name) or default
    if value != default and value not in choices:
        raise invalid(f"{name} value '{value}' is invalid")
    return value


def number(body: Mapping[str, Any], name: str, low: float, high: float) -> float | None:
    """Give a number within [low, high], or None when it is absent."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise invalid(f"{name} must be a number")
    if not low <= value <= high:  # also refuses NaN
        raise invalid(f"{name} must be between {low:g} and {high:g}")
    return float(value)


def objects(body: Mapping[str, Any], name: str, *, limit: int) -> list[dict[str, Any]]:
    """Give an array of at most `limit` objects; an absent one is empty."""
    values: list[Any] = member(body, name, list) or []
    if len(values) > limit:
        raise invalid(f"{name} can not exceed {limit} items")
    if not all(isinstance(value, dict) for value in values):
        raise invalid(f"each item of {name} must be an object")
    return values


def required(body: Mapping[str, Any], name: str, kind: type, owner: str) -> Any:
    """Give a member that must be there.

    Args:
        body: The object that holds it.
        name: Its name.
        kind: Its JSON type.
        owner: What the object is, for the message.
    """
    value = member(body, name, kind)
    if value is None or value == "":
        raise invalid(f"{owner}: {name} can not be null")
    return value


def one_of(body: Mapping[str, Any], first: str, second: str) -> None:
    """Check that exactly one of two strings is there; an empty one is not."""
    given = [name for name in (first, second) if text(body, name)]
    if len(given) != 1:
        raise invalid(f"exactly one of {first} and {second} must be given")


def limited(body: Mapping[str, Any], name: str, limit: int, owner: str) -> str:
    """Give a string that must be there, of at most so many characters.

    Args:
        body: The object that holds it.
        name: Its name.
        limit: Characters.
        owner: What the object is, for the message.
    """
    value: str = required(body, name, str, owner)
    if len(value) > limit:
        raise invalid(f"{name}: size must be between 1 and {limit}")
    return value
