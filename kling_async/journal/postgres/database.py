"""The connection of a store to Postgres: opening, migration, transactions and errors."""

import contextlib
import hashlib
import itertools
import logging
import secrets
import time
from collections.abc import Hashable, Iterator
from typing import Any, Final, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus

from kling_async.io import postgres
from kling_async.journal.database import Rows
from kling_async.journal.names import JOURNAL_ID_LETTERS, base32
from kling_async.journal.postgres import schema, texts
from kling_async.journal.postgres.address import Address
from kling_async.journal.store import Interrupted
from kling_async.protocol.errors import JournalError

logger = logging.getLogger("kling_async")

_T = TypeVar("_T")

LOCK_SECONDS: Final = 20
"""How long other clients may hold the lock before a step fails; a step takes milliseconds."""
ANSWER_SECONDS: Final = LOCK_SECONDS + 10.0
"""After this time without an answer the connection to a server counts as lost."""
CLOCK: Final = "extract(epoch from clock_timestamp())::double precision"
"""The server's clock, the only one that counts; not the start of the transaction, which may have waited for locks."""
_LOST: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.IdleInTransactionSessionTimeout,
)
"""Errors of connections that are lost, or were idle for too long."""


class Fetched:
    """The decoded rows of a statement."""

    def __init__(self, cursor: psycopg.Cursor[Any]) -> None:
        self.rowcount = cursor.rowcount
        rows = cursor.fetchall() if cursor.description is not None else []
        self._rows = iter([tuple(map(texts.read, row)) for row in rows])

    def fetchone(self) -> Any:
        """As `Rows.fetchone`."""
        return next(self._rows, None)

    def __iter__(self) -> Iterator[Any]:
        """As `Rows`."""
        return self._rows


class _Connection(psycopg.Connection[Any]):
    """A connection that does not wait for ever: a broken network does not always cause an error."""

    def wait(self, gen: PQGen[_T], *given: Any, **more: Any) -> _T:
        """As psycopg's own, with a time limit."""
        return super().wait(_bounded(gen), *given, **more)


def _bounded(work: PQGen[_T]) -> PQGen[_T]:
    """Wraps a generator of psycopg with a time limit; its driver resumes it several times a second."""
    ends_at = time.monotonic() + ANSWER_SECONDS
    try:
        wanted = next(work)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() > ends_at:
                raise psycopg.OperationalError("no answer in time")
            wanted = work.send(ready)
    except StopIteration as end:
        result: _T = end.value
        return result


