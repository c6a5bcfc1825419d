"""Parses members of answers one by one: a malformed member is left out and does not affect the others."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any


def mapping(value: Any) -> Mapping[str, Any]:
    """Returns an object; an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}  # the type from JSON; faster than a check for `Mapping`


def items(value: Any) -> list[Any]:
    """Returns an array; an empty one in place of anything else."""
    return value if isinstance(value, list) else []


def identifier(value: Any) -> str | None:
    """Returns an id as text: some paths send numbers, which may exceed 2**53."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**40:
        return str(value)
    if isinstance(value, str) and value.isprintable() and value.strip() not in {"", ".", ".."}:
        return value
    return None


def address(value: Any) -> str | None:
    """Returns an address as received; the download checks whether it can be used."""
    if not isinstance(value, str):
        return None
    return value.strip().encode("utf-8", "ignore").decode() or None


_LEAST_MILLISECONDS = 1e11
"""In milliseconds this is in 1973, in seconds in the year 5138: smaller values are in seconds."""


def moment(value: Any) -> datetime | None:
    """Converts milliseconds since 1970, or seconds, which some callbacks send, to an aware time; else returns None."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        milliseconds = value if abs(value) >= _LEAST_MILLISECONDS else value * 1000
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    except (OverflowError, ValueError):
        return None


def decimal(value: Any) -> Decimal | None:
    """Parses an amount or a duration, which are documented as decimal strings; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = Decimal(str(value))
    except (InvalidOperation, ValueError):
        return None
    # Larger numbers are not amounts; they could take for ever to print, or overflow when added up.
    return number if number.is_finite() and abs(number.adjusted()) <= 30 else None
