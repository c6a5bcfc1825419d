"""What a worker reads and writes of a fleet's tables, each as one step; all of it may be done twice."""

import json
import random
import uuid
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import attrs
from pgqueuer.ports.repository import EntrypointExecutionParameter as Seats
from pgqueuer.queries import Queries
from pgqueuer.types import QueueEntrypoint, QueueManagerId

from kling_async.fleet import engine
from kling_async.fleet.schema import CHANNEL, HANDED, QUEUED
from kling_async.fleet.statements import FINISH
from kling_async.fleet.worker_database import Connection
from kling_async.protocol.estimate import Estimate
from kling_async.protocol.fleet.job_state import JobState
from kling_async.protocol.fleet.learned_limit import LearnedLimit
from kling_async.protocol.fleet.names import save_entrypoint, storable

CLAIMED_AT_ONCE: Final = 20
"""Jobs that one claim takes at most: others may have some, too."""
TRIAL_SECONDS: Final = 60.0
"""Seconds for which a queue is left alone whose account refuses all; then one job tries."""


@attrs.frozen(kw_only=True)
class Row:
    """A job of the engine that a session has, with the job of the fleet behind it.

    Attributes:
        engine: its id in the engine.
        saves: whether its files are to be saved; else its task is to be made.
        entrypoint: under which the engine has it.
        id: of the job, as all that follows.
        result: of its task, for a save; None where the service is to be asked for it.
    """

    engine: int
    saves: bool
    entrypoint: str
    id: int
    key: str
    endpoint: str
    request: dict[str, Any] = attrs.field(repr=False)
    known: frozenset[str] | None = attrs.field(repr=False)
    line: str
    kind: str
    typical_seconds: float
    is_file: bool
    save_to: str | None
    estimate: Estimate
    submitted_at: datetime
    priority: int
    outcome: str | None
    result: dict[str, Any] | None = attrs.field(default=None, repr=False)
    attempts: int = 0


@attrs.frozen
class LineState:
    """A line of a queue, as it is before a claim.

    Attributes:
        entrypoint: in the engine.
        seats: how many there may be now.
        picked: how many are taken.
        opens_at: seconds from now until there may be more, where time alone decides.
        is_limited: whether the account has refused something there.
    """

    entrypoint: str
    seats: int
    picked: int
    opens_at: float | None
    is_limited: bool


@attrs.frozen
class QueueState:
    """A queue, as it is before a claim.

    Attributes:
        closed: whether nothing new may be begun.
        opens_at: seconds from now until one job may try whether the account accepts something again.
        lines: of the queue.
    """

    closed: bool
    opens_at: float | None
    lines: list[LineState]


@attrs.frozen
class Follower:
    """The session that asks for the tasks of a queue.

    Attributes:
        session: of which worker.
        owner: its number in the journal.
    """

    session: uuid.UUID
    owner: int


