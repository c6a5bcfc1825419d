"""The database of a fleet: one connection, reopened when lost, that runs transactions."""

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, Self, TypeVar

import psycopg
from psycopg import conninfo
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, dict_row

from kling_async.fleet import engine, schema
from kling_async.fleet.schema import JOURNAL_SCHEMA
from kling_async.io import postgres
from kling_async.protocol.errors import FleetError

T = TypeVar("T")
Connection = psycopg.AsyncConnection[DictRow]

PATIENCE: Final = 20.0
"""Seconds to wait for an unavailable server."""
ANSWER_SECONDS: Final = 60.0
"""Seconds without a response to a statement after which a reachable server counts as lost."""
_PAUSE: Final = 0.2
_IDLE_SECONDS: Final = 20
_DEFAULTS: Final[dict[str, Any]] = {
    "application_name": "kling-async",
    "connect_timeout": 10,
    # Detects an unreachable server within 20 seconds.
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""Connection parameters that a dsn can override."""
_SETTINGS: Final = "; ".join(
    f"SET {name} TO {value}"
    for name, value in {
        # The engine's claim is one long statement. If Postgres expects many rows, as after many submits that its
        # statistics do not reflect yet, it would compile the statement each time: half a second to save milliseconds.
        "jit": "off",
        # With another time zone, timestamps near the limits of datetime cannot be read back; with other date formats,
        # no timestamp can.
        "TimeZone": "UTC",
        "DateStyle": "ISO",
        "IntervalStyle": "postgres",
        # Otherwise the driver sends arrays of digests incorrectly.
        "standard_conforming_strings": "on",
        # Steps wait for other transactions' locks, and must then see their changes.
        "default_transaction_isolation": "'read committed'",
    }.items()
)
"""Settings of each connection, overriding those of the database and its user."""
_CONFLICTS: Final = frozenset({"40P01", "40001"})
"""Deadlock and serialization failure: nothing was done, and a retry can succeed."""
_READ_ONLY: Final = "25006"
"""As from a server that is being replaced: nothing was done, and a new connection may reach the new server."""
_NOT_YET: Final = frozenset({"57P01", "57P02", "57P03"})
"""The server is shutting down, or starting."""


class _Connection(psycopg.AsyncConnection[DictRow]):
    """A connection on which no statement waits forever, as a frozen server does not close its connections."""

    answer_seconds = ANSWER_SECONDS

    async def wait(self, gen: PQGen[T], *given: Any, **more: Any) -> T:
        """Like psycopg's own, with a time limit."""
        return await super().wait(self._bounded(gen), *given, **more)

    def _bounded(self, work: PQGen[T]) -> PQGen[T]:
        """Limits the time of a wait, except for notifications; checked at each wake-up of psycopg's wait loop."""
        ends_at = time.monotonic() + self.answer_seconds
        try:
            wanted = next(work)
            while True:
                ready = yield wanted
                is_late = not ready and time.monotonic() > ends_at
                if is_late and self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                    self.pgconn.finish()
                    raise psycopg.OperationalError("it does not answer")
                wanted = work.send(ready)
        except StopIteration as end:
            result: T = end.value
            return result


class Database:
    """The database of a fleet.

    Args:
        dsn: the connection string.
        patience: seconds to wait for a server that has become unavailable.
        answer: seconds that a statement may take.

    Raises:
        ConfigurationError: the connection string is invalid.
    """

    def __init__(self, dsn: str, *, patience: float = PATIENCE, answer: float = ANSWER_SECONDS) -> None:
        self._parameters = postgres.parameters_of(dsn)
        self.place = postgres.place_of(self._parameters)
        self._patience = patience
        self._answer = answer
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()
        self._session = secrets.token_hex(8)
        self.closed = True

    def __repr__(self) -> str:
        """Shows its location."""
        return f"<Database {self.place}>"

    async def __aenter__(self) -> Self:
        """Calls `open` without patience.

        Raises:
            FleetError: as `open`.
        """
        await self.open()
        return self

    async def open(self, *, patience: float = 0.0) -> None:
        """Connects, and migrates the tables to the current version.

        Args:
            patience: seconds to wait for a server that is not running yet or becomes unavailable meanwhile.

        Raises:
            FleetError: the database cannot be reached, or has no fleet or one of an incompatible version; or a pooler
                shares the connection with other clients.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + patience
        while True:
            connection: Connection | None = None
            try:
                connection = await self.connect()
                await self._must_be_own(connection)
                await self.use(connection)
            except psycopg.Error as error:
                failure = (self._unreachable if connection is None else self._failed)(error)
                passes = _passes(error, connection)
                if connection is not None:
                    await connection.close()
                if not passes or loop.time() >= until:
                    raise failure from None
            except BaseException:
                if connection is not None:
                    await connection.close()
                raise
            else:
                self._connection, self.closed = connection, False
                return
            await asyncio.sleep(_PAUSE)

    async def use(self, connection: Connection) -> None:
        """Ensures that the tables exist in a compatible version."""
        await up_to_date(connection, self.place)

    async def __aexit__(self, *_: object) -> None:
        """Calls `close`."""
        await self.close()

    async def close(self) -> None:
        """Disconnects."""
        self.closed = True
        async with self._turn:
            if self._connection is not None:
                await self._connection.close()
                self._connection = None

    async def connect(self) -> Connection:
        """Opens a separate connection.

        Raises:
            psycopg.Error: the connection failed.
        """
        known = _DEFAULTS | self._parameters
        text = conninfo.make_conninfo(**known | {"client_encoding": "utf8"})
        connection = await _Connection.connect(text, autocommit=True, row_factory=dict_row)
        connection.answer_seconds = self._answer
        try:
            # A process that is suspended within a transaction must not block all others.
            idle = f"SET idle_in_transaction_session_timeout TO '{_IDLE_SECONDS}s'"
            own = f"SET {postgres.SESSION} TO '{self._session}'"
            await connection.execute(f"{idle}; {_SETTINGS}; {own}".encode())
        except BaseException:
            await connection.close()
            raise
        return connection

    async def step(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Runs a function in one transaction, and again if its connection was lost.

        Args:
            work: the function; must be idempotent.

        Raises:
            FleetError: the database cannot be reached, or reports an error.
        """
        async with self._turn:
            loop = asyncio.get_running_loop()
            until = loop.time() + self._patience
            while True:
                connection: Connection | None = None
                try:
                    connection = await self._connected()
                    async with connection.transaction():
                        await self._must_be_own(connection)
                        return await work(connection)
                except psycopg.Error as error:
                    read_only = error.sqlstate == _READ_ONLY
                    if read_only and connection is not None:
                        await connection.close()
                    if not _passes(error, connection):
                        raise self._failed(error) from None
                    if loop.time() >= until:
                        raise (self._failed if read_only else self._unreachable)(error) from None
                await asyncio.sleep(_PAUSE)

    async def _must_be_own(self, connection: Connection) -> None:
        """Refuses a server session shared with other clients, whose prepared statements could be mixed up.

        Raises:
            FleetError: the session is not, or no longer, this client's alone.
        """
        found = await connection.execute("SELECT current_setting(%s, true) AS session", [postgres.SESSION])
        if (await found.fetchone() or {}).get("session") != self._session:
            raise FleetError(f"{self.place} cannot be used: {postgres.POOLED}; nothing was done")

    async def _connected(self) -> Connection:
        """Returns the connection, and reopens it if it was lost.

        Raises:
            FleetError: the database was closed.
            psycopg.Error: the connection failed.
        """
        if self.closed:
            raise FleetError("the fleet was closed")
        if self._connection is None or self._connection.closed:
            self._connection = await self.connect()
        return self._connection

    def _unreachable(self, error: psycopg.Error) -> FleetError:
        return FleetError(
            f"{self.place} cannot be reached: {postgres.complaint(error)}; see that Postgres runs there, and that the "
            "dsn (or KLING_FLEET_DSN) names it, its user and its password"
        )

    def _failed(self, error: psycopg.Error) -> FleetError:
        if error.sqlstate in {"42P01", "3F000"}:  # no such table, or schema
            journal = re.search(JOURNAL_SCHEMA.format(queue="([a-z0-9_]+)"), str(error))
            return no_fleet(self.place) if journal is None else _no_journal(self.place, journal[1])
        if error.sqlstate == "42501":
            why = "its user must be allowed to create and change tables there"
            return FleetError(f"{self.place}: {postgres.complaint(error)}; {why}")
        return FleetError(f"{self.place} failed: {postgres.complaint(error)}")


def _passes(error: psycopg.Error, connection: Connection | None) -> bool:
    """Whether a retry can succeed: there was no connection, it was lost, or transactions conflicted."""
    if connection is None:
        return error.sqlstate is None or error.sqlstate in _NOT_YET
    return connection.closed or error.sqlstate in _CONFLICTS


def no_fleet(place: str) -> FleetError:
    """Returns the error for missing tables."""
    return FleetError(f"there is no fleet in {place}; `kling-async fleet init --limit N` makes one")


def _no_journal(place: str, queue: str) -> FleetError:
    """Returns the error for a missing queue, or one whose journal was deleted."""
    return FleetError(
        f"there is no queue {queue!r} in {place}, or no journal of it any more; `kling-async fleet status` shows the "
        f"queues, and `kling-async fleet init --queue {queue} --limit N` makes one"
    )


async def version_of(connection: Connection) -> tuple[int, int] | None:
    """Returns the version of the tables, and the oldest version whose code can use them; None without tables.

    Raises:
        FleetError: the tables do not contain their version.
    """
    found = await connection.execute("SELECT to_regclass('kling_fleet.facts') IS NOT NULL AS there")
    if not (await found.fetchone() or {})["there"]:
        return None
    rows = await connection.execute("SELECT name, value FROM kling_fleet.facts")
    facts = {row["name"]: row["value"] for row in await rows.fetchall()}
    version, oldest_reader = (facts.get(name, "") for name in ("version", "oldest_reader"))
    if not (version.isdecimal() and oldest_reader.isdecimal()):
        raise FleetError(
            "the fleet's table kling_fleet.facts does not say of which version the others are: somebody has changed "
            "it; bring it back from a backup of the database"
        )
    return int(version), int(oldest_reader)


async def up_to_date(connection: Connection, place: str) -> None:
    """Migrates existing tables to the current version; does not change those of a later version.

    Raises:
        FleetError: there are no tables, or those of a later version are incompatible with this one.
    """
    version = await _known_version(connection)
    if version is None:
        raise no_fleet(place)
    if version < schema.VERSION:
        await install(connection)


async def _known_version(connection: Connection) -> int | None:
    """Returns the version of the tables; None without tables.

    Raises:
        FleetError: the tables of a later version are incompatible with this one.
    """
    version, oldest_reader = await version_of(connection) or (None, 0)
    if oldest_reader > schema.VERSION:
        raise FleetError(
            f"the fleet's tables are of version {version}, with which this kling-async cannot work: "
            "pip install -U 'kling-async[fleet]'"
        )
    return version


async def install(connection: Connection) -> None:
    """Creates the tables, or migrates them to the current version, under a lock.

    Raises:
        FleetError: they cannot be created there, or have an incompatible version; nothing was changed.
    """
    if connection.info.parameter_status("server_encoding") != "UTF8":
        raise FleetError(
            f"the database {connection.info.dbname} cannot keep all letters: make one with CREATE DATABASE kling "
            "ENCODING 'UTF8' TEMPLATE template0"
        )
    await _known_version(connection)
    await connection.execute("SELECT pg_advisory_lock(%s)", [schema.LOCK])
    try:
        pgqueuer = engine.queries(connection)
        if await pgqueuer.schema_is_installed():
            await pgqueuer.upgrade()
        else:
            await pgqueuer.install()
        async with connection.transaction():
            await _migrate(connection)
    finally:
        if not connection.closed:
            await connection.execute("SELECT pg_advisory_unlock(%s)", [schema.LOCK])


async def _migrate(connection: Connection) -> None:
    await connection.execute("SET LOCAL search_path TO kling_fleet")
    await connection.execute("CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
    found = await version_of(connection) if await _has_facts(connection) else None
    version = 0 if found is None else found[0]
    if version >= schema.VERSION:
        return
    for statements in schema.MIGRATIONS[version:]:
        for statement in statements:
            await connection.execute(statement.encode())
    facts: dict[str, Any] = {"version": schema.VERSION, "oldest_reader": schema.OLDEST_READER}
    for name, value in facts.items():
        await connection.execute(
            "INSERT INTO facts VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            [name, str(value)],
        )


async def _has_facts(connection: Connection) -> bool:
    return await (await connection.execute("SELECT FROM facts LIMIT 1")).fetchone() is not None
