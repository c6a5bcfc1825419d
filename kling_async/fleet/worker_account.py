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
        """The budget has too little left for it: it goes back, and the queue waits if that holds for all the others."""
        cursor = await connection.execute(
            "SELECT EXISTS (SELECT FROM kling_fleet.jobs JOIN kling_fleet.pgqueuer engine ON engine.id = jobs.seat "
            "WHERE queue = %(queue)s AND jobs.id <> %(id)s AND begun_at IS NULL AND outcome IS NULL AND "
            "engine.execute_after <= now() AND CASE WHEN coalesce(estimate_units, estimate_usd) ~ '^[0-9.]+$' "
            "THEN coalesce(estimate_units, estimate_usd)::numeric <= %(left)s ELSE FALSE END) AS fits",
            {**self._values, "id": row.id, "left": left},
        )
        found = await cursor.fetchone()
        if found is None or not found["fits"]:
            await self.pause(connection, row, reason)
        else:
            await self.back(connection, row, TRIAL_SECONDS)

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
