"""Runs a job until its task has ended and its seat is free, resuming at whatever state it is in.

The journal records what was paid for, so each step reads it first. The engine's job only assigns the job to a session:
the session may have changed a moment ago, and may change again.
"""

import asyncio
import enum
import functools
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final, Protocol

from kling_async.fleet.database import Connection
from kling_async.fleet.worker_account import AccountRows
from kling_async.fleet.worker_client import WorkerClient, is_cut_off, result_of
from kling_async.fleet.worker_database import WorkerDatabase
from kling_async.fleet.worker_values import Follower, Row, Unreadable
from kling_async.journal.decisions import RETENTION, OwnerState
from kling_async.journal.entry import Entry, EntryState
from kling_async.protocol.catalog import endpoint_named
from kling_async.protocol.error_codes import ACCOUNT_CODES, ADDRESS_CODE, PACK_CODES
from kling_async.protocol.errors import (
    AuthenticationError,
    BadResponse,
    BudgetExceeded,
    ClientClosed,
    ConcurrencyExceeded,
    ConfigurationError,
    ConnectionFailed,
    JournalError,
    KeyConflict,
    KlingError,
    LeaseLost,
    RateLimited,
    ServerError,
    TaskFailed,
    TaskNotFound,
)
from kling_async.protocol.fleet.job_state import JobState
from kling_async.protocol.tasks import Task

logger = logging.getLogger("kling_async")

_PASSES: Final = (RateLimited, ConnectionFailed, ServerError, BadResponse)
_PASSING_SECONDS: Final = 10.0
"""Seconds before a job is sent again after a temporary refusal."""
_NEWER_SECONDS: Final = 60.0
"""Seconds before a job can be claimed again whose endpoint only a newer version supports."""
_LOOK_SECONDS: Final = 1.0
"""Seconds between checks of work that another worker owns."""
_ELSEWHERE_SECONDS: Final = 600.0
"""Seconds between queries for a task that may belong to another account."""
_DOUBT_SECONDS: Final = 10.0
"""Seconds between attempts to find out whether a task exists, and to follow a task whose queries fail."""


class Followed(enum.Enum):
    """The result of following a task that is not known to have succeeded."""

    ELSEWHERE = "another session handles the task, or this one has ended"
    LOOK_AGAIN = "the journal entry determines the next step"


class Role(Protocol):
    """The role of a session in its queue."""

    def may_begin(self) -> bool:
        """Whether a job that was never sent may be sent now."""
        ...

    @property
    def is_ending(self) -> bool:
        """Whether nothing is sent any more, not even to settle creates in doubt."""
        ...

    def has_sent(self, at: datetime | None) -> bool:
        """Whether a create sent at this time used the session's key, so that the service shows its task here."""
        ...

    def is_limited(self, entrypoint: str) -> bool:
        """Whether the account has refused a create of this line."""
        ...

    async def follower(self, *, previous_died: bool = False) -> Follower | None:
        """Returns the session that polls for all tasks; None if this session should poll for its own.

        Args:
            previous_died: whether the previously returned follower has died.
        """
        ...

    def lost(self) -> None:
        """Ends the session, because other workers may already be continuing its jobs."""
        ...

    def refused(self, error: KlingError) -> None:
        """Ends the session, because the service refuses this machine or its key."""
        ...


