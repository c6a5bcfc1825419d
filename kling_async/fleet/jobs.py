"""Reads jobs of a fleet."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import attrs
from psycopg import sql
from psycopg.rows import tuple_row

from kling_async.fleet.database import Connection
from kling_async.fleet.schema import JOURNAL_SCHEMA
from kling_async.journal import sql_rows
from kling_async.journal.entry import Entry, EntryState
from kling_async.journal.postgres import texts
from kling_async.protocol.cost import Cost
from kling_async.protocol.fleet.job_state import JobState, state_of

_COLUMNS: Final = (
    "jobs.queue, jobs.key, jobs.endpoint, jobs.line, jobs.save_to, jobs.priority, jobs.not_before, jobs.submitted_at, "
    "jobs.begun_at, jobs.finished_at, jobs.finished, jobs.error, jobs.outcome, jobs.is_file"
)
_COUNT: Final = len(_COLUMNS.split(", "))
_MOMENTS: Final = ("not_before", "submitted_at", "begun_at", "finished_at")
_READ: Final = sql.SQL(
    f"SELECT {_COLUMNS}, entry.* FROM kling_fleet.jobs LEFT JOIN LATERAL ("  # noqa: S608  (of constants)
    f"SELECT {sql_rows.COLUMNS} FROM {{journal}}.entries LEFT JOIN {{journal}}.knowledge ON knowledge.id = knowledge "
    # The journal stores U+F8FF, its escape character, as an escape sequence.
    "WHERE entries.key = replace(jobs.key, chr(63743), chr(63743) || 'f8ff') ORDER BY attempt DESC LIMIT 1) entry "
    "ON TRUE WHERE jobs.queue = {queue} AND "
)
_LAST: Final = sql.SQL(
    f"SELECT DISTINCT ON (key) {sql_rows.COLUMNS} FROM {{journal}}.entries LEFT JOIN {{journal}}.knowledge "  # noqa: S608  (as above)
    "ON knowledge.id = knowledge WHERE key = ANY({keys}) ORDER BY key, attempt DESC"
)


@attrs.frozen(kw_only=True)
class Job:
    """Snapshot of a job of a fleet.

    Attributes:
        queue: name of its queue.
        key: its name in the queue.
        state: its current state.
        endpoint: the endpoint it is sent to, such as `image2video`.
        line: name of the group of tasks that share slots with it.
        save_to: the template of its target path; None to name its files by the key.
        priority: jobs with a higher priority are sent first.
        not_before: the earliest time it may be sent; None for immediately.
        submitted_at: when it was last submitted (UTC); like the next two, by the database's clock.
        begun_at: when it was sent, or was about to be.
        finished_at: when it reached its final state.
        number: its number in `Fleet.finished`; None if it is not finished.
        error: why it was refused, failed, is lost, in doubt or not saved; empty otherwise.
        entry: its journal entry, with its task, cost and files; None until it is sent.
    """

    queue: str
    key: str
    state: JobState
    endpoint: str
    line: str
    save_to: str | None
    priority: int
    not_before: datetime | None
    submitted_at: datetime
    begun_at: datetime | None
    finished_at: datetime | None
    number: int | None
    error: str
    entry: Entry | None

    @property
    def reference(self) -> str | None:
        """The reference for `KlingClient.attach`; None without a task."""
        return self.entry.reference if self.entry is not None and self.begun_at is not None else None

    @property
    def cost(self) -> Cost | None:
        """What the account was charged; None if the service has not reported it."""
        return self.entry.cost if self.entry is not None else None


async def by_keys(connection: Connection, queue: str, digests: Sequence[bytes]) -> dict[str, Job]:
    """Returns the jobs whose keys have these digests, by key."""
    found = await _read(connection, queue, sql.SQL("key_sha256 = ANY({})").format(list(digests)))
    return {job.key: job for job in found}


async def paid_for(connection: Connection, queue: str, keys: Sequence[str]) -> dict[str, Entry]:
    """Returns the last entries of keys in a queue's journal, by key, except refused ones."""
    journal = sql.Identifier(JOURNAL_SCHEMA.format(queue=queue))
    wanted = [texts.written(key) for key in keys]
    cursor = connection.cursor(row_factory=tuple_row)
    await cursor.execute(_LAST.format(journal=journal, keys=wanted))
    entries = [_entry_of(row) for row in await cursor.fetchall()]
    return {entry.key or "": entry for entry in entries if entry.state is not EntryState.REFUSED}


async def finished_after(connection: Connection, queue: str, number: int, count: int) -> list[Job]:
    """Returns the next finished jobs after a number."""
    which = sql.SQL("jobs.finished > {} ORDER BY jobs.finished LIMIT {}").format(number, count)
    return await _read(connection, queue, which)


async def _read(connection: Connection, queue: str, which: sql.Composable) -> list[Job]:
    journal = sql.Identifier(JOURNAL_SCHEMA.format(queue=queue))
    cursor = connection.cursor(row_factory=tuple_row)
    await cursor.execute(_READ.format(journal=journal, queue=queue) + which)
    return [_job_of(row) for row in await cursor.fetchall()]


def _entry_of(row: Sequence[Any]) -> Entry:
    return sql_rows.entry_of([texts.read(value) for value in row])


def _job_of(row: Sequence[Any]) -> Job:
    names = [name.removeprefix("jobs.") for name in _COLUMNS.split(", ")]
    of_job: dict[str, Any] = dict(zip(names, row[:_COUNT], strict=True))
    entry = None if row[_COUNT] is None else _entry_of(row[_COUNT:])
    state = state_of(
        of_job.pop("outcome"),
        begun=of_job["begun_at"] is not None,
        is_file=of_job.pop("is_file"),
        entry=None if entry is None else entry.state,
        failed=entry is not None and entry.failed,
        doubtful=entry is not None and entry.error != "",
    )
    moments = {name: of_job[name] and of_job[name].astimezone(UTC) for name in _MOMENTS}
    number, error = of_job.pop("finished"), of_job.pop("error")
    entry_error = "" if entry is None or state in {JobState.QUEUED, JobState.CANCELLED} else entry.error
    return Job(**of_job | moments, state=state, number=number, error=error or entry_error, entry=entry)
