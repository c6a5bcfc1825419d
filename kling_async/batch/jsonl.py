"""Reads rows of JSONL: one JSON object per line."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from kling_async.batch.raw_row import RawRow, unreadable

NOT_UTF8: Final = "is no UTF-8; save the file as UTF-8"
_SHOWN: Final = 40


class _Refused(ValueError):
    """An object has a member more than once, or a value that JSON does not have."""


def rows_in(lines: Iterable[str]) -> Iterator[RawRow]:
    """Yields the rows and skips blank lines; an unreadable line becomes a row with a problem.

    Args:
        lines: the lines, decoded with `surrogateescape`.
    """
    for number, line in enumerate(lines, 1):
        if text := line.strip("\ufeff \t\r\n"):
            yield _row(number, text)


def parsed(text: str) -> Any:
    """Parses JSON strictly: without duplicate members, NaN, or lone surrogates.

    Raises:
        ValueError: the text is invalid; the message contains the reason.
    """
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise ValueError("is nested too deep") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"is no JSON: {error.msg} (column {error.colno})") from None
    except _Refused:
        raise
    except ValueError:  # raised by Python for a number of thousands of digits
        raise ValueError("has a number that is too long") from None
    if "\\u" in text:
        _refuse_halves(value)
    return value


def _refuse_halves(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("has half of a surrogate pair (\\ud800 to \\udfff), which cannot be sent") from None
    except RecursionError:
        raise ValueError("is nested too deep") from None


def _row(number: int, text: str) -> RawRow:
    try:
        text.encode()
    except UnicodeEncodeError:
        return unreadable(number, NOT_UTF8)
    try:
        value = parsed(text)
    except ValueError as error:
        return unreadable(number, str(error))
    if not isinstance(value, dict):
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        return unreadable(number, f'expected a JSON object such as {{"image": "cat.png"}}, got {shown}')
    return RawRow(line=number, members=value)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Refused(f"has the member {twice[:_SHOWN]!r} twice")
    return members


def _constant(name: str) -> float:
    raise _Refused(f"has {name}, which is no JSON")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_constant)
