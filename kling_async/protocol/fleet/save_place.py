"""The template of a job's target path, relative to the directory of the worker that saves its files."""

import re
import string
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from kling_async.protocol.errors import Problem
from kling_async.protocol.rules.values import shown

FIELDS: Final = ("key", "task_id", "date")
_MOST: Final = 1000
_NAME_BYTES: Final = 255
"""Maximum length of a file name on common file systems."""
_GROWING_BYTES: Final = 14
"""Bytes that a save appends to a file's name while writing it."""
_A_DAY: Final = datetime(2000, 1, 1, tzinfo=UTC)
_KNOWN: Final = ", ".join(f"{{{name}}}" for name in FIELDS)


def problems_of(template: object) -> Iterator[Problem]:
    """Yields the problems of a template."""
    if not isinstance(template, str):
        yield Problem("save_to", f"must be text such as 'clips/{{key}}.mp4', got {shown(template)}")
        return
    if not 1 <= len(template) <= _MOST or not template.isprintable():
        yield Problem("save_to", f"must have 1 to {_MOST} letters that can be shown")
        return
    try:
        fields = [field[1:] for field in string.Formatter().parse(template) if field[1] is not None]
    except ValueError:
        yield Problem("save_to", f"holds a brace without another; {_KNOWN} are filled in")
        return
    if any(name not in FIELDS or spec or conversion for name, spec, conversion in fields):
        yield Problem("save_to", f"may hold {_KNOWN} and no other braces, got {shown(template)}")
        return
    parts = re.split(r"[/\\]", template)
    if not parts[0] or re.match(r"[A-Za-z]:", template) or ".." in parts:  # as any system reads it
        yield Problem("save_to", f"must be below the worker's --out: no absolute path and no .., got {shown(template)}")


def too_long(template: str, key: str) -> Iterator[Problem]:
    """Yields a problem if a template makes names too long for any disk, so that it is found before a job is paid.

    Args:
        template: a template without problems.
        key: the job's key, as a safe file name.
    """
    *folders, name = place_of(template, key=key, task_id="0", day=_A_DAY).split("/")
    if any(len(each.encode()) > _NAME_BYTES for each in folders) or len(name.encode()) > _NAME_BYTES - _GROWING_BYTES:
        most = f"{_NAME_BYTES} bytes, and {_NAME_BYTES - _GROWING_BYTES} for the file's own"
        yield Problem(
            "save_to", f"makes a name that is too long for a disk, with {key!r} for {{key}}: {most}, are possible"
        )


def is_of_one(template: str) -> bool:
    """Whether all jobs of one day would get the same path, which only one of them can use."""
    fields = {field[1] for field in string.Formatter().parse(template)}
    return not (template.endswith("/") or fields & {"key", "task_id"})


def place_of(template: str, *, key: str, task_id: str, day: datetime) -> str:
    """Returns the path relative to the worker's directory; it does not depend on the worker or the time of the save.

    Args:
        template: a template without problems.
        key: the job's key, as a safe file name.
        task_id: the service's task id.
        day: when the job was submitted (UTC).
    """
    return template.format(key=key, task_id=_plain(task_id), date=f"{day:%Y-%m-%d}")


def _plain(task_id: str) -> str:
    """Makes any task id that a server may return safe as part of a file name."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in task_id)[:100] or "task"
