"""Runs the rows of a batch: as many at once as the account takes, each to its files."""

import asyncio
import contextlib
import logging
import math
from collections import Counter, deque
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from kling_async.batch.outcome import begun, outcome, unknown, with_told
from kling_async.batch.result import RowResult, RowStatus
from kling_async.batch.row import Row
from kling_async.client import KlingClient
from kling_async.handle import TaskHandle
from kling_async.io.refusals import endpoint_that_takes
from kling_async.io.submission import Again
from kling_async.io.target import check_target_for
from kling_async.io.threads import in_thread
from kling_async.journal.entry import Entry, EntryState
from kling_async.journal.names import file_name
from kling_async.protocol.endpoint import Endpoint
from kling_async.protocol.error_codes import ACCOUNT_CODES, PACK_CODES
from kling_async.protocol.errors import AuthenticationError, BudgetExceeded, JournalError, KlingError, SaveInProgress

logger = logging.getLogger("kling_async")

_LOOK_SECONDS: Final = 0.5
"""Between two looks at whether another process has saved its work."""
_TOLD_LOOKS: Final = 30
"""Looks after which it is told what is waited for."""
_PAID_AT_ONCE: Final = 32
"""Rows that are paid already and looked at together: they take no slot."""


_End = tuple[KlingError | None, RowResult]


@attrs.define(eq=False)
class _Queue:
    """Rows that stand in one line.

    Attributes:
        limit: how many may be under way.
        pack: that they are paid from; None for what is paid already.
        rows: that have not begun.
        under_way: how many have.
    """

    limit: int
    pack: str | None
    rows: deque[Row] = attrs.field(factory=deque)
    under_way: int = 0


