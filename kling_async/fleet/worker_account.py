"""What a queue's workers learn about its account, shared between all of them."""

import random
from datetime import timedelta
from decimal import Decimal
from typing import Final

import attrs

from kling_async.fleet.database import Connection
from kling_async.fleet.schema import QUEUED
from kling_async.fleet.worker_rows import Rows
from kling_async.fleet.worker_values import Row
from kling_async.protocol.fleet.learned_limit import LearnedLimit
from kling_async.protocol.fleet.names import storable

TRIAL_SECONDS: Final = 60.0
"""Seconds for which a queue is paused whose account refuses everything; then one job tries again."""

_DOUBLED_MOST: Final = 4
"""How often the delay of a job that exceeds the rest of the budget is doubled."""

_PRICED: Final = """
    SELECT engine.id, coalesce(price.amount <= %(left)s, TRUE) AS fits
    FROM kling_fleet.jobs JOIN kling_fleet.queues ON queues.name = jobs.queue
    JOIN kling_fleet.pgqueuer engine ON engine.id = jobs.seat
    CROSS JOIN LATERAL (SELECT coalesce(
        CASE queues.budget::json ->> 'unit' WHEN 'usd' THEN estimate_usd ELSE estimate_units END,
        queues.budget::json ->> 'assume'
    )::numeric AS amount) price
    WHERE jobs.queue = %(queue)s AND jobs.id <> %(id)s AND jobs.finished IS NULL AND begun_at IS NULL
    AND engine.execute_after <= now()
"""
"""Other jobs that could be sent now, and whether the rest of the budget covers them, as `Budget.price_of` counts.

A job with neither a price nor an assumed one counts as covered: it is refused in its turn and does not block others.
"""
_ONE_FITS: Final = f"SELECT 1 FROM ({_PRICED}) priced WHERE fits LIMIT 1".encode()  # noqa: S608  (of constants, as the next)
_DELAY_OVER_BUDGET: Final = f"""
    UPDATE kling_fleet.pgqueuer SET attempts = attempts + 1, updated = now(),
        execute_after = now() + %(trial)s * 2 ^ least(attempts, {_DOUBLED_MOST})
    WHERE id IN (
        SELECT id FROM kling_fleet.pgqueuer
        WHERE status = 'queued' AND id IN (SELECT id FROM ({_PRICED}) priced WHERE NOT fits)
        FOR UPDATE SKIP LOCKED
    )
""".encode()  # noqa: S608  (as above)
"""Delays such jobs, longer each time, or they would soon all be first again; skips jobs being claimed meanwhile."""
_TRY_NOW: Final = (
    b"UPDATE kling_fleet.queues SET paused_until = now() WHERE name = %(queue)s AND paused_reason IS NOT NULL"
)


@attrs.frozen
class _Learned:
    """A line's learned limit, and the database's time."""

    now: float
    limit: LearnedLimit


