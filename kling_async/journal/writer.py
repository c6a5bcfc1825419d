"""The writer thread of a journal: it batches steps into one transaction of the store, and one sync of the disk."""

import asyncio
import contextlib
import copy
import logging
import queue
import threading
import time
import weakref
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final, TypeVar

import attrs

from kling_async.journal import forks
from kling_async.journal.store import Interrupted, Store
from kling_async.protocol.errors import JournalError, KlingError

logger = logging.getLogger("kling_async")

_T = TypeVar("_T")

_LATER_SECONDS: Final = 1.0
"""The pause before failed steps without a waiter are retried."""
_GATHER_SECONDS: Final = 0.25
"""How long a step without a waiter may be delayed, so that it shares a sync with later steps."""
_PATIENCE_SECONDS: Final = 20.0
"""How long steps with a waiter are retried when the connection to the store is lost."""
_PAUSE_SECONDS: Final = 0.1
"""The pause between these retries."""


@attrs.define(eq=False)
class _Step:
    """One operation on the store.

    Attributes:
        work: the operation; other steps share its transaction, so it must fail before it changes anything.
        future: resolved once the step is on disk; None without a waiter.
        at_once: whether the step is written without waiting for more steps.
        then: called in the thread once the step is on disk.
        only_reads: whether it changes nothing, and needs no lock.
        is_last: whether the thread ends with this step.
        is_patient: whether it has a waiter, and is retried while the store cannot be reached.
        attempt: the last try of which it is not known whether it took effect.
    """

    work: Callable[[Store], Any]
    future: "asyncio.Future[Any] | None" = None
    at_once: bool = True
    then: Callable[[], object] | None = None
    only_reads: bool = False
    is_last: bool = False
    is_patient: bool = False
    result: Any = None
    error: BaseException | None = None
    attempt: int | None = None


class Writer:
    """One thread with one store. It starts with the first user and ends with the last.

    Args:
        make_store: creates the store that the thread opens, uses and closes.
    """

    def __init__(self, make_store: Callable[[], Store]) -> None:
        self._make_store = make_store
        self._steps: queue.SimpleQueue[_Step] = queue.SimpleQueue()
        self._forget_users()
        forks.watch(self)

    def _forget_users(self) -> None:
        self._users = 0
        self._lock = threading.RLock()  # a client may be garbage-collected while this thread holds it
        self._writing = threading.Lock()
        self._stores: weakref.WeakSet[Store] = weakref.WeakSet()

    async def enter(self) -> None:
        """Adds a user; the first one starts the thread, which opens the store.

        Raises:
            JournalError: the store cannot be opened.
        """
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._steps = queue.SimpleQueue()
                steps = self._steps
                threading.Thread(target=self._run, args=(steps,), name="kling_async-journal", daemon=True).start()
        try:
            await self.do(lambda _: None)
        except BaseException:
            await self.leave()
            raise

    async def leave(self) -> None:
        """Removes a user; after the last one, waits until the thread has written what is queued and has ended."""
        with self._lock:
            if not self._users:
                return  # this process is a fork of the user's
            self._users -= 1
            if self._users:
                return
            last = _Step(lambda _: None, asyncio.get_running_loop().create_future(), is_last=True)
            self._steps.put(last)
        if last.future is not None:
            await asyncio.wait([last.future])

    def abandon(self) -> None:
        """Removes a user that was never closed, and whose loop may be closed."""
        with self._lock:
            self._users -= 1
            if not self._users:
                self._steps.put(_Step(lambda _: None, is_last=True))

    async def do(self, work: Callable[[Store], _T]) -> _T:
        """Runs a step on the store, and waits until it is on disk.

        Raises:
            JournalError: the step could not be written, or the journal is closed.
        """
        return await self.begin(work)

    def begin(
        self, work: Callable[[Store], _T], *, only_reads: bool = False, is_patient: bool = True
    ) -> "asyncio.Future[_T]":
        """Queues a step on the store; the future has its result once it is on disk.

        Args:
            work: the step.
            only_reads: whether it changes nothing: then it waits for no lock of another process.
            is_patient: whether it is retried while the store cannot be reached.

        Raises:
            JournalError: the journal is closed.
        """
        future: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        if not self._put(_Step(work, future, only_reads=only_reads, is_patient=is_patient)):
            raise JournalError("the journal is closed")
        return future

    def enqueue(
        self, work: Callable[[Store], object], then: Callable[[], object] | None = None, *, at_once: bool = False
    ) -> None:
        """Queues a step without a waiter, which is retried until it succeeds.

        Args:
            work: the step.
            then: called in the thread once the step is on disk; must not raise.
            at_once: whether the step is written without waiting for more steps.
        """
        if not self._put(_Step(work, at_once=at_once, then=then)):
            logger.debug("a step was dropped: the journal is closed")

    def _put(self, step: _Step) -> bool:
        with self._lock:
            if self._users:
                self._steps.put(step)
            return self._users > 0

    # ---------------------------------------------------------------------------------- the thread

    def _run(self, steps: "queue.SimpleQueue[_Step]") -> None:
        store = self._make_store()
        self._stores.add(store)
        left: list[_Step] = []  # steps without a waiter that could not be written yet
        last: list[_Step] = []
        again_at = 0.0
        while not last:
            new = _all_of(steps, _LATER_SECONDS if left else None)
            with self._writing:
                writes = _read(store, new)
                if writes or not new or (left and time.monotonic() >= again_at):  # also retries if only reads arrive
                    left, last = _written(store, left, writes)
                    again_at = time.monotonic() + _LATER_SECONDS
            del new, writes  # release what the steps refer to
        if left:
            logger.error(
                "%d notes could not be written to the journal; recover() queries the service instead",
                len(left),
                extra={"kling_event": "journal_notes_lost"},
            )
        with self._writing:
            store.close()
        _answer(last)

    # ---------------------------------------------------------------------------------------- forks

    def before_fork(self) -> None:
        """Closes the stores: in a child, SQLite's record of its locks would be wrong, and its writes would be lost."""
        self._writing.acquire()
        for store in list(self._stores):
            store.close()

    def after_fork(self, *, in_child: bool) -> None:
        """Resumes writing in the parent, where the next step opens the store; a child has no thread and no users."""
        if in_child:
            self._forget_users()
        else:
            self._writing.release()


