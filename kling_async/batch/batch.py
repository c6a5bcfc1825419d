"""A batch: many pieces of work, each made once, however often it is killed and started again."""

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
"""Clients that have their journal from a batch."""
JOURNAL: Final = "journal.sqlite"
"""The journal's name in the directory of a batch."""
_REPORT_SECONDS: Final = 30.0
"""Between two reports while it runs."""


class Batch:
    """Many pieces of work from a file of jobs; killed and started again, it goes on and pays for nothing twice.

    ```python
    async for done in Batch("jobs.jsonl", out="out").run(client):
        print(done.id, done.status, *done.files)
    ```

    The files are called after the ids of their rows, and `report.html`, `report.csv` and `report.jsonl` stand beside
    them: written while it runs, and at its end.

    Args:
        jobs: JSONL, CSV, or a directory of pictures; or requests, mappings as in JSONL, or `Row`s.
        out: the directory for the files; made where there is none.
        journal: where the work is kept; None for that of the client, and if it has none for `journal.sqlite` in `out`.
        endpoint: the client's method that makes rows which name none.
        defaults: parameters of all rows of that endpoint; a row's own count.
        retry_failed: whether rows whose task failed get another one.
        skip_invalid: whether the others are made where rows are wrong.
        watermark: whether the watermarked variants are saved as well; asks for them where a request can.

    Raises:
        TargetError: `out` is no path.
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
        """What is wrong with rows by now, and hinders only those that are not paid yet."""
        self._results: dict[str, RowResult] = {}
        self._runner: Runner | None = None
        self._stopped = False

    # ------------------------------------------------------------------------------ before it begins

    async def load(self) -> tuple[RowProblem, ...]:
        """Reads and checks all rows, their files included; nothing is sent, and a second call gives the same.

        A row that is paid already is saved, whatever has become of its pictures.

        Returns:
            All problems of all rows.

        Raises:
            KlingError: the jobs or the journal cannot be read.
        """
        return await self._checked(self._kept_in())

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
        """What is to be done, and what it costs; nothing is sent.

        Args:
            concurrency: tasks in flight per model.

        Raises:
            KlingError: the jobs or the journal cannot be read.
        """
        journal = self._kept_in()
        rows = await self._loaded(journal)
        paid = await self._paid(rows, journal)
        to_make = [row for row in rows if row.id not in paid]
        known = len(rows) - len(to_make)
        return plans.plan(to_make, known, lambda row: endpoint_that_takes(row.request), concurrency)

    # ----------------------------------------------------------------------------------- while it runs

    async def run(self, client: KlingClient) -> AsyncGenerator[RowResult, None]:
        """Makes what is not made, saves what is not saved, and gives each row's result as it ends.

        Args:
            client: of the account; one without a journal gets that of the batch.

        Raises:
            InvalidBatch: rows are wrong, and are not to be skipped; nothing was sent.
            ConfigurationError: the client has another journal, or that of another batch.
            JournalError: the journal cannot be read or written.
            TargetError: `out` cannot be written to.
        """
        rows = await self._loaded(self._kept_in(client))
        await in_thread(self._make_out)
        self._use_journal(client)
        again: Again | None = "failed" if self._retry_failed else None
        self._runner = Runner(client, rows, self.out, again=again, watermark=self._watermark)
        reporting = asyncio.ensure_future(self._report_now_and_then())
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
        """Nothing more is sent; what may have been sent is waited for and saved, then `run` ends."""
        self._stopped = True
        if self._runner is not None:
            self._runner.stop()

    @property
    def counts(self) -> Counter[RowStatus]:
        """How many rows have come how far."""
        counts = Counter(self._runner.counts if self._runner else {RowStatus.WAITING: len(self._rows or ())})
        counts[RowStatus.INVALID] += len(self._invalid())
        return +counts

    @property
    def results(self) -> list[RowResult]:
        """What came of all rows, in their order, so far."""
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

    def _kept_in(self, client: KlingClient | None = None) -> AnyJournal:
        """The journal of the batch, which may be the client's."""
        if self._journal is None and client is not None:
            with contextlib.suppress(ConfigurationError):  # it has none
                return client.journal
        given = self._journal if self._journal is not None else self.out / JOURNAL
        return journal_of(given)

    async def _paid(self, rows: Sequence[Row], journal: AnyJournal) -> set[str]:
        """The rows that are paid already, or may be."""
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
        # Another process would look for it in `out`.
        if client in _GIVEN and has_one != Journal(self.out / JOURNAL).place:
            raise ConfigurationError(
                f"this client got the journal {has_one} from another batch, where a later run of this one would not "
                "look: give each batch a client of its own, or all of them one journal: KlingClient(journal=...)"
            )

    def _invalid(self) -> list[RowResult]:
        """The rows that are wrong, each once."""
        texts: dict[tuple[int | None, str | None], list[str]] = {}
        for problem in self._problems:
            texts.setdefault((problem.line, problem.id), []).append(str(problem.problem))
        return [
            RowResult(id=id_ or f"line {line}", line=line, status=RowStatus.INVALID, error="; ".join(each))
            for (line, id_), each in texts.items()
        ]

    async def _report_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(_REPORT_SECONDS)
            await self._report()

    async def _report(self) -> None:
        results = self.results
        try:
            await in_thread(lambda: write_report(self.out, results, title=self.out.name))
        except KlingError as error:  # the files are what counts
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