class Rows:
    """The rows of one session.

    Args:
        queue: whose jobs it takes.
        me: the session.
    """

    def __init__(self, queue: str, me: uuid.UUID) -> None:
        self.queue = queue
        self.me = me
        self._values = {"queue": queue, "me": me, "saves": save_entrypoint(queue)}

    # ------------------------------------------------------------------------------------ the session

    async def enter(self, connection: Connection, name: str, version: str) -> None:
        """The session begins; those that have been gone for a day are forgotten."""
        await connection.execute("DELETE FROM kling_fleet.workers WHERE seen_at < now() - interval '1 day'")
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
        """Who asks for tasks, be it gone or not; None where nobody does."""
        cursor = await connection.execute(
            "SELECT follower, follower_owner FROM kling_fleet.queues WHERE name = %(queue)s", self._values
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
            "(follower_owner IS NOT DISTINCT FROM %(before)s::bigint OR follower = %(me)s)",
            {**self._values, "owner": owner, "before": instead_of},
        )
        return cursor.rowcount == 1

    # -------------------------------------------------------------------------------------- its claims

    async def state(self, connection: Connection) -> QueueState | None:
        """The queue now; None where it is gone."""
        cursor = await connection.execute(
            "SELECT draining, tasks_most, paused_reason IS NOT NULL AS paused, "
            "extract(epoch FROM paused_until - now())::float8 AS opens_at, extract(epoch FROM now())::float8 AS now "
            "FROM kling_fleet.queues WHERE name = %(queue)s",
            self._values,
        )
        queue = await cursor.fetchone()
        if queue is None:
            return None
        cursor = await connection.execute(
            "SELECT entrypoint, refused_above, probe_gap, probe_at, empty_pause, not_before, (SELECT count(*) FROM "
            "kling_fleet.pgqueuer WHERE queue_manager_id IS NOT NULL AND entrypoint = lines.entrypoint) AS picked "
            "FROM kling_fleet.lines WHERE queue = %(queue)s",
            self._values,
        )
        lines = [_line(each, queue["tasks_most"], queue["now"]) for each in await cursor.fetchall()]
        return QueueState(
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
        # PgQueuer reads a 0 as no limit; where all that is allowed is taken, it looks for abandoned jobs only.
        seats = {line.entrypoint: line.seats if new and line.seats else line.picked for line in lines}
        for wanted, most_now in (
            ({entrypoint: count for entrypoint, count in seats.items() if count > 0}, min(most, CLAIMED_AT_ONCE)),
            ({save_entrypoint(self.queue): 0}, saves),
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

    async def look(self, connection: Connection, known: list[int]) -> list[Row]:
        """All jobs that are this session's, were they claimed or given, but for those that are known."""
        cursor = await connection.execute(
            "SELECT engine.id AS engine, engine.entrypoint AS place, engine.payload, engine.attempts, jobs.* "
            "FROM kling_fleet.pgqueuer engine JOIN kling_fleet.jobs ON jobs.id = "
            "split_part(convert_from(engine.payload, 'UTF8'), chr(10), 1)::bigint "
            "WHERE engine.queue_manager_id = %(me)s AND engine.status = 'picked' AND engine.id <> ALL(%(known)s)",
            {**self._values, "known": known},
        )
        return [_row(each, self._values["saves"]) for each in await cursor.fetchall()]

    # ------------------------------------------------------------------------------------ one job of it

    async def begin(self, connection: Connection, row: Row) -> bool:
        """From now on it may be sent; whether it may: it was not cancelled, and is this session's still."""
        cursor = await connection.execute(
            "UPDATE kling_fleet.jobs SET begun_at = coalesce(begun_at, now()) WHERE id = %(id)s AND outcome IS NULL "
            "AND EXISTS (SELECT FROM kling_fleet.pgqueuer WHERE id = %(engine)s AND queue_manager_id = %(me)s)",
            {**self._values, "id": row.id, "engine": row.engine},
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

    async def back(self, connection: Connection, row: Row, seconds: float) -> None:
        """It was not sent, or not saved: anybody may have it after a while."""
        if not await self._is_mine(connection, row):
            return
        if not row.saves:
            await connection.execute("UPDATE kling_fleet.jobs SET begun_at = NULL WHERE id = %s", [row.id])
        queries = engine.queries(connection)
        await queries.driver.execute(
            queries.qbq.build_retry_job_query(), row.engine, timedelta(seconds=seconds), None
        )
        await self._notify(connection, QUEUED)

    async def drop(self, connection: Connection, row: Row) -> None:
        """The engine forgets it, if it has its final state: it was cancelled, or somebody was quicker."""
        cursor = await connection.execute(
            "SELECT 1 FROM kling_fleet.jobs WHERE id = %s AND outcome IS NOT NULL FOR SHARE", [row.id]
        )
        if await cursor.fetchone() is not None and await self._is_mine(connection, row):
            await _ended(engine.queries(connection), row.engine, "canceled")
            await self._notify(connection, QUEUED)

    async def made(self, connection: Connection, row: Row, result: dict[str, Any] | None) -> None:
        """Its task has ended with files to save: its seat is free, whoever sees that."""
        cursor = await connection.execute(
            "SELECT ended_at IS NOT NULL OR outcome IS NOT NULL AS ended FROM kling_fleet.jobs WHERE id = %s "
            "FOR UPDATE",
            [row.id],
        )
        job, queries = await cursor.fetchone(), engine.queries(connection)
        await _ended(queries, row.engine, "successful")
        if job is None or job["ended"]:
            return
        payload = f"{row.id}\n{json.dumps(result) if result is not None else ''}".encode()
        (save,) = await queries.enqueue(self._values["saves"], payload, row.priority)
        await connection.execute(
            "UPDATE kling_fleet.jobs SET ended_at = now(), seat = NULL, save = %(save)s WHERE id = %(id)s",
            {"id": row.id, "save": save},
        )
        await self._notify(connection, QUEUED)

    async def finish(self, connection: Connection, row: Row, outcome: JobState, error: str = "") -> None:
        """It has come to its end, whoever sees that; what somebody should look at stays in the engine."""
        held = outcome in {JobState.REFUSED, JobState.IN_DOUBT, JobState.LOST, JobState.SAVE_FAILED}
        await _ended(engine.queries(connection), row.engine, "failed" if held else "successful")
        await self._notify(connection, QUEUED)
        await connection.execute(FINISH, {"id": row.id, "outcome": outcome.value, "error": storable(error)})

    # ----------------------------------------------------------------------------- the account's limits

    async def full(self, connection: Connection, row: Row) -> None:
        """The account had no room for it: the line learns, and it goes back."""
        if not await self._is_mine(connection, row):
            return
        learned, now = await self._learned(connection, row.entrypoint)
        cursor = await connection.execute(
            "SELECT count(*) AS others FROM kling_fleet.pgqueuer engine JOIN kling_fleet.jobs ON jobs.seat = engine.id "
            "WHERE engine.entrypoint = %(entrypoint)s AND engine.queue_manager_id IS NOT NULL "
            "AND jobs.begun_at IS NOT NULL AND jobs.id <> %(id)s",
            {"entrypoint": row.entrypoint, "id": row.id},
        )
        found = await cursor.fetchone()
        if learned is not None and found is not None:
            await self._keep(connection, row, learned.refused(found["others"], now, random.random))
        await self.back(connection, row, 0.0)

    async def accepted(self, connection: Connection, row: Row) -> None:
        """The account had room for it, and accepts again what it refused altogether."""
        await connection.execute(
            "UPDATE kling_fleet.queues SET paused_reason = NULL, paused_until = NULL WHERE name = %(queue)s AND "
            "paused_reason IS NOT NULL",
            self._values,
        )
        learned, now = await self._learned(connection, row.entrypoint)
        cursor = await connection.execute(
            "SELECT count(*) AS running FROM kling_fleet.pgqueuer engine JOIN kling_fleet.jobs ON jobs.seat = engine.id "
            "WHERE engine.entrypoint = %s AND engine.queue_manager_id IS NOT NULL AND jobs.begun_at IS NOT NULL",
            [row.entrypoint],
        )
        found = await cursor.fetchone()
        if learned is not None and found is not None:
            after = learned.accepted(found["running"], now)
            if after != learned:
                await self._keep(connection, row, after)
                await self._notify(connection, QUEUED)

    async def pause(self, connection: Connection, row: Row, reason: str) -> None:
        """The account refuses all that is sent: it goes back, and the queue waits."""
        await connection.execute(
            "UPDATE kling_fleet.queues SET paused_reason = %(reason)s, paused_until = now() + %(seconds)s WHERE "
            "name = %(queue)s",
            {**self._values, "reason": storable(reason), "seconds": timedelta(seconds=TRIAL_SECONDS)},
        )
        await self.back(connection, row, 0.0)

    async def may_try(self, connection: Connection) -> bool:
        """Whether this session is the one that tries whether the account accepts something again."""
        cursor = await connection.execute(
            "UPDATE kling_fleet.queues SET paused_until = now() + %(seconds)s WHERE name = %(queue)s AND "
            "paused_reason IS NOT NULL AND paused_until <= now() AND NOT draining",
            {**self._values, "seconds": timedelta(seconds=TRIAL_SECONDS)},
        )
        return cursor.rowcount == 1

    # ------------------------------------------------------------------------------------------ inside

    async def _is_mine(self, connection: Connection, row: Row) -> bool:
        cursor = await connection.execute(
            "SELECT 1 FROM kling_fleet.pgqueuer WHERE id = %(engine)s AND queue_manager_id = %(me)s FOR UPDATE",
            {**self._values, "engine": row.engine},
        )
        return await cursor.fetchone() is not None

    async def _learned(self, connection: Connection, entrypoint: str) -> tuple[LearnedLimit | None, float]:
        cursor = await connection.execute(
            "SELECT refused_above, probe_gap, probe_at, empty_pause, not_before, extract(epoch FROM now())::float8 "
            "AS now FROM kling_fleet.lines WHERE entrypoint = %s FOR UPDATE",
            [entrypoint],
        )
        found = await cursor.fetchone()
        if found is None:
            return None, 0.0
        now = found.pop("now")
        return LearnedLimit(**found), now

    async def _keep(self, connection: Connection, row: Row, learned: LearnedLimit) -> None:
        await connection.execute(
            "UPDATE kling_fleet.lines SET refused_above = %(refused_above)s, probe_gap = %(probe_gap)s, "
            "probe_at = %(probe_at)s, empty_pause = %(empty_pause)s, not_before = %(not_before)s "
            "WHERE entrypoint = %(entrypoint)s",
            {**attrs.asdict(learned), "entrypoint": row.entrypoint},
        )

    async def _notify(self, connection: Connection, what: str) -> None:
        await connection.execute("SELECT pg_notify(%s, %s)", [CHANNEL, f"{what} {self.queue}"])


async def _ended(queries: Queries, job: int, status: str) -> None:
    await queries.driver.execute(queries.qbq.build_log_job_query(), [job], [status], [None])


def _line(found: dict[str, Any], declared: int, now: float) -> LineState:
    picked, entrypoint = found.pop("picked"), found.pop("entrypoint")
    learned = LearnedLimit(**found)
    times = [learned.not_before] if learned.refused_above is None else [learned.not_before, learned.probe_at]
    opens_at = min((time - now for time in times if time > now), default=None)
    return LineState(entrypoint, learned.seats(declared, now), picked, opens_at, learned != LearnedLimit())


def _row(found: dict[str, Any], saves: str) -> Row:
    _, _, result = bytes(found["payload"]).decode().partition("\n")
    return Row(
        engine=found["engine"],
        saves=found["place"] == saves,
        entrypoint=found["place"],
        id=found["id"],
        key=found["key"],
        endpoint=found["endpoint"],
        request=json.loads(found["request"]),
        known=None if found["known"] is None else frozenset(found["known"].split()),
        line=found["line"],
        kind=found["kind"],
        typical_seconds=found["typical_seconds"],
        is_file=found["is_file"],
        save_to=found["save_to"],
        estimate=Estimate(**{unit: _decimal(found[f"estimate_{unit}"]) for unit in ("units", "usd")}),
        submitted_at=found["submitted_at"],
        priority=found["priority"],
        outcome=found["outcome"],
        result=json.loads(result) if result else None,
        attempts=found["attempts"],
    )


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
