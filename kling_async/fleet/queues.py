"""The queues of a fleet, one per account."""

import json
import logging
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import attrs
from psycopg import sql

from kling_async.fleet.database import Connection
from kling_async.fleet.schema import JOURNAL_SCHEMA
from kling_async.journal.postgres.database import lock_of
from kling_async.protocol.budget import Budget, Terms
from kling_async.protocol.errors import ConfigurationError, FleetError
from kling_async.protocol.rules.values import shown

logger = logging.getLogger("kling_async")

TASKS_MOST = 100_000


@attrs.frozen(kw_only=True)
class Queue:
    """A queue, which corresponds to an account.

    Attributes:
        name: its name.
        credentials: the name of the account's credentials.
        limit: concurrent tasks per line.
        budget: what its workers may spend; None without a budget.
        draining: whether no new jobs are started.
    """

    name: str
    credentials: str
    limit: int
    budget: Budget | None = None
    draining: bool = False


def checked_limit(limit: object) -> int:
    """Checks the number of concurrent tasks of an account.

    Raises:
        ConfigurationError: it is not a valid number.
    """
    if isinstance(limit, int) and not isinstance(limit, bool) and 1 <= limit <= TASKS_MOST:
        return limit
    raise ConfigurationError(f"limit must be the account's tasks at once, 1 to {TASKS_MOST}, got {shown(limit)}")


async def put(connection: Connection, *, name: str, limit: int, credentials: str | None, budget: Budget | None) -> None:
    """Adds a queue, or changes the given settings of an existing one; a drained queue stays drained.

    Raises:
        ConfigurationError: the budget has another unit than before.
    """
    await connection.execute(
        "INSERT INTO kling_fleet.queues (name, credentials, tasks_most, budget) "
        "VALUES (%(name)s, coalesce(%(credentials)s, 'default'), %(limit)s, %(budget)s) "
        "ON CONFLICT (name) DO UPDATE SET credentials = coalesce(%(credentials)s, queues.credentials), "
        "tasks_most = excluded.tasks_most, budget = coalesce(excluded.budget, queues.budget)",
        {
            "name": name,
            "credentials": credentials,
            "limit": limit,
            "budget": None if budget is None else budget_text(budget),
        },
    )
    await _warn_of_a_shared_account(connection, name)
    if budget is not None:
        await _agree(connection, budget_of(name, budget_text(budget)).terms)
    await connection.execute("SELECT pg_notify('kling_fleet', %s)", [f"queued {name}"])


async def _warn_of_a_shared_account(connection: Connection, name: str) -> None:
    cursor = await connection.execute(
        "SELECT other.name, credentials FROM kling_fleet.queues other JOIN kling_fleet.queues mine USING (credentials) "
        "WHERE mine.name = %s AND other.name <> mine.name ORDER BY 1",
        [name],
    )
    if others := await cursor.fetchall():
        logger.warning(
            "the queue %s has the credentials of %s, %s: each queue counts for itself, so that together they are over "
            "the account's limit, and its budget; let one account have one queue",
            name,
            ", ".join(row["name"] for row in others),
            others[0]["credentials"],
            extra={"kling_event": "account_shared"},
        )


async def _agree(connection: Connection, terms: Terms) -> None:
    """Writes the budget's terms to the queue's journal; running workers apply them from their next job on."""
    schema = JOURNAL_SCHEMA.format(queue=terms.name)
    journal = sql.Identifier(schema)
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", [lock_of(schema)])
    read = sql.SQL("SELECT unit FROM {}.budgets WHERE name = {}")
    cursor = await connection.execute(read.format(journal, terms.name))
    row = await cursor.fetchone()
    if row is not None:
        terms.check(attrs.evolve(terms, unit=row["unit"]), change=True)
    per = None if terms.per is None else terms.per // timedelta(microseconds=1)
    write = sql.SQL(
        "INSERT INTO {}.budgets (name, unit, allowed, per, failed_is_free) VALUES (%s, %s, %s, %s, %s) "
        "ON CONFLICT (name) DO UPDATE SET allowed = excluded.allowed, per = excluded.per, "
        "failed_is_free = excluded.failed_is_free"
    ).format(journal)
    await connection.execute(write, [terms.name, terms.unit, str(terms.limit), per, terms.failed_is_free])


async def all_of(connection: Connection, name: str | None = None) -> list[Queue]:
    """Returns all queues, or only the one with a name, sorted by name."""
    cursor = await connection.execute(
        "SELECT name, credentials, tasks_most, budget, draining FROM kling_fleet.queues "
        "WHERE %(name)s::text IS NULL OR name = %(name)s ORDER BY name",
        {"name": name},
    )
    return [
        Queue(
            name=row["name"],
            credentials=row["credentials"],
            limit=row["tasks_most"],
            budget=None if row["budget"] is None else budget_of(row["name"], row["budget"]),
            draining=row["draining"],
        )
        for row in await cursor.fetchall()
    ]


async def drain(connection: Connection, name: str | None, *, on: bool) -> None:
    """Stops starting new jobs in a queue, or in all queues; or resumes it."""
    await connection.execute(
        "UPDATE kling_fleet.queues SET draining = %(on)s WHERE %(name)s::text IS NULL OR name = %(name)s",
        {"on": on, "name": name},
    )
    for queue in await all_of(connection, name):
        await connection.execute("SELECT pg_notify('kling_fleet', %s)", [f"queued {queue.name}"])


async def no_queue(connection: Connection, name: str) -> FleetError:
    """Returns the error for a missing queue."""
    return missing(name, [queue.name for queue in await all_of(connection)])


def missing(name: str, there: Sequence[str]) -> FleetError:
    """Returns the error for a missing queue, given the names of the existing ones."""
    known = ", ".join(there)
    return FleetError(
        f"the fleet has no queue {name!r} ({f'it has {known}' if known else 'it has none'}); "
        f"`kling-async fleet init --queue {name} --limit N` makes it"
    )


def budget_text(budget: Budget) -> str:
    """Serializes a budget."""
    terms, assume = budget.terms, budget.assume
    kept: dict[str, Any] = {
        "unit": terms.unit,
        "limit": str(terms.limit),
        "per": None if terms.per is None else terms.per.total_seconds(),
        "failed_is_free": terms.failed_is_free,
        "assume": None if assume is None else str(assume),
    }
    return json.dumps(kept)


def budget_of(queue: str, text: str) -> Budget:
    """Deserializes a queue's budget for a client, whose journal has the same terms.

    A client that has read the terms before they were changed must not change them back.
    """
    kept: dict[str, Any] = json.loads(text)
    amounts: dict[str, Any] = {kept["unit"]: Decimal(kept["limit"])}
    return Budget(
        **amounts,
        per=None if kept["per"] is None else timedelta(seconds=kept["per"]),
        name=queue,
        failed_is_free=kept["failed_is_free"],
        assume=None if kept["assume"] is None else Decimal(kept["assume"]),
    )
