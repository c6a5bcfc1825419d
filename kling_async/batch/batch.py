"""A batch: generates many results, each exactly once, however often it is killed and restarted."""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Final
from weakref import WeakSet

import attrs

from kling_async.batch import endpoints
from kling_async.batch import plan as plans
from kling_async.batch.check import problems_of
from kling_async.batch.forgotten import warn_of_forgotten
from kling_async.batch.jobs import read_jobs, rows_of
from kling_async.batch.plan import Plan
from kling_async.batch.report import write_report
from kling_async.batch.result import RowResult, RowStatus
from kling_async.batch.row import InvalidBatch, Row, RowProblem
from kling_async.batch.runner import Runner
from kling_async.client import KlingClient
from kling_async.io.refusals import endpoint_that_takes
from kling_async.io.submission import Again
from kling_async.io.target import absolute
from kling_async.io.threads import in_thread
from kling_async.journal.client_journal import journal_of
from kling_async.journal.entry import EntryState
from kling_async.journal.journal import AnyJournal, Journal
from kling_async.protocol.errors import ConfigurationError, KlingError, TargetError
from kling_async.protocol.records import WatermarkInfo

logger = logging.getLogger("kling_async")

_GIVEN: Final = WeakSet[KlingClient]()
"""Clients that were given their journal by a batch."""
JOURNAL: Final = "journal.sqlite"
"""File name of the journal in the directory of a batch."""
_REPORT_SECONDS: Final = 30.0
"""Seconds between two reports during a run."""


