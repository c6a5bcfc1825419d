"""The public class of a journal in Postgres."""

from typing import TYPE_CHECKING

from kling_async.journal.journal import AnyJournal
from kling_async.journal.writer import Writer
from kling_async.protocol.errors import ConfigurationError

if TYPE_CHECKING:
    from kling_async.journal.backend import Backend

LEASE_SECONDS = (0.5, 3600.0)
"""The shortest and the longest lease."""


class PostgresJournal(AnyJournal):
    """A journal in a Postgres database, for clients on many machines: `KlingClient(journal="postgresql://...")`.

    Its tables are in the schema `kling_journal_NAME`, which is created if it does not exist. All its clients must have
    credentials of the same account, since they continue each other's unfinished work.

    A client owns its work for as long as it reaches the database: if it has not renewed its lease for `lease` seconds,
    other clients continue its work, and it begins no more (`LeaseLost`).

    Args:
        dsn: the connection string, as libpq accepts it. Its password is never shown.
        name: the journal's name in the database: a lower-case letter, and up to 40 of a-z, 0-9 and _.
        lease: seconds, 0.5 to 3600.

    Raises:
        ConfigurationError: a value is invalid, or the extra `fleet` is not installed.
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
        """Its location, without secrets."""
        return f"PostgresJournal({self.place!r})"

    @property
    def place(self) -> str:
        """As `AnyJournal.place`."""
        return self._address.shown
