"""Writes the report of a batch: a page for people, two tables for programs. Blocking; call it in a thread."""

import csv
import io
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import attrs

from kling_async.batch.report_page import page
from kling_async.batch.report_text import clean, is_address, named, unsigned
from kling_async.batch.result import RowResult
from kling_async.io import system
from kling_async.io.target import DRAFT, absolute, shown
from kling_async.protocol.errors import TargetError

COLUMNS: Final = ("id", "status", "task_id", "files", "units", "usd", "amount", "currency", "seconds", "error")
"""Columns of both tables."""
SEPARATOR: Final = "|"
"""Separates several files in one cell."""
_LEFT_AFTER: Final = 3600
"""Seconds after which a draft is considered left over from a killed process."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\n", "\uff0b", "\uff0d", "\uff1d", "\uff20")
"""Prefixes that make a spreadsheet evaluate a cell; the last four are the full-width forms."""


def write_report(out: Path, results: Sequence[RowResult], *, title: str) -> None:
    """Writes `report.html`, `report.csv` and `report.jsonl`, and replaces older ones atomically.

    Args:
        out: the directory; created if it does not exist.
        results: results of all rows, in the order of the jobs.
        title: title of the page.

    Raises:
        TargetError: they cannot be written; older ones stay unchanged.
    """
    place = Path(absolute(out))
    seen = [_with_whole_paths(result) for result in results]
    contents = {
        "report.html": page(seen, place, title=title, written=datetime.now(UTC)),
        "report.csv": as_csv(seen, place),
        "report.jsonl": as_jsonl(seen, place),
    }
    try:
        place.mkdir(parents=True, exist_ok=True)
        _replace_all(place, contents)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise TargetError(f"the report in {shown(place)} cannot be written: {why}") from error


def as_csv(results: Sequence[RowResult], out: Path) -> str:
    """Returns all rows as CSV with a header; files are named relative to `out` and separated by `|`.

    Text that a spreadsheet would evaluate is prefixed with `'`; `as_jsonl` does not change it.

    Args:
        results: results of all rows.
        out: absolute path of the report's directory.
    """
    lines = io.StringIO()
    writer = csv.writer(lines, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow(COLUMNS)
    for members in _rows(results, out):
        writer.writerow([_cell(SEPARATOR.join(value) if isinstance(value, list) else value) for value in members])
    return lines.getvalue()


def as_jsonl(results: Sequence[RowResult], out: Path) -> str:
    """Returns all rows as JSONL: numbers, a list of files named relative to `out`, null for unknown values.

    Args:
        results: results of all rows.
        out: absolute path of the report's directory.
    """
    return "".join(json.dumps(dict(zip(COLUMNS, members, strict=True))) + "\n" for members in _rows(results, out))


def _rows(results: Sequence[RowResult], out: Path) -> Iterator[tuple[Any, ...]]:
    for result in results:
        files = [named(file, out) for file in result.files]
        seconds = None if result.seconds is None else round(result.seconds, 3)
        money = _number(result.units), _number(result.usd), _number(result.amount), result.currency
        error = unsigned(result.error) or None
        yield result.id, result.status.value, result.task_id, files, *money, seconds, error


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = clean(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _with_whole_paths(result: RowResult) -> RowResult:
    """Makes the paths of pictures absolute: they are relative to the current directory, not to the report."""
    if result.row is None:
        return result
    local = [picture for picture in result.row.pictures if not is_address(picture)]
    pictures = tuple(filter(None, map(_whole, local)))
    return attrs.evolve(result, row=attrs.evolve(result.row, pictures=pictures))


def _whole(picture: str) -> str | None:
    try:
        return str(Path(picture).absolute())
    except FileNotFoundError:  # the current directory was deleted, and the picture with it
        return None


def _replace_all(place: Path, contents: Mapping[str, str]) -> None:
    """Writes all files as drafts before it replaces the first older one."""
    with ExitStack() as stack:
        drafts = []
        for name, text in contents.items():
            draft = place / f"{name}.{secrets.token_hex(4)}{DRAFT}"  # another process may write the same report
            _forget_left(place, name)
            stack.callback(draft.unlink, missing_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | system.HERE.own, 0o644)
            with open(descriptor, "wb") as file:  # noqa: PTH123  (a descriptor)
                file.write(text.encode())
                file.flush()
                system.HERE.sync(descriptor)
            drafts.append((draft, place / name))
        for draft, target in drafts:
            draft.replace(target)


def _forget_left(place: Path, name: str) -> None:
    for left in place.glob(f"{name}.????????{DRAFT}"):
        with suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > _LEFT_AFTER:
                left.unlink()
