"""Postgres: its optional driver, its addresses, and its error messages.

Addresses contain passwords. No message here contains one, not even for an address that cannot be parsed.
"""

import re
from types import ModuleType
from typing import Any, Final

from kling_async.protocol.errors import ConfigurationError

EXTRA: Final = "pip install 'kling-async[fleet]'"
_LIKE: Final = "postgresql://user:password@host/database"
_HIDDEN: Final = "connection to server"
SESSION: Final = "kling_async.session"
"""A setting private to a session: each step checks that it is still set."""
POOLED: Final = (
    "a pooler in transaction mode is in front of it, which gives the settings of one client to others: name the server "
    "itself, or a pooler in session mode"
)
"""Message for sessions that have lost it."""


def driver() -> ModuleType:
    """The module `psycopg`.

    Raises:
        ConfigurationError: the extra is not installed.
    """
    try:
        import psycopg  # noqa: PLC0415  (an optional extra)
    except ImportError:
        raise ConfigurationError(f"Postgres needs what an extra installs: {EXTRA}") from None
    return psycopg


def parameters_of(dsn: object) -> dict[str, Any]:
    """Returns the parameters of a connection.

    Args:
        dsn: an address such as `postgresql://user:password@host/database`, or `host=... dbname=...`.

    Raises:
        ConfigurationError: `dsn` is not such an address, or the extra is not installed.
    """
    psycopg = driver()
    if not isinstance(dsn, str) or not dsn.strip():
        raise ConfigurationError(f"dsn must be the address of a Postgres database, such as {_LIKE}")
    try:
        found: dict[str, Any] = psycopg.conninfo.conninfo_to_dict(dsn)
    except (psycopg.Error, ValueError):  # its text contains the whole address
        found = {"host": "@"}
    # An unquoted special character ends the password early; the rest of it would be shown as a name.
    shown = [str(found.get(name, "")) for name in ("host", "hostaddr", "dbname", "user")]
    if any("@" in text for text in shown) or not re.fullmatch(r"[0-9,]*", str(found.get("port", ""))):
        raise ConfigurationError(
            f"dsn cannot be read: give it as {_LIKE}, with what is no letter, digit, - or _ in the password "
            "written as %XX (an @ is %40)"
        )
    return found


def complaint(error: BaseException) -> str:
    """Returns the reason of a driver's error in one line, without the address in front."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = next((line for line in lines if "FATAL" in line or _HIDDEN in line), lines[0] if lines else "")
    return text.rpartition("failed: ")[2].removeprefix("FATAL:").strip() or type(error).__name__


def place_of(parameters: dict[str, Any]) -> str:
    """Returns the database for messages, without user and password."""
    host = parameters.get("host") or parameters.get("hostaddr") or "this machine"
    port = f":{parameters['port']}" if parameters.get("port") else ""
    return f"{parameters.get('dbname') or 'the database of this user'} on {host}{port}"
