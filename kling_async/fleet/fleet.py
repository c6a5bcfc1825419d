"""Fleet: jobs for many machines, from the side of who submits them and waits for them."""

import asyncio
import functools
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any, Final, Self, TypeVar

from kling_async.batch.row import InvalidBatch, RowProblem
from kling_async.fleet import jobs, queues, submitting, worker_key
from kling_async.fleet.bell import Bell
from kling_async.fleet.database import Connection, Database, install
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
    """Jobs in a database of Postgres, which workers on many machines carry out: `async with Fleet(dsn) as fleet`.

    `kling-async fleet init` makes its tables, `kling-async fleet worker` runs a worker. Any worker may die; none pays
    twice. One object belongs to one event loop.

    Args:
        dsn: the database: `postgresql://user:password@host/database`, or what else libpq takes.
        queue: whose jobs; each account has one.

    Raises:
        ConfigurationError: one of them cannot be used, or the extra `fleet` is not installed.
    """

    def __init__(self, dsn: str, queue: str = "default") -> None:
        self.queue = checked_name("queue", queue)
        self._dsn = dsn
        self._database = Database(dsn)
        self._bell = Bell(self._database, self.queue)
        self._is_open = False

    def __repr__(self) -> str:
        """The queue, and where it is."""
        return f"<Fleet {self.queue!r} in {self._database.place}>"

    async def __aenter__(self) -> Self:
        """Connects, and brings the tables to the present version.

        Raises:
            FleetError: the database cannot be reached, or has no fleet.
        """
        await self._database.open()
        self._is_open = True
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnects; jobs go on."""
        self._is_open = False
        await self._database.close()
        await self._bell.close()

    async def submit(
        self,
        request: Any,
        *,
        key: str,
        save_to: str | None = None,
        priority: int = 0,
        not_before: datetime | None = None,
    ) -> Job:
        """Submits a job; the same under a known key gives the job that is there.

        A job that was refused or cancelled is queued again; one that could not be saved is saved again, to where
        `save_to` says now.

        Args:
            request: as `KlingClient.submit` takes it; one that takes more than one slot is refused.
            key: its name in the queue, 1 to 1000 letters.
            save_to: where its files go, below the directory of the worker that saves them; `{key}`, `{task_id}` and
                `{date}` (on which it was submitted, UTC) are filled in. None, and a folder, which ends in `/`, calls
                them by the key.
            priority: those with more are sent first.
            not_before: when it may be sent at the earliest, with its zone; None for at once.

        Raises:
            InvalidRequest: with all problems; nothing was submitted.
            KeyConflict: the key belongs to another request; nothing was submitted.
            FleetError: the database cannot be used, or has no such queue.
        """
        job = await prepared(NewJob(request, key, save_to, priority, not_before), self.queue, time.time())
        return (await self._submit([job]))[0]

    async def submit_all(self, given: Iterable[NewJob]) -> list[Job]:
        """Submits jobs, all of them or none; as `submit`.

        Returns:
            The jobs, in the order in which they were given.

        Raises:
            InvalidBatch: with all problems of all jobs; nothing was submitted.
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
            await asyncio.sleep(0)  # one without files has nothing to wait for
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
        """A job as it is now; None where there is none of that key.

        Raises:
            FleetError: the database cannot be used.
        """
        found = await self._do(functools.partial(jobs.by_keys, queue=self.queue, digests=[_digest(key)]))
        return found.get(key)

    async def wait(self, key: str) -> Job:
        """Waits until a job has its final state, which is whatever it is.

        Raises:
            FleetError: the database cannot be used, or the queue has no job of that key.
        """
        while True:
            job = await self.status(key)
            if job is None:
                raise FleetError(f"the queue {self.queue!r} has no job {shown(key)}; submit it first")
            if job.number is not None:
                return job
            await self._bell.wait_for(_digest(key))

    async def finished(self, after: int = 0) -> AsyncGenerator[Job, None]:
        """All jobs with a final state, in the order in which they got it, without an end.

        Who keeps the `number` of the last job that he has dealt with, and goes on after that, misses none and sees none
        twice; but one that was submitted again and has ended again has a new number.

        Args:
            after: the number of the last job that is known; 0 for all.

        Raises:
            FleetError: the database cannot be used.
        """
        while True:
            rung = self._bell.next
            page = await self._do(functools.partial(jobs.finished_after, queue=self.queue, number=after, count=_PAGE))
            for job in page:
                yield job
                after = job.number or after
            if len(page) < _PAGE:
                await self._bell.wait(rung)

    async def cancel(self, key: str) -> bool:
        """Cancels a job that was not sent, and never will be then; whether it is cancelled.

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
        """Counts, slots, lag and spending of all queues, and the workers.

        Raises:
            FleetError: the database cannot be used.
        """
        return await self._do(measured)

    async def drain(self, *, on: bool = True) -> None:
        """Begins nothing new in the queue: what was sent goes on; `on=False` takes that back.

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
        """Makes the tables where there are none, and a queue, or changes what is known of it.

        A queue that is drained stays so until `drain(on=False)`.

        Args:
            dsn: the database.
            limit: the account's tasks at once per model, 1 to 100,000.
            queue: its name.
            credentials: the name of the account's credentials: `default` is `KLING_API_KEY` of the workers'
                environment, `NAME` is `KLING_API_KEY_NAME`. The key itself is never kept. None leaves it as it is, and
                is `default` in a new queue.
            budget: what may be spent; None leaves it as it is, and is none in a new queue.
            new_key: the account has a new API key, which the next worker has: of a queue, all workers need the same.

        Raises:
            ConfigurationError: a value cannot be used.
            FleetError: the database cannot be used.
        """
        name, most = checked_name("queue", queue), queues.checked_limit(limit)
        named = None if credentials is None else checked_name("credentials", credentials)
        async with _Empty(dsn) as database:
            # First: who finds the queue finds its journal.
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


class _Empty(Database):
    """A database in which the tables are made."""

    async def use(self, connection: Connection) -> None:
        """Makes the tables, or brings them to the present version."""
        await install(connection)
        await super().use(connection)


def _digest(key: object) -> bytes:
    return digest_of(key if isinstance(key, str) else "")
