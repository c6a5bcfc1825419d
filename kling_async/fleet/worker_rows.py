"""What a worker reads and writes of a fleet's tables, each as one step; all of it may be done twice."""

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
"""Jobs that one claim takes at most: others may have some, too."""
_FORGOTTEN_AT_ONCE: Final = 20_000
"""Lines of the engine's log that are deleted in one step."""
_SWEPT_AT_MOST: Final = 1000
_TIDY_SECONDS: Final = 2.0
"""Jobs whose files are deleted before other things have their turn, and seconds after which no more are begun."""
_READ: Final = (
    "jobs.id, key, endpoint, request, known, line, kind, typical_seconds, is_file, save_to, estimate_units, "
    "estimate_usd, submitted_at, jobs.priority, outcome"
)
"""Columns of a job that a worker needs: a value in another one that cannot be read here must not stop all of them."""


class Rows:
    """The rows of one session.

    Args:
        queue: whose jobs it takes.
        me: the session.
        proof: of the key that it works with; None in a queue that has none yet.
    """

    def __init__(self, queue: str, me: uuid.UUID, proof: bytes | None = None) -> None:
        self.queue = queue
        self.me = me
        self._saves = save_entrypoint(queue)
        self._values = {"queue": queue, "me": me, "proof": proof}
        self._unsent = UNSENT.format(journal=sql.Identifier(JOURNAL_SCHEMA.format(queue=queue)))

    # ------------------------------------------------------------------------------------ the session

    async def enter(self, connection: Connection, name: str, version: str) -> None:
        """The session begins."""
        await connection.execute(
            "INSERT INTO kling_fleet.workers (id, name, version, queues) VALUES (%(me)s, %(name)s, %(version)s, "
            "ARRAY[%(queue)s]) ON CONFLICT (id) DO NOTHING",
            {**self._values, "name": storable(name), "version": version},
        )

    async def beat(self, connection: Connection) -> None:
        """The session lives, and so do its jobs."""
        await connection.execute(
            "UPDATE kling_fleet.pgqueuer SET heartbeat = now() WHERE queue_manager_id = %(me)s AND status = 'picked'",
            self._values,
        )
        await connection.execute("UPDATE kling_fleet.workers SET seen_at = now() WHERE id = %(me)s", self._values)

    async def has_others(self, connection: Connection, heartbeat: float) -> bool:
        """Whether another session of the queue lives that could ask for tasks."""
        cursor = await connection.execute(
            "SELECT EXISTS (SELECT FROM kling_fleet.workers WHERE id <> %(me)s AND %(queue)s = ANY (queues) AND "
            "NOT draining AND seen_at > now() - %(heartbeat)s) AS others",
            {**self._values, "heartbeat": timedelta(seconds=heartbeat)},
        )
        found = await cursor.fetchone()
        return found is not None and found["others"]

    async def tidy(self, connection: Connection) -> bool:
        """Some of what is a day old is forgotten: sessions that are gone, what the engine wrote down; unneeded files.

        Returns:
            Whether there may be more: all at once can take minutes, in which nobody else could write to the journal.
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
        """The session ends: anybody may take its jobs at once, with their seats."""
        await self.resign(connection)
        await connection.execute(
            "UPDATE kling_fleet.pgqueuer SET heartbeat = now() - interval '1 day' WHERE queue_manager_id = %(me)s "
            "AND status = 'picked'",
            self._values,
        )
        await connection.execute("DELETE FROM kling_fleet.workers WHERE id = %(me)s", self._values)
        await self._notify(connection, QUEUED)

    async def follower(self, connection: Connection) -> Follower | None:
        """Who asks for tasks, be it gone or not; None where nobody does with the key of this session."""
        cursor = await connection.execute(
            "SELECT follower, follower_owner FROM kling_fleet.queues WHERE name = %(queue)s AND "
            "key_proof IS NOT DISTINCT FROM %(proof)s",
            self._values,
        )
        found = await cursor.fetchone()
        return None if found is None or found["follower"] is None else Follower(*found.values())

    async def resign(self, connection: Connection) -> None:
        """Somebody else may ask for tasks from now on, and this session begins nothing."""
        await connection.execute(
            "UPDATE kling_fleet.queues SET follower = NULL, follower_owner = NULL WHERE follower = %(me)s", self._values
        )
        await connection.execute("UPDATE kling_fleet.workers SET draining = TRUE WHERE id = %(me)s", self._values)

    async def follow(self, connection: Connection, owner: int, instead_of: int | None) -> bool:
        """Becomes the follower in place of one that is gone; whether nobody else was quicker."""
        cursor = await connection.execute(
            "UPDATE kling_fleet.queues SET follower = %(me)s, follower_owner = %(owner)s WHERE name = %(queue)s AND "
            "(follower_owner IS NOT DISTINCT FROM %(before)s::bigint OR follower = %(me)s) AND "
            "key_proof IS NOT DISTINCT FROM %(proof)s",
            {**self._values, "owner": owner, "before": instead_of},
        )
        return cursor.rowcount == 1

    # -------------------------------------------------------------------------------------- its claims

    async def state(self, connection: Connection) -> QueueState | None:
        """The queue now; None where it is gone."""
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
        """Takes jobs; `look` has them.

        Args:
            connection: to do it by.
            lines: of the queue, now.
            heartbeat: seconds after which a job is anybody's whose session is silent.
            saves: how many may be taken of what is to be saved.
            new: whether those may be taken that nobody has.
            most: how many of them.

        Returns:
            How many were taken.
        """
        queries, found = engine.queries(connection), 0
        due, abandoned = await self._claimable(connection, [line.entrypoint for line in lines], heartbeat)
        open_ = [line for line in lines if abandoned or (line.entrypoint in due and new and line.picked < line.seats)]
        # PgQueuer reads a 0 as no limit; where all that is allowed is taken, it looks for abandoned jobs only.
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
        """All jobs that are this session's, were they claimed or given, but for those that are known."""
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
        """From now on it may be sent; whether it may: it was not cancelled, and is this session's still.

        One that was cancelled may have been submitted anew meanwhile, as another request even: that has a seat of its
        own. Nor may it where the queue has another key by now: it would be paid from the wrong account; but what may
        have been sent before (`again`) is settled.
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
        """Its task is another session's from now on."""
        await connection.execute(
            "UPDATE kling_fleet.pgqueuer SET queue_manager_id = %(follower)s, heartbeat = now() "
            "WHERE id = %(engine)s AND queue_manager_id = %(me)s",
            {**self._values, "engine": row.engine, "follower": follower},
        )
        await self._notify(connection, HANDED)

    async def back(self, connection: Connection, row: Row, seconds: float, *, counts: bool = True) -> None:
        """It was not sent, or not saved: anybody may have it after a while.

        Args:
            connection: to do it by.
            row: of the job.
            seconds: of the while.
            counts: whether that was an attempt at it.
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
        """Somebody else may be able to read it, later; whether it was sent stays as it is. Gives its key."""
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
        """The engine forgets it, if it has its final state: it was cancelled, or somebody was quicker."""
        if not await self._has(connection, row):
            return
        cursor = await connection.execute("SELECT outcome FROM kling_fleet.jobs WHERE id = %s", [row.id])
        job = await cursor.fetchone()
        if job is not None and job["outcome"] is not None:
            await _ended(engine.queries(connection), row.engine, "canceled")
            await self._notify(connection, QUEUED)

    async def made(self, connection: Connection, row: Row, result: dict[str, Any] | None) -> None:
        """Its task has ended with files to save: its seat is free, whoever sees that."""
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
        """It has come to its end; what somebody should look at stays in the engine.

        What the journal says holds whoever sees it. What this session alone has seen holds as long as the job is its.
        """
        if outcome in {JobState.REFUSED, JobState.SAVE_FAILED} and not await self._has(connection, row):
            return
        if not await self._is_current(connection, row):  # who has the one that is sees the same
            await _ended(engine.queries(connection), row.engine, "canceled")
            await self._notify(connection, QUEUED)
            return
        held = outcome in {JobState.REFUSED, JobState.IN_DOUBT, JobState.LOST, JobState.SAVE_FAILED}
        await _ended(engine.queries(connection), row.engine, "failed" if held else "successful")
        await self._notify(connection, QUEUED)
        await connection.execute(FINISH, {"id": row.id, "outcome": outcome.value, "error": storable(error)})

    # ------------------------------------------------------------------------------------------ inside

    async def _claimable(self, connection: Connection, lines: list[str], heartbeat: float) -> tuple[set[str], bool]:
        """The entrypoints at which jobs wait, and whether any were abandoned.

        That is quickly seen, while a claim takes milliseconds of the database's processors, and each job that is
        queued or ends wakes all workers.
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
        """Whether it is this session's still, and what the job is worked on by; if not that, the engine forgets it."""
        is_current = await self._is_current(connection, row)
        if not await self._is_mine(connection, row):
            return False
        if not is_current:
            await _ended(engine.queries(connection), row.engine, "canceled")
            await self._notify(connection, QUEUED)
        return is_current

    async def _is_current(self, connection: Connection, row: Row) -> bool:
        """Whether the job has no other seat, or save, by now; it has none until the end of the transaction.

        The job is locked first, and the engine's row after it, which is so everywhere.
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

    async def _notify(self, connection: Connection, what: str) -> None:
        await connection.execute("SELECT pg_notify(%s, %s)", [CHANNEL, f"{what} {self.queue}"])


async def _ended(queries: Queries, job: int, status: str) -> None:
    await queries.driver.execute(queries.qbq.build_log_job_query(), [job], [status], [None])
