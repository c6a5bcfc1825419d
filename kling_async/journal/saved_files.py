"""The stored form of an entry's saved files: compact, since a journal may have a million of them."""

import base64
import json
from collections.abc import Sequence
from typing import Any

from kling_async.journal.entry import SavedFile


def shortened(files: Sequence[SavedFile], target: str | None) -> list[list[Any]]:
    """Returns files in their stored form: without the path if it is the entry's target, and with digests in Base64."""
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
    """Parses the JSON of what `shortened` returned."""
    return tuple(
        SavedFile(path or target or "", size, base64.b64decode(digest).hex(), *watermark)
        for path, size, digest, *watermark in json.loads(text or "[]")
    )
