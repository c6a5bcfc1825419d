"""A worker's reads and writes of the fleet's tables, each a single step that can safely be repeated."""

import json
import time
import uuid
from datetime import timedelta
from typing import Any, Final

from pgqueuer.ports.repository import EntrypointExecutionParameter as Seats
from pgqueuer.queries import Queries
from pgqueuer.types import QueueEntrypoint, QueueManagerId
from psycopg import sql

from kling_async.fleet import engine, kept
from kling_async.fleet.database import Connection
from kling_async.fleet.schema import CHANNEL, HANDED, JOURNAL_SCHEMA, QUEUED
from kling_async.fleet.statements import FINISH, UNSENT
from kling_async.fleet.worker_values import Follower, LineState, QueueState, Row, Unreadable, line_of, read
from kling_async.protocol.fleet.job_state import JobState
from kling_async.protocol.fleet.names import save_entrypoint, storable

CLAIMED_AT_ONCE: Final = 20
"""Maximum jobs per claim, so that other workers get some, too."""
_FORGOTTEN_AT_ONCE: Final = 20_000
"""Rows of the engine's log that are deleted in one step."""
_SWEPT_AT_MOST: Final = 1000
_TIDY_SECONDS: Final = 2.0
"""Maximum jobs whose files are deleted in one run of `tidy`, and seconds after which it starts no more deletions."""
_READ: Final = (
    "jobs.id, key, endpoint, request, known, line, kind, typical_seconds, is_file, save_to, estimate_units, "
    "estimate_usd, submitted_at, jobs.priority, outcome"
)
"""The columns that a worker needs: an unreadable value in any other column must not block all jobs."""


