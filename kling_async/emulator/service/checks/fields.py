"""Typed access to one member of a JSON object; JSON `null` always counts as absent."""

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
    """Returns a member of a JSON type, or None when it is absent.

    Raises:
        Refusal: 1201, when it has another type. `true` is not an integer, nor is a number that exceeds 64 bits.
    """
    value: Any = body.get(name)
    too_large = kind is int and isinstance(value, int) and not -(2**63) <= value < 2**63
    if value is None or (type(value) is kind and not too_large):
        return value
    raise invalid(f"{name} must be {_TYPE_NAMES[kind]}")


def text(body: Mapping[str, Any], name: str) -> str:
    """Returns a string; an absent one is empty."""
    value: str = member(body, name, str) or ""
    return value


def choice(body: Mapping[str, Any], name: str, choices: Collection[str], default: str) -> str:
    """Returns a string that is one of `choices`; an absent or empty one is the default."""
    value = text(body, name) or default
    if value != default and value not in choices:
        raise invalid(f"{name} value '{value}' is invalid")
    return value


def number(body: Mapping[str, Any], name: str, low: float, high: float) -> float | None:
    """Returns a number within [low, high], or None when it is absent."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise invalid(f"{name} must be a number")
    if not low <= value <= high:  # also refuses NaN
        raise invalid(f"{name} must be between {low:g} and {high:g}")
    return float(value)


def objects(body: Mapping[str, Any], name: str, *, limit: int) -> list[dict[str, Any]]:
    """Returns an array of at most `limit` objects; an absent one is empty."""
    values: list[Any] = member(body, name, list) or []
    if len(values) > limit:
        raise invalid(f"{name} can not exceed {limit} items")
    if not all(isinstance(value, dict) for value in values):
        raise invalid(f"each item of {name} must be an object")
    return values


def required(body: Mapping[str, Any], name: str, kind: type, owner: str) -> Any:
    """Returns a required member.

    Args:
        body: The object that contains it.
        name: Its name.
        kind: Its JSON type.
        owner: The object's name, for the message.
    """
    value = member(body, name, kind)
    if value is None or value == "":
        raise invalid(f"{owner}: {name} can not be null")
    return value


def one_of(body: Mapping[str, Any], first: str, second: str) -> None:
    """Checks that exactly one of two strings is given; an empty one counts as absent."""
    given = [name for name in (first, second) if text(body, name)]
    if len(given) != 1:
        raise invalid(f"exactly one of {first} and {second} must be given")


def limited(body: Mapping[str, Any], name: str, limit: int, owner: str) -> str:
    """Returns a required string of limited length.

    Args:
        body: The object that contains it.
        name: Its name.
        limit: Characters, at most.
        owner: The object's name, for the message.
    """
    value: str = required(body, name, str, owner)
    if len(value) > limit:
        raise invalid(f"{name}: size must be between 1 and {limit}")
    return value
