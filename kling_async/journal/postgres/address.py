"""The address of a journal in Postgres: connection parameters, and their form without secrets."""

from typing import Any

import attrs

from kling_async.io import postgres
from kling_async.protocol.names import checked_name


@attrs.frozen
class Address:
    """The address of a journal in a database.

    Attributes:
        parameters: the connection parameters.
        name: the name of the journal.
    """

    parameters: dict[str, Any] = attrs.field(repr=False)
    name: str

    @classmethod
    def of(cls, dsn: str, name: str) -> "Address":
        """Parses a connection string.

        Raises:
            ConfigurationError: the connection string or the name is invalid.
        """
        return cls(postgres.parameters_of(dsn), checked_name("name of a journal", name))

    @property
    def schema(self) -> str:
        """The schema of the journal's tables."""
        return f"kling_journal_{self.name}"

    @property
    def shown(self) -> str:
        """The address without secrets and users."""
        host, port = self.parameters.get("host") or "", self.parameters.get("port")
        return f"postgresql://{host}{f':{port}' if port else ''}/{self.parameters.get('dbname') or ''} ({self.name})"

    def hidden(self, text: str) -> str:
        """Returns a text with passwords masked."""
        secrets = [self.parameters.get(name) for name in ("password", "sslpassword")]
        for secret in filter(None, secrets):
            text = text.replace(str(secret), "***")
        return text
