"""One session of a worker in one queue: it owns the jobs it has taken as long as it keeps its lease."""

import asyncio
import contextlib
import functools
import logging
import math
import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import attrs
import psycopg

from kling_async.fleet.database import Connection
from kling_async.fleet.worker_account import AccountRows
from kling_async.fleet.worker_client import WorkerClient
from kling_async.fleet.worker_database import PASSES, WorkerDatabase
from kling_async.fleet.worker_making import Making
from kling_async.fleet.worker_saving import Saves
from kling_async.fleet.worker_values import Account, Follower, QueueState, Row, Unreadable
from kling_async.protocol.errors import KlingError
from kling_async.protocol.rules.values import shown
from kling_async.version import __version__

logger = logging.getLogger("kling_async")

_COALESCED: Final = 0.05
"""Minimum seconds between two claims, however often the session is woken."""

_ASIDE_SECONDS: Final = 600.0
"""Seconds for which a job that this version cannot read is postponed."""
_TIDIED_SECONDS: Final = 3600.0
"""Seconds between two deletions of old rows."""
_END_SECONDS: Final = 10.0
"""Seconds that an ending session waits for an unavailable database."""
_HURRY_SECONDS: Final = 2.0
"""The same when the session is cancelled, as by a second Ctrl-C."""


@attrs.frozen(kw_only=True)
class Settings:
    """Settings of a worker.

    Attributes:
        name: its display name.
        out: the directory for results.
        heartbeat: seconds without a sign of life after which other workers may take over its jobs.
        grace: seconds to finish running jobs when it ends.
        downloads: concurrent saves.
    """

    name: str
    out: Path
    heartbeat: float = 30.0
    grace: float = 30.0
    downloads: int = 4