class Rows:
    """The rows of one session.

    Args:
        queue: the queue of its jobs.
        me: the session's id.
        proof: the proof of the session's key; None in a queue that has no key yet.
    """

    def __init__(self, queue: str, me: uuid.UUID, proof: bytes | None = None) -> None:
        self.queue = queue
        self.me = me
        self._saves = save_entrypoint(queue)
        self._values = {"queue": queue, "me": me, "proof": proof}
        self._unsent = UNSENT.format(journal=sql.Identifier(JOURNAL_SCHEMA.format(queue=queue)))

    # ------------------------------------------------------------------------------------ the session

    async def enter(self, connection: Connection, name: str, version: str) -> None:
        """Registers the session."""
        await connection.execute(
            "INSERT INTO kling_fleet.workers (id, name, version, queues) VALUES (%(me)s, %(name)s, %(version)s, "
            "ARRAY[%(queue)s]) ON CONFLICT (id) DO NOTHING",
            {**self._values, "name": storable(name), "version": version},
        )

    async def beat(self, connection: Connection) -> None:
        """Renews the heartbeat of the session and its jobs."""
        await connection.execute(
            "UPDATE kling_fleet.pgqueuer SET heartbeat = now() WHERE queue_manager_id = %(me)s AND status = 'picked'",
            self._values,
        )
        await connection.execute("UPDATE kling_fleet.workers SET seen_at = now() WHERE id = %(me)s", self._values)

    async def has_others(self, connection: Connection, heartbeat: float) -> bool:
        """Whether another live session of the queue could poll for tasks."""
        cursor = await connection.execute(
            "SELECT EXISTS (SELECT FROM kling_fleet.workers WHERE id <> %(me)s AND %(queue)s = ANY (queues) AND "
            "NOT draining AND seen_at > now() - %(heartbeat)s) AS others",
            {**self._values, "heartbeat": timedelta(seconds=heartbeat)},
        )
        found = await cursor.fetchone()
        return found is not None and found["others"]

    async def tidy(self, connection: Connection) -> bool:
        """Deletes dead sessions and log rows of the engine that are a day old, and files that are no longer needed.

        Returns:
            Whether there may be more to delete. Deleting everything at once could block the journal for minutes.
        """
        await connection.execute("DELETE FROM kling_fleet.workers WHERE seen_at < now() - interval '1 day'")
        cursor = await connection.execute(
            "DELETE FROM kling_fleet.pgqueuer_log WHERE id IN (SELECT id FROM kling_fleet.pgqueuer_log "
            "WHERE created < now() - interval '1 day' LIMIT %s)",
            [_FORGOTTEN_AT_ONCE],
        )
        until = time.monotonic() + _TIDY_SECONDS
        holders = await kept.swept(connection, self.queue, _SWEPT_AT_MOST)
        more = cursor.rowcount == _FORGOTTEN_AT_ONCE or len(holders) == _SWEPT_AT_MOST
        for begin in range(0, len(holders), kept.SWEPT):
            if time.monotonic() > until:
                return True
            async with connection.transaction():
                await kept.sweep(connection, self.queue, holders[begin : begin + kept.SWEPT])
        return more

    async def leave(self, connection: Connection) -> None:
        """Ends the session: other sessions may take its jobs at once, with their seats."""
        await self.resign(connection)
        await connection.execute(
            "UPDATE kling_fleet.pgqueuer SET heartbeat = now() - interval '1 day' WHERE queue_manager_id = %(me)s "
            "AND status = 'picked'",
            self._values,
        )
        await connection.execute("DELETE FROM kling_fleet.workers WHERE id = %(me)s", self._values)
        await self._notify(connection, QUEUED)

    async def follower(self, connection: Connection) -> Follower | None:
        """Returns the follower, dead or alive; None if there is none with this session's key."""
        cursor = await connection.execute(
            "SELECT follower, follower_owner FROM kling_fleet.queues WHERE name = %(queue)s AND "
            "key_proof IS NOT DISTINCT FROM %(proof)s",
            self._values,
        )
        found = await cursor.fetchone()
        return None if found is None or found["follower"] is None else Follower(*found.values())

    async def resign(self, connection: Connection) -> None:
        """Gives up the role of follower, and marks the session as starting no new jobs."""
        await connection.execute(
            "UPDATE kling_fleet.queues SET follower = NULL, follower_owner = NULL WHERE follower = %(me)s", self._values
        )
        await connection.execute("UPDATE kling_fleet.workers SET draining = TRUE WHERE id = %(me)s", self._values)

    async def follow(self, connection: Connection, owner: int, instead_of: int | None) -> bool:
        """Becomes the follower in place of a dead one; returns False if another session was faster."""
        cursor = await connection.execute(
            "UPDATE kling_fleet.queues SET follower = %(me)s, follower_owner = %(owner)s WHERE name = %(queue)s AND "
            "(follower_owner IS NOT DISTINCT FROM %(before)s::bigint OR follower = %(me)s) AND "
            "key_proof IS NOT DISTINCT FROM %(proof)s",
            {**self._values, "owner": owner, "before": instead_of},
        )
        return cursor.rowcount == 1

    # -------------------------------------------------------------------------------------- its claims

    async def state(self, connection: Connection) -> QueueState | None:
        """Returns the current state of the queue; None if it was deleted."""
        cursor = await connection.execute(
            "SELECT credentials, key_proof, draining, tasks_most, paused_reason IS NOT NULL AS paused, "
            "extract(epoch FROM paused_until - now())::float8 AS opens_at, extract(epoch FROM now())::float8 AS now "
            "FROM kling_fleet.queues WHERE name = %(queue)s",
            self._values,
        )
        queue = await cursor.fetchone()
        if queue is None:
            return None
        cursor = await connection.execute(
            "SELECT entrypoint, refused_above, probe_gap, probe_at, empty_pause, not_before, (SELECT count(*) FROM "
            "kling_fleet.pgqueuer WHERE queue_manager_id IS NOT NULL AND entrypoint = lines.entrypoint) AS picked, "
            "(SELECT extract(epoch FROM min(execute_after))::float8 FROM kling_fleet.pgqueuer WHERE status = 'queued' "
            "AND entrypoint = lines.entrypoint AND execute_after > now()) AS due_at "
            "FROM kling_fleet.lines WHERE queue = %(queue)s",
            self._values,
        )
        lines = [line_of(each, queue["tasks_most"], queue["now"]) for each in await cursor.fetchall()]
        return QueueState(
            credentials=queue["credentials"],
            proof=queue["key_proof"],
            closed=queue["draining"] or queue["paused"],
            opens_at=max(0.0, queue["opens_at"] or 0.0) if queue["paused"] and not queue["draining"] else None,
            lines=lines,
        )

    async def claim(
        self, connection: Connection, lines: list[LineState], heartbeat: float, *, saves: int, new: bool, most: int
    ) -> int:
        """Claims jobs, which `look` then returns.

        Args:
            connection: the connection to use.
            lines: the current state of the queue's lines.
            heartbeat: seconds without a heartbeat after which a session's jobs may be taken over.
            saves: how many saves may be claimed.
            new: whether queued jobs may be claimed, in addition to abandoned ones.
            most: how many jobs other than saves may be claimed.

        Returns:
            How many were claimed.
        """
        queries, found = engine.queries(connection), 0
        due, abandoned = await self._claimable(connection, [line.entrypoint for line in lines], heartbeat)
        open_ = [line for line in lines if abandoned or (line.entrypoint in due and new and line.picked < line.seats)]
        # PgQueuer treats 0 as no limit. With the number of taken seats as limit, it claims only abandoned jobs.
        seats = {line.entrypoint: line.seats if new and line.seats else line.picked for line in open_}
        for wanted, most_now in (
            ({entrypoint: count for entrypoint, count in seats.items() if count > 0}, min(most, CLAIMED_AT_ONCE)),
            ({self._saves: 0} if abandoned or self._saves in due else {}, saves),
        ):
            if wanted and most_now > 0:
                taken = await queries.dequeue(
                    most_now,
                    {QueueEntrypoint(each): Seats(concurrency_limit=count) for each, count in wanted.items()},
                    QueueManagerId(self.me),
                    None,
                    timedelta(seconds=heartbeat),
                )
                found += len(taken)
        return found

    async def look(self, connection: Connection, known: list[int]) -> list[Row | Unreadable]:
        """Returns all jobs of this session, claimed or handed over, except those in `known`."""
        cursor = await connection.execute(
            f"SELECT engine.id AS engine, engine.entrypoint AS place, engine.payload, engine.attempts, {_READ}, "  # noqa: S608  (constant)
            "engine.id = CASE WHEN engine.entrypoint = %(saves)s THEN save ELSE seat END IS TRUE AS is_current "
            "FROM kling_fleet.pgqueuer engine LEFT JOIN kling_fleet.jobs ON jobs.id = "
            "substring(encode(engine.payload, 'escape') FROM '^([0-9]{1,18})(?:\\n|$)')::bigint "
            "WHERE engine.queue_manager_id = %(me)s AND engine.status = 'picked' AND engine.id <> ALL(%(known)s)",
            {**self._values, "saves": self._saves, "known": known},
        )
        return [read(each, self._saves) for each in await cursor.fetchall()]

    # ------------------------------------------------------------------------------------ one job of it

    async def begin(self, connection: Connection, row: Row, *, again: bool = False) -> bool:
        """Marks a job as begun; returns whether it may be sent: not cancelled, and still owned by this session.

        A cancelled job may have been submitted again meanwhile, even with another request, which then has another
        seat. Also returns False if the queue has another key by now, as the wrong account would pay; unless it may
        have been sent before (`again`), because that must be settled.
        """
        cursor = await connection.execute(
            "UPDATE kling_fleet.jobs SET begun_at = coalesce(begun_at, now()) WHERE id = %(id)s AND outcome IS NULL "
            "AND seat = %(engine)s AND EXISTS (SELECT FROM kling_fleet.pgqueuer WHERE id = %(engine)s AND "
            "queue_manager_id = %(me)s) AND (%(again)s OR EXISTS (SELECT FROM kling_fleet.queues "
            "WHERE name = %(queue)s AND key_proof IS NOT DISTINCT FROM %(proof)s))",
            {**self._values, "id": row.id, "engine": row.engine, "again": again},
        )
        return cursor.rowcount == 1

    async def give(self, connection: Connection, row: Row, follower: uuid.UUID) -> None:
        """Hands a job over to the follower."""
        await connection.execute(
            "UPDATE kling_fleet.pgqueuer SET queue_manager_id = %(follower)s, heartbeat = now() "
            "WHERE id = %(engine)s AND queue_manager_id = %(me)s",
            {**self._values, "engine": row.engine, "follower": follower},
        )
        await self._notify(connection, HANDED)

    async def back(self, connection: Connection, row: Row, seconds: float, *, counts: bool = True) -> None:
        """Requeues a job that was not sent or not saved, for any session.

        Args:
            connection: the connection to use.
            row: the job.
            seconds: the delay until it can be claimed.
            counts: whether to count this as an attempt.
        """
        if not await self._has(connection, row):
            return
        if not row.saves:
            await connection.execute(self._unsent, [row.id])
        queries = engine.queries(connection)
        await queries.driver.execute(queries.qbq.build_retry_job_query(), row.engine, timedelta(seconds=seconds), None)
        if not counts:
            await connection.execute(
                "UPDATE kling_fleet.pgqueuer SET attempts = attempts - 1 WHERE id = %s", [row.engine]
            )
        await self._notify(connection, QUEUED)

    async def set_aside(self, connection: Connection, row: Unreadable, seconds: float) -> str | None:
        """Requeues a job with a delay for any session, without changing whether it was sent; returns its key."""
        await connection.execute(
            "UPDATE kling_fleet.pgqueuer SET status = 'queued', queue_manager_id = NULL, updated = now(), "
            "execute_after = now() + %(after)s WHERE id = %(engine)s AND queue_manager_id = %(me)s",
            {**self._values, "engine": row.engine, "after": timedelta(seconds=seconds)},
        )
        await self._notify(connection, QUEUED)
        cursor = await connection.execute(
            "SELECT key FROM kling_fleet.jobs WHERE queue = %(queue)s AND %(engine)s IN (seat, save)",
            {**self._values, "engine": row.engine},
        )
        found = await cursor.fetchone()
        return None if found is None else found["key"]

    async def drop(self, connection: Connection, row: Row) -> None:
        """Removes a finished job from the engine: it was cancelled, or another session finished it first."""
        if not await self._has(connection, row):
            return
        cursor = await connection.execute("SELECT outcome FROM kling_fleet.jobs WHERE id = %s", [row.id])
        job = await cursor.fetchone()
        if job is not None and job["outcome"] is not None:
            await _ended(engine.queries(connection), row.engine, "canceled")
            await self._notify(connection, QUEUED)

    async def made(self, connection: Connection, row: Row, result: dict[str, Any] | None) -> None:
        """Frees the seat of a job whose task has ended, and queues its save; any session may do so."""
        is_current = await self._is_current(connection, row)
        cursor = await connection.execute(
            "SELECT ended_at IS NOT NULL OR outcome IS NOT NULL AS ended FROM kling_fleet.jobs WHERE id = %s", [row.id]
        )
        job, queries = await cursor.fetchone(), engine.queries(connection)
        await _ended(queries, row.engine, "successful")
        if not is_current or job is None or job["ended"]:
            return
        payload = f"{row.id}\n{json.dumps(result) if result is not None else ''}".encode()
        (save,) = await queries.enqueue(self._saves, payload, row.priority)
        await connection.execute(
            "UPDATE kling_fleet.jobs SET ended_at = now(), seat = NULL, save = %(save)s WHERE id = %(id)s",
            {"id": row.id, "save": save},
        )
        await self._notify(connection, QUEUED)

    async def finish(self, connection: Connection, row: Row, outcome: JobState, error: str = "") -> None:
        """Finishes a job; one that needs manual attention stays in the engine as failed.

        An outcome from the journal is valid in any session. `refused` and `save_failed` are known only to this session,
        so they are recorded only while it owns the job.
        """
        if outcome in {JobState.REFUSED, JobState.SAVE_FAILED} and not await self._has(connection, row):
            return
        if not await self._is_current(connection, row):  # the session with the current engine job does the rest
            await _ended(engine.queries(connection), row.engine, "canceled")
            await self._notify(connection, QUEUED)
            return
        held = outcome in {JobState.REFUSED, JobState.IN_DOUBT, JobState.LOST, JobState.SAVE_FAILED}
        await _ended(engine.queries(connection), row.engine, "failed" if held else "successful")
        await self._notify(connection, QUEUED)
        await connection.execute(FINISH, {"id": row.id, "outcome": outcome.value, "error": storable(error)})

    # ------------------------------------------------------------------------------------------ inside

    async def _claimable(self, connection: Connection, lines: list[str], heartbeat: float) -> tuple[set[str], bool]:
        """Returns the entrypoints that have due jobs, and whether any job was abandoned.

        This check is cheap. A claim costs milliseconds of the database's CPU time, and every job that is queued or ends
        wakes all workers.
        """
        cursor = await connection.execute(
            "SELECT array(SELECT place FROM unnest(%(places)s::text[]) place WHERE EXISTS (SELECT FROM "
            "kling_fleet.pgqueuer WHERE entrypoint = place AND status = 'queued' AND execute_after <= now())) AS due, "
            "EXISTS (SELECT FROM kling_fleet.pgqueuer WHERE status = 'picked' AND entrypoint = ANY (%(places)s) AND "
            "heartbeat < now() - %(heartbeat)s) AS abandoned",
            {"places": [*lines, self._saves], "heartbeat": timedelta(seconds=heartbeat)},
        )
        found = await cursor.fetchone()
        assert found is not None  # noqa: S101  (for checkers)
        return set(found["due"]), found["abandoned"]

    async def _has(self, connection: Connection, row: Row) -> bool:
        """Whether this session still owns the engine job and it is the job's current one; removes it if outdated."""
        is_current = await self._is_current(connection, row)
        if not await self._is_mine(connection, row):
            return False
        if not is_current:
            await _ended(engine.queries(connection), row.engine, "canceled")
            await self._notify(connection, QUEUED)
        return is_current

    async def _is_current(self, connection: Connection, row: Row) -> bool:
        """Whether this is still the job's current seat or save; it stays so until the end of the transaction.

        As everywhere, the job's row is locked before the engine's row.
        """
        cursor = await connection.execute(
            "SELECT CASE WHEN %(saves)s THEN save ELSE seat END AS engine FROM kling_fleet.jobs WHERE id = %(id)s "
            "FOR UPDATE",
            {"saves": row.saves, "id": row.id},
        )
        found = await cursor.fetchone()
        return found is not None and found["engine"] == row.engine

    async def _is_mine(self, connection: Connection, row: Row) -> bool:
        cursor = await connection.execute(
            "SELECT 1 FROM kling_fleet.pgqueuer WHERE id = %(engine)s AND queue_manager_id = %(me)s FOR UPDATE",
            {**self._values, "engine": row.engine},
        )
        return await cursor.fetchone() is not None

    async def _notify(self, connection: Connection, event: str) -> None:
        await connection.execute("SELECT pg_notify(%s, %s)", [CHANNEL, f"{event} {self.queue}"])


async def _ended(queries: Queries, job: int, status: str) -> None:
    await queries.driver.execute(queries.qbq.build_log_job_query(), [job], [status], [None])
