"""Conversion of texts and statements for Postgres."""

import enum
import functools
import re
from typing import Any, Final

_MARK: Final = "\uf8ff"
"""Escapes a character that Postgres cannot store, or itself: four hexadecimal digits of the code follow."""
_UNSTORABLE: Final = re.compile(f"[\x00\ud800-\udfff{_MARK}]")
_ESCAPED: Final = re.compile(f"{_MARK}([0-9a-f]{{4}})")


def written(value: object) -> object:
    """Returns a value as it is stored: NUL and lone surrogates, which Postgres does not accept, are escaped."""
    if isinstance(value, list):
        return [written(each) for each in value]
    if not isinstance(value, str):
        return value
    text = str(value.value) if isinstance(value, enum.Enum) else value
    return _UNSTORABLE.sub(lambda found: f"{_MARK}{ord(found[0]):04x}", text)


def read(value: Any) -> Any:
    """Returns the value that was given to `written`."""
    if isinstance(value, str) and _MARK in value:
        return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), value)
    return value


@functools.lru_cache(500)
def statement(text: str) -> bytes:
    """Translates a statement in SQLite's dialect to that of Postgres."""
    compared = text.replace(" IS NOT ?", " IS DISTINCT FROM ?").replace(" IS ?", " IS NOT DISTINCT FROM ?")
    return compared.replace("?", "%s").encode()
