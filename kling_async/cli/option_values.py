"""Text of options into values. What the documentation allows is for the checks to say."""

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
"""More than anybody means, and less than what a computation cannot hold."""
MOST_MONEY: Final = 10**15
"""As a budget holds it."""
AXES: Final = tuple(attrs.fields_dict(CameraConfig))

STDIN_BYTES: Final = 64 * 2**20
"""Read of standard input at most: far more than a file may have, which is for the checks to say."""


def number(text: str) -> int | float:
    """Reads a number; whether it may be so large, or broken, is for the checks to say.

    Raises:
        ArgumentTypeError: it is none.
    """
    try:
        return int(text) if text.strip().lstrip("+-").isdecimal() else float(text)
    except ValueError:
        raise ArgumentTypeError(f"must be a number, got {text!r}") from None


def number_or_text(text: str) -> int | float | str:
    """Reads a number, or takes a word that may stand in its place."""
    try:
        return number(text)
    except ArgumentTypeError:
        return text


def moment(text: str) -> datetime | int:
    """Reads a day, a day and a time, or milliseconds since 1970.

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
    """Reads a whole number.

    Raises:
        ArgumentTypeError: it is none.
    """
    value = number(text)
    if not isinstance(value, int):
        raise ArgumentTypeError(f"must be a whole number, got {text!r}")
    return value


def whole_from(least: int, most: int = MOST) -> Callable[[str], int]:
    """What reads whole numbers from `least` up to `most`."""

    def whole_number(text: str) -> int:
        value = whole(text)
        if value < least:
            raise ArgumentTypeError(f"must be {least} or more, got {value}")
        if value > most:
            raise ArgumentTypeError(f"must be {most} or less, got {text[:40]}")
        return value

    return whole_number


def budget(text: str) -> tuple[str, Decimal]:
    """Reads `60` or `60units`, or `8.40usd` or `$8.40`: what is counted, and how much of it.

    Raises:
        ArgumentTypeError: it is neither.
    """
    found = re.fullmatch(r"(\$?)\s*(\d+(?:\.\d+)?)\s*(|units?|usd)", text.strip().lower())
    if found is None or (found[1] and found[3].startswith("unit")):
        # What is left of $8.40 where a shell has read $8 as a variable.
        hint = "; quote the $, which the shell reads" if re.match(r"[.,]?\d*$", text.strip()) else ""
        raise ArgumentTypeError(f"must be units such as 60, or dollars such as 8.40usd or '$8.40', got {text!r}{hint}")
    amount = Decimal(found[2])
    if not amount:
        raise ArgumentTypeError(f"must be more than 0, got {text!r}; quote the $, which the shell reads")
    _refuse_large(amount)
    return "usd" if found[1] or found[3] == "usd" else "units", amount


def amount(text: str) -> Decimal:
    """Reads a number from 0 up.

    Raises:
        ArgumentTypeError: it is none.
    """
    if not re.fullmatch(r"\d+(\.\d+)?", text):
        raise ArgumentTypeError(f"must be a number from 0 up, got {text!r}")
    value = Decimal(text)
    _refuse_large(value)
    return value


def _refuse_large(value: Decimal) -> None:
    """Refuses what no budget holds, before there is a plan for it.

    Raises:
        ArgumentTypeError: it is that large.
    """
    if value > MOST_MONEY:
        raise ArgumentTypeError(f"must be {MOST_MONEY} or less")


def port(text: str) -> int:
    """Reads the number of a port; 0 is a free one.

    Raises:
        ArgumentTypeError: it is none.
    """
    value = whole(text)
    if value not in range(65536):
        raise ArgumentTypeError(f"must be 0 to 65535, got {value}")
    return value


def positive(text: str) -> float:
    """Reads a number above 0.

    Raises:
        ArgumentTypeError: it is none.
    """
    value = number(text)
    if not 0 < value < float("inf"):
        raise ArgumentTypeError(f"must be more than 0, got {text}")
    return value


def place(text: str) -> str:
    """Takes a path.

    Raises:
        ArgumentTypeError: it is empty, as a shell's variable is that is not set.
    """
    if not text:
        raise ArgumentTypeError("is empty (a variable that is not set?): give a path")
    return text


def target(text: str) -> str:
    """Takes a place to save to.

    Raises:
        ArgumentTypeError: it is empty, or standard output.
    """
    if text == "-":
        raise ArgumentTypeError("results are saved to files (standard output cannot be resumed)")
    return place(text)


def from_json(text: str) -> Any:
    """Reads JSON, or `@FILE` that holds it.

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
    """Reads one item as it stands, or JSON."""
    return from_json(text) if text.startswith(("[", "{", "@")) else [text]


def text_or_json(text: str) -> Any:
    """Takes a text as it stands, or reads JSON."""
    return from_json(text) if text.startswith(("{", "@")) else text


def ids(text: str) -> Any:
    """Reads ids with commas between, or JSON.

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
    """Reads `zoom=5`, the name of a preset, or JSON.

    Raises:
        ArgumentTypeError: it is none of these.
    """
    if text.startswith(("{", "@")):
        return from_json(text)
    axis, equals, amount = text.partition("=")
    if not equals:
        return {"type": text}  # whether there is such a preset is for the checks to say
    if axis not in AXES:
        raise ArgumentTypeError(f"{axis!r} is no movement; use one of {', '.join(AXES)}, such as zoom=5")
    return {"type": "simple", "config": {axis: number(amount)}}


def stdin_bytes() -> bytes:
    """The file that is piped into the command.

    Raises:
        UsageError: there is none.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("- reads the file from standard input, but nothing is piped into it")
    stdin = cast("BufferedReader", sys.stdin.buffer)
    data = bytearray()
    # Piece by piece, as one long read would not always notice a Ctrl-C.
    while len(data) < STDIN_BYTES and (piece := stdin.read1(2**16)):
        data += piece
    if not data:
        raise UsageError("standard input is empty")
    return bytes(data)
