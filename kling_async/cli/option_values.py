"""Parses the values of options. Whether the service accepts a value is decided by the checks, not here."""

import json
import re
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from io import BufferedReader
from pathlib import Path
from typing import Any, Final, cast

import attrs

from kling_async.cli.exit_codes import UsageError
from kling_async.protocol.records import CameraConfig

MOST: Final = 10**9
"""Larger than any useful value, and small enough for all computations."""
MOST_MONEY: Final = 10**15
"""Maximum of a budget."""
AXES: Final = tuple(attrs.fields_dict(CameraConfig))

STDIN_BYTES: Final = 64 * 2**20
"""Maximum size read from standard input: far more than the checks allow for a file."""


def number(text: str) -> int | float:
    """Parses a number; the checks decide whether it may be that large, or fractional.

    Raises:
        ArgumentTypeError: it is none.
    """
    try:
        return int(text) if text.strip().lstrip("+-").isdecimal() else float(text)
    except ValueError:
        raise ArgumentTypeError(f"must be a number, got {text!r}") from None


def number_or_text(text: str) -> int | float | str:
    """Parses a number, or returns the text as it is."""
    try:
        return number(text)
    except ArgumentTypeError:
        return text


def moment(text: str) -> datetime | int:
    """Parses a day, a day and a time, or milliseconds since 1970.

    Raises:
        ArgumentTypeError: it is none.
    """
    if text.isdecimal():
        return int(text)
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError, OSError):
        raise ArgumentTypeError(f"must be a time such as 2026-11-29 or 2026-11-29T18:00, got {text!r}") from None


def whole(text: str) -> int:
    """Parses a whole number.

    Raises:
        ArgumentTypeError: it is none.
    """
    value = number(text)
    if not isinstance(value, int):
        raise ArgumentTypeError(f"must be a whole number, got {text!r}")
    return value


def whole_from(least: int, most: int = MOST) -> Callable[[str], int]:
    """Returns a parser of whole numbers from `least` up to `most`."""

    def whole_number(text: str) -> int:
        value = whole(text)
        if value < least:
            raise ArgumentTypeError(f"must be {least} or more, got {value}")
        if value > most:
            raise ArgumentTypeError(f"must be {most} or less, got {text[:40]}")
        return value

    return whole_number


def budget(text: str) -> tuple[str, Decimal]:
    """Parses `60` or `60units`, or `8.40usd` or `$8.40`; returns the unit and the amount.

    Raises:
        ArgumentTypeError: it is neither.
    """
    found = re.fullmatch(r"(\$?)\s*(\d+(?:\.\d+)?)\s*(|units?|usd)", text.strip().lower())
    if found is None or (found[1] and found[3].startswith("unit")):
        # The rest of $8.40 after the shell has expanded $8 as a variable.
        hint = "; quote the $, which the shell reads" if re.match(r"[.,]?\d*$", text.strip()) else ""
        raise ArgumentTypeError(f"must be units such as 60, or dollars such as 8.40usd or '$8.40', got {text!r}{hint}")
    amount = Decimal(found[2])
    if not amount:
        raise ArgumentTypeError(f"must be more than 0, got {text!r}; quote the $, which the shell reads")
    _refuse_large(amount)
    return "usd" if found[1] or found[3] == "usd" else "units", amount


def amount(text: str) -> Decimal:
    """Parses a number from 0 up.

    Raises:
        ArgumentTypeError: it is none.
    """
    if not re.fullmatch(r"\d+(\.\d+)?", text):
        raise ArgumentTypeError(f"must be a number from 0 up, got {text!r}")
    value = Decimal(text)
    _refuse_large(value)
    return value


def _refuse_large(value: Decimal) -> None:
    """Refuses an amount that is too large for a budget, before anything is planned.

    Raises:
        ArgumentTypeError: it is too large.
    """
    if value > MOST_MONEY:
        raise ArgumentTypeError(f"must be {MOST_MONEY} or less")


def port(text: str) -> int:
    """Parses a port number; 0 means a free one.

    Raises:
        ArgumentTypeError: it is none.
    """
    value = whole(text)
    if value not in range(65536):
        raise ArgumentTypeError(f"must be 0 to 65535, got {value}")
    return value


def positive(text: str) -> float:
    """Parses a number above 0.

    Raises:
        ArgumentTypeError: it is none.
    """
    value = number(text)
    if not 0 < value < float("inf"):
        raise ArgumentTypeError(f"must be more than 0, got {text}")
    return value


def place(text: str) -> str:
    """Checks that a path is not empty.

    Raises:
        ArgumentTypeError: it is empty, as an unset shell variable is.
    """
    if not text:
        raise ArgumentTypeError("is empty (a variable that is not set?): give a path")
    return text


def target(text: str) -> str:
    """Checks a place to save to.

    Raises:
        ArgumentTypeError: it is empty, or standard output.
    """
    if text == "-":
        raise ArgumentTypeError("results are saved to files (standard output cannot be resumed)")
    return place(text)


def from_json(text: str) -> Any:
    """Parses JSON, or reads it from the file of `@FILE`.

    Raises:
        ArgumentTypeError: it is no JSON, or the file cannot be read.
    """
    place = ""
    if text.startswith("@"):
        place = f"{text[1:]}: "
        try:
            text = Path(text[1:]).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            reason = (isinstance(error, OSError) and error.strerror) or "it is no UTF-8 text"
            raise ArgumentTypeError(f"{place}cannot be read: {reason}") from None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        hint = "" if place else "; @FILE reads it from a file, where no shell touches the quotes"
        raise ArgumentTypeError(f"{place}no JSON: {error}{hint}") from None


def texts(text: str) -> Any:
    """Returns one item as a list, or parses JSON."""
    return from_json(text) if text.startswith(("[", "{", "@")) else [text]


def text_or_json(text: str) -> Any:
    """Returns a text as it is, or parses JSON."""
    return from_json(text) if text.startswith(("{", "@")) else text


def ids(text: str) -> Any:
    """Parses ids separated by commas, or JSON.

    Raises:
        ArgumentTypeError: there is none.
    """
    if text.startswith(("[", "{", "@")):
        return from_json(text)
    found = [id_.strip() for id_ in text.split(",") if id_.strip()]
    if not found:
        raise ArgumentTypeError("needs ids with commas between, such as 123,456")
    return found


def camera_control(text: str) -> Any:
    """Parses `zoom=5`, the name of a preset, or JSON.

    Raises:
        ArgumentTypeError: it is none of these.
    """
    if text.startswith(("{", "@")):
        return from_json(text)
    axis, equals, amount = text.partition("=")
    if not equals:
        return {"type": text}  # the checks decide whether there is such a preset
    if axis not in AXES:
        raise ArgumentTypeError(f"{axis!r} is no movement; use one of {', '.join(AXES)}, such as zoom=5")
    return {"type": "simple", "config": {axis: number(amount)}}


def stdin_bytes() -> bytes:
    """Reads the file that is piped into the command.

    Raises:
        UsageError: there is none.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("- reads the file from standard input, but nothing is piped into it")
    stdin = cast("BufferedReader", sys.stdin.buffer)
    data = bytearray()
    # Read in pieces, since Ctrl-C does not always interrupt one long read.
    while len(data) < STDIN_BYTES and (piece := stdin.read1(2**16)):
        data += piece
    if not data:
        raise UsageError("standard input is empty")
    return bytes(data)
