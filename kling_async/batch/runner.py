"""Runs the rows of a batch, as many at once as the account allows, until their files are saved."""

import asyncio
import contextlib
import logging
import math
from collections import Counter, deque
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from kling_async.batch.outcome import begun, outcome, unknown, with_cost
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
"""Seconds between two checks whether another process has saved a row's files."""
_LOOKS_BEFORE_WARNING: Final = 30
"""Checks after which a warning about the wait is logged."""
_PAID_AT_ONCE: Final = 32
"""Concurrent rows that are already paid for, which need no slot."""


_End = tuple[KlingError | None, RowResult]


@attrs.define(eq=False)
class _Queue:
    """Rows that share slots.

    Attributes:
        limit: how many may run at once.
        pack: the resource pack that pays for them; None for rows already paid for.
        rows: rows that have not started.
        running: how many are running.
    """

    limit: int
    pack: str | None
    rows: deque[Row] = attrs.field(factory=deque)
    running: int = 0


class Runner:
    """Runs all rows once.

    Args:
        client: a client with a journal.
        rows: all rows, with unique ids.
        out: the directory for the files.
        again: whether failed rows get another attempt.
        watermark: whether to save the watermarked variants as well, if the request includes them.
    """

    def __init__(
        self, client: KlingClient, rows: Sequence[Row], out: Path, *, again: Again | None, watermark: bool
    ) -> None:
        self.counts = Counter({RowStatus.WAITING: len(rows)})
        self.halted: KlingError | None = None
        """The error because of which the account accepts no more rows, if there was one."""
        self._client = client
        self._rows = rows
        self._out = f"{out}/"
        self._again: Again | None = again
        self._watermark = watermark
        self.statuses: dict[str, RowStatus] = {row.id: RowStatus.WAITING for row in rows}
        self.begun: dict[str, RowResult] = {}
        """Preliminary results of rows that may be paid for and have not ended."""
        self._queues: dict[object, _Queue] = {}
        self._tasks: dict[asyncio.Task[_End], tuple[Row, _Queue]] = {}
        self._ended: asyncio.Queue[asyncio.Task[_End]] = asyncio.Queue()
        self._over_budget: dict[str, tuple[Row, RowResult]] = {}
        self._has_progressed = False
        self._has_warned = False
        self._stopped = False
        self._checking_target = asyncio.Lock()
        """Keeps rows in order while their targets are checked in threads."""
        self._withdrawing: asyncio.Future[None] | None = None

    async def results(self) -> AsyncGenerator[RowResult, None]:
        """Yields each row's result when it ends; none for rows that never started.

        Raises:
            JournalError: the journal cannot be read.
        """
        try:
            await self._fill_queues()
            self._start()
            while self._tasks or self._retry_over_budget():
                task = await self._ended.get()
                row, queue = self._tasks.pop(task)
                queue.running -= 1
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
            await self._note_unfinished([row for row, _ in self._tasks.values()])

    def stop(self) -> None:
        """Starts no more rows; those that may have been sent run to their ends."""
        if not self._stopped:
            self._stopped = True
            for queue in self._queues.values():
                queue.rows.clear()
            self._withdrawing = asyncio.ensure_future(self._withdraw())

    async def _withdraw(self) -> None:
        """Cancels rows that wait for a slot, or whose create has not been sent despite retries."""
        waiting = {task: row.id for task, (row, _) in self._tasks.items() if self.statuses[row.id] is RowStatus.WAITING}
        sent = await self._client.journal.last_of([*waiting.values()])
        for task, key in waiting.items():
            if key not in sent or not self._client.works.may_exist(sent[key]):
                task.cancel()

    async def _note_unfinished(self, rows: Sequence[Row]) -> None:
        """Notes which of the unfinished rows may have been sent."""
        with contextlib.suppress(JournalError):
            sent = await self._client.journal.last_of([row.id for row in rows])
            for row in rows:
                if row.id not in self.begun and (last := sent.get(row.id)) and last.state is not EntryState.REFUSED:
                    self._note(row, RowStatus.RUNNING, [last])

    # ------------------------------------------------------------------------------------- scheduling

    async def _fill_queues(self) -> None:
        """Puts rows that are already paid for in a queue without slots, and all others in those of the account."""
        await self._client.works.journal.open()
        self._known = await self._client.journal.last_of([row.id for row in self._rows])
        for row in self._rows:
            self._queue_of(row).rows.append(row)

    def _queue_of(self, row: Row) -> _Queue:
        if not self._creates(self._known.get(row.id)):
            return self._queues.setdefault(None, _Queue(_PAID_AT_ONCE, None))
        endpoint = endpoint_that_takes(row.request)
        # Twice as many as may run, so that a checked row is waiting when a slot is freed.
        line = (endpoint.pack, endpoint.line_of(row.request))
        return self._queues.setdefault(line, _Queue(2 * self._client.concurrency, endpoint.pack))

    def _creates(self, last: Entry | None) -> bool:
        return last is None or last.state is EntryState.REFUSED or (self._again is not None and last.failed)

    def _start(self) -> None:
        for queue in self._queues.values():
            while queue.rows and queue.running < queue.limit:
                row = queue.rows.popleft()
                queue.running += 1
                task = asyncio.get_running_loop().create_task(self._one(row))
                self._tasks[task] = row, queue
                task.add_done_callback(self._ended.put_nowait)

    def _retry_over_budget(self) -> bool:
        """Retries rows that were over the budget, if others have ended and may have cost less than reserved.

        Returns:
            Whether any rows are running.
        """
        if self._has_progressed and not self._stopped and self.halted is None:
            self._has_progressed = False
            rows, self._over_budget = self._over_budget, {}
            for row, _ in rows.values():
                self._set(row, RowStatus.WAITING)
                self._queue_of(row).rows.append(row)
            self._start()
        return bool(self._tasks)

    def _halt(self, error: KlingError, of: _Queue) -> None:
        """Drops all queued rows that the account would refuse for the same reason."""
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
        """Notes the preliminary result of a running row."""
        self._set(row, status)
        self.begun[row.id] = begun(row, endpoint_that_takes(row.request), attempts, status)

    # --------------------------------------------------------------------------------------- one row

    async def _one(self, row: Row) -> _End:
        endpoint = endpoint_that_takes(row.request)
        failure: KlingError | None = None
        try:
            await self._make(row, endpoint)
        except KlingError as error:
            failure = error
        except Exception as error:  # must not stop the other rows, which are paid for, too
            logger.exception("row %s failed unexpectedly", row.id, extra={"kling_event": "row_failed"})
            failure = KlingError(f"unexpected: {error!r}")
        try:
            attempts = await self._client.works.journal.attempts(row.id)
        except JournalError as error:  # e.g. a full disk: the next run finds out whether it was sent
            return failure or error, unknown(row, failure or error)
        return failure, outcome(row, endpoint, attempts, failure)

    async def _make(self, row: Row, endpoint: Endpoint) -> None:
        """Generates and saves whatever is missing of a row.

        Raises:
            KlingError: as `KlingClient.submit` and `TaskHandle.save_all`.
        """
        key, is_file = row.id, endpoint.result.is_file
        variants = [False, *[True] * (self._watermark and getattr(row.request, "watermark_info", None) is not None)]
        if is_file and self._creates(self._known.get(key)):
            async with self._checking_target:
                for watermark in variants:
                    await in_thread(self._check_target, key, endpoint, watermark)
        while True:
            handle = await self._client.submit(
                row.request, key=key, again=self._again, save_to=self._out, queue_deadline=math.inf
            )
            attempts = await self._client.works.journal.attempts(key)
            self._note(row, RowStatus.RUNNING, attempts)
            last = attempts[-1] if attempts else None
            if last is not None and (last.failed or (last.state is EntryState.ENDED and not is_file)):
                return
            if is_file and await self._is_saved(handle, variants):
                return
            task = await handle.wait()
            if not is_file or not await self._is_saved_elsewhere(key, last):
                break
        self._note(row, RowStatus.SAVING, with_cost(attempts, task))
        for watermark in variants if is_file else []:
            await self._save(handle, watermark=watermark)

    async def _save(self, handle: TaskHandle, *, watermark: bool) -> None:
        """Saves the files of a task; if another task in this process is already saving them, waits for it.

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

    def _check_target(self, key: str, endpoint: Endpoint, watermark: bool) -> None:  # noqa: FBT001  (called by a thread)
        check_target_for(
            self._out, None, watermark=watermark, overwrite=False, kind=endpoint.result, name=file_name(key)
        )

    async def _is_saved(self, handle: TaskHandle, variants: Sequence[bool]) -> bool:
        saved = [handle.work and await handle.work.whole(self._out, watermark=watermark) for watermark in variants]
        return all(saved)

    async def _last(self, key: str) -> Entry | None:
        return (await self._client.journal.last_of([key])).get(key)

    async def _is_saved_elsewhere(self, key: str, before: Entry | None) -> bool:
        """Whether another process has saved the files meanwhile; waits while a living one owns the work."""
        looks = 0
        while await self._client.works.journal.is_anothers(key):
            looks += 1
            if looks == _LOOKS_BEFORE_WARNING and not self._has_warned:
                self._has_warned = True
                logger.warning(
                    "%s is made, and another process saves it, or is stopped; it is waited for until it has, or ends",
                    key,
                    extra={"kling_event": "waits_for_another"},
                )
            await asyncio.sleep(_LOOK_SECONDS)
        now = await self._last(key)
        return before is not None and now is not None and now.saved_at != before.saved_at
