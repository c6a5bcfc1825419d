"""All output of the commands: results to stdout, everything else to stderr, as text or JSON."""

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
    """Returns a text such that a terminal of this encoding can show it.

    Control characters are escaped: messages of the service and names of files could contain some that move the cursor.
    """
    shown = "".join(
        letter if letter.isprintable() or letter == "\n" else letter.encode("unicode_escape").decode()
        for letter in text
    )
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def failure(exit_code: Exit, error: str, message: str, **more: Any) -> dict[str, Any]:
    """Returns the JSON data of an error; always with the same keys first."""
    known = {"code": None, "http_status": None, "request_id": None, "reference": None, "save_command": None}
    return {"ok": False, "exit_code": int(exit_code), "error": error, "message": message} | known | more


class Output:
    """The output of a command.

    Args:
        json: one JSON object on stdout and nothing else, for programs.
        quiet: no progress, and only the short form of a result, for scripts.
    """

    def __init__(self, *, json: bool = False, quiet: bool = False) -> None:
        self.json = json
        self.quiet = quiet
        self.lost = False
        """Whether writing to stdout failed for another reason than a closed pipe, such as a full disk: no success."""

    def result(self, text: str, short: str, data: dict[str, Any]) -> None:
        """Prints the result: `data` with `--json`, `short` with `--quiet`, else `text`."""
        if self.json:
            success = {"ok": True, "exit_code": int(Exit.OK)} | data
            lost = failure(Exit.ERROR, "OutputLost", "stdout cannot be written") | data
            # `data` of a batch contains an exit code, which takes precedence if it is an error.
            lost |= {"ok": False, "exit_code": success["exit_code"] or int(Exit.ERROR)}
            self._out(json.dumps(success), json.dumps(lost))
        else:
            line = short if self.quiet else text
            self._out(line, line)

    def text(self, text: str) -> None:
        """Prints a text regardless of `--json` and `--quiet`."""
        self._out(text)

    def failed(self, text: str, data: dict[str, Any]) -> None:
        """Prints an error: JSON to stdout, text to stderr.

        Users and passwords are removed from addresses, since an error may repeat words of the command line.
        """
        text = without_users(text)
        data = {name: without_users(value) if isinstance(value, str) else value for name, value in data.items()}
        if self.json:
            self._out(json.dumps(data), json.dumps(data))
        else:
            _write(sys.stderr, text)

    def event(self, data: dict[str, Any]) -> None:
        """Prints an event on stdout, only with `--json`."""
        if self.json:
            self._out(json.dumps(data))

    def note(self, text: str) -> None:
        """Prints a message to stderr, except with `--json`."""
        if not self.json:
            _write(sys.stderr, without_users(text))

    def traceback(self, text: str) -> None:
        """Prints the traceback of a bug."""
        _write(sys.stderr, text)

    def close(self) -> None:
        """Flushes both streams: at the interpreter's end a broken pipe would print an error."""
        self._out(None)
        _write(sys.stderr, None)

    def _out(self, text: str | None, otherwise: str | None = None) -> None:
        """Writes a line to stdout, or, if that fails, another one to stderr: the result may have been paid for."""
        error = None if self.lost else _write(sys.stdout, text)
        if error is not None:
            self.lost = True
            _write(sys.stderr, f"error: stdout cannot be written: {error.strerror or error}")
        if self.lost:
            _write(sys.stderr, otherwise)


_CLOSED_PIPE: Final = frozenset({errno.EPIPE, errno.ESHUTDOWN, errno.EINVAL})
"""Errors of a closed pipe; EINVAL is that of Windows."""


def _write(stream: TextIO | None, text: str | None) -> OSError | None:
    """Writes a line and flushes the stream.

    Neither a closed pipe nor a full disk stops the command: results that were paid for must still be saved.

    Returns:
        The error if writing failed, except for a closed pipe.
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
        return None if error.errno in _CLOSED_PIPE else error
    return None


def _silence(stream: TextIO) -> None:
    """Redirects the stream to the null device, so that its buffer does not fail again at the interpreter's end."""
    try:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)
    except (OSError, ValueError):  # it has no descriptor
        return


# ----------------------------------------------------------------------------------------------------- tables


def columns_of_terminal() -> int | None:
    """Returns the width of stdout; None where it is no terminal, and lines may have any length."""
    return shutil.get_terminal_size().columns if sys.stdout is not None and sys.stdout.isatty() else None


def columns_of_help() -> int:
    """Returns the width of help texts, as argparse computes it, with a minimum for narrow terminals."""
    return max(shutil.get_terminal_size().columns - 2, _LEAST_COLUMNS)


_LEAST_COLUMNS: Final = 40


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], width: int | None = None) -> str:
    """Returns a table with one line for each row, or, if that is wider than `width`, with one paragraph for each.

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
    """Returns a number without trailing zeros: `1.50` is `1.5`."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def units_of(pack: str, units: Decimal) -> str:
    """Returns units with their pack, unless that is the usual one: units of pictures cost a fortieth."""
    return f"{number(units)} units" + f" ({pack} pack)" * (pack != "video")


def dollars(value: Decimal) -> str:
    """Returns dollars rounded to cents, or with all digits for amounts below 10 cents."""
    return f"${value:.2f}" if value >= Decimal("0.1") or value == 0 else f"${number(value)}"


def file_size(size: int) -> str:
    """Returns a size in bytes, kB or MB."""
    if size < 1000:
        return f"{size} bytes"
    return f"{size / 1000:.0f} kB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"
