"""Fleet: submits jobs to the workers of a fleet, and waits for them."""

import asyncio
import functools
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any, Final, Self, TypeVar

from kling_async.batch.row import InvalidBatch, RowProblem
from kling_async.fleet import jobs, queues, submitting, worker_key
from kling_async.fleet.database import Connection, Database, install
from kling_async.fleet.finish_watcher import FinishWatcher
from kling_async.fleet.jobs import Job
from kling_async.fleet.metrics import Metrics, measured
from kling_async.fleet.new_job import NewJob, Prepared, digest_of, prepared, problems_as_rows, problems_together
from kling_async.fleet.queues import no_queue
from kling_async.fleet.statements import CANCEL
from kling_async.journal.postgres.journal import PostgresJournal
from kling_async.protocol.budget import Budget
from kling_async.protocol.errors import FleetError, InvalidRequest, Problem
from kling_async.protocol.names import checked_name
from kling_async.protocol.rules.values import shown

_T = TypeVar("_T")

_PAGE: Final = 200


class Fleet:
    """Jobs in a Postgres database, run by workers on many machines: `async with Fleet(dsn) as fleet`.

    `kling-async fleet init` creates the tables, `kling-async fleet worker` runs a worker. Workers may die at any time
    without anything being paid twice. An instance belongs to one event loop.

    Args:
        dsn: the database: `postgresql://user:password@host/database`, or any other form that libpq accepts.
        queue: name of the queue; there is one per account.

    Raises:
        ConfigurationError: an argument is invalid, or the extra `fleet` is not installed.
    """

    def __init__(self, dsn: str, queue: str = "default") -> None:
        self.queue = checked_name("queue", queue)
        self._dsn = dsn
        self._database = Database(dsn)
        self._finish_watcher = FinishWatcher(self._database, self.queue)
        self._is_open = False

    def __repr__(self) -> str:
        """Shows the queue and the location of its database."""
        return f"<Fleet {self.queue!r} in {self._database.place}>"

    async def __aenter__(self) -> Self:
        """Connects, and migrates the tables to the current version.

        Raises:
            FleetError: the database cannot be reached, or has no fleet.
        """
        await self._database.open()
        self._is_open = True
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnects; jobs keep running."""
        self._is_open = False
        await self._database.close()
        await self._finish_watcher.close()

    async def submit(
        self,
        request: Any,
        *,
        key: str,
        save_to: str | None = None,
        priority: int = 0,
        not_before: datetime | None = None,
    ) -> Job:
        """Submits a job; the same request under an existing key returns the existing job.

        A job that was refused or cancelled is queued again. A job that could not be saved is saved again, using the
        new `save_to`.

        Args:
            request: a request as for `KlingClient.submit`; one that needs more than one slot is refused.
            key: name of the job in the queue, 1 to 1000 characters.
            save_to: target path of its files, relative to the directory of the worker that saves them; `{key}`,
                `{task_id}` and `{date}` (of submission, UTC) are replaced. None, or a folder (ending in `/`), names
                the files by the key.
            priority: jobs with a higher priority are sent first.
            not_before: the earliest time to send it, with a time zone; None for immediately.

        Raises:
            InvalidRequest: the job is invalid; lists all problems; nothing was submitted.
            KeyConflict: the key belongs to another request; nothing was submitted.
            FleetError: the database cannot be used, or has no such queue.
        """
        job = await prepared(NewJob(request, key, save_to, priority, not_before), self.queue, time.time())
        return (await self._submit([job]))[0]

    async def submit_all(self, given: Iterable[NewJob]) -> list[Job]:
        """Submits jobs like `submit`, either all of them or none.

        Returns:
            The jobs, in the order of `given`.

        Raises:
            InvalidBatch: jobs are invalid; lists all problems of all jobs; nothing was submitted.
            KeyConflict: keys belong to other requests; nothing was submitted.
            FleetError: the database cannot be used, or has no such queue; nothing was submitted.
        """
        found: list[Prepared] = []
        problems: list[RowProblem] = []
        for number, job in enumerate(given):
            if not isinstance(job, NewJob):
                problem = Problem("job", f"expected a NewJob, got {shown(job)}")
                problems.append(RowProblem(line=None, id=f"jobs[{number}]", problem=problem))
                continue
            try:
                found.append(await prepared(job, self.queue, time.time()))
            except InvalidRequest as error:
                problems += problems_as_rows(job, error)
            await asyncio.sleep(0)  # preparing a job without files does not yield to the event loop
        problems += problems_together(found)
        if problems:
            raise InvalidBatch.of(problems)
        return await self._submit(found) if found else []

    async def _submit(self, given: list[Prepared]) -> list[Job]:
        by_digest = {job.digest: job for job in given}
        await submitting.submit(self._opened, self.queue, [*by_digest.values()])
        there: dict[str, Job] = {}
        digests = [*by_digest]
        for begin in range(0, len(digests), _PAGE):
            some = digests[begin : begin + _PAGE]
            there |= await self._do(functools.partial(jobs.by_keys, queue=self.queue, digests=some))
        return [there[job.job.key] for job in given]

    async def status(self, key: str) -> Job | None:
        """Returns the current state of a job; None if no job has this key.

        Raises:
            FleetError: the database cannot be used.
        """
        found = await self._do(functools.partial(jobs.by_keys, queue=self.queue, digests=[_digest(key)]))
        return found.get(key)

    async def wait(self, key: str) -> Job:
        """Waits until a job reaches a final state, successful or not.

        Raises:
            FleetError: the database cannot be used, or the queue has no job of that key.
        """
        while True:
            job = await self.status(key)
            if job is None:
                raise FleetError(f"the queue {self.queue!r} has no job {shown(key)}; submit it first")
            if job.number is not None:
                return job
            await self._finish_watcher.wait_for(_digest(key))

    async def finished(self, after: int = 0) -> AsyncGenerator[Job, None]:
        """Yields all jobs with a final state, in the order in which they reached it, and never ends.

        To get each job exactly once, store the `number` of the last job handled, and resume after it. A job that is
        submitted again and finishes again gets a new number.

        Args:
            after: the number of the last job handled; 0 for all.

        Raises:
            FleetError: the database cannot be used.
        """
        while True:
            change = self._finish_watcher.next_change
            page = await self._do(functools.partial(jobs.finished_after, queue=self.queue, number=after, count=_PAGE))
            for job in page:
                yield job
                after = job.number or after
            if len(page) < _PAGE:
                await self._finish_watcher.wait(change)

    async def cancel(self, key: str) -> bool:
        """Cancels a job that was not sent yet, so that it never is; returns whether it is cancelled.

        Raises:
            FleetError: the database cannot be used, or the queue has no job of that key.
        """
        values = {"queue": self.queue, "key_sha256": _digest(key)}

        async def cancelled(connection: Connection) -> None:
            cursor = await connection.execute(CANCEL, values)
            row = await cursor.fetchone()
            if row is not None:
                await connection.execute(
                    "DELETE FROM kling_fleet.pgqueuer WHERE id = %(seat)s AND status <> 'picked'", row
                )

        await self._do(cancelled)
        job = await self.status(key)
        if job is None:
            raise FleetError(f"the queue {self.queue!r} has no job {shown(key)}")
        return job.state == "cancelled"

    async def metrics(self) -> Metrics:
        """Returns counts, slots, lag and spending of all queues, and the workers.

        Raises:
            FleetError: the database cannot be used.
        """
        return await self._do(measured)

    async def drain(self, *, on: bool = True) -> None:
        """Stops starting new jobs in the queue, while sent ones continue; `on=False` resumes it.

        Raises:
            FleetError: the database cannot be used, or has no such queue.
        """

        async def drained(connection: Connection) -> None:
            if not await queues.all_of(connection, self.queue):
                raise await no_queue(connection, self.queue)
            await queues.drain(connection, self.queue, on=on)

        await self._do(drained)

    @classmethod
    async def init(
        cls,
        dsn: str,
        *,
        limit: int,
        queue: str = "default",
        credentials: str | None = None,
        budget: Budget | None = None,
        new_key: bool = False,
    ) -> None:
        """Creates the tables if there are none, and creates a queue or changes its settings.

        A drained queue stays drained until `drain(on=False)`.

        Args:
            dsn: the database.
            limit: concurrent tasks of the account per model, 1 to 100,000.
            queue: name of the queue.
            credentials: the name of the account's credentials: `default` is `KLING_API_KEY` of the workers'
                environment, `NAME` is `KLING_API_KEY_NAME`. The API key itself is never stored. None keeps the current
                value; a new queue gets `default`.
            budget: what may be spent; None keeps the current budget; a new queue gets none.
            new_key: the account has a new API key: the queue adopts that of the next worker. All workers of a queue
                need the same key.

        Raises:
            ConfigurationError: a value is invalid.
            FleetError: the database cannot be used.
        """
        name, most = checked_name("queue", queue), queues.checked_limit(limit)
        named = None if credentials is None else checked_name("credentials", credentials)
        async with _DatabaseToInstall(dsn) as database:
            # The journal comes first: a worker that finds the queue must find its journal.
            await PostgresJournal(dsn, name=name).last_of([""])

            async def put(connection: Connection) -> None:
                await queues.put(connection, name=name, limit=most, credentials=named, budget=budget)
                if new_key:
                    await worker_key.forget(connection, name)

            await database.step(put)

    async def _do(self, work: Callable[[Connection], Awaitable[_T]]) -> _T:
        return await self._opened.step(work)

    @property
    def _opened(self) -> Database:
        if not self._is_open:
            raise FleetError("the fleet is not open: use it in `async with Fleet(dsn) as fleet`")
        return self._database


class _DatabaseToInstall(Database):
    """A database that creates its tables if there are none."""

    async def use(self, connection: Connection) -> None:
        """Creates the tables, or migrates them to the current version."""
        await install(connection)
        await super().use(connection)


def _digest(key: object) -> bytes:
    return digest_of(key if isinstance(key, str) else "")
