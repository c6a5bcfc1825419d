"""Metrics of a fleet: counts by state, slots, lag, spending, workers."""

from collections import Counter
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import attrs
from psycopg import sql

from kling_async.fleet import queues
from kling_async.fleet.database import Connection
from kling_async.fleet.queues import Queue
from kling_async.fleet.schema import JOURNAL_SCHEMA
from kling_async.protocol.budget import NOTHING, Spending
from kling_async.protocol.fleet.job_state import JobState, state_of
from kling_async.protocol.fleet.names import save_entrypoint


@attrs.frozen(kw_only=True)
class LineMetrics:
    """Metrics of a line, which is a group of tasks that share slots.

    Attributes:
        line: its name: the model, or whatever else the tasks share.
        slots: the account's known number of slots: the configured limit, or the one learned from refusals.
        used: slots in use.
        queued: jobs waiting for a slot, including those that are not due yet.
        waits_for: why no jobs are sent at the moment, as reported by the service; None if they are.
    """

    line: str
    slots: int
    used: int
    queued: int
    waits_for: str | None


@attrs.frozen(kw_only=True)
class QueueMetrics:
    """Metrics of a queue.

    Attributes:
        name: its name.
        credentials: the name of the account's credentials.
        limit: configured number of concurrent tasks per line.
        draining: whether no new jobs are started.
        paused: why no jobs are sent at the moment, as reported by the service; None if they are.
        states: number of jobs in each state.
        lines: all lines that it ever had jobs of.
        lag: seconds for which the oldest due job has been waiting; None if none waits.
        units: units of resource packs paid, as far as the service reported them.
        money: money paid, by currency; the currency is empty if the service did not name one.
        spending: amounts reserved and spent of its budget in the current window; None without a budget.
    """

    name: str
    credentials: str
    limit: int
    draining: bool
    paused: str | None
    states: dict[JobState, int]
    lines: tuple[LineMetrics, ...]
    lag: float | None
    units: Decimal
    money: dict[str, Decimal]
    spending: Spending | None


@attrs.frozen(kw_only=True)
class WorkerMetrics:
    """Metrics of a worker.

    Attributes:
        name: its display name.
        version: its version of kling-async.
        queues: names of the queues that it serves.
        draining: whether it starts no new jobs.
        seen: seconds since its last heartbeat.
        jobs: number of its jobs.
    """

    name: str
    version: str
    queues: tuple[str, ...]
    draining: bool
    seen: float
    jobs: int


@attrs.frozen(kw_only=True)
class Metrics:
    """Metrics of a fleet.

    Attributes:
        queues: all queues, sorted by name.
        workers: all workers, sorted by name.
    """

    queues: tuple[QueueMetrics, ...]
    workers: tuple[WorkerMetrics, ...]


_WORKERS: Final = """
    SELECT name, version, queues, draining, extract(epoch FROM now() - seen_at)::float8 AS seen,
        (SELECT count(*) FROM kling_fleet.pgqueuer WHERE queue_manager_id = workers.id AND status = 'picked') AS jobs
    FROM kling_fleet.workers ORDER BY name, started_at
"""
_QUEUE: Final = """
    SELECT now() AS now,
        CASE WHEN paused_until > now() OR paused_until IS NULL THEN paused_reason END AS paused,
        (SELECT count(*) FROM kling_fleet.jobs WHERE queue = name AND finished IS NULL AND begun_at IS NULL) AS queued
    FROM kling_fleet.queues WHERE name = %s
"""
_FINISHED: Final = (
    "SELECT outcome, count(*) AS jobs FROM kling_fleet.jobs WHERE queue = %s AND finished IS NOT NULL GROUP BY outcome"
)
_LINES: Final = """
    SELECT lines.*, coalesce(engine.used, 0) AS used, coalesce(engine.queued, 0) AS queued, engine.oldest
    FROM kling_fleet.lines LEFT JOIN (
        SELECT entrypoint, count(*) FILTER (WHERE status = 'picked') AS used,
            count(*) FILTER (WHERE status = 'queued') AS queued,
            extract(epoch FROM now() - min(greatest(created, execute_after))
                FILTER (WHERE status = 'queued' AND execute_after <= now()))::float8 AS oldest
        FROM kling_fleet.pgqueuer GROUP BY entrypoint
    ) engine USING (entrypoint) WHERE queue = %(queue)s AND entrypoint <> %(saves)s ORDER BY line
"""
_BEGUN: Final = sql.SQL("""
    SELECT is_file, entry.state, entry.status = 'failed' AS failed, entry.error <> '' AS doubtful, count(*) AS jobs
    FROM kling_fleet.jobs LEFT JOIN LATERAL (
        SELECT state, status, error FROM {journal}.entries
        WHERE entries.key = replace(jobs.key, chr(63743), chr(63743) || 'f8ff') ORDER BY attempt DESC LIMIT 1
    ) entry ON TRUE
    WHERE queue = {queue} AND finished IS NULL AND begun_at IS NOT NULL GROUP BY 1, 2, 3, 4
""")
_PAID: Final = sql.SQL("""
    SELECT coalesce(currency, '') AS currency, coalesce(sum(units::numeric), 0) AS units, sum(quota::numeric) AS money
    FROM {journal}.entries WHERE units IS NOT NULL OR quota IS NOT NULL GROUP BY 1
""")
_SPENT: Final = sql.SQL(
    "SELECT reserved, settled FROM {journal}.spending WHERE budget = {name} AND per = {per} AND number = {number}"
)


