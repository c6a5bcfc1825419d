"""Opens the sources of rows: a JSONL or CSV file, or a folder of pictures. Blocking."""

import io
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, get_type_hints

from kling_async.batch import endpoints, jsonl, table
from kling_async.batch.raw_row import RawRow
from kling_async.io import system
from kling_async.protocol.errors import BatchError
from kling_async.protocol.media.formats import suffix_of
from kling_async.protocol.media.image import Image
from kling_async.protocol.record_fields import fields_of, members_of, only_needed

PICTURES: Final = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".heic", ".avif", ".tif", ".tiff"}
"""Suffixes of pictures used from a folder. The checks report unsupported ones, so that none is skipped silently."""
_LINES: Final = {".jsonl", ".ndjson", ".json"}
_TEXTS: Final = {"", ".json", ".txt", ".html", ".xml"}
_HEAD: Final = 2**12


@contextmanager
def opened(path: str, default: str) -> Iterator[Iterator[RawRow]]:
    """Yields an iterator over the rows of a file or folder.

    Args:
        path: path of the file or folder.
        default: endpoint of rows that do not name one.

    Raises:
        BatchError: the path is neither, or cannot be read.
    """
    try:
        if os.path.isdir(path):  # noqa: PTH112  (Path.is_dir raises if the name is too long)
            yield _in_folder(path, default)
            return
        with open(path, "rb", opener=_opened_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise BatchError(f"{_shown(path)} is no regular file; give a file of jobs, or a folder of pictures")
            yield _in_file(path, file, default)
    except FileNotFoundError:
        raise BatchError(f"there is no file or folder {_shown(path)}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        raise BatchError(f"{_shown(path)} cannot be read: {reason}") from None


def _opened_at_once(path: str, flags: int) -> int:
    """Opens a file without blocking on a named pipe that has no writer."""
    return os.open(path, flags | system.HERE.nonblocking)


# ---------------------------------------------------------------------------------------------------------- files


def _in_file(path: str, file: io.BufferedReader, default: str) -> Iterator[RawRow]:
    head = file.peek(_HEAD)[:_HEAD]
    _refuse_other_files(path, head)
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    is_lines = start == b"{" or Path(path).suffix.lower() in _LINES
    # Keep line breaks within CSV cells unchanged; JSON has none.
    with io.TextIOWrapper(file, "utf-8", "surrogateescape", newline=None if is_lines else "") as lines:
        yield from jsonl.rows_in(lines) if is_lines else table.rows_in(lines, default)


def _refuse_other_files(path: str, head: bytes) -> None:
    """Refuses files that were probably given by mistake.

    Raises:
        BatchError: the file does not look like jobs.
    """
    if not head:
        raise BatchError(f"{_shown(path)} is empty")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BatchError(f"{_shown(path)} is UTF-16; save it as UTF-8 (spreadsheets call it CSV UTF-8)")
    suffix = suffix_of(head)
    if suffix in PICTURES:
        raise BatchError(f"{_shown(path)} is a picture, not a file of jobs; give the folder that it is in")
    if suffix == ".zip":
        raise BatchError(f"{_shown(path)} is a ZIP or a spreadsheet; save the spreadsheet as CSV UTF-8")
    if suffix not in _TEXTS or b"\0" in head.partition(b"\n")[0]:
        raise BatchError(f"{_shown(path)} is no text; jobs are JSONL, CSV or a folder of pictures")
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"["):
        advice = "jobs have one object on each line: `jq -c '.[]' FILE > jobs.jsonl` makes them"
        raise BatchError(f"{_shown(path)} is one JSON list; {advice}")
    if text.partition(b"\n")[0].strip() == b"{":
        advice = "jobs have each object on one line: `jq -c . FILE > jobs.jsonl` makes them"
        raise BatchError(f"{_shown(path)} has an object over several lines; {advice}")
    if suffix in {".html", ".xml"}:
        raise BatchError(f"{_shown(path)} is a page or XML; jobs are JSONL, CSV or a folder of pictures")


# --------------------------------------------------------------------------------------------------------- folders


def _in_folder(path: str, default: str) -> Iterator[RawRow]:
    """Yields a row for each picture, in natural order; skips hidden files and subfolders."""
    field, is_list = _field_of_pictures(default)
    with os.scandir(path) as entries:
        found = [each.name for each in entries if _is_picture(each)]
    if not found:
        raise BatchError(f"there is no picture in the folder {_shown(path)}: {', '.join(sorted(PICTURES))}")
    stems = Counter(Path(name).stem for name in found)
    for name in sorted(found, key=lambda name: (_natural(name), name)):
        stem = Path(name).stem
        yield RawRow(line=None, members={field: [name] if is_list else name}, id=stem if stems[stem] == 1 else name)


def _is_picture(entry: "os.DirEntry[str]") -> bool:
    return not entry.name.startswith(".") and Path(entry.name).suffix.lower() in PICTURES and entry.is_file()


def _field_of_pictures(default: str) -> tuple[str, bool]:
    """Returns the parameter for the picture, and whether it is a list of pictures.

    Raises:
        BatchError: the endpoint has no such parameter.
    """
    for field in fields_of(endpoints.record(default)):
        if Image in field.members:
            return field.name, False
        if field.item is not None and _takes_pictures(field.item):
            return field.name, True
    raise BatchError(f"{default} is made from no picture; give a file of jobs instead of a folder")


def _takes_pictures(item: Any) -> bool:
    if Image in members_of(item):
        return True
    chief = only_needed(item)
    return chief is not None and Image in members_of(get_type_hints(item)[chief])


def _natural(name: str) -> list[tuple[int, str]]:
    """Returns a sort key that sorts `shot2` before `shot10`."""
    return [(int(part), "") if part.isdecimal() else (-1, part.casefold()) for part in re.split(r"(\d+)", name)]


def _shown(path: str) -> str:
    return repr(path)[:200]
