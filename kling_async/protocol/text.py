"""The service's words, made safe to show, store and pickle."""

import re
from typing import Any


def readable(value: Any, limit: int = 400) -> str:
    """Text of the service as one can safely print, store and pickle: no lone surrogates, no controls, bounded."""
    if not isinstance(value, str):
        return ""
    text = value[:limit].encode("utf-8", "replace").decode()
    return "".join(letter if letter.isprintable() else " " for letter in text)


# Longer than any word, model name or UUID: a token, a key or a picture that the service echoes.
_LONG_RUN = re.compile(r"[A-Za-z0-9+/=_.\-]{48,}")
_QUERY = re.compile(r"(://[^\s?#]*)[?#]\S+")


def said(value: Any, limit: int = 400) -> str:
    """A message of the service, as `readable`, without what may be a secret: long runs, queries of addresses."""
    if not isinstance(value, str):
        return ""
    return readable(_QUERY.sub(r"\1?…", _LONG_RUN.sub("…", value)[: 10 * limit]), limit)
