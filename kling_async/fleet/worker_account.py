"""What the workers of a queue learn of its account, each thing once for all of them."""

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
"""Seconds for which a queue is left alone whose account refuses all; then one job tries."""

_DOUBLED_MOST: Final = 4
"""How often the time is doubled for which a job is left alone for which a budget has too little."""

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
"""Other jobs that could be sent now, and whether the budget has enough left, as `Budget.price_of` counts.

What has no price, and none is assumed, is refused when it is its turn, and in nobody's way.
"""
_ONE_FITS: Final = f"SELECT 1 FROM ({_PRICED}) priced WHERE fits LIMIT 1".encode()  # noqa: S608  (of constants, as the next)
_LEAVE_TOO_DEAR: Final = f"""
    UPDATE kling_fleet.pgqueuer SET attempts = attempts + 1, updated = now(),
        execute_after = now() + %(trial)s * 2 ^ least(attempts, {_DOUBLED_MOST})
    WHERE id IN (
        SELECT id FROM kling_fleet.pgqueuer
        WHERE status = 'queued' AND id IN (SELECT id FROM ({_PRICED}) priced WHERE NOT fits)
        FOR UPDATE SKIP LOCKED
    )
""".encode()  # noqa: S608  (as above)
"""Each time for longer, or they would all be the first ones again in a moment. Who claims them meanwhile has them."""
_TRY_NOW: Final = (
    b"UPDATE kling_fleet.queues SET paused_until = now() WHERE name = %(queue)s AND paused_reason IS NOT NULL"
)


@attrs.frozen
class _Learned:
    """What a line has learned, and the database's time."""

    now: float
    limit: LearnedLimit


class AccountRows(Rows):
    """The rows of one session, and what they say of the account."""

    async def full(self, connection: Connection, row: Row) -> None:
        """The account had no room for it: the line learns, and it goes back."""
        if not await self._has(connection, row):
            return
        learned, begun = await self._learned(connection, row.entrypoint), await self._begun(connection, row)
        if learned is not None:
            await self._keep(connection, row, learned.limit.refused(begun - 1, learned.now, random.random))
        await self.back(connection, row, 0.0)

    async def accepted(self, connection: Connection, row: Row) -> None:
        """The account had room for it, and accepts again what it refused altogether."""
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
        """The account refuses all that is sent: it goes back, and the queue waits."""
        await connection.execute(
            "UPDATE kling_fleet.queues SET paused_reason = %(reason)s, paused_until = now() + %(seconds)s WHERE "
            "name = %(queue)s",
            {**self._values, "reason": storable(reason), "seconds": timedelta(seconds=TRIAL_SECONDS)},
        )
        await self.back(connection, row, TRIAL_SECONDS)  # others try first: it may be this one alone

    async def pause_line(self, connection: Connection, row: Row, reason: str) -> None:
        """What pays for its line is used up: it goes back, and the line waits."""
        await connection.execute(
            "UPDATE kling_fleet.lines SET waits_for = %s, not_before = extract(epoch FROM now()) + %s WHERE "
            "entrypoint = %s",
            [storable(reason), TRIAL_SECONDS, row.entrypoint],
        )
        await self.back(connection, row, TRIAL_SECONDS)

    async def too_dear(self, connection: Connection, row: Row, left: Decimal, reason: str) -> None:
        """The budget has too little left for it: it goes back, and the queue waits if that holds for all the others.

        Else the others for which it has too little are left alone as well: nobody tries them one by one while cheaper
        ones wait behind them.
        """
        values = {**self._values, "id": row.id, "left": left, "trial": timedelta(seconds=TRIAL_SECONDS)}
        cursor = await connection.execute(_ONE_FITS, values)
        if await cursor.fetchone() is None:
            await self.pause(connection, row, reason)
            return
        await connection.execute(_LEAVE_TOO_DEAR, values)
        await connection.execute(_TRY_NOW, values)
        await self.back(connection, row, TRIAL_SECONDS * 2 ** min(row.attempts, _DOUBLED_MOST))

    async def may_try(self, connection: Connection) -> bool:
        """Whether this session is the one that tries whether the account accepts something again."""
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
        """How many jobs of its line may be at the service, this one among them."""
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