async def measured(connection: Connection) -> Metrics:
    """Measures a fleet."""
    workers = await (await connection.execute(_WORKERS)).fetchall()
    return Metrics(
        queues=tuple([await _queue(connection, queue) for queue in await queues.all_of(connection)]),
        workers=tuple(_worker(row) for row in workers),
    )


async def _queue(connection: Connection, queue: Queue) -> QueueMetrics:
    journal = sql.Identifier(JOURNAL_SCHEMA.format(queue=queue.name))
    (now,) = await (await connection.execute(_QUEUE, [queue.name])).fetchall()
    states: Counter[JobState] = Counter({JobState.QUEUED: now["queued"]})
    for row in await (await connection.execute(_FINISHED, [queue.name])).fetchall():
        states[JobState(row["outcome"])] += row["jobs"]
    for row in await (await connection.execute(_BEGUN.format(journal=journal, queue=queue.name))).fetchall():
        state = state_of(
            None,
            begun=True,
            is_file=row["is_file"],
            entry=row["state"],
            failed=bool(row["failed"]),
            doubtful=bool(row["doubtful"]),
        )
        states[state] += row["jobs"]
    values = {"queue": queue.name, "saves": save_entrypoint(queue.name)}
    lines = await (await connection.execute(_LINES, values)).fetchall()
    paid = await (await connection.execute(_PAID.format(journal=journal))).fetchall()
    return QueueMetrics(
        name=queue.name,
        credentials=queue.credentials,
        limit=queue.limit,
        draining=queue.draining,
        paused=now["paused"],
        states={state: states[state] for state in JobState if states[state]},
        lines=tuple(_line(row, queue.limit) for row in lines),
        lag=max((row["oldest"] for row in lines if row["oldest"] is not None), default=None),
        units=sum((row["units"] for row in paid), NOTHING),
        money={row["currency"]: row["money"] for row in paid if row["money"]},
        spending=await _spending(connection, queue, journal, now["now"]),
    )


def _worker(row: dict[str, Any]) -> WorkerMetrics:
    return WorkerMetrics(
        name=row["name"],
        version=row["version"],
        queues=tuple(row["queues"]),
        draining=row["draining"],
        seen=row["seen"],
        jobs=row["jobs"],
    )


def _line(row: dict[str, Any], declared: int) -> LineMetrics:
    slots = declared if row["refused_above"] is None else min(declared, row["refused_above"])
    return LineMetrics(
        line=row["line"], slots=slots, used=row["used"], queued=row["queued"], waits_for=row["waits_for"]
    )


async def _spending(connection: Connection, queue: Queue, journal: sql.Identifier, now: datetime) -> Spending | None:
    if queue.budget is None:
        return None
    terms = queue.budget.terms
    per, number = terms.window(now)
    cursor = await connection.execute(_SPENT.format(journal=journal, name=terms.name, per=per, number=number))
    row = await cursor.fetchone()
    spending = Spending(terms.unit, terms.limit)
    if row is None:
        return spending
    return attrs.evolve(spending, reserved=Decimal(row["reserved"]), settled=Decimal(row["settled"]))
