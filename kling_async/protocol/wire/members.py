"""Members of answers, read one by one: what cannot be read is left out, and spoils nothing beside it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any


def mapping(value: Any) -> Mapping[str, Any]:
    """An object; an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}  # as JSON has it, and quicker than asking for any mapping


def items(value: Any) -> list[Any]:
    """An array; an empty one in place of anything else."""
    return value if isinstance(value, list) else []


def identifier(value: Any) -> str | None:
    """An id as text: some paths send numbers, which may exceed 2**53."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**40:
        return str(value)
    if isinstance(value, str) and value.isprintable() and value.strip() not in {"", ".", ".."}:
        return value
    return None


def address(value: Any) -> str | None:
    """An address as it came; whether it can be fetched is the download's question."""
    if not isinstance(value, str):
        return None
    return value.strip().encode("utf-8", "ignore").decode() or None


_LEAST_MILLISECONDS = 1e11
"""In milliseconds this is 1973, in seconds the year 5138: what is less was sent in seconds."""


def moment(value: Any) -> datetime | None:
    """Milliseconds since 1970 (or seconds, which some callbacks send) as an aware time; None where they are neither."""
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
    """The documentation sends amounts and durations as decimal strings."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = Decimal(str(value))
    except (InvalidOperation, ValueError):
        return None
    # Beyond this it is no amount, and would take for ever to print or overflow when added up.
    return number if number.is_finite() and abs(number.adjusted()) <= 30 else None
