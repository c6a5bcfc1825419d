"""What is derived from a key: the id by which the service finds the task, and the name of a file; and words."""

import base64
import hashlib
import re
from typing import Final

JOURNAL_ID_LETTERS: Final = 8
DAMAGED: Final = "damaged: put it away, and keep it; `sqlite3 FILE .recover` saves what there is"
_KEY_LETTERS: Final = 20  # 100 bits: two keys of one journal do not meet
_NAME_LETTERS: Final = 100
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_RESERVED: Final = re.compile(r"(?i:con|prn|aux|nul|com[0-9]|lpt[0-9])")


def base32(data: bytes, letters: int) -> str:
    """The first letters of data, in small letters and digits."""
    return base64.b32encode(data).decode().lower()[:letters]


def external_task_id(journal_id: str, key: str, attempt: int) -> str:
    """The id that a task under this key is sent with: letters, digits and `-`; the same in every process."""
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
    return f"ka-{journal_id}{base32(digest, _KEY_LETTERS)}-{attempt}"


def file_name(key: str) -> str:
    """A name for the files of a key, safe on every file system: the key, or what it has of plain letters and a digest.

    Two keys never share one, on file systems that do not know capital letters either.
    """
    plain = _PLAIN.fullmatch(key) and not _RESERVED.fullmatch(key) and key == key.lower()
    if plain and len(key) <= _NAME_LETTERS and not re.search(r"-[a-z2-7]{10}$", key):
        return key
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
    letters = re.sub(r"[^A-Za-z0-9_-]+", "_", key).strip("_-")[: _NAME_LETTERS - 11] or "key"
    return f"{letters}-{base32(digest, 10)}"
