"""The files of an entry as SQLite keeps them: in few letters, since there may be a million of them."""

import base64
import json
from collections.abc import Sequence
from typing import Any

from kling_async.journal.entry import SavedFile


def shortened(files: Sequence[SavedFile], target: str | None) -> list[list[Any]]:
    """Without the path where that is the target of the entry, and with short digests."""
    return [
        [
            "" if file.path == target else file.path,
            file.size,
            base64.b64encode(bytes.fromhex(file.sha256)).decode(),
            *([True] if file.watermark else []),
        ]
        for file in files
    ]


def from_text(text: str | None, target: str | None) -> tuple[SavedFile, ...]:
    """What `shortened` gave, as JSON."""
    return tuple(
        SavedFile(path or target or "", size, base64.b64decode(digest).hex(), *watermark)
        for path, size, digest, *watermark in json.loads(text or "[]")
    )
