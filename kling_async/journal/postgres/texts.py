"""Texts and statements as Postgres takes them."""

import enum
import functools
import re
from typing import Any, Final

_MARK: Final = "\uf8ff"
"""Stands before four digits that name a letter, in what Postgres could not keep otherwise; and before its own."""
_HARD: Final = re.compile(f"[\x00\ud800-\udfff{_MARK}]")
_ESCAPED: Final = re.compile(f"{_MARK}([0-9a-f]{{4}})")


def written(value: object) -> object:
    """A value as it is kept: NUL and half letters, which are in texts of strangers, are no text to Postgres."""
    if isinstance(value, list):
        return [written(each) for each in value]
    if not isinstance(value, str):
        return value
    text = str(value.value) if isinstance(value, enum.Enum) else value
    return _HARD.sub(lambda found: f"{_MARK}{ord(found[0]):04x}", text)


def read(value: Any) -> Any:
    """What `written` was given."""
    if isinstance(value, str) and _MARK in value:
        return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), value)
    return value


@functools.lru_cache(500)
def statement(text: str) -> bytes:
    """A statement that SQLite understands, as Postgres does."""
    compared = text.replace(" IS NOT ?", " IS DISTINCT FROM ?").replace(" IS ?", " IS NOT DISTINCT FROM ?")
    return compared.replace("?", "%s").encode()