class Batch:
    """Many results from a file of jobs; if killed and restarted, it continues and pays for nothing twice.

    ```python
    async for done in Batch("jobs.jsonl", out="out").run(client):
        print(done.id, done.status, *done.files)
    ```

    The files are named by the ids of their rows. `report.html`, `report.csv` and `report.jsonl` are written to the same
    directory, regularly during a run and at its end.

    Args:
        jobs: path of a JSONL or CSV file, or of a directory of pictures; or requests, mappings as in JSONL, or `Row`s.
        out: the directory for the files; created if it does not exist.
        journal: the journal to use; None for the client's, or, if it has none, for `journal.sqlite` in `out`.
        endpoint: the client's method for rows that do not name one.
        defaults: default parameters for rows of that endpoint; a row's own parameters take precedence.
        retry_failed: whether to create another task for rows whose task failed.
        skip_invalid: whether to run the valid rows if others are invalid.
        watermark: whether to save the watermarked variants as well; requests them where possible.

    Raises:
        TargetError: `out` is not a path.
    """

    def __init__(
        self,
        jobs: str | PathLike[str] | Iterable[Any],
        *,
        out: str | PathLike[str],
        journal: AnyJournal | str | PathLike[str] | None = None,
        endpoint: str = endpoints.DEFAULT,
        defaults: Mapping[str, Any] | None = None,
        retry_failed: bool = False,
        skip_invalid: bool = False,
        watermark: bool = False,
    ) -> None:
        self.out = Path(absolute(out))
        self._jobs = jobs
        self._journal = journal
        self._endpoint = endpoint
        self._defaults = dict(defaults or {})
        self._retry_failed = retry_failed
        self._skip_invalid = skip_invalid
        self._watermark = watermark
        self._rows: tuple[Row, ...] | None = None
        self._problems: tuple[RowProblem, ...] = ()
        self._late: tuple[RowProblem, ...] = ()
        """Problems that a row may get over time, such as a deleted file; they only matter if it is not paid yet."""
        self._results: dict[str, RowResult] = {}
        self._runner: Runner | None = None
        self._stopped = False

    # ------------------------------------------------------------------------------ before it begins

    async def load(self) -> tuple[RowProblem, ...]:
        """Reads and checks all rows, including their files, without sending anything; further calls reuse the result.

        A row that is already paid for stays valid, whatever happened to its pictures.

        Returns:
            All problems of all rows.

        Raises:
            KlingError: the jobs or the journal cannot be read.
        """
        return await self._checked(self._journal_for())

    async def _checked(self, journal: AnyJournal) -> tuple[RowProblem, ...]:
        if self._rows is None:
            await self._load()
        late = {problem.id for problem in self._late}
        paid = await self._paid([row for row in self._rows or () if row.id in late], journal) if late else set()
        wrong = [problem for problem in self._late if problem.id not in paid]
        if wrong:
            ids = {problem.id for problem in wrong}
            self._rows = tuple(row for row in self._rows or () if row.id not in ids)
            self._problems = _in_order([*self._problems, *wrong])
        self._late = ()
        return self._problems

    async def plan(self, concurrency: int = 5) -> Plan:
        """Returns what a run will do, and what it costs, without sending anything.

        Args:
            concurrency: concurrent tasks per model.

        Raises:
            KlingError: the jobs or the journal cannot be read.
        """
        journal = self._journal_for()
        rows = await self._loaded(journal)
        paid = await self._paid(rows, journal)
        to_make = [row for row in rows if row.id not in paid]
        known = len(rows) - len(to_make)
        return plans.plan(to_make, known, lambda row: endpoint_that_takes(row.request), concurrency)

    # ----------------------------------------------------------------------------------- while it runs

    async def run(self, client: KlingClient) -> AsyncGenerator[RowResult, None]:
        """Generates and saves whatever is missing, and yields each row's result when it ends.

        Args:
            client: the client to use; if it has no journal, it is given the batch's.

        Raises:
            InvalidBatch: rows are invalid and `skip_invalid` is False; nothing was sent.
            ConfigurationError: the client uses a different journal, or one of another batch.
            JournalError: the journal cannot be read or written.
            TargetError: `out` cannot be written to.
        """
        rows = await self._loaded(self._journal_for(client))
        await in_thread(self._make_out)
        self._use_journal(client)
        again: Again | None = "failed" if self._retry_failed else None
        self._runner = Runner(client, rows, self.out, again=again, watermark=self._watermark)
        reporting = asyncio.ensure_future(self._report_regularly())
        try:
            for result in self._invalid():
                yield result
            if self._stopped:
                return
            async with contextlib.aclosing(self._runner.results()) as results:
                async for result in results:
                    self._results[result.id] = result
                    yield result
            ids = {row.id for row in rows} | {result.id for result in self._invalid()}
            await warn_of_forgotten(client.works.journal, ids, self.out)
        finally:
            reporting.cancel()
            await asyncio.gather(reporting, return_exceptions=True)
            await self._report()

    def stop(self) -> None:
        """Stops sending; `run` ends after everything that may have been sent has ended and is saved."""
        self._stopped = True
        if self._runner is not None:
            self._runner.stop()

    @property
    def counts(self) -> Counter[RowStatus]:
        """The number of rows with each status."""
        counts = Counter(self._runner.counts if self._runner else {RowStatus.WAITING: len(self._rows or ())})
        counts[RowStatus.INVALID] += len(self._invalid())
        return +counts

    @property
    def results(self) -> list[RowResult]:
        """The current results of all rows, in order."""
        statuses = self._runner.statuses if self._runner is not None else {}
        halted = self._runner.halted if self._runner is not None else None
        begun = self._runner.begun if self._runner is not None else {}
        rows = [
            self._results.get(row.id)
            or begun.get(row.id)
            or _unfinished(row, statuses.get(row.id, RowStatus.WAITING), halted)
            for row in self._rows or ()
        ]
        return sorted([*rows, *self._invalid()], key=lambda result: result.line or 0)

    # --------------------------------------------------------------------------------------- inside

    async def _load(self) -> None:
        if isinstance(self._jobs, str | PathLike):
            path = Path(self._jobs)
            read = await in_thread(lambda: read_jobs(path, endpoint=self._endpoint, defaults=self._defaults))
        else:
            read = rows_of(self._jobs)
        rows = [_with_watermark(row) for row in read.rows] if self._watermark else [*read.rows]
        found = await problems_of(rows, time.time())
        wrong = {problem.id for problem in found if not problem.problem.comes_with_time}
        self._late = tuple(problem for problem in found if problem.id not in wrong)
        self._problems = _in_order([*read.problems, *(problem for problem in found if problem.id in wrong)])
        self._rows = tuple(row for row in rows if row.id not in wrong)

    async def _loaded(self, journal: AnyJournal) -> tuple[Row, ...]:
        problems = await self._checked(journal)
        if problems and not self._skip_invalid:
            raise InvalidBatch.of(problems)
        return self._rows or ()

    def _journal_for(self, client: KlingClient | None = None) -> AnyJournal:
        """Returns the journal of the batch, which may be the client's."""
        if self._journal is None and client is not None:
            with contextlib.suppress(ConfigurationError):  # the client has no journal
                return client.journal
        given = self._journal if self._journal is not None else self.out / JOURNAL
        return journal_of(given)

    async def _paid(self, rows: Sequence[Row], journal: AnyJournal) -> set[str]:
        """Returns the keys of rows that are, or may be, already paid for."""
        if not await in_thread(journal.exists):
            return set()
        last = await journal.last_of([row.id for row in rows])
        return {
            key
            for key, entry in last.items()
            if entry.state is not EntryState.REFUSED and not (entry.failed and self._retry_failed)
        }

    def _make_out(self) -> None:
        try:
            self.out.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            what = "is a link that leads nowhere" if self.out.is_symlink() else "is a file"
            raise TargetError(f"{self.out} {what}; give a directory, which may be a new one") from None
        except OSError as error:
            raise TargetError(f"{self.out} cannot be made: {error.strerror}") from None

    def _use_journal(self, client: KlingClient) -> None:
        if self._journal is not None:
            client.use_journal(self._journal)
            return
        try:
            has_one = client.journal.place
        except ConfigurationError:
            client.use_journal(self.out / JOURNAL)
            _GIVEN.add(client)
            return
        # A later run in another process would look for the journal in `out`.
        if client in _GIVEN and has_one != Journal(self.out / JOURNAL).place:
            raise ConfigurationError(
                f"this client got the journal {has_one} from another batch, where a later run of this one would not "
                "look: give each batch a client of its own, or all of them one journal: KlingClient(journal=...)"
            )

    def _invalid(self) -> list[RowResult]:
        """Returns one result for each invalid row."""
        texts: dict[tuple[int | None, str | None], list[str]] = {}
        for problem in self._problems:
            texts.setdefault((problem.line, problem.id), []).append(str(problem.problem))
        return [
            RowResult(id=id_ or f"line {line}", line=line, status=RowStatus.INVALID, error="; ".join(each))
            for (line, id_), each in texts.items()
        ]

    async def _report_regularly(self) -> None:
        while True:
            await asyncio.sleep(_REPORT_SECONDS)
            await self._report()

    async def _report(self) -> None:
        results = self.results
        try:
            await in_thread(lambda: write_report(self.out, results, title=self.out.name))
        except KlingError as error:  # a missing report must not end the run
            logger.warning("no report: %s", error, extra={"kling_event": "report_failed"})


def _in_order(problems: Iterable[RowProblem]) -> tuple[RowProblem, ...]:
    return tuple(sorted(problems, key=lambda problem: problem.line or 0))


def _with_watermark(row: Row) -> Row:
    if getattr(row.request, "watermark_info", ...) is None:
        return attrs.evolve(row, request=attrs.evolve(row.request, watermark_info=WatermarkInfo(enabled=True)))
    return row


def _unfinished(row: Row, status: RowStatus, halted: KlingError | None) -> RowResult:
    error = f"not sent: {halted.message}" if halted is not None and status is RowStatus.WAITING else ""
    return RowResult(id=row.id, line=row.line, row=row, status=status, error=error)
