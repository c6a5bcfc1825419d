"""The thread that writes: what comes together is one step of the store, and one sync of the disk."""

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
"""After that what could not be written is tried again."""
_GATHER_SECONDS: Final = 0.25
"""How long what nobody waits for may wait for more, so that it costs no sync of its own."""
_PATIENCE_SECONDS: Final = 20.0
"""How long those who wait wait for a store that was interrupted."""
_PAUSE_SECONDS: Final = 0.1
"""Between two tries of that."""


@attrs.define(eq=False)
class _Step:
    """One thing to do with the store.

    Attributes:
        work: does it; within a transaction that others share, so it fails before it changes anything.
        future: waits for it to be on disk; None where nobody does.
        at_once: whether it does not wait for more.
        then: is called in the thread once it is on disk.
        only_reads: whether it changes nothing, and needs no lock.
        is_last: whether the thread ends with it.
        is_patient: whether somebody waits for it, and waits for a store that is gone for a while.
        attempt: the last try of which it is not known yet whether it took effect.
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
    """One thread with one store. It begins with the first user and ends with the last.

    Args:
        make_store: makes the store that the thread opens, uses and closes.
    """

    def __init__(self, make_store: Callable[[], Store]) -> None:
        self._make_store = make_store
        self._steps: queue.SimpleQueue[_Step] = queue.SimpleQueue()
        self._forget_users()
        forks.watch(self)

    def _forget_users(self) -> None:
        self._users = 0
        self._lock = threading.RLock()  # a client may be collected while this thread has it
        self._writing = threading.Lock()
        self._stores: weakref.WeakSet[Store] = weakref.WeakSet()

    async def enter(self) -> None:
        """Counts a user; the first one opens the store.

        Raises:
            JournalError: it cannot be opened.
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
        """Counts a user less; after the last one the thread writes what is left and ends, which is waited for."""
        with self._lock:
            if not self._users:
                return  # this process was forked from that of the user
            self._users -= 1
            if self._users:
                return
            last = _Step(lambda _: None, asyncio.get_running_loop().create_future(), is_last=True)
            self._steps.put(last)
        if last.future is not None:
            await asyncio.wait([last.future])

    def abandon(self) -> None:
        """Counts a user less that was never closed, and whose loop may be gone."""
        with self._lock:
            self._users -= 1
            if not self._users:
                self._steps.put(_Step(lambda _: None, is_last=True))

    async def do(self, work: Callable[[Store], _T]) -> _T:
        """Does something with the store, and waits until that is on disk.

        Raises:
            JournalError: it could not be written, or is closed.
        """
        return await self.begin(work)

    def begin(
        self, work: Callable[[Store], _T], *, only_reads: bool = False, is_patient: bool = True
    ) -> "asyncio.Future[_T]":
        """Does something with the store; the future has its result once that is on disk, whoever waits for it.

        Args:
            work: does it.
            only_reads: whether it changes nothing: then it waits for no lock of another process.
            is_patient: whether it waits for a store that is gone for a while.

        Raises:
            JournalError: it is closed.
        """
        future: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        if not self._put(_Step(work, future, only_reads=only_reads, is_patient=is_patient)):
            raise JournalError("the journal is closed")
        return future

    def enqueue(
        self, work: Callable[[Store], object], then: Callable[[], object] | None = None, *, at_once: bool = False
    ) -> None:
        """Does something soon, and again until it succeeds; nobody waits.

        Args:
            work: does it.
            then: is called in the thread, once it is on disk; raises nothing.
            at_once: whether it does not wait for more that comes.
        """
        if not self._put(_Step(work, at_once=at_once, then=then)):
            logger.debug("told after the journal was closed")

    def _put(self, step: _Step) -> bool:
        with self._lock:
            if self._users:
                self._steps.put(step)
            return self._users > 0

    # ---------------------------------------------------------------------------------- the thread

    def _run(self, steps: "queue.SimpleQueue[_Step]") -> None:
        store = self._make_store()
        self._stores.add(store)
        left: list[_Step] = []  # what nobody waits for, and could not be written yet
        last: list[_Step] = []
        again_at = 0.0
        while not last:
            new = _all_of(steps, _LATER_SECONDS if left else None)
            with self._writing:
                writes = _read(store, new)
                if writes or not new or (left and time.monotonic() >= again_at):  # reads alone keep nothing from disk
                    left, last = _written(store, left, writes)
                    again_at = time.monotonic() + _LATER_SECONDS
            del new, writes  # they hold what they were about
        if left:
            logger.error(
                "%d notes could not be written to the journal; recover() asks the service for what they said",
                len(left),
                extra={"kling_event": "journal_notes_lost"},
            )
        with self._writing:
            store.close()
        _answer(last)

    # ---------------------------------------------------------------------------------------- forks

    def before_fork(self) -> None:
        """Lets go of the store: what SQLite knows of locks would be wrong in a child, and its writes would be lost."""
        self._writing.acquire()
        for store in list(self._stores):
            store.close()

    def after_fork(self, *, in_child: bool) -> None:
        """The store is opened again by the next step; in the child there is no thread and no user."""
        if in_child:
            self._forget_users()
        else:
            self._writing.release()