class Session:
    """A session.

    Args:
        account: the account of the queue.
        client: a client with the queue's credentials and journal; the journal's lease is the heartbeat.
        database: the connection for its jobs.
        pulse: another connection, for claims and heartbeats, which must not wait when many jobs end at once.
        settings: the worker's settings.
    """

    def __init__(
        self,
        account: Account,
        client: WorkerClient,
        database: WorkerDatabase,
        pulse: WorkerDatabase,
        settings: Settings,
    ) -> None:
        self.id = uuid.uuid4()
        self._client = client
        self._database = database
        self._pulse = pulse
        self._settings = settings
        self._account = account
        self._rows = AccountRows(account.queue, self.id, account.proof)
        self._making = Making(client, database, self._rows, self)
        self._saves = Saves(client, database, self._rows, settings.out)
        self._works: dict[int, asyncio.Task[None]] = {}
        self._saving: set[int] = set()
        self._wake = asyncio.Event()
        self._over = asyncio.Event()
        self._outdated = asyncio.Event()
        self._settles = False
        self.has_former_key = False
        """Whether the queue has been given another key than this session's."""
        self._refusal: KlingError | None = None
        self._stopping = False
        self._state: QueueState | None = None
        self._trials = 0
        self._follower: Follower | None = None
        self._choosing = asyncio.Lock()

    async def run(self, stop: asyncio.Event) -> None:
        """Runs jobs until `stop` is set or the lease is lost, then hands over unfinished ones.

        If the credentials or the key of the queue change, it starts no new jobs and follows its running tasks to their
        ends, because sessions with the new key may not find them.

        Raises:
            KlingError: the service refuses this machine or its key.
        """
        seconds = _END_SECONDS
        try:
            async with self._client:
                await self._work(stop)
        except asyncio.CancelledError:
            seconds = _HURRY_SECONDS
            raise
        finally:
            await self._leave(seconds)

    async def _work(self, stop: asyncio.Event) -> None:
        await self._pulse.until_committed(
            functools.partial(self._rows.enter, name=self._settings.name, version=__version__)
        )
        beats = asyncio.create_task(self._beats())
        claims = asyncio.create_task(self._claims())
        try:
            ends = stop.wait(), self._over.wait(), self._outdated.wait()
            await _first(*ends, asyncio.shield(claims), asyncio.shield(beats))
            for each in (claims, beats):
                if each.done():
                    each.result()
            self._stopping = True
            if self._outdated.is_set():
                await self._best_effort(self._rows.resign)
                await _first(stop.wait(), self._over.wait(), self._all_ended())
                self._settles = False
            if not self._over.is_set():
                await self._best_effort(self._rows.resign)
                await self._end_in_grace()
                if self._works:
                    logger.info("hands over %d jobs", len(self._works), extra={"kling_event": "handed_over"})
        finally:
            self._stopping = True
            for each in (claims, *self._works.values()):
                each.cancel()
            try:
                await asyncio.gather(claims, *self._works.values(), return_exceptions=True)
                await self._client.close()  # releases its journal entries
            finally:
                beats.cancel()
                await asyncio.gather(beats, return_exceptions=True)
        if self._refusal is not None:
            raise self._refusal

    def wake(self) -> None:
        """Wakes the session because there may be something to do."""
        self._wake.set()

    async def _leave(self, seconds: float) -> None:
        """Releases the session's jobs, even if it is cancelled again meanwhile."""
        leaving = asyncio.create_task(self._best_effort(self._rows.leave, seconds))
        try:
            await asyncio.shield(leaving)
        except asyncio.CancelledError:
            await asyncio.wait([leaving], timeout=_HURRY_SECONDS)
            leaving.cancel()
            raise

    async def _best_effort(self, step: Callable[[Connection], Awaitable[None]], seconds: float = _END_SECONDS) -> None:
        """Runs a step with a timeout; if the database is unavailable, other sessions find out later by themselves."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._pulse.until_committed(step)

    async def _all_ended(self) -> None:
        while self._works:
            await asyncio.wait([*self._works.values()])

    async def _end_in_grace(self) -> None:
        over = asyncio.create_task(self._over.wait())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.grace):
                while self._works and not over.done():
                    await asyncio.wait([over, *self._works.values()], return_when=asyncio.FIRST_COMPLETED)
        over.cancel()

    # ------------------------------------------------------------------------------------------ its life

    async def _beats(self) -> None:
        loop, tidied_at = asyncio.get_running_loop(), -math.inf
        while True:
            await asyncio.sleep(self._settings.heartbeat / 3)
            if self._client.is_fenced():
                self.lost()
                return
            with contextlib.suppress(psycopg.Error, OSError):
                await self._pulse.once(self._rows.beat)
                await self._give_way(self._client.cut_off(self._settings.heartbeat))
                if loop.time() >= tidied_at + _TIDIED_SECONDS:
                    more = await self._pulse.once(self._rows.tidy)
                    tidied_at = -math.inf if more else loop.time()
            self.wake()

    async def _give_way(self, error: KlingError | None) -> None:
        """Ends the session if queries for its tasks fail here and another session could poll for them."""
        if error is None or self._over.is_set():
            return
        others = functools.partial(self._rows.has_others, heartbeat=self._settings.heartbeat)
        if await self._pulse.once(others):
            logger.warning(
                "this worker hears nothing of the tasks that it follows (%s); others go on with its work",
                error,
                extra={"kling_event": "cut_off"},
            )
            self.refused(error)

    def lost(self) -> None:
        """Ends the session, because other workers may already be continuing its jobs."""
        if not self._over.is_set():
            logger.warning(
                "this worker was away for longer than its heartbeat; others go on with its work, and it begins anew",
                extra={"kling_event": "fenced"},
            )
            self._over.set()

    def refused(self, error: KlingError) -> None:
        """Ends the session, because the service refuses this machine or its key."""
        self._refusal = error
        self._over.set()

    # ---------------------------------------------------------------------------------------- its claims

    async def _claims(self) -> None:
        while True:
            self._wake.clear()
            try:
                seconds = await self._claim()
            except (psycopg.Error, OSError) as error:
                seconds = self._not_claimed(error)
            await asyncio.sleep(_COALESCED)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._wake.wait()

    def _not_claimed(self, error: Exception) -> float:
        """Logs why claiming failed; returns the seconds until the next attempt."""
        if isinstance(error, PASSES):
            logger.debug("no claim: %s", error, extra={"kling_event": "database_away"})
            return 1.0
        logger.warning("no jobs can be taken: %s", error, extra={"kling_event": "claim_failed"})
        return self._settings.heartbeat / 3

    async def _claim(self) -> float:
        """Claims available jobs; returns the seconds until there may be more."""
        heartbeat, most = self._settings.heartbeat, 1000
        self._state = state = await self._pulse.once(self._rows.state)
        if state is None:
            return heartbeat / 3
        if (state.credentials, state.proof) != (self._account.credentials, self._account.proof):
            self._is_outdated(state)
        new = not (state.closed or self._stopping)
        if state.closed and state.opens_at == 0 and not self._stopping:
            new = await self._pulse.once(self._rows.may_try)
            most = self._trials = int(new)
        free = 0 if self._stopping else self._saves.room(len(self._saving), self._settings.downloads)
        claim = functools.partial(
            self._rows.claim, lines=state.lines, heartbeat=heartbeat, saves=free, new=new, most=most
        )
        taken = 0 if self._stopping else await self._pulse.once(claim)
        for row in await self._pulse.once(functools.partial(self._rows.look, known=list(self._works))):
            if isinstance(row, Unreadable):
                await self._set_aside(row)
            else:
                self._start(row)
        times = [heartbeat / 3, state.opens_at, *(line.opens_at for line in state.lines)]
        return 0.0 if taken else max(_COALESCED, min(time for time in times if time is not None))

    def _is_outdated(self, state: QueueState) -> None:
        """Begins to end the session, because the queue's jobs are to be paid from another account."""
        if not self._outdated.is_set():
            self.has_former_key = state.proof != self._account.proof
            self._stopping = self._settles = True
            self._outdated.set()
            logger.warning(
                "the queue %s has got %s; this worker follows the %d jobs that it has to their ends, and begins anew "
                "then",
                self._account.queue,
                "another key" if self.has_former_key else "other credentials",
                len(self._works),
                extra={"kling_event": "account_changed"},
            )

    async def _set_aside(self, row: Unreadable) -> None:
        key = await self._pulse.until_committed(
            functools.partial(self._rows.set_aside, row=row, seconds=_ASIDE_SECONDS)
        )
        logger.warning(
            "the job %s is left to others for %d minutes: this worker cannot read it (%s)",
            shown(key) if key is not None else f"{row.engine} of the engine",
            _ASIDE_SECONDS // 60,
            row.why,
            extra={"kling_event": "job_unreadable"},
        )

    def _start(self, row: Row) -> None:
        if row.engine in self._works:
            return
        work = asyncio.create_task(self._done(row))
        self._works[row.engine] = work
        if row.saves:
            self._saving.add(row.engine)
        work.add_done_callback(functools.partial(self._ended, row))

    async def _done(self, row: Row) -> None:
        try:
            await (self._saves if row.saves else self._making).run(row)
        except Exception:
            logger.exception("a job failed unexpectedly", extra={"kling_event": "job_failed"})
            await asyncio.sleep(self._settings.heartbeat / 3)  # after that, the job is started again

    def _ended(self, row: Row, _work: "asyncio.Task[None]") -> None:
        del self._works[row.engine]
        self._saving.discard(row.engine)
        self.wake()

    # ------------------------------------------------------------------------------------------ its role

    def may_begin(self) -> bool:
        """Whether a job that was never sent may be sent now."""
        if self._stopping or self._state is None:
            return False
        if self._state.closed:
            self._trials, may = 0, self._trials > 0
            return may
        return True

    @property
    def is_ending(self) -> bool:
        """Whether nothing is sent any more, not even to settle creates in doubt."""
        return (self._stopping and not self._settles) or self._over.is_set()

    def has_sent(self, at: datetime | None) -> bool:
        """Whether a create sent at this time used the session's key, so that the service shows its task here."""
        return at is not None and at > self._account.since

    def is_limited(self, entrypoint: str) -> bool:
        """Whether the account has refused a create of this line."""
        if self._state is None or self._state.closed:
            return True
        return any(line.is_limited for line in self._state.lines if line.entrypoint == entrypoint)

    async def follower(self, *, previous_died: bool = False) -> Follower | None:
        """Returns the session that polls for all tasks; None if this session should poll for its own."""
        async with self._choosing:
            if self._outdated.is_set():  # the follower may not find this session's tasks with the new key
                return None
            if previous_died:
                self._follower = None
            while self._follower is None or await self._client.is_gone(self._follower.owner):
                self._follower = found = await self._database.until_committed(self._rows.follower)
                if found is not None and not await self._client.is_gone(found.owner):
                    break
                if self._stopping:
                    return None
                # None may also mean a follower with another key, which this session is about to notice.
                owner, before = self._client.works.journal.owner, None if found is None else found.owner
                step = functools.partial(self._rows.follow, owner=owner, instead_of=before)
                if await self._database.until_committed(step):
                    self._follower = Follower(self.id, owner)
                else:
                    await asyncio.sleep(_COALESCED)
            return self._follower


async def _first(*waits: Awaitable[Any]) -> None:
    """Waits until the first of these completes, and cancels the others."""
    waiting = [asyncio.ensure_future(each) for each in waits]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
