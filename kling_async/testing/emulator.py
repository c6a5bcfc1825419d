"""The emulator in a thread of its own: for tests on any event loop or none, and for other processes."""

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, Future
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Concatenate, Final, ParamSpec, Self, TypeVar

import attrs

from kling_async.client import KlingClient
from kling_async.emulator import Account, Emulator, Faults, Ledger
from kling_async.emulator.results.image_store import ImageStore
from kling_async.emulator.results.placeholder.video import VideoSpec
from kling_async.emulator.results.result import Placeholder
from kling_async.emulator.results.result_store import PlaceholderResults, ResultFile, ResultStore
from kling_async.testing.clock import FakeClock
from kling_async.testing.settings import POLLING, QUEUE_DEADLINE, RETRY, SPEED, QuickClient

_P = ParamSpec("_P")
_T = TypeVar("_T")

_SHOWN: Final = 20
"""Tasks that the message of a failed `assert_paid` lists."""


@attrs.frozen
class _Books:
    """What the ledger has at one moment: paid, tasks, and counts of what was asked for, by their names."""

    paid: int = 0
    tasks: int = 0
    counts: dict[str, Counter[Any]] = attrs.field(factory=dict)

    @classmethod
    def of(cls, ledger: Ledger) -> Self:
        counts: dict[str, Counter[Any]] = {
            "requests": ledger.requests,
            "calls": ledger.calls,
            "refused": ledger.refused,
        }
        return cls(ledger.paid, ledger.created, {name: Counter(each) for name, each in counts.items()})


def taking_the_arguments_of(
    _make: Callable[_P, object],
) -> Callable[[Callable[..., _T]], Callable[Concatenate[Any, _P], _T]]:
    """Types a method as taking what another callable takes; it is not changed."""
    return lambda method: method


class _SmallResults(PlaceholderResults):
    """Results as the emulator makes them, but for the size of the videos' pictures: that is what takes time."""

    async def made(self, placeholder: Placeholder) -> ResultFile:
        """Give the file of a placeholder."""
        if isinstance(placeholder, VideoSpec):
            placeholder = attrs.evolve(placeholder, width=64, height=64)
        return await super().made(placeholder)


