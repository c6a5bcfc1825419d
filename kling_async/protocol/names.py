"""Names that become those of database schemas and environment variables: of journals, queues and credentials."""

import re
from typing import Final

from kling_async.protocol.errors import ConfigurationError
from kling_async.protocol.rules.values import shown

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,40}")


def checked_name(kind: str, name: object) -> str:
    """A name.

    Args:
        kind: what is called so, for the message.
        name: that was given.

    Raises:
        ConfigurationError: it is none.
    """
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise ConfigurationError(
        f"{kind} must be a name of 1 to 41 small letters, digits and _, which begins with a letter; got {shown(name)}"
    )
