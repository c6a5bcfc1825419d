"""The one place that writes: results to stdout, all else to stderr, for people or for programs."""

import errno
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, TextIO

from kling_async.cli.exit_codes import Exit
from kling_async.protocol.redaction import without_users


def printable(text: str, encoding: str) -> str:
    """What a terminal of this encoding can show.

    Control characters are spelled out: the service's messages and the names of files are not ours, and some of them
    would move the cursor.
    """
    shown = "".join(
        letter if letter.isprintable() or letter == "\n" else letter.encode("unicode_escape").decode()
        for letter in text
    )
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def failure(exit_code: Exit, error: str, message: str, **more: Any) -> dict[str, Any]:
    """What a program reads of an error; always with the same keys first."""
    known = {"code": None, "http_status": None, "request_id": None, "reference": None, "save_command": None}
    return {"ok": False, "exit_code": int(exit_code), "error": error, "message": message} | known | more


class Output:
    """Where a command writes.

    Args:
        json: one JSON object on stdout and nothing else, for programs.
        quiet: no progress, and of a result only what a script wants.
    """

    def __init__(self, *, json: bool = False, quiet: bool = False) -> None:
        self.json = json
        self.quiet = quiet
        self.lost = False
        """Whether stdout did not take all, though nobody closed it: a full disk. That is no success."""

    def result(self, text: str, short: str, data: dict[str, Any]) -> None:
        """Prints what was asked for: `text` to people, `short` where it is to be quiet, `data` to programs."""
        if self.json:
            told = {"ok": True, "exit_code": int(Exit.OK)} | data
            lost = failure(Exit.ERROR, "OutputLost", "stdout cannot be written") | data
            # The end of a batch has a code of its own, which counts where it is an error.
            lost |= {"ok": False, "exit_code": told["exit_code"] or int(Exit.ERROR)}
            self._out(json.dumps(told), json.dumps(lost))
        else:
            line = short if self.quiet else text
            self._out(line, line)

    def text(self, text: str) -> None:
        """Prints a text that is the same for all."""
        self._out(text)

    def failed(self, text: str, data: dict[str, Any]) -> None:
        """Prints that it did not work; programs read that on stdout too.

        It may repeat what was typed, such as an address with a password at a place where none was expected.
        """
        text = without_users(text)
        data = {name: without_users(value) if isinstance(value, str) else value for name, value in data.items()}
        if self.json:
            self._out(json.dumps(data), json.dumps(data))
        else:
            _write(sys.stderr, text)

    def event(self, data: dict[str, Any]) -> None:
        """Prints what happens on the way, to programs only."""
        if self.json:
            self._out(json.dumps(data))

    def note(self, text: str) -> None:
        """Prints something for people on the way; not part of the result."""
        if not self.json:
            _write(sys.stderr, without_users(text))

    def traceback(self, text: str) -> None:
        """Shows where a bug is."""
        _write(sys.stderr, text)

    def close(self) -> None:
        """Writes what is still held back: at the interpreter's end a broken pipe is an ugly error."""
        self._out(None)
        _write(sys.stderr, None)

    def _out(self, text: str | None, otherwise: str | None = None) -> None:
        """Writes a line to stdout, or, where that does not take it, another one to stderr: it may be paid for."""
        error = None if self.lost else _write(sys.stdout, text)
        if error is not None:
            self.lost = True
            _write(sys.stderr, f"error: stdout cannot be written: {error.strerror or error}")
        if self.lost:
            _write(sys.stderr, otherwise)


_NOBODY_READS: Final = frozenset({errno.EPIPE, errno.ESHUTDOWN, errno.EINVAL})
"""Errors of a closed pipe; EINVAL is that of Windows."""


def _write(stream: TextIO | None, text: str | None) -> OSError | None:
    """Writes a line at once.

    Neither a closed pipe nor a full disk is a reason to stop: what was paid for is still to be saved.

    Returns:
        Why it could not, unless nobody reads the stream.
    """
    if stream is None:  # a process without a console
        return None
    try:
        if text is not None:
            stream.write(printable(text, stream.encoding or "ascii") + "\n")
        stream.flush()
    except ValueError:  # a closed stream
        _silence(stream)
    except OSError as error:
        _silence(stream)
        return None if error.errno in _NOBODY_READS else error
    return None


def _silence(stream: TextIO) -> None:
    """Leads the stream into nothing, else what it holds fails again at the interpreter's end."""
    try:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)
    except (OSError, ValueError):  # it has no descriptor
        return


# ----------------------------------------------------------------------------------------------------- tables


def columns_of_terminal() -> int | None:
    """How wide stdout is; None where it is no terminal, and lines may be of any length."""
    return shutil.get_terminal_size().columns if sys.stdout is not None and sys.stdout.isatty() else None


def columns_of_help() -> int:
    """How wide the texts of `--help` are, as argparse has it; not less than words are, however narrow the terminal."""
    return max(shutil.get_terminal_size().columns - 2, _LEAST_COLUMNS)


_LEAST_COLUMNS: Final = 40


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], width: int | None = None) -> str:
    """Text with one line for each row, or, where that is wider than `width`, with one paragraph for each.

    Args:
        headers: of the columns.
        rows: of the same length each.
        width: of the terminal; None for no limit.
    """
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    if width is not None and sum(widths) + 2 * (len(widths) - 1) > width:
        return "\n".join(_paragraph(headers, row, width) for row in rows)
    lines = [headers, *rows]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _paragraph(headers: Sequence[str], row: Sequence[str], width: int) -> str:
    # The first cell names the row; spaces within a pair must not break.
    pairs = [f"{header} {cell}".replace(" ", "\0") for header, cell in zip(headers[1:], row[1:], strict=True) if cell]
    text = textwrap.fill(", ".join(pairs), width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
    return f"{row[0]}\n{text}".replace("\0", " ")


# ---------------------------------------------------------------------------------------------------- numbers


def number(value: Decimal) -> str:
    """Without zeros at the end: `1.50` is `1.5`."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def units_of(pack: str, units: Decimal) -> str:
    """Units, and of which pack, unless that is the usual one: those of pictures cost a fortieth."""
    return f"{number(units)} units" + f" ({pack} pack)" * (pack != "video")


def dollars(value: Decimal) -> str:
    """Cents, or what is less where it matters."""
    return f"${value:.2f}" if value >= Decimal("0.1") or value == 0 else f"${number(value)}"


def file_size(size: int) -> str:
    """In units that people read."""
    if size < 1000:
        return f"{size} bytes"
    return f"{size / 1000:.0f} kB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"
