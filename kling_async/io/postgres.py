"""Postgres: its driver, which an extra brings, its addresses, and what is said where it cannot be reached.

Addresses hold passwords. What is said here never has one: not by an address that cannot be read, either.
"""

import re
from types import ModuleType
from typing import Any, Final

from kling_async.protocol.errors import ConfigurationError

EXTRA: Final = "pip install 'kling-async[fleet]'"
_LIKE: Final = "postgresql://user:password@host/database"
_HIDDEN: Final = "connection to server"
SESSION: Final = "kling_async.session"
"""A setting that a session has to itself: each of its steps looks whether it is there still."""
POOLED: Final = (
    "a pooler in transaction mode is in front of it, which gives the settings of one client to others: name the server "
    "itself, or a pooler in session mode"
)
"""Said where it is not."""


def driver() -> ModuleType:
    """The module `psycopg`.

    Raises:
        ConfigurationError: the extra is not installed.
    """
    try:
        import psycopg  # noqa: PLC0415  (an extra, which most do without)
    except ImportError:
        raise ConfigurationError(f"Postgres needs what an extra installs: {EXTRA}") from None
    return psycopg


def parameters_of(dsn: object) -> dict[str, Any]:
    """What a connection is made with.

    Args:
        dsn: an address such as `postgresql://user:password@host/database`, or `host=... dbname=...`.

    Raises:
        ConfigurationError: it is none, or the extra is not installed.
    """
    psycopg = driver()
    if not isinstance(dsn, str) or not dsn.strip():
        raise ConfigurationError(f"dsn must be the address of a Postgres database, such as {_LIKE}")
    try:
        found: dict[str, Any] = psycopg.conninfo.conninfo_to_dict(dsn)
    except (psycopg.Error, ValueError):  # whose text has all of the address
        found = {"host": "@"}
    # A password with a letter that must be quoted ends early, and its rest would be shown as a name.
    shown = [str(found.get(name, "")) for name in ("host", "hostaddr", "dbname", "user")]
    if any("@" in text for text in shown) or not re.fullmatch(r"[0-9,]*", str(found.get("port", ""))):
        raise ConfigurationError(
            f"dsn cannot be read: give it as {_LIKE}, with what is no letter, digit, - or _ in the password "
            "written as %XX (an @ is %40)"
        )
    return found


def complaint(error: BaseException) -> str:
    """Why a server could not be reached or asked, in a line, without the address that it has in front."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = next((line for line in lines if "FATAL" in line or _HIDDEN in line), lines[0] if lines else "")
    return text.rpartition("failed: ")[2].removeprefix("FATAL:").strip() or type(error).__name__


def place_of(parameters: dict[str, Any]) -> str:
    """The database in messages: no user, no password."""
    host = parameters.get("host") or parameters.get("hostaddr") or "this machine"
    port = f":{parameters['port']}" if parameters.get("port") else ""
    return f"{parameters.get('dbname') or 'the database of this user'} on {host}{port}"
