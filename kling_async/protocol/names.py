"""Names of journals, queues and credentials, which become names of database schemas and environment variables."""

import re
from typing import Final

from kling_async.protocol.errors import ConfigurationError
from kling_async.protocol.rules.values import shown

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,40}")


def checked_name(kind: str, name: object) -> str:
    """Returns a name after checking it.

    Args:
        kind: what has the name, for the message.
        name: to check.

    Raises:
        ConfigurationError: it is not a valid name.
    """
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise ConfigurationError(
        f"{kind} must be a name of 1 to 41 small letters, digits and _, which begins with a letter; got {shown(name)}"
    )