class Making:
    """Runs the jobs of one session until their tasks have ended.

    Args:
        client: the session's client.
        database: the session's connection.
        rows: the session's rows.
        role: the session's role.
    """

    def __init__(self, client: WorkerClient, database: WorkerDatabase, rows: AccountRows, role: Role) -> None:
        self._client = client
        self._database = database
        self._rows = rows
        self._role = role
        self._is_accepted = False

    async def run(self, row: Row) -> None:
        """Runs a job until its task has ended or another session takes over."""
        if row.outcome is not None:
            await self._database.until_committed(lambda connection: self._rows.drop(connection, row))
            return
        result: dict[str, Any] | None = None
        while True:
            try:
                entry, owner = await self._client.last(row.key)
                match entry.state if entry is not None else None:
                    case EntryState.ACCEPTED:
                        assert entry is not None  # noqa: S101  (for checkers)
                        followed = await self._follow(row, entry, owner)
                        if followed is Followed.ELSEWHERE:
                            return
                        result = result_of(followed) if isinstance(followed, Task) else result
                    case EntryState.ENDED | EntryState.SAVED | EntryState.LOST:
                        assert entry is not None  # noqa: S101  (for checkers)
                        await self._finish(row, entry, result)
                        return
                    case EntryState.INTENT if owner is OwnerState.LIVING:
                        await asyncio.sleep(_LOOK_SECONDS)
                    case state:
                        if await self._send(row, entry if state is EntryState.INTENT else None):
                            return
            except LeaseLost:
                self._role.lost()
                return
            except JournalError as error:
                logger.warning("%s", error, extra={"kling_event": "journal_failed"})
                await asyncio.sleep(_LOOK_SECONDS)

    # ---------------------------------------------------------------------------------------- the create

    async def _send(self, row: Row, intent: Entry | None) -> bool:
        """Sends the job, or finds out whether it was sent; returns whether this session is done with it."""
        begun = intent is not None
        if begun and self._role.is_ending:  # it may be paid for; the next session settles that
            await asyncio.sleep(_LOOK_SECONDS)
            return False
        known = endpoint_named(row.endpoint) is not None
        if not begun and not (known and self._role.may_begin()):
            seconds = 0.0 if known else _NEWER_SECONDS
            await self._database.until_committed(lambda connection: self._rows.back(connection, row, seconds))
            return True
        if not await self._database.until_committed(lambda connection: self._rows.begin(connection, row, again=begun)):
            await self._database.until_committed(lambda connection: self._rows.drop(connection, row))
            return True
        try:
            may_be_elsewhere = intent is not None and self._may_be_elsewhere(intent, intent.intended_at)
            if intent is not None and may_be_elsewhere and not await self._client.may_find(row, intent):
                await self._set_aside(row, intent)
                return True
            await self._client.make(row)
        except JournalError:
            raise
        except KlingError as error:
            return await self._not_made(row, error)
        if self._role.is_limited(row.entrypoint) or not self._is_accepted:
            self._is_accepted = True
            await self._database.until_committed(lambda connection: self._rows.accepted(connection, row))
        return False

    async def _not_made(self, row: Row, error: KlingError) -> bool:
        """Handles the error of a create; returns whether this session is done with the job."""
        entry, _ = await self._client.last(row.key)
        if isinstance(error, ClientClosed):
            return True  # the session ends and hands over its jobs
        if not isinstance(error, KeyConflict):  # after a conflict, the entry belongs to another job
            if entry is not None and entry.state is EntryState.INTENT:
                if _is_local(error):  # the next session settles it
                    self._role.refused(error)
                    return True
                await asyncio.sleep(_DOUBT_SECONDS)
                return False
            if entry is not None and entry.state is not EntryState.REFUSED:
                return False
        await self._database.until_committed(self._after(row, error))
        if _is_local(error):
            self._role.refused(error)
        return True

    def _after(self, row: Row, error: KlingError) -> Callable[[Connection], Awaitable[None]]:
        """Returns the step that records what happens to a refused job."""
        rows, text = self._rows, str(error)
        if isinstance(error, ConcurrencyExceeded):
            return functools.partial(rows.full, row=row)
        if error.code in PACK_CODES:
            return functools.partial(rows.pause_line, row=row, reason=text)
        if isinstance(error, BudgetExceeded):
            return functools.partial(rows.over_budget, row=row, left=error.left, reason=text)
        if _is_local(error) or isinstance(error, _PASSES):
            seconds = 0.0 if _is_local(error) else _PASSING_SECONDS
            return functools.partial(rows.back, row=row, seconds=seconds)
        if error.code in ACCOUNT_CODES:
            return functools.partial(rows.pause, row=row, reason=text)
        return functools.partial(rows.finish, row=row, outcome=JobState.REFUSED, error=text)

    # ------------------------------------------------------------------------------------------ the task

    async def _follow(self, row: Row, entry: Entry, owner: OwnerState) -> Task | Followed:
        """Follows the task to its end, or gives it to the follower."""
        if owner is OwnerState.GONE:
            await self._client.works.journal.take_of_gone(entry.id)
            return Followed.LOOK_AGAIN
        follower = await self._role.follower()
        if owner is OwnerState.LIVING:
            if follower is not None and entry.owner == follower.owner:
                await self._database.until_committed(
                    lambda connection: self._rows.give(connection, row, follower.session)
                )
                return Followed.ELSEWHERE
            await asyncio.sleep(_LOOK_SECONDS)
            return Followed.LOOK_AGAIN
        if follower is not None and follower.session != self._rows.me:
            try:
                await self._client.give(entry, follower.owner)
            except LeaseLost:
                await self._role.follower(previous_died=True)
                return Followed.LOOK_AGAIN
            await self._database.until_committed(lambda connection: self._rows.give(connection, row, follower.session))
            return Followed.ELSEWHERE
        return await self._to_its_end(row, entry)

    async def _to_its_end(self, row: Row, entry: Entry) -> Task | Followed:
        try:
            end = await self._client.end_of(row, entry)
        except ConfigurationError as error:
            end = error
        if isinstance(end, Task):
            return end
        if isinstance(end, ClientClosed):
            return Followed.ELSEWHERE
        if isinstance(end, TaskFailed):
            return Followed.LOOK_AGAIN
        logger.warning("%s: %s", entry.reference, end, extra={"kling_event": "not_followed"})
        if isinstance(end, TaskNotFound):
            if self._may_be_elsewhere(entry, entry.accepted_at):
                await self._set_aside(row, entry)
                return Followed.ELSEWHERE
            await self._client.works.lost(entry, end.message)
        elif is_cut_off(end):
            self._role.refused(end)
            return Followed.ELSEWHERE
        else:
            await asyncio.sleep(_DOUBT_SECONDS)
        return Followed.LOOK_AGAIN

    def _may_be_elsewhere(self, entry: Entry, sent_at: datetime | None) -> bool:
        """Whether a task not found with this key may be in the account of a previous key of the queue."""
        return not self._role.has_sent(sent_at) and self._client.works.journal.now() - entry.intended_at <= RETENTION

    async def _set_aside(self, row: Row, entry: Entry) -> None:
        """Frees the job's seat and queues it for another search later, as long as the service keeps tasks."""
        logger.warning(
            "%s: the task %s is not found with the key that the queue has had since; it is kept, and looked for again "
            "in %d minutes: a worker with the key from before would find it",
            row.key,
            entry.reference or entry.external_task_id,
            _ELSEWHERE_SECONDS // 60,
            extra={"kling_event": "task_elsewhere"},
        )
        await self._client.release(entry)
        aside = functools.partial(
            self._rows.set_aside, row=Unreadable(row.engine, "it is not found"), seconds=_ELSEWHERE_SECONDS
        )
        await self._database.until_committed(aside)

    async def _finish(self, row: Row, entry: Entry, result: dict[str, Any] | None) -> None:
        """Frees the job's seat, and either queues its save or finishes it."""
        if entry.state is EntryState.ENDED and not entry.failed and row.is_file:
            await self._client.release(entry)
            await self._database.until_committed(lambda connection: self._rows.made(connection, row, result))
            return
        outcome = _outcome(row, entry)
        await self._database.until_committed(
            lambda connection: self._rows.finish(connection, row, outcome, entry.error)
        )


def _outcome(row: Row, entry: Entry) -> JobState:
    if entry.state is EntryState.LOST:
        return JobState.LOST if entry.task_id is not None else JobState.IN_DOUBT
    if entry.failed:
        return JobState.FAILED
    return JobState.SAVED if row.is_file else JobState.DONE


def _is_local(error: KlingError) -> bool:
    """Whether the service rejects every request with this worker's key or from its address."""
    return isinstance(error, AuthenticationError) or error.code == ADDRESS_CODE
