"""Removes secrets and unprintable characters from texts of the service and from errors."""

import base64
import functools
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote


def printable(value: Any, limit: int = 400) -> str:
    """Returns a text of the service made safe to print, store and pickle: bounded, no lone surrogates or controls."""
    if not isinstance(value, str):
        return ""
    text = value[:limit].encode("utf-8", "replace").decode()
    return "".join(letter if letter.isprintable() else " " for letter in text)


# Longer than any word, model name or UUID: a token, a key or a picture that the service repeats.
_LONG_RUN = re.compile(r"[A-Za-z0-9+/=_.\-]{48,}")
_ADDRESS = re.compile(r"(://[^\s?#]*)(\S*)")
# The name and password before a host, also in JSON; a password that is not encoded may have any character.
_USER = re.compile(r"(/\\?/)(?:[^\s/]*@|[^\s/@:]*:[^\s@]*@)")
_PASSWORD = re.compile(r"(?i)(password\s*=\s*)(?:'(?:[^'\\]|\\.)*'?|[^\s'\"]+)")
_LETTERS = "".join(map(chr, range(0x21, 0x7F)))  # characters that a key may contain


def service_text(value: Any, limit: int = 400) -> str:
    """Returns a message of the service as `printable`, without possible secrets.

    These are long runs of letters, the queries of URLs, and names with passwords before hosts. The time is bounded,
    whatever the length of the message.
    """
    if not isinstance(value, str):
        return ""
    text = _LONG_RUN.sub("…", cut(value, 10 * limit))
    text = _USER.sub(r"\1…@", text)
    text = _ADDRESS.sub(lambda found: found[1] + ("?…" if found[2][1:] else found[2]), text)
    return printable(cut(text, limit), limit)


def without_users(text: str) -> str:
    """Removes user names and passwords of addresses from a text, in both notations of a database's address."""
    return _PASSWORD.sub(r"\1…", _USER.sub(r"\1…@", text))


def cut(text: str, limit: int) -> str:
    """Returns the beginning of a text, without a last word that was cut: a part of a key would not be recognised."""
    if len(text) <= limit:
        return text
    kept = text[: limit - 1]
    return kept[:-100] + kept[-100:].rstrip(_LETTERS) + "…"


SHORT = 8
"""Secrets with fewer characters are removed as whole words only: they may occur within other words."""


def redact(text: str, secrets: frozenset[str]) -> str:
    """Removes secrets from a text, plain or in any encoding of `forms`."""
    pattern = _pattern(secrets)
    return pattern.sub("…", text) if pattern is not None else text


@functools.lru_cache(maxsize=2)  # for two clients; not more, since the cache holds secrets
def _pattern(secrets: frozenset[str]) -> re.Pattern[str] | None:
    long = {form for secret in secrets if len(secret) >= SHORT for form in forms(secret)}
    short = {form for secret in secrets if 0 < len(secret) < SHORT for form in _escaped(secret)}
    parts = [re.escape(form) for form in sorted(long, key=len, reverse=True)]
    parts += [rf"(?<![A-Za-z0-9]){re.escape(form)}(?![A-Za-z0-9])" for form in sorted(short, key=len, reverse=True)]
    return re.compile("|".join(parts), re.IGNORECASE) if parts else None


def forms(secret: str) -> Iterator[str]:
    """Yields a secret in all encodings in which it may be echoed: the parts of a token, base64 in each alignment."""
    yield from _escaped(secret)
    yield from (part for part in secret.split(".") if len(part) >= 2 * SHORT)
    plain = secret.encode("utf-8", "replace")
    for before in range(3):
        # Only the characters that depend on the secret alone: the bytes around it are not known.
        encoded = base64.b64encode(bytes(before) + plain + bytes(2)).decode()
        letters = encoded[(8 * before + 5) // 6 : 8 * (before + len(plain)) // 6]
        yield letters
        yield letters.translate(str.maketrans("+/", "-_"))


def _escaped(secret: str) -> set[str]:
    from html import escape  # noqa: PLC0415  (on first use: its table of entities takes time)

    in_json = json.dumps(secret)[1:-1]
    return {secret, quote(secret, safe=""), quote(secret), escape(secret), in_json, in_json.replace("/", "\\/")}
