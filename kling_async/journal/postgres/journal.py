"""The journal in Postgres as users see it."""

from typing import TYPE_CHECKING

from kling_async.journal.journal import AnyJournal
from kling_async.journal.writer import Writer
from kling_async.protocol.errors import ConfigurationError

if TYPE_CHECKING:
    from kling_async.journal.backend import Backend

LEASE_SECONDS = (0.5, 3600.0)
"""The shortest lease and the longest."""


class PostgresJournal(AnyJournal):
    """A journal in a database of Postgres, for clients of many machines: `KlingClient(journal="postgresql://...")`.

    Its tables are in a schema of their own, `kling_journal_NAME`, which is made where there is none. All its clients
    must have credentials of one account: what one of them leaves, the others go on with.

    A client owns its work for as long as it reaches the database: what one has not renewed for the seconds of its lease
    is gone on with by others, and that client begins nothing any more (`LeaseLost`).

    Args:
        dsn: the connection string, as libpq takes it. Its password is never shown.
        name: of the journal in the database: a small letter, and up to 40 of a-z, 0-9 and _.
        lease: seconds, 0.5 to 3600.

    Raises:
        ConfigurationError: a value cannot be used, or the extra `fleet` is not installed.
    """

    def __init__(self, dsn: str, *, name: str = "default", lease: float = 30.0) -> None:
        try:
            from kling_async.journal.postgres.address import Address  # noqa: PLC0415  (needs the extra)
            from kling_async.journal.postgres.leases import Leases  # noqa: PLC0415  (as above)
            from kling_async.journal.postgres.listener import Listener  # noqa: PLC0415  (as above)
            from kling_async.journal.postgres.store import PostgresStore  # noqa: PLC0415  (as above)
        except ImportError as error:
            raise ConfigurationError(
                f"a journal in Postgres needs psycopg ({error}): pip install 'kling-async[fleet]'"
            ) from None
        shortest, longest = LEASE_SECONDS
        if not isinstance(lease, int | float) or not shortest <= lease <= longest:
            raise ConfigurationError(f"lease must be {shortest:g} to {longest:g} seconds, got {lease!r}")
        self._address = Address.of(dsn, name)
        self.name = name
        self.lease = float(lease)
        self.writer = Writer(lambda: PostgresStore(self._address, self.lease))
        self.backend: Backend = Leases(self.lease, self.writer, Listener(self._address, self.lease))

    def __repr__(self) -> str:
        """Where it is, without secrets."""
        return f"PostgresJournal({self.place!r})"

    @property
    def place(self) -> str:
        """As `AnyJournal.place`."""
        return self._address.shown
