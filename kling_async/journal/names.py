"""Names derived from a key: the task's external id and the base name of its files."""

import base64
import hashlib
import re
from typing import Final

JOURNAL_ID_LETTERS: Final = 8
DAMAGED: Final = "damaged: put it away, and keep it; `sqlite3 FILE .recover` saves what there is"
_KEY_LETTERS: Final = 20  # 100 bits: no collisions between the keys of a journal
_NAME_LETTERS: Final = 100
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_RESERVED: Final = re.compile(r"(?i:con|prn|aux|nul|com[0-9]|lpt[0-9])")


def base32(data: bytes, letters: int) -> str:
    """Returns the first characters of data in base32, in lower case."""
    return base64.b32encode(data).decode().lower()[:letters]


def external_task_id(journal_id: str, key: str, attempt: int) -> str:
    """Returns the external id for a task with this key: letters, digits and `-`; the same in every process."""
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
    return f"ka-{journal_id}{base32(digest, _KEY_LETTERS)}-{attempt}"


def file_name(key: str) -> str:
    """Returns a base name for the files of a key: the key itself if it is safe, else its safe characters and a digest.

    Safe on every file system. Two keys never share a name, not even on case-insensitive file systems.
    """
    plain = _PLAIN.fullmatch(key) and not _RESERVED.fullmatch(key) and key == key.lower()
    if plain and len(key) <= _NAME_LETTERS and not re.search(r"-[a-z2-7]{10}$", key):
        return key
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
    letters = re.sub(r"[^A-Za-z0-9_-]+", "_", key).strip("_-")[: _NAME_LETTERS - 11] or "key"
    return f"{letters}-{base32(digest, 10)}"
