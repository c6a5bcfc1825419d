"""Submits jobs to a fleet: all of them or none, and each key once."""

import contextlib
import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import attrs

from kling_async.fleet import engine, kept
from kling_async.fleet.database import Connection, Database
from kling_async.fleet.jobs import paid_for
from kling_async.fleet.new_job import Prepared
from kling_async.fleet.queues import no_queue
from kling_async.io.threads import in_thread
from kling_async.journal import refusals
from kling_async.journal.contents import differences
from kling_async.journal.decisions import Conflict
from kling_async.journal.entry import Entry
from kling_async.journal.store import Work
from kling_async.protocol.errors import FleetError, KeyConflict
from kling_async.protocol.fleet.job_state import QUEUED_AGAIN, JobState
from kling_async.protocol.fleet.names import save_entrypoint

_T = TypeVar("_T")

_AT_ONCE: Final = 1000
"""Maximum rows in one statement."""
_BYTES_AT_ONCE: Final = 16 * 2**20
"""Maximum bytes of files in one step, unless a single job has more."""
_TRIES: Final = 5

_KINDS: Final = {
    "key": "text",
    "key_sha256": "bytea",
    "endpoint": "text",
    "request": "text",
    "known": "text",
    "files": "text",
    "line": "text",
    "entrypoint": "text",
    "kind": "text",
    "typical_seconds": "float8",
    "is_file": "bool",
    "estimate_units": "text",
    "estimate_usd": "text",
    "save_to": "text",
    "priority": "int4",
    "not_before": "timestamptz",
}
"""The columns of a submitted job, with their types."""
_ARRAYS: Final = ", ".join(f"%({name})s::{kind}[]" for name, kind in _KINDS.items())
_SELECTED: Final = ", ".join("string_to_array(files, ',')" if name == "files" else name for name in _KINDS)
_INSERT: Final = (
    f"INSERT INTO kling_fleet.jobs (queue, {', '.join(_KINDS)}) SELECT %(queue)s, {_SELECTED} "  # noqa: S608  (of constants)
    f"FROM unnest({_ARRAYS}) AS given ({', '.join(_KINDS)}) ON CONFLICT DO NOTHING RETURNING id, key_sha256"
)
_CHANGED: Final = ", ".join(
    f"{name} = " + ("string_to_array(%(files)s, ',')" if name == "files" else f"%({name})s")
    for name in _KINDS
    if name not in {"key", "key_sha256"}
)
_UNFINISHED: Final = "outcome = NULL, finished = NULL, finished_at = NULL, error = ''"
_AGAIN: Final = (
    f"UPDATE kling_fleet.jobs SET submitted_at = now(), begun_at = NULL, ended_at = NULL, {_UNFINISHED}, {_CHANGED} "  # noqa: S608  (of constants, as the next)
    "WHERE id = %(id)s"
)
_SAVE_AGAIN: Final = (
    f"UPDATE kling_fleet.jobs SET {_UNFINISHED}, save = %(save)s, save_to = %(save_to)s, priority = %(priority)s "  # noqa: S608  (constants)
    "WHERE id = %(id)s"
)


class _FilesGone(Exception):
    """Files stored for jobs were deleted before the jobs were submitted."""


async def submit(database: Database, queue: str, jobs: Sequence[Prepared]) -> None:
    """Submits jobs with different keys.

    Raises:
        KeyConflict: keys belong to other requests; nothing was submitted.
        InvalidRequest: a file has changed meanwhile; nothing was submitted.
        FleetError: the database cannot be used, or has no such queue; nothing was submitted.
    """
    needs = {job.holder: job.digests for job in jobs if job.files}
    for _ in range(_TRIES):
        try:
            for some in _by_size([job for job in jobs if job.files]):
                await _keep(database, queue, some)
            await database.step(lambda connection: _Submission(connection, queue).of(jobs, needs))
        except _FilesGone:
            continue
        except BaseException:
            with contextlib.suppress(FleetError):  # if this fails, workers delete the files later
                for holders in _batched([*needs], kept.SWEPT):
                    await database.step(functools.partial(kept.sweep, queue=queue, holders=holders))
            raise
        return
    raise FleetError("the files of the jobs could not be kept in the database; nothing was submitted; submit again")


