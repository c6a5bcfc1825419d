"""Names in a fleet: variables of API keys, and what the engine knows jobs by."""

import base64
import hashlib
import re
from typing import Final

_PLAIN: Final = re.compile(r"[A-Za-z0-9 ._:/()-]{1,80}")
_SAVE: Final = "save"
_DIGEST_LETTERS: Final = 16


def api_key_variable(credentials: str) -> str:
    """The variable of the environment with the API key that has this name."""
    return "KLING_API_KEY" if credentials == "default" else f"KLING_API_KEY_{credentials.upper()}"


def entrypoint_of(queue: str, line: str) -> str:
    """What the engine counts seats by: tasks of one account that share their slots; never that of saves.

    A line has a model's name, which is whatever was given: what is long or strange is named by its digest too.
    """
    if _PLAIN.fullmatch(line) and line != _SAVE and not re.search(r" [a-z2-7]{16}$", line):
        return f"{queue}/{line}"
    digest = base64.b32encode(hashlib.sha256(line.encode("utf-8", "surrogatepass")).digest()).decode().lower()
    letters = re.sub(r"[^A-Za-z0-9._:/()-]+", "_", line)[:40]
    return f"{queue}/{letters} {digest[:_DIGEST_LETTERS]}"


def save_entrypoint(queue: str) -> str:
    """Under which the engine has what is to be saved; no seats are counted there."""
    return f"{queue}/{_SAVE}"


def storable(text: str) -> str:
    """Text of a stranger as a database can keep it: without zeros and half letters."""
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()