def _read(store: Store, steps: list[_Step]) -> list[_Step]:
    """Does what only reads; gives the rest, and what has to wait for the store."""
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
        except Exception as error:  # noqa: BLE001  (whatever it is: who waits must get it)
            step.error = JournalError(f"the journal failed: {error!r}")
    _answer(reads)
    return left


def _written(store: Store, left: list[_Step], new: list[_Step]) -> tuple[list[_Step], list[_Step]]:
    """Does what could not be done before, and what is new; gives what is left of it, and the last step if it came."""
    batch, ends_at = left + new, time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            store.open()
            batch = _without_done(batch, store.took_effect())
            with store.together():
                for step in batch:
                    _do(step, store)
        except _Odd as odd:  # a mistake of one step is no reason for the others to fail
            batch.remove(odd.step)
            _refuse(odd.step)
        except Interrupted as error:
            for step in batch if error.attempt is not None else ():
                step.attempt = error.attempt
            if time.monotonic() < ends_at and any(step.is_patient for step in batch):
                time.sleep(_PAUSE_SECONDS)
                continue
            left = _failed(batch, error, was_left=bool(left))
            break
        except Exception as error:  # noqa: BLE001  (whatever it is: those who wait must get it)
            failed = error if isinstance(error, KlingError) else JournalError(f"the journal failed: {error!r}")
            left = _failed(batch, failed, was_left=bool(left))
            break
        else:
            left = []
            for step in batch:
                _follow(step)
            break
    _answer([step for step in batch if not step.is_last])
    return left, [step for step in batch if step.is_last]


def _without_done(batch: list[_Step], attempt: int | None) -> list[_Step]:
    """What is left to do where a try took effect that had been interrupted."""
    done = [step for step in batch if attempt is not None and step.attempt == attempt]
    for step in done:
        _follow(step)
    _answer(done)
    return [step for step in batch if step not in done or step.is_last]


def _failed(batch: list[_Step], error: KlingError, *, was_left: bool) -> list[_Step]:
    """None of it was written; gives what is to be tried again."""
    for step in batch:
        step.error = copy.copy(error)
        if isinstance(step.error, Interrupted):
            step.error.attempt = step.attempt
    left = [step for step in batch if step.future is None and not step.is_last]
    if left and not was_left:  # who waits gets it, and says so
        logger.warning("%s; it is tried again", error, extra={"kling_event": "journal_failed"})
    return left


def _follow(step: _Step) -> None:
    try:
        if step.then is not None:
            step.then()
    except Exception:
        # The thread lives on: all that anybody pays for waits for it.
        logger.exception("after a note to the journal", extra={"kling_event": "journal_failed"})


class _Odd(Exception):
    """A step failed by its own fault, and not the store."""

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
    except KlingError as error:  # a refusal, which changed nothing
        step.error = error
    except Exception as error:
        if store.fails_by(error):
            raise
        raise _Odd(step, error) from None


def _refuse(step: _Step) -> None:
    """Does without a step that fails whenever it is tried."""
    if step.future is None:
        logger.error("a note to the journal is left out: %s", step.error, extra={"kling_event": "journal_notes_lost"})
    _answer([step])


def _all_of(steps: "queue.SimpleQueue[_Step]", seconds: float | None) -> list[_Step]:
    """All that is there; waits for the first, and a little longer while nobody waits for any of them."""
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
    """Wakes those who wait: each loop once."""
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
