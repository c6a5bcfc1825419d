"""The ids of rows: whether a given one will do, and one made from what the row asks for."""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from pathlib import PurePath
from typing import Any, Final

from kling_async.batch.schema import ID_MOST
from kling_async.journal.names import base32
from kling_async.protocol.media.given import Media
from kling_async.protocol.rules.values import shown

_LETTERS: Final = 16  # 80 bits: rows of one batch do not meet
_NOT_SHOWN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def complaint(given: object) -> str | None:
    """Why this is no id; None where it is one."""
    if isinstance(given, bool) or not isinstance(given, str | int):
        return f"expected text of 1 to {ID_MOST} letters, got {shown(given)}"
    if isinstance(given, int) and abs(given) >= 10**ID_MOST:
        return f"has more than {ID_MOST} digits"
    text = str(given)
    if not text.strip():
        return "is empty; leave it out, and one is made from the row's contents"
    if len(text) > ID_MOST:
        return f"has {len(text)} letters; at most {ID_MOST} are possible"
    if _NOT_SHOWN.search(text):
        return "has a letter that cannot be shown (a line break or another control character)"
    return None


def from_contents(endpoint: str, values: Mapping[str, Any]) -> str:
    """The id of a row that has none: the same for the same values, in whatever order they are.

    Args:
        endpoint: of the row.
        values: of its parameters, as they were written.

    Raises:
        ValueError: they are nothing that could be written down.
    """
    try:
        text = json.dumps([endpoint, values], sort_keys=True, default=_plain)
    except (TypeError, ValueError, RecursionError):
        raise ValueError("holds what cannot be written as JSON") from None
    return f"row-{base32(hashlib.sha256(text.encode()).digest(), _LETTERS)}"


def counted(id_: str, taken: Collection[str]) -> str:
    """The id, or where another row has it the next of its kind: `row-abc-2`, `row-abc-3`."""
    number, free = 1, id_
    while free in taken:
        number += 1
        free = f"{id_}-{number}"
    return free


def _plain(value: object) -> Any:
    """What Python has and JSON does not."""
    match value:
        case Media():
            return value.url or value.path or _plain(value.data or b"")
        case bytes() | bytearray() | memoryview():
            return {"sha256": hashlib.sha256(value).hexdigest()}
        case PurePath():
            return str(value)
        case Mapping():
            return dict(value)
        case _:
            raise TypeError
