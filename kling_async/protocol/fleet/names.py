"""Names in a fleet: environment variables of API keys, and the engine's entrypoints."""

import base64
import hashlib
import re
from typing import Final

_PLAIN: Final = re.compile(r"[A-Za-z0-9 ._:/()-]{1,80}")
_SAVE: Final = "save"
_DIGEST_LETTERS: Final = 16


def api_key_variable(credentials: str) -> str:
    """Returns the name of the environment variable that holds the API key of these credentials."""
    return "KLING_API_KEY" if credentials == "default" else f"KLING_API_KEY_{credentials.upper()}"


def entrypoint_of(queue: str, line: str) -> str:
    """Returns the entrypoint by which the engine counts seats: tasks of one account that share slots.

    A line contains a model name, which may be any text: a long or unusual one gets its digest appended. Never returns
    the entrypoint of saves.
    """
    if _PLAIN.fullmatch(line) and line != _SAVE and not re.search(r" [a-z2-7]{16}$", line):
        return f"{queue}/{line}"
    digest = base64.b32encode(hashlib.sha256(line.encode("utf-8", "surrogatepass")).digest()).decode().lower()
    letters = re.sub(r"[^A-Za-z0-9._:/()-]+", "_", line)[:40]
    return f"{queue}/{letters} {digest[:_DIGEST_LETTERS]}"


def save_entrypoint(queue: str) -> str:
    """Returns the entrypoint of saves, which use no seats."""
    return f"{queue}/{_SAVE}"


def storable(text: str) -> str:
    """Escapes what Postgres cannot store in untrusted text: NUL characters and lone surrogates."""
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()