class AccountRows(Rows):
    """The rows of one session, and those about the account."""

    async def full(self, connection: Connection, row: Row) -> None:
        """Lowers the line's limit and requeues the job, after the account had no free slot for it."""
        if not await self._has(connection, row):
            return
        learned, begun = await self._learned(connection, row.entrypoint), await self._begun(connection, row)
        if learned is not None:
            await self._keep(connection, row, learned.limit.refused(begun - 1, learned.now, random.random))
        await self.back(connection, row, 0.0)

    async def accepted(self, connection: Connection, row: Row) -> None:
        """Ends pauses of the queue and the line, and raises the line's limit, after the account accepted the job."""
        await connection.execute(
            "UPDATE kling_fleet.queues SET paused_reason = NULL, paused_until = NULL, key_works = TRUE WHERE "
            "name = %(queue)s AND (paused_reason IS NOT NULL OR NOT key_works) AND "
            "key_proof IS NOT DISTINCT FROM %(proof)s",
            self._values,
        )
        await connection.execute(
            "UPDATE kling_fleet.lines SET waits_for = NULL WHERE entrypoint = %s AND waits_for IS NOT NULL",
            [row.entrypoint],
        )
        learned, begun = await self._learned(connection, row.entrypoint), await self._begun(connection, row)
        after = None if learned is None else learned.limit.accepted(begun, learned.now)
        if learned is not None and after is not None and after != learned.limit:
            await self._keep(connection, row, after)
            await self._notify(connection, QUEUED)

    async def pause(self, connection: Connection, row: Row, reason: str) -> None:
        """Pauses the queue and requeues the job, after the account refused it like any other."""
        await connection.execute(
            "UPDATE kling_fleet.queues SET paused_reason = %(reason)s, paused_until = now() + %(seconds)s WHERE "
            "name = %(queue)s",
            {**self._values, "reason": storable(reason), "seconds": timedelta(seconds=TRIAL_SECONDS)},
        )
        await self.back(connection, row, TRIAL_SECONDS)  # others try first: only this job may be affected

    async def pause_line(self, connection: Connection, row: Row, reason: str) -> None:
        """Pauses the line and requeues the job, after the resource pack that pays for it ran out."""
        await connection.execute(
            "UPDATE kling_fleet.lines SET waits_for = %s, not_before = extract(epoch FROM now()) + %s WHERE "
            "entrypoint = %s",
            [storable(reason), TRIAL_SECONDS, row.entrypoint],
        )
        await self.back(connection, row, TRIAL_SECONDS)

    async def over_budget(self, connection: Connection, row: Row, left: Decimal, reason: str) -> None:
        """Requeues a job that exceeds the rest of the budget, and pauses the queue if all other jobs do so, too.

        Otherwise delays all jobs that exceed it, so that they are not tried one by one while cheaper ones wait.
        """
        values = {**self._values, "id": row.id, "left": left, "trial": timedelta(seconds=TRIAL_SECONDS)}
        cursor = await connection.execute(_ONE_FITS, values)
        if await cursor.fetchone() is None:
            await self.pause(connection, row, reason)
            return
        await connection.execute(_DELAY_OVER_BUDGET, values)
        await connection.execute(_TRY_NOW, values)
        await self.back(connection, row, TRIAL_SECONDS * 2 ** min(row.attempts, _DOUBLED_MOST))

    async def may_try(self, connection: Connection) -> bool:
        """Whether this session is the one to test whether the account accepts creates again."""
        cursor = await connection.execute(
            "UPDATE kling_fleet.queues SET paused_until = now() + %(seconds)s WHERE name = %(queue)s AND "
            "paused_reason IS NOT NULL AND paused_until <= now() AND NOT draining",
            {**self._values, "seconds": timedelta(seconds=TRIAL_SECONDS)},
        )
        return cursor.rowcount == 1

    async def _learned(self, connection: Connection, entrypoint: str) -> _Learned | None:
        cursor = await connection.execute(
            "SELECT refused_above, probe_gap, probe_at, empty_pause, not_before, extract(epoch FROM now())::float8 "
            "AS now FROM kling_fleet.lines WHERE entrypoint = %s FOR UPDATE",
            [entrypoint],
        )
        found = await cursor.fetchone()
        return None if found is None else _Learned(found.pop("now"), LearnedLimit(**found))

    async def _begun(self, connection: Connection, row: Row) -> int:
        """Returns how many jobs of the line may be running at the service, including this one."""
        cursor = await connection.execute(
            "SELECT count(*) AS begun FROM kling_fleet.pgqueuer engine JOIN kling_fleet.jobs ON jobs.seat = engine.id "
            "WHERE engine.entrypoint = %(entrypoint)s AND engine.queue_manager_id IS NOT NULL "
            "AND (jobs.begun_at IS NOT NULL OR jobs.id = %(id)s)",
            {"entrypoint": row.entrypoint, "id": row.id},
        )
        found = await cursor.fetchone()
        return found["begun"] if found is not None else 1

    async def _keep(self, connection: Connection, row: Row, learned: LearnedLimit) -> None:
        await connection.execute(
            "UPDATE kling_fleet.lines SET refused_above = %(refused_above)s, probe_gap = %(probe_gap)s, "
            "probe_at = %(probe_at)s, empty_pause = %(empty_pause)s, not_before = %(not_before)s "
            "WHERE entrypoint = %(entrypoint)s",
            {**attrs.asdict(learned), "entrypoint": row.entrypoint},
        )