class _AtOnce(Executor):
    """Does work where it is given: what tests give takes less than the way to another thread and back."""

    def submit(self, work: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Do it."""
        done: Future[_T] = Future()
        try:
            done.set_result(work(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - raised by `result`
            done.set_exception(error)
        return done


class _SmallEmulator(Emulator):
    def _worker(self) -> Executor:
        return _AtOnce()

    def _results(self, worker: Executor) -> tuple[TemporaryDirectory[str] | None, ImageStore | None, ResultStore]:
        return None, None, _SmallResults(worker)


class KlingEmulator:
    """The service on a free port of this machine, in a thread: `with KlingEmulator() as emulator`.

    A task has ended when it is first asked for, and its video is a small flat picture, unless another emulator is
    given.

    Args:
        emulator: the one to run, for other settings than those for tests: `Emulator(balance=1, speed=1e6)`.
        clock: of the emulator and of its clients: its tasks advance only as this does, at the service's pace. An
            emulator that is given has its own.

    Attributes:
        faults: what goes wrong: `emulator.faults.add(Fault.error(1303), on="create", at=1)`.
        account: how the account differs from what was promised: `emulator.account.limit = 1`.
        ledger: its books, over the whole time that it runs.
    """

    def __init__(self, emulator: Emulator | None = None, *, clock: FakeClock | None = None) -> None:
        if emulator is None:
            quick = _SmallEmulator(speed=SPEED, render=False)
            emulator = quick if clock is None else _SmallEmulator(speed=1.0, render=False, clock=clock)
        self._emulator = emulator
        self._clock = clock
        self._clients: list[QuickClient] = []
        self._before = _Books()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self.faults: Faults = emulator.faults
        self.account: Account = emulator.account
        self.ledger: Ledger = emulator.ledger

    # ---------------------------------------------------------------------------------------- its life

    def start(self) -> None:
        """Begins to listen; returns once it does.

        Raises:
            OSError: the address cannot be listened on.
            RuntimeError: it runs already.
        """
        if self._thread is not None:
            raise RuntimeError("the emulator is running already")
        started: Future[None] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(started)), name="kling-emulator", daemon=True
        )
        self._thread.start()
        try:
            started.result()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stops listening; closing twice is harmless. Clients stay open: see `close_clients`."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself: it could not begin
            if self._loop is not None and self._stop is not None:
                self._loop.call_soon_threadsafe(self._stop.set)
        thread.join()

    async def close_clients(self) -> None:
        """Closes the clients that `client` made and that were used on the running event loop, if on any."""
        here = [client for client in self._clients if client.is_at_home]
        self._clients = [client for client in self._clients if not client.is_at_home]
        for client in here:
            await client.close()

    def forget_stranded(self) -> bool:
        """Lets go of the clients that were left open on an event loop which has ended; tells whether there were any."""
        before = len(self._clients)
        self._clients = [client for client in self._clients if not client.is_stranded]
        return len(self._clients) < before

    def __enter__(self) -> Self:
        """Starts."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes."""
        self.close()

    def begin(self) -> None:
        """Begins anew for another test: no faults, an account as promised, and nothing paid yet for `assert_paid`."""
        self.faults.clear()
        self.faults.injected.clear()
        self.account.change(type(self.account)().as_json())
        self._before = self._inside(lambda: _Books.of(self.ledger))

    # ------------------------------------------------------------------------------------- what it is for

    @property
    def base_url(self) -> str:
        """Where it listens.

        Raises:
            RuntimeError: it does not run.
        """
        return self._emulator.base_url

    @property
    def api_key(self) -> str:
        """The key that it accepts."""
        return self._emulator.api_key

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which a client of another process finds it: `env=os.environ | emulator.environment`."""
        return {"KLING_BASE_URL": self.base_url, "KLING_API_KEY": self.api_key}

    @taking_the_arguments_of(KlingClient)
    def client(self, **options: Any) -> KlingClient:
        """A client of this emulator, which waits for next to nothing.

        Args:
            **options: those of `KlingClient`, in place of the settings for tests: `POLLING`, `QUEUE_DEADLINE` and
                `RETRY` of `kling_async.testing`.
        """
        ours: dict[str, Any] = {
            "base_url": self.base_url,
            "polling": POLLING,
            "queue_deadline": QUEUE_DEADLINE,
            "retry": RETRY,
        }
        if options.get("access_key") is None and options.get("secret_key") is None:
            ours["api_key"] = self.api_key
        if self._clock is not None:
            ours["clock"] = self._clock
        client = QuickClient(**(ours | options))
        self._clients.append(client)
        return client

    def assert_paid(self, tasks: int) -> None:
        """Checks how many tasks, and calls such as speech, were paid for; the emulator's failed tasks cost nothing.

        Args:
            tasks: the number, since the emulator was started or, of a shared one, since the test began.

        Raises:
            AssertionError: it is another; the message shows what the ledger has.
            TypeError: it is no number, which no count would ever be equal to.
        """
        __tracebackhide__ = True
        if type(tasks) is not int:
            raise TypeError(f"assert_paid takes how many were paid, as 1, not {tasks!r}")
        paid, message = self._inside(self._account_for)
        if paid != tasks:
            raise AssertionError(f"expected {tasks} paid, there are {paid}; the emulator's ledger:\n{message}")

    # ---------------------------------------------------------------------------------------------- inside

    async def _serve(self, started: "Future[None]") -> None:
        self._loop, stop = asyncio.get_running_loop(), asyncio.Event()
        self._stop = stop
        try:
            async with self._emulator:
                started.set_result(None)
                await stop.wait()
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)
        finally:
            self._loop = None

    def _inside(self, look: Callable[[], _T]) -> _T:
        """What is seen between two of the emulator's steps; of one that was stopped, what it is left with."""

        async def seen() -> _T:
            return look()

        if self._loop is None or self._thread in {None, threading.current_thread()}:
            return look()
        return asyncio.run_coroutine_threadsafe(seen(), self._loop).result()

    def _account_for(self) -> tuple[int, str]:
        """What was paid, and the books behind that: of a shared emulator without those of earlier tests."""
        books, entries = _Books.of(self.ledger), self.ledger.entries[self._before.tasks :]
        lines = [
            f"  {task.task_id}  {task.endpoint} {task.model_name} {task.mode}: {task.status}, {task.units:g} units"
            for task in entries[-_SHOWN:]
        ]
        if len(entries) > _SHOWN:
            lines.insert(0, f"  (the last {_SHOWN} of {len(entries)} tasks)")
        counts = {name: each - self._before.counts.get(name, Counter()) for name, each in books.counts.items()}
        counts["faults"] = Counter(
            {f"{fault} on {call}": count for (call, fault), count in self.faults.injected.items()}
        )
        lines += [
            f"  {name}: {', '.join(f'{each} {count}' for each, count in counted.items())}"
            for name, counted in counts.items()
            if counted
        ]
        return books.paid - self._before.paid, "\n".join(lines or ["  nothing was asked of it"])
