"""Where a database is: what was given, what may be shown of it, and what a connection is opened with."""

from typing import Any

import attrs

from kling_async.io import postgres
from kling_async.protocol.names import checked_name


@attrs.frozen
class Address:
    """A journal in a database.

    Attributes:
        parameters: of connections.
        name: of the journal.
    """

    parameters: dict[str, Any] = attrs.field(repr=False)
    name: str

    @classmethod
    def of(cls, dsn: str, name: str) -> "Address":
        """Of a connection string.

        Raises:
            ConfigurationError: it is none, or the name cannot be one.
        """
        return cls(postgres.parameters_of(dsn), checked_name("name of a journal", name))

    @property
    def schema(self) -> str:
        """The schema that the journal's tables are in."""
        return f"kling_journal_{self.name}"

    @property
    def shown(self) -> str:
        """The place, without secrets and users."""
        host, port = self.parameters.get("host") or "", self.parameters.get("port")
        return f"postgresql://{host}{f':{port}' if port else ''}/{self.parameters.get('dbname') or ''} ({self.name})"

    def hidden(self, text: str) -> str:
        """A text without the password."""
        secrets = [self.parameters.get(name) for name in ("password", "sslpassword")]
        for secret in filter(None, secrets):
            text = text.replace(str(secret), "***")
        return text