def _read(store: Store, steps: list[_Step]) -> list[_Step]:
    """Runs the steps that only read; returns the others, and the reads that were interrupted."""
    reads, left = [step for step in steps if step.only_reads], [step for step in steps if not step.only_reads]
    for step in list(reads):
        try:
            store.open()
            step.result = step.work(store)
        except Interrupted:
            reads.remove(step)
            left.append(step)
        except KlingError as error:
            step.error = error
        except Exception as error:  # noqa: BLE001  (any error must reach the waiter)
            step.error = JournalError(f"the journal failed: {error!r}")
    _answer(reads)
    return left


def _written(store: Store, left: list[_Step], new: list[_Step]) -> tuple[list[_Step], list[_Step]]:
    """Runs old and new steps in one transaction; returns those to retry, and the last step if it was among them."""
    batch, ends_at = left + new, time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            store.open()
            batch = _without_done(batch, store.took_effect())
            with store.together():
                for step in batch:
                    _do(step, store)
        except _StepFailed as failure:  # the fault of one step must not fail the others
            batch.remove(failure.step)
            _refuse(failure.step)
        except Interrupted as error:
            for step in batch if error.attempt is not None else ():
                step.attempt = error.attempt
            if time.monotonic() < ends_at and any(step.is_patient for step in batch):
                time.sleep(_PAUSE_SECONDS)
                continue
            left = _failed(batch, error, was_left=bool(left))
            break
        except Exception as error:  # noqa: BLE001  (any error must reach the waiters)
            failed = error if isinstance(error, KlingError) else JournalError(f"the journal failed: {error!r}")
            left = _failed(batch, failed, was_left=bool(left))
            break
        else:
            left = []
            for step in batch:
                _call_then(step)
            break
    _answer([step for step in batch if not step.is_last])
    return left, [step for step in batch if step.is_last]


def _without_done(batch: list[_Step], attempt: int | None) -> list[_Step]:
    """Answers the steps of an interrupted try that took effect after all; returns the steps that remain."""
    done = [step for step in batch if attempt is not None and step.attempt == attempt]
    for step in done:
        _call_then(step)
    _answer(done)
    return [step for step in batch if step not in done or step.is_last]


def _failed(batch: list[_Step], error: KlingError, *, was_left: bool) -> list[_Step]:
    """Marks all steps as failed; returns those to retry."""
    for step in batch:
        step.error = copy.copy(error)
        if isinstance(step.error, Interrupted):
            step.error.attempt = step.attempt
    left = [step for step in batch if step.future is None and not step.is_last]
    if left and not was_left:  # waiters get the error itself
        logger.warning("%s; it is tried again", error, extra={"kling_event": "journal_failed"})
    return left


def _call_then(step: _Step) -> None:
    try:
        if step.then is not None:
            step.then()
    except Exception:
        # The thread must survive, since all creates depend on it.
        logger.exception("after a note to the journal", extra={"kling_event": "journal_failed"})


class _StepFailed(Exception):
    """A step failed through its own fault, not the store's."""

    def __init__(self, step: _Step, error: Exception) -> None:
        super().__init__()
        step.error = JournalError(f"the journal failed: {error!r}")
        self.step = step


def _do(step: _Step, store: Store) -> None:
    step.error = None
    try:
        step.result = step.work(store)
    except Interrupted:
        raise
    except KlingError as error:  # a refusal that changed nothing
        step.error = error
    except Exception as error:
        if store.fails_by(error):
            raise
        raise _StepFailed(step, error) from None


def _refuse(step: _Step) -> None:
    """Drops a step that would fail on every try."""
    if step.future is None:
        logger.error("a note to the journal is left out: %s", step.error, extra={"kling_event": "journal_notes_lost"})
    _answer([step])


def _all_of(steps: "queue.SimpleQueue[_Step]", seconds: float | None) -> list[_Step]:
    """Returns all queued steps; waits for the first one, and briefly for more as long as none has a waiter."""
    batch: list[_Step] = []
    with contextlib.suppress(queue.Empty):
        batch.append(steps.get(timeout=seconds))
        ends_at = time.monotonic() + _GATHER_SECONDS
        while not batch[-1].at_once:
            batch.append(steps.get(timeout=max(0.0, ends_at - time.monotonic())))
        while True:
            batch.append(steps.get_nowait())
    return batch


def _answer(steps: list[_Step]) -> None:
    """Resolves the futures of the steps, with one wake-up for each loop."""
    by_loop: defaultdict[asyncio.AbstractEventLoop, list[_Step]] = defaultdict(list)
    for step in steps:
        if step.future is not None:
            by_loop[step.future.get_loop()].append(step)
    for loop, answered in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(_resolve, answered)


def _resolve(steps: list[_Step]) -> None:
    for step in steps:
        if step.future is not None and not step.future.done():
            if step.error is not None and not step.is_last:
                step.future.set_exception(step.error)
            else:
                step.future.set_result(step.result)
