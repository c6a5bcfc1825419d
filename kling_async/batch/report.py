"""The report of a batch: a page for people, two tables for programs. Blocking; called in threads."""

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
"""Of both tables."""
SEPARATOR: Final = "|"
"""Between several files in one cell."""
_LEFT_AFTER: Final = 3600
"""Seconds after which a draft is one that a killed process left."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\n", "\uff0b", "\uff0d", "\uff1d", "\uff20")
"""What makes a spreadsheet compute a cell; the last four are the wide letters of East Asia."""


def write_report(out: Path, results: Sequence[RowResult], *, title: str) -> None:
    """Writes `report.html`, `report.csv` and `report.jsonl`, in place of older ones; each is whole at any moment.

    Args:
        out: directory, made where there is none.
        results: of all rows, in the order of the jobs.
        title: of the page.

    Raises:
        TargetError: they cannot be written; the older ones stay as they are.
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
    """All rows as CSV: a line for the names of the columns, files by their names in `out`, `|` between several.

    A text that a spreadsheet would compute gets a `'` before it; `as_jsonl` has it as it is.

    Args:
        results: of all rows.
        out: directory of the report, absolute.
    """
    lines = io.StringIO()
    writer = csv.writer(lines, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow(COLUMNS)
    for members in _rows(results, out):
        writer.writerow([_cell(SEPARATOR.join(value) if isinstance(value, list) else value) for value in members])
    return lines.getvalue()


def as_jsonl(results: Sequence[RowResult], out: Path) -> str:
    """All rows as JSON, one object a line: numbers, a list of files by their names in `out`, null for what is unknown.

    Args:
        results: of all rows.
        out: directory of the report, absolute.
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
    """Pictures are named as they can be opened from where this runs; the report is read from elsewhere."""
    if result.row is None:
        return result
    local = [picture for picture in result.row.pictures if not is_address(picture)]
    pictures = tuple(filter(None, map(_whole, local)))
    return attrs.evolve(result, row=attrs.evolve(result.row, pictures=pictures))


def _whole(picture: str) -> str | None:
    try:
        return str(Path(picture).absolute())
    except FileNotFoundError:  # the directory that this process is in is gone, and the picture with it
        return None


def _replace_all(place: Path, contents: Mapping[str, str]) -> None:
    """Writes all of them beside the older ones, before the first of these gives way."""
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