class Runner:
    """The rows of one run.

    Args:
        client: with a journal.
        rows: all of them, with ids of their own.
        out: the directory for the files.
        again: whether rows that failed get another attempt.
        watermark: whether the watermarked variants are saved as well, where the request asks for them.
    """

    def __init__(
        self, client: KlingClient, rows: Sequence[Row], out: Path, *, again: Again | None, watermark: bool
    ) -> None:
        self.counts = Counter({RowStatus.WAITING: len(rows)})
        self.halted: KlingError | None = None
        """Why nothing more was sent, where the account is the reason."""
        self._client = client
        self._rows = rows
        self._out = f"{out}/"
        self._again: Again | None = again
        self._watermark = watermark
        self.statuses: dict[str, RowStatus] = {row.id: RowStatus.WAITING for row in rows}
        self.begun: dict[str, RowResult] = {}
        """What is known so far of rows that may be paid for, and have not ended."""
        self._queues: dict[object, _Queue] = {}
        self._tasks: dict[asyncio.Task[_End], tuple[Row, _Queue]] = {}
        self._ended: asyncio.Queue[asyncio.Task[_End]] = asyncio.Queue()
        self._over_budget: dict[str, tuple[Row, RowResult]] = {}
        self._has_progressed = False
        self._has_told = False
        self._stopped = False
        self._proving = asyncio.Lock()
        """So that rows whose place is proven by threads stand in line in their order."""
        self._withdrawing: asyncio.Future[None] | None = None

    async def results(self) -> AsyncGenerator[RowResult, None]:
        """Each row's, as it ends; of rows that never began there is none.

        Raises:
            JournalError: the journal cannot be read.
        """
        try:
            await self._line_up()
            self._start()
            while self._tasks or self._begin_again():
                task = await self._ended.get()
                row, queue = self._tasks.pop(task)
                queue.under_way -= 1
                if not task.cancelled():
                    failure, result = task.result()
                    self._set(row, result.status)
                    self.begun.pop(row.id, None)
                    if isinstance(failure, BudgetExceeded):
                        self._over_budget[row.id] = row, result
                    else:
                        self._has_progressed = True
                        if failure is not None:
                            self._halt(failure, queue)
                        yield result
                self._start()
            for _, result in self._over_budget.values():
                yield result
        finally:
            left: list[asyncio.Future[Any]] = [*self._tasks, *filter(None, [self._withdrawing])]
            for each in left:
                each.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            await self._look_at_left([row for row, _ in self._tasks.values()])

    def stop(self) -> None:
        """Begins nothing more; what may have been sent goes on to its end."""
        if not self._stopped:
            self._stopped = True
            for queue in self._queues.values():
                queue.rows.clear()
            self._withdrawing = asyncio.ensure_future(self._withdraw())

    async def _withdraw(self) -> None:
        """Takes back what stands in line, and what was not sent, though it is tried again and again."""
        waiting = {task: row.id for task, (row, _) in self._tasks.items() if self.statuses[row.id] is RowStatus.WAITING}
        sent = await self._client.journal.last_of([*waiting.values()])
        for task, key in waiting.items():
            if key not in sent or not self._client.works.may_exist(sent[key]):
                task.cancel()

    async def _look_at_left(self, rows: Sequence[Row]) -> None:
        """Which of the rows that were left may have been sent."""
        with contextlib.suppress(JournalError):
            sent = await self._client.journal.last_of([row.id for row in rows])
            for row in rows:
                if row.id not in self.begun and (last := sent.get(row.id)) and last.state is not EntryState.REFUSED:
                    self._note(row, RowStatus.RUNNING, [last])

    # ------------------------------------------------------------------------------------- scheduling

    async def _line_up(self) -> None:
        """What is paid already comes first, and takes no slot; the rest stands in the lines of the account."""
        await self._client.works.journal.open()
        self._known = await self._client.journal.last_of([row.id for row in self._rows])
        for row in self._rows:
            self._queue_of(row).rows.append(row)

    def _queue_of(self, row: Row) -> _Queue:
        if not self._creates(self._known.get(row.id)):
            return self._queues.setdefault(None, _Queue(_PAID_AT_ONCE, None))
        endpoint = endpoint_that_takes(row.request)
        # Twice as many as may run, so that one is checked and in line when a slot comes free.
        line = (endpoint.pack, endpoint.line_of(row.request))
        return self._queues.setdefault(line, _Queue(2 * self._client.concurrency, endpoint.pack))

    def _creates(self, last: Entry | None) -> bool:
        return last is None or last.state is EntryState.REFUSED or (self._again is not None and last.failed)

    def _start(self) -> None:
        for queue in self._queues.values():
            while queue.rows and queue.under_way < queue.limit:
                row = queue.rows.popleft()
                queue.under_way += 1
                task = asyncio.get_running_loop().create_task(self._one(row))
                self._tasks[task] = row, queue
                task.add_done_callback(self._ended.put_nowait)

    def _begin_again(self) -> bool:
        """Tries once more what is over the budget, where something has ended that may have cost less than reserved."""
        if self._has_progressed and not self._stopped and self.halted is None:
            self._has_progressed = False
            rows, self._over_budget = self._over_budget, {}
            for row, _ in rows.values():
                self._set(row, RowStatus.WAITING)
                self._queue_of(row).rows.append(row)
            self._start()
        return bool(self._tasks)

    def _halt(self, error: KlingError, of: _Queue) -> None:
        """Begins nothing more that the account would refuse for the same reason."""
        is_of_pack = error.code in PACK_CODES
        if is_of_pack or error.code in ACCOUNT_CODES or isinstance(error, AuthenticationError):
            self.halted = error
            for queue in self._queues.values():
                if queue.pack is not None and (not is_of_pack or queue.pack == of.pack):
                    queue.rows.clear()

    def _set(self, row: Row, status: RowStatus) -> None:
        self.counts[self.statuses[row.id]] -= 1
        self.counts[status] += 1
        self.statuses[row.id] = status

    def _note(self, row: Row, status: RowStatus, attempts: Sequence[Entry]) -> None:
        """What is known of a row that is under way."""
        self._set(row, status)
        self.begun[row.id] = begun(row, endpoint_that_takes(row.request), attempts, status)

    # --------------------------------------------------------------------------------------- one row

    async def _one(self, row: Row) -> _End:
        endpoint = endpoint_that_takes(row.request)
        failure: KlingError | None = None
        try:
            await self._made(row, endpoint)
        except KlingError as error:
            failure = error
        except Exception as error:  # the other rows are paid for too
            logger.exception("row %s failed unexpectedly", row.id, extra={"kling_event": "row_failed"})
            failure = KlingError(f"unexpected: {error!r}")
        try:
            attempts = await self._client.works.journal.attempts(row.id)
        except JournalError as error:  # a full disk: whether it was sent is for the next run to find out
            return failure or error, unknown(row, failure or error)
        return failure, outcome(row, endpoint, attempts, failure)

    async def _made(self, row: Row, endpoint: Endpoint) -> None:
        """Makes what is not made, and saves what is not saved.

        Raises:
            KlingError: as `KlingClient.submit` and `TaskHandle.save_all`.
        """
        key, is_file = row.id, endpoint.result.is_file
        marks = [False, *[True] * (self._watermark and getattr(row.request, "watermark_info", None) is not None)]
        if is_file and self._creates(self._known.get(key)):
            async with self._proving:
                for watermark in marks:
                    await in_thread(self._prove, key, endpoint, watermark)
        while True:
            handle = await self._client.submit(
                row.request, key=key, again=self._again, save_to=self._out, queue_deadline=math.inf
            )
            attempts = await self._client.works.journal.attempts(key)
            self._note(row, RowStatus.RUNNING, attempts)
            last = attempts[-1] if attempts else None
            if last is not None and (last.failed or (last.state is EntryState.ENDED and not is_file)):
                return
            if is_file and await self._is_whole(handle, marks):
                return
            task = await handle.wait()
            if not is_file or not await self._is_saved_elsewhere(key, last):
                break
        self._note(row, RowStatus.SAVING, with_told(attempts, task))
        for watermark in marks if is_file else []:
            await self._saved(handle, watermark=watermark)

    async def _saved(self, handle: TaskHandle, *, watermark: bool) -> None:
        """Saves the files of a task, unless somebody in this process does; then waits for that.

        Raises:
            KlingError: as `TaskHandle.save_all`.
        """
        while True:
            try:
                await handle.save_all(self._out, watermark=watermark)
            except SaveInProgress:
                await asyncio.sleep(_LOOK_SECONDS)
            else:
                return

    def _prove(self, key: str, endpoint: Endpoint, watermark: bool) -> None:  # noqa: FBT001  (called by a thread)
        check_target_for(
            self._out, None, watermark=watermark, overwrite=False, kind=endpoint.result, name=file_name(key)
        )

    async def _is_whole(self, handle: TaskHandle, marks: Sequence[bool]) -> bool:
        whole = [handle.work and await handle.work.whole(self._out, watermark=watermark) for watermark in marks]
        return all(whole)

    async def _last(self, key: str) -> Entry | None:
        return (await self._client.journal.last_of([key])).get(key)

    async def _is_saved_elsewhere(self, key: str, before: Entry | None) -> bool:
        """Whether another process has saved the work meanwhile; waits as long as a living one is about to."""
        looks = 0
        while await self._client.works.journal.is_anothers(key):
            looks += 1
            if looks == _TOLD_LOOKS and not self._has_told:
                self._has_told = True
                logger.warning(
                    "%s is made, and another process saves it, or is stopped; it is waited for until it has, or ends",
                    key,
                    extra={"kling_event": "waits_for_another"},
                )
            await asyncio.sleep(_LOOK_SECONDS)
        now = await self._last(key)
        return before is not None and now is not None and now.saved_at != before.saved_at
