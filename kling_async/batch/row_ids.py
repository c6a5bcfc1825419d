"""Ids of rows: validates given ones, and derives others from the row's contents."""

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

_LETTERS: Final = 16  # 80 bits: no collisions within a batch
_NOT_SHOWN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def complaint(given: object) -> str | None:
    """Returns why this is not a valid id; None if it is valid."""
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
    """Derives the id of a row without one; it does not depend on the order of the values.

    Args:
        endpoint: endpoint of the row.
        values: values of its parameters, as given.

    Raises:
        ValueError: the values cannot be serialized.
    """
    try:
        text = json.dumps([endpoint, values], sort_keys=True, default=_plain)
    except (TypeError, ValueError, RecursionError):
        raise ValueError("holds what cannot be written as JSON") from None
    return f"row-{base32(hashlib.sha256(text.encode()).digest(), _LETTERS)}"


def counted(id_: str, taken: Collection[str]) -> str:
    """Returns the id, numbered if another row has it: `row-abc-2`, `row-abc-3`."""
    number, free = 1, id_
    while free in taken:
        number += 1
        free = f"{id_}-{number}"
    return free


def _plain(value: object) -> Any:
    """Converts Python values that JSON does not have."""
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