class PostgresDatabase:
    """A journal's schema in a database, and the connection to it; used by one thread.

    Args:
        address: the journal's address.
        lease: seconds; the server ends a transaction that is idle for a third of it, or for 10 seconds.
    """

    def __init__(self, address: Address, lease: float) -> None:
        self._address = address
        self._lease = lease
        self._connection: psycopg.Connection[Any] | None = None
        self._name = ""
        self._steps = itertools.count(1)
        self._attempt = 0
        self._lost: tuple[str, int] | None = None
        """The name of the lost connection, and the step that it may have committed; 0 for none."""
        self._took_effect: int | None = None
        self._versions = itertools.count()
        self.id = ""

    def run(self, statement: str, *values: object) -> Rows:
        """As `Database.run`."""
        connection, given = self._open_connection(), [texts.written(value) for value in values]
        try:
            if connection.info.transaction_status is not TransactionStatus.IDLE:
                return Fetched(connection.execute(texts.statement(statement), given))
            with connection.transaction():
                must_be_own(connection, self._address, self._name)
                return Fetched(connection.execute(texts.statement(statement), given))
        except _LOST as error:
            raise self._explained(error) from None

    def insert(self, statement: str, *values: object) -> int:
        """As `Database.insert`."""
        added: int = self.run(f"{statement} RETURNING id", *values).fetchone()[0]
        return added

    def forget(self) -> None:
        """Clears cached rows."""

    # ------------------------------------------------------------------------------ open and close

    def open(self) -> None:
        """As `Store.open`."""
        if self._connection is not None:
            if not self._connection.closed:
                return
            self.close()
        if self._lost is None and self._name and self.id:
            self._lost = (self._name, 0)
        self._name = f"kling_async {secrets.token_hex(8)}"
        try:
            self._connection = connect(self._address, self._lease, self._name)
            if self._lost is not None:
                self._settle(*self._lost)
            if not self.id:
                self._prepare()
            self.run(f"INSERT INTO connections VALUES (?, 0, {CLOCK})", self._name)  # noqa: S608  (constants)
        except psycopg.Error as error:
            self.close()
            raise self._explained(error) from None
        except JournalError:
            self.close()
            raise

    def close(self) -> None:
        """As `Store.close`."""
        connection, self._connection = self._connection, None
        self.forget()
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                if self._lost is None and not connection.closed:
                    connection.execute("DELETE FROM connections WHERE name = %s", [self._name])
            with contextlib.suppress(psycopg.Error):
                connection.close()

    def _settle(self, name: str, step: int) -> None:
        """Ends a lost connection on the server, and finds out whether its last step was committed."""
        mine = "FROM pg_stat_activity WHERE application_name = %s"
        connection = self._open_connection()
        connection.execute(f"SELECT pg_terminate_backend(pid) {mine}", [name])
        if connection.execute(f"SELECT 1 {mine}", [name]).fetchone():
            raise Interrupted(f"the journal {self._address.shown} is not free yet")
        row = connection.execute("SELECT step FROM connections WHERE name = %s", [name]).fetchone()
        self._took_effect = step if row is not None and 0 < step <= row[0] else None
        self._lost = None
        connection.execute("DELETE FROM connections WHERE name = %s", [name])

    def took_effect(self) -> int | None:
        """As `Store.took_effect`."""
        attempt, self._took_effect = self._took_effect, None
        return attempt

    def _prepare(self) -> None:
        connection = self._open_connection()
        with connection.transaction():
            must_be_own(connection, self._address, self._name)
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [lock_of(self._address.schema)])
            exists = connection.execute("SELECT to_regnamespace(%s) IS NOT NULL", [self._address.schema]).fetchone()
            if exists is None or not exists[0]:
                connection.execute(f"CREATE SCHEMA {self._address.schema}".encode())
            there = connection.execute("SELECT to_regclass(%s)", [f"{self._address.schema}.facts"]).fetchone()
            if there is None or there[0] is None:
                connection.execute("CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
            facts = dict(connection.execute("SELECT name, value FROM facts").fetchall())
            self._migrate(connection, facts)
            made = facts.get("id") or base32(secrets.token_bytes(5), JOURNAL_ID_LETTERS)
            self._put(connection, {"id": made})
            connection.execute(f"DELETE FROM connections WHERE seen_at < {CLOCK} - 86400")  # noqa: S608  (a constant)
        self.id = made

    def _migrate(self, connection: psycopg.Connection[Any], facts: dict[str, str]) -> None:
        """Migrates the tables to the current version.

        Raises:
            JournalError: the tables are of a newer version that this one does not support.
        """
        version, known = int(facts.get("version", 0)), len(schema.MIGRATIONS)
        if known < int(facts.get("oldest_reader", 0)):
            raise JournalError(
                f"{self._address.shown} was written by a newer version of kling_async (journal version {version}, this "
                f"one knows {known}); update kling_async"
            )
        for migration in schema.MIGRATIONS[version:]:
            for statement in migration.statements:
                connection.execute(statement.encode())
            self._put(connection, {"oldest_reader": str(migration.oldest_reader)})
        if version < known:
            self._put(connection, {"version": str(known)})

    @staticmethod
    def _put(connection: psycopg.Connection[Any], facts: dict[str, str]) -> None:
        put = "INSERT INTO facts VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        for fact in facts.items():
            connection.execute(put, fact)

    # --------------------------------------------------------------------------------------- steps

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """As `Store.together`: transactions run one at a time, as with SQLite."""
        connection = self._open_connection()
        lock = lock_of(self._address.schema)
        self._attempt = next(self._steps)
        try:
            try:
                own = f"SELECT current_setting('{postgres.SESSION}', true)"
                begun = self._script(f"BEGIN ISOLATION LEVEL READ COMMITTED; {own}, pg_advisory_xact_lock({lock})")
                begun.nextset()
                _compare(begun, self._address, self._name)
                yield
            except BaseException:
                self.forget()
                with contextlib.suppress(psycopg.Error):
                    connection.execute("ROLLBACK")
                raise
            self._commit()
        except psycopg.Error as error:
            raise self._explained(error) from None

    def _commit(self) -> None:
        # Without a write the outcome cannot be in doubt, and nothing has to be synced.
        wrote = f"name = '{self._name}' AND pg_current_xact_id_if_assigned() IS NOT NULL"
        try:
            self._script(f"UPDATE connections SET step = {self._attempt}, seen_at = {CLOCK} WHERE {wrote}; COMMIT")  # noqa: S608  (own values)
        except _LOST as error:
            self._lost = (self._name, self._attempt)
            lost = self._interrupted(error)
            lost.attempt = self._attempt
            self.close()
            raise lost from None
        except BaseException:
            self.forget()
            with contextlib.suppress(psycopg.Error):
                self._open_connection().execute("ROLLBACK")
            raise

    def _script(self, statements: str) -> psycopg.Cursor[Any]:
        """Runs several statements in one round trip."""
        return self._open_connection().execute(statements.encode())

    def version(self) -> Hashable:
        """As `Store.version`: always new, since checks are rare here, or follow a notification."""
        return next(self._versions)

    def fails_by(self, error: Exception) -> bool:
        """As `Store.fails_by`."""
        of_a_step = psycopg.IntegrityError | psycopg.DataError | psycopg.ProgrammingError
        return isinstance(error, psycopg.Error | OSError | MemoryError) and not isinstance(error, of_a_step)

    def _open_connection(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            raise JournalError(f"the journal {self._address.shown} is closed")
        return self._connection

    # -------------------------------------------------------------------------------------- errors

    def _interrupted(self, error: BaseException) -> Interrupted:
        text = self._address.hidden(" ".join(str(error).split()))
        return Interrupted(f"the journal {self._address.shown} cannot be reached ({text})")

    def _explained(self, error: psycopg.Error) -> JournalError:
        place, text = self._address.shown, self._address.hidden(" ".join(str(error).split()))
        match error:
            case psycopg.errors.LockNotAvailable():
                return JournalError(f"the journal {place} is locked by other clients for {LOCK_SECONDS} seconds")
            case psycopg.errors.ReadOnlySqlTransaction():
                return JournalError(f"the journal {place} is read-only: name the primary server")
            case psycopg.errors.InsufficientPrivilege():
                return JournalError(
                    f"the journal {place} cannot be used ({text}): let its owner make the schema "
                    f"{self._address.schema} and grant it to this user"
                )
            case psycopg.errors.InvalidPassword() | psycopg.errors.InvalidAuthorizationSpecification():
                return JournalError(f"the journal {place} does not let this user in ({text})")
            case psycopg.errors.InvalidCatalogName():
                return JournalError(f"the journal {place} cannot be opened ({text}): make the database first")
            case _ if isinstance(error, _LOST):
                lost = self._interrupted(error)
                self.close()
                return lost if self.id else JournalError(lost.message)
            case _:
                return JournalError(f"the journal {place} failed: {text}")


def lock_of(name: str) -> int:
    """Returns the number of a schema's advisory lock, which every writer holds."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)


def must_be_own(connection: psycopg.Connection[Any], address: Address, name: str) -> None:
    """Refuses a session with the settings of another connection, whose tables may be another journal's.

    Raises:
        JournalError: the session is not, or no longer, this connection's.
    """
    _compare(connection.execute("SELECT current_setting(%s, true)", [postgres.SESSION]), address, name)


def _compare(found: psycopg.Cursor[Any], address: Address, name: str) -> None:
    row = found.fetchone()
    if row is None or row[0] != name:
        raise JournalError(f"the journal {address.shown} cannot be used: {postgres.POOLED}; nothing was written")


def connect(address: Address, lease: float, name: str) -> psycopg.Connection[Any]:
    """Opens a connection for a journal.

    Args:
        address: the journal's address.
        lease: seconds.
        name: the name of the connection.

    Raises:
        psycopg.Error: the connection cannot be opened.
        JournalError: the database cannot store all texts, or a pooler shares the connection with others.
    """
    patience = max(1, min(10, int(lease / 3)))
    parameters: dict[str, Any] = {
        "connect_timeout": max(2, patience),
        "keepalives_idle": patience,
        "keepalives_interval": max(1, patience // 3),
        "keepalives_count": 3,
        "tcp_user_timeout": 1000 * max(2, patience),
        **address.parameters,
        "application_name": name,
        "client_encoding": "UTF8",
    }
    connection: psycopg.Connection[Any] = _Connection.connect(autocommit=True, **parameters)
    try:
        if connection.info.parameter_status("server_encoding") != "UTF8":
            raise JournalError(f"the database of {address.shown} is not in UTF8, so that it cannot keep all texts")
        settings = (
            f"SET search_path TO {address.schema}; SET lock_timeout TO '{LOCK_SECONDS}s'; "
            f"SET idle_in_transaction_session_timeout TO {max(100, min(10_000, int(1000 * lease / 3)))}; "
            f"SET synchronous_commit TO on; SET statement_timeout TO 0; SET {postgres.SESSION} TO '{name}'"
        )
        connection.execute(settings.encode())
        must_be_own(connection, address, name)
    except BaseException:
        connection.close()
        raise
    return connection
