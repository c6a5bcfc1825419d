"""Rows as text: in columns where the terminal is wide enough, else one below the other."""

import shutil
import sys
import textwrap
from collections.abc import Sequence


def columns_of_terminal() -> int | None:
    """How wide stdout is; None where it is no terminal, and lines may be of any length."""
    return shutil.get_terminal_size().columns if sys.stdout is not None and sys.stdout.isatty() else None


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