async def _keep(database: Database, queue: str, jobs: Sequence[Prepared]) -> None:
    """Stores the files of jobs in the database."""
    files = {file.sha256: file for job in jobs for file in job.files}
    needs = {job.holder: job.digests for job in jobs}
    data: dict[str, bytes] = {}
    while True:
        wanted = await database.step(lambda connection: kept.missing(connection, queue, files.keys()))
        for digest in wanted - data.keys():
            data[digest] = await in_thread(files[digest].data)
        if await database.step(lambda connection: kept.hold(connection, queue, data, needs)):
            return


@attrs.frozen
class _Submission:
    """One transaction that submits jobs.

    Attributes:
        connection: the connection of the transaction.
        queue: the jobs' queue.
    """

    connection: Connection
    queue: str

    async def of(self, jobs: Sequence[Prepared], needs: Mapping[str, Sequence[str]]) -> None:
        """Submits all jobs, or raises."""
        cursor = await self.connection.execute(
            "SELECT now() FROM kling_fleet.queues WHERE name = %s FOR KEY SHARE", [self.queue]
        )
        found = await cursor.fetchone()
        if found is None:
            raise await no_queue(self.connection, self.queue)
        new = await self._insert(jobs)
        known = await self._known([job.digest for job in jobs if job.digest not in new])
        to_queue = [job for job in jobs if job.digest in new or known[job.digest]["outcome"] in QUEUED_AGAIN]
        paid: dict[str, Entry] = {}
        for some in _batched(to_queue, _AT_ONCE):
            paid |= await paid_for(self.connection, self.queue, [job.job.key for job in some])
        self._refuse(jobs, known, paid)
        again = {digest for digest, row in known.items() if row["outcome"] in QUEUED_AGAIN}
        unsaved = {digest for digest, row in known.items() if row["outcome"] == JobState.SAVE_FAILED}
        await self._forget([known[digest] for digest in again | unsaved])
        ids = dict(new)
        for job in jobs:
            if job.digest in again:
                ids[job.digest] = known[job.digest]["id"]
                await self.connection.execute(_AGAIN.encode(), job.values | {"id": ids[job.digest]})
        queued = [job for job in jobs if job.digest in ids]
        await self._enqueue([(ids[job.digest], job) for job in queued], found["now"])
        await self._save_again([(known[job.digest]["id"], job) for job in jobs if job.digest in unsaved])
        held = {job.holder: needs[job.holder] for job in queued if job.files}
        if held and not await kept.are_held(self.connection, self.queue, held):
            raise _FilesGone
        if queued or unsaved:
            await self.connection.execute("SELECT pg_notify('kling_fleet', %s)", [f"queued {self.queue}"])

    async def _insert(self, jobs: Sequence[Prepared]) -> dict[bytes, int]:
        """Adds the rows of all new keys; in a fixed order, to avoid deadlocks."""
        new: dict[bytes, int] = {}
        for some in _batched(sorted(jobs, key=lambda job: job.digest), _AT_ONCE):
            arrays: dict[str, Any] = {name: [job.values[name] for job in some] for name in _KINDS}
            cursor = await self.connection.execute(_INSERT.encode(), arrays | {"queue": self.queue})
            new |= {row["key_sha256"]: row["id"] for row in await cursor.fetchall()}
        return new

    async def _known(self, digests: Sequence[bytes]) -> dict[bytes, dict[str, Any]]:
        cursor = await self.connection.execute(
            "SELECT id, key_sha256, endpoint, request, known, outcome, seat, save FROM kling_fleet.jobs "
            "WHERE queue = %s AND key_sha256 = ANY(%s) ORDER BY key_sha256 FOR UPDATE",
            [self.queue, sorted(digests)],
        )
        return {row["key_sha256"]: row for row in await cursor.fetchall()}

    def _refuse(
        self, jobs: Sequence[Prepared], known: Mapping[bytes, Mapping[str, Any]], paid: Mapping[str, Entry]
    ) -> None:
        """Refuses keys that belong to other requests; keys of refused and cancelled jobs are free.

        Args:
            jobs: the jobs to submit.
            known: existing rows, by the digests of their keys.
            paid: journal entries of the jobs that are new or queued again, by key.

        Raises:
            KeyConflict: some keys belong to other requests.
        """
        conflicts = []
        for job in jobs:
            row, entry = known.get(job.digest), paid.get(job.job.key)
            before: Work | Entry | None = entry
            if row is not None and row["outcome"] not in QUEUED_AGAIN:
                before = _work_of(row, job.work)
            if before is not None and (found := differences(before, job.work)):
                conflicts.append(refusals.conflict(Conflict(found), job.work, entry))
        if conflicts:
            raise _all_of(conflicts)

    async def _forget(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Deletes the engine jobs that were left from earlier attempts."""
        ids = [row[name] for row in rows for name in ("seat", "save") if row[name] is not None]
        if ids:
            await self.connection.execute(
                "DELETE FROM kling_fleet.pgqueuer WHERE id = ANY(%s) AND status <> 'picked'", [ids]
            )

    async def _enqueue(self, jobs: Sequence[tuple[int, Prepared]], now: datetime) -> None:
        """Adds jobs to the engine, in order."""
        lines = sorted({(job.values["entrypoint"], job.values["line"]) for _, job in jobs})
        async with self.connection.cursor() as cursor:
            await cursor.executemany(
                "INSERT INTO kling_fleet.lines (entrypoint, queue, line) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                [(entrypoint, self.queue, line) for entrypoint, line in lines],
            )
        queries = engine.queries(self.connection)
        for some in _batched(jobs, _AT_ONCE):
            ids = await queries.enqueue(
                [job.values["entrypoint"] for _, job in some],
                [str(id_).encode() for id_, _ in some],
                [job.job.priority for _, job in some],
                [_wait(job.job.not_before, now) for _, job in some],
            )
            await self.connection.execute(
                "UPDATE kling_fleet.jobs SET seat = engine.id, save = NULL FROM kling_fleet.pgqueuer engine "
                "WHERE engine.id = ANY(%s) AND jobs.id = convert_from(engine.payload, 'UTF8')::bigint",
                [ids],
            )

    async def _save_again(self, jobs: Sequence[tuple[int, Prepared]]) -> None:
        """Adds saves to the engine, with the newly submitted target paths."""
        entrypoint, queries = save_entrypoint(self.queue), engine.queries(self.connection)
        for id_, job in jobs:
            (save,) = await queries.enqueue(entrypoint, f"{id_}\n".encode(), job.job.priority)
            await self.connection.execute(_SAVE_AGAIN.encode(), job.values | {"save": save, "id": id_})


def _work_of(row: Mapping[str, Any], work: Work) -> Work:
    """Returns the work of an existing job, as far as it is compared."""
    known = None if row["known"] is None else frozenset(row["known"].split())
    return attrs.evolve(work, endpoint=row["endpoint"], request=json.loads(row["request"]), known=known)


def _all_of(conflicts: Sequence[KeyConflict]) -> KeyConflict:
    """Returns the first conflict, with the number of further ones in its message."""
    first = conflicts[0]
    if len(conflicts) > 1:
        first.message += f"; and {len(conflicts) - 1} more such keys; nothing was submitted"
    return first


def _batched(items: Sequence[_T], count: int) -> Iterator[Sequence[_T]]:
    for begin in range(0, len(items), count):
        yield items[begin : begin + count]


def _by_size(jobs: Sequence[Prepared]) -> Iterator[list[Prepared]]:
    """Yields jobs in groups small enough to store their files in one step."""
    group: list[Prepared] = []
    size = 0
    for job in jobs:
        own = sum(file.size for file in job.files)
        if group and (size + own > _BYTES_AT_ONCE or len(group) == _AT_ONCE):
            yield group
            group, size = [], 0
        group.append(job)
        size += own
    if group:
        yield group


def _wait(not_before: datetime | None, now: datetime) -> timedelta | None:
    return None if not_before is None else max(timedelta(0), not_before - now)
