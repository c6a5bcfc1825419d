"""The emulator in a separate thread, for tests on any event loop or none, and for other processes."""

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
class _LedgerSnapshot:
    """The state of the ledger at one moment: number of payments and tasks, and counters of requests by name."""

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
    """Gives a method the parameter types of another callable, for type checkers; returns it unchanged."""
    return lambda method: method


class _SmallResults(PlaceholderResults):
    """Results as the emulator makes them, but with small video frames, since large ones take time."""

    async def made(self, placeholder: Placeholder) -> ResultFile:
        """Returns the file of a placeholder."""
        if isinstance(placeholder, VideoSpec):
            placeholder = attrs.evolve(placeholder, width=64, height=64)
        return await super().made(placeholder)


class _AtOnce(Executor):
    """Runs work in the calling thread: in tests, it takes less time than switching threads."""

    def submit(self, work: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Runs the work and returns a finished future."""
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
    """An emulator of the service on a free local port, in a thread: `with KlingEmulator() as emulator`.

    By default a task has finished by its first poll, and its video is small and of one colour.

    Args:
        emulator: the emulator to run, for settings other than those for tests: `Emulator(balance=1, speed=1e6)`.
        clock: for the emulator and its clients: tasks progress only as it advances, at the service's speed. Not used
            for an `emulator` that is passed in, which has its own.

    Attributes:
        faults: the faults to inject: `emulator.faults.add(Fault.error(1303), on="create", at=1)`.
        account: how the account differs from its documented limits: `emulator.account.limit = 1`.
        ledger: all tasks and payments since the emulator was started.
    """

    def __init__(self, emulator: Emulator | None = None, *, clock: FakeClock | None = None) -> None:
        if emulator is None:
            quick = _SmallEmulator(speed=SPEED, render=False)
            emulator = quick if clock is None else _SmallEmulator(speed=1.0, render=False, clock=clock)
        self._emulator = emulator
        self._clock = clock
        self._clients: list[QuickClient] = []
        self._before = _LedgerSnapshot()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self.faults: Faults = emulator.faults
        self.account: Account = emulator.account
        self.ledger: Ledger = emulator.ledger

    # ---------------------------------------------------------------------------------------- lifetime

    def start(self) -> None:
        """Starts the emulator; returns once it listens.

        Raises:
            OSError: the address cannot be bound.
            RuntimeError: the emulator is already running.
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
        with contextlib.suppress(RuntimeError):  # the loop has already ended, since the start failed
            if self._loop is not None and self._stop is not None:
                self._loop.call_soon_threadsafe(self._stop.set)
        thread.join()

    async def close_clients(self) -> None:
        """Closes the clients made by `client` that were used on the running event loop, or not used at all."""
        here = [client for client in self._clients if client.is_at_home]
        self._clients = [client for client in self._clients if not client.is_at_home]
        for client in here:
            await client.close()

    def forget_stranded(self) -> bool:
        """Drops the clients that were left open on an event loop that is closed; returns whether there were any."""
        before = len(self._clients)
        self._clients = [client for client in self._clients if not client.is_stranded]
        return len(self._clients) < before

    def __enter__(self) -> Self:
        """Starts the emulator."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stops the emulator."""
        self.close()

    def begin(self) -> None:
        """Resets the emulator for another test: no faults, a default account, and `assert_paid` counts from 0."""
        self.faults.clear()
        self.faults.injected.clear()
        self.account.change(type(self.account)().as_json())
        self._before = self._inside(lambda: _LedgerSnapshot.of(self.ledger))

    # ------------------------------------------------------------------------------ clients and assertions

    @property
    def base_url(self) -> str:
        """The URL on which the emulator listens.

        Raises:
            RuntimeError: the emulator is not running.
        """
        return self._emulator.base_url

    @property
    def api_key(self) -> str:
        """The API key that the emulator accepts."""
        return self._emulator.api_key

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables for clients in other processes: `env=os.environ | emulator.environment`."""
        return {"KLING_BASE_URL": self.base_url, "KLING_API_KEY": self.api_key}

    @taking_the_arguments_of(KlingClient)
    def client(self, **options: Any) -> KlingClient:
        """Returns a client of this emulator with very short waits.

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
            tasks: the expected number since the emulator was started or, for a shared one, since the test began.

        Raises:
            AssertionError: the number differs; the message shows the ledger.
            TypeError: `tasks` is not an int, and so could never be equal.
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
        """Calls a function in the emulator's event loop, or directly if the emulator is stopped."""

        async def in_loop() -> _T:
            return look()

        if self._loop is None or self._thread in {None, threading.current_thread()}:
            return look()
        return asyncio.run_coroutine_threadsafe(in_loop(), self._loop).result()

    def _account_for(self) -> tuple[int, str]:
        """Returns the number of payments, and the ledger as text, both without those of earlier tests."""
        ledger, entries = _LedgerSnapshot.of(self.ledger), self.ledger.entries[self._before.tasks :]
        lines = [
            f"  {task.task_id}  {task.endpoint} {task.model_name} {task.mode}: {task.status}, {task.units:g} units"
            for task in entries[-_SHOWN:]
        ]
        if len(entries) > _SHOWN:
            lines.insert(0, f"  (the last {_SHOWN} of {len(entries)} tasks)")
        counts = {name: each - self._before.counts.get(name, Counter()) for name, each in ledger.counts.items()}
        counts["faults"] = Counter(
            {f"{fault} on {call}": count for (call, fault), count in self.faults.injected.items()}
        )
        lines += [
            f"  {name}: {', '.join(f'{each} {count}' for each, count in counted.items())}"
            for name, counted in counts.items()
            if counted
        ]
        return ledger.paid - self._before.paid, "\n".join(lines or ["  nothing was asked of it"])
