"""The database of a fleet: one connection, opened anew where it is lost, and steps in it."""

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
"""Seconds for which a server that is gone is waited for."""
ANSWER_SECONDS: Final = 60.0
"""After that a server that is reached and says nothing of a statement counts as lost."""
_PAUSE: Final = 0.2
_IDLE_SECONDS: Final = 20
_DEFAULTS: Final[dict[str, Any]] = {
    "application_name": "kling-async",
    "connect_timeout": 10,
    # A server that is cut off is missed within 20 seconds.
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""What a dsn can say otherwise."""
_SETTINGS: Final = "; ".join(
    f"SET {name} TO {value}"
    for name, value in {
        # The engine's claim is one long statement: where Postgres expects many rows, as after many submits of which its
        # statistics do not know yet, it would compile that anew each time: half a second, for milliseconds.
        "jit": "off",
        # Where the database has a zone of its own, moments near the ends of time cannot be read back; nor can any that
        # are written in the way of another country.
        "TimeZone": "UTC",
        "DateStyle": "ISO",
        "IntervalStyle": "postgres",
        # Else the driver writes the digests of many keys wrongly.
        "standard_conforming_strings": "on",
        # Steps wait for others' locks, and look then at what those have done.
        "default_transaction_isolation": "'read committed'",
    }.items()
)
"""Of each connection, whatever the database or its user has."""
_ANEW: Final = frozenset({"40P01", "40001"})
"""Deadlock and serialization failure: nothing was done, and the same again can work."""
_READ_ONLY: Final = "25006"
"""As of a server in whose place another one comes: nothing was done, and a new connection can lead to that."""
_NOT_YET: Final = frozenset({"57P01", "57P02", "57P03"})
"""The server is shutting down, or starting."""


class _Connection(psycopg.AsyncConnection[DictRow]):
    """A connection on which no statement waits for ever: a server that stands still ends no connection."""

    answer_seconds = ANSWER_SECONDS

    async def wait(self, gen: PQGen[T], *given: Any, **more: Any) -> T:
        """As psycopg's own."""
        return await super().wait(self._bounded(gen), *given, **more)

    def _bounded(self, work: PQGen[T]) -> PQGen[T]:
        """The same for some seconds, but for who listens; who drives it asks several times in one."""
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
        dsn: its address.
        patience: seconds for which a server that was there is waited for.
        answer: seconds that a statement may take.

    Raises:
        ConfigurationError: it is no address.
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
        """Where it is."""
        return f"<Database {self.place}>"

    async def __aenter__(self) -> Self:
        """As `open`, at once.

        Raises:
            FleetError: as `open`.
        """
        await self.open()
        return self

    async def open(self, *, patience: float = 0.0) -> None:
        """Connects, and brings the tables to the present version.

        Args:
            patience: seconds for which a server is waited for that is not there yet, or goes away meanwhile.

        Raises:
            FleetError: it cannot be reached, has no fleet, or one of a version that this one cannot work with; or a
                pooler gives the connection to others.
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
        """Makes sure that the tables are there, as this version needs them."""
        await up_to_date(connection, self.place)

    async def __aexit__(self, *_: object) -> None:
        """As `close`."""
        await self.close()

    async def close(self) -> None:
        """Disconnects."""
        self.closed = True
        async with self._turn:
            if self._connection is not None:
                await self._connection.close()
                self._connection = None

    async def connect(self) -> Connection:
        """A new connection, for who needs one of his own.

        Raises:
            psycopg.Error: there is none.
        """
        known = _DEFAULTS | self._parameters
        text = conninfo.make_conninfo(**known | {"client_encoding": "utf8"})
        connection = await _Connection.connect(text, autocommit=True, row_factory=dict_row)
        connection.answer_seconds = self._answer
        try:
            # Who is stopped within a transaction must not hold up all others.
            idle = f"SET idle_in_transaction_session_timeout TO '{_IDLE_SECONDS}s'"
            own = f"SET {postgres.SESSION} TO '{self._session}'"
            await connection.execute(f"{idle}; {_SETTINGS}; {own}".encode())
        except BaseException:
            await connection.close()
            raise
        return connection

    async def step(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Does something in one transaction; once more where its connection was lost.

        Args:
            work: does it; twice must mean the same as once.

        Raises:
            FleetError: the database cannot be reached, or refuses.
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
        """Refuses a session that others have, too: what was prepared in it is theirs.

        Raises:
            FleetError: it is none of this connection, or not any more.
        """
        found = await connection.execute("SELECT current_setting(%s, true) AS session", [postgres.SESSION])
        if (await found.fetchone() or {}).get("session") != self._session:
            raise FleetError(f"{self.place} cannot be used: {postgres.POOLED}; nothing was done")

    async def _connected(self) -> Connection:
        """The connection.

        Raises:
            FleetError: the database was closed.
            psycopg.Error: there is none.
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
    """Whether the same again can work: the connection was lost, there was none, or others were in the way."""
    if connection is None:
        return error.sqlstate is None or error.sqlstate in _NOT_YET
    return connection.closed or error.sqlstate in _ANEW


def no_fleet(place: str) -> FleetError:
    """There are no tables."""
    return FleetError(f"there is no fleet in {place}; `kling-async fleet init --limit N` makes one")


def _no_journal(place: str, queue: str) -> FleetError:
    """There is no such queue, or somebody has deleted what was paid in it."""
    return FleetError(
        f"there is no queue {queue!r} in {place}, or no journal of it any more; `kling-async fleet status` shows the "
        f"queues, and `kling-async fleet init --queue {queue} --limit N` makes one"
    )


async def version_of(connection: Connection) -> tuple[int, int] | None:
    """The version of the tables, and the oldest whose code can work with them; None where there are none.

    Raises:
        FleetError: the tables do not say.
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
    """Brings tables that are there to the present version; leaves those of a later one alone.

    Raises:
        FleetError: there are none, or a later version has changed them too much for this one.
    """
    version = await _known_version(connection)
    if version is None:
        raise no_fleet(place)
    if version < schema.VERSION:
        await install(connection)


async def _known_version(connection: Connection) -> int | None:
    """The version of the tables; None where there are none.

    Raises:
        FleetError: a later version has changed them too much for this one.
    """
    version, oldest_reader = await version_of(connection) or (None, 0)
    if oldest_reader > schema.VERSION:
        raise FleetError(
            f"the fleet's tables are of version {version}, with which this kling-async cannot work: "
            "pip install -U 'kling-async[fleet]'"
        )
    return version


async def install(connection: Connection) -> None:
    """Makes the tables, or brings them to the present version; one at a time does so.

    Raises:
        FleetError: they cannot be made there, or are of a version that this one cannot work with; nothing was changed.
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
