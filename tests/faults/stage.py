"""The setting of the stories: an emulator, clients of its account, and the outcome."""

import asyncio
import contextlib
import gc
import hashlib
import heapq
import importlib
import pkgutil
import resource
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from kling_async import (
    CreateInDoubt,
    DownloadError,
    ImageToVideo,
    KlingClient,
    KlingError,
    TaskHandle,
    TaskNotFound,
    current,
    io,
    journal,
    protocol,
)
from kling_async.emulator import Call, Emulator, Fault
from kling_async.emulator.faults.injection import revised
from kling_async.emulator.faults.kinds import CallKind, FaultKind
from tests.shell.conftest import IMAGES, wall

IMAGE: Final = IMAGES / "cat.png"
LATER: Final = 600.0
"""Seconds after which a caller looks again for a task that was in doubt."""
SAVES: Final = 5
"""Attempts to save a file, at most."""


@attrs.frozen(kw_only=True)
class Outcome:
    """The outcome of a story.

    Attributes:
        requested: Requested tasks.
        paid: Tasks in the account's ledger.
        whole: Different files, each with exactly the emulator's bytes.
        files: All files in the directory, including partial ones and notes.
        creates: Create requests that reached the service.
        endings: How the tasks ended for their callers: "saved", or the error.
        injected: Faults that happened, by kind of call and kind of fault.
        ranges: The `Range` of each request for a file, in order.
        errors: The errors that callers received.
        seconds: Time it took, by the story's clock.
        over_ideal: That time as a multiple of the shortest possible one.
        share: Part of its tasks that the slower of two clients has finished when the other is done.
        peaks: The most tasks at once, by model.
        kept: Objects of the client's classes that remained although there was no handle any more.
        resident: Bytes of the process in memory, whenever a task had ended (Linux).
    """

    requested: int
    paid: int
    whole: int
    files: int
    creates: int
    endings: Counter[str]
    injected: Mapping[tuple[CallKind, FaultKind], int]
    ranges: tuple[str | None, ...]
    errors: tuple[KlingError, ...]
    seconds: float
    over_ideal: float
    share: float = 1.0
    peaks: Mapping[str, int] = attrs.field(factory=dict)
    kept: int = 0
    resident: tuple[int, ...] = attrs.field(default=(), repr=False)

    @property
    def faults(self) -> int:
        """Number of injected faults."""
        return sum(self.injected.values())


class Stage:
    """One account, its clients, and their results.

    Args:
        emulator: The account.
        directory: Where files are saved.
        is_current: Whether videos are requested at the current generation's paths.
    """

    def __init__(self, emulator: Emulator, directory: Path, *, is_current: bool = False) -> None:
        self.emulator = emulator
        self.clients: list[KlingClient] = []
        self.endings: Counter[str] = Counter()
        self.errors: list[KlingError] = []
        self.resident: list[int] = []
        self.requested = 0
        self._is_current = is_current
        self._directory = directory
        self._paths: set[Path] = set()
        self._ranges: list[str | None] = []
        self._began = asyncio.get_running_loop().time()
        emulator.faults.add(Fault.delay(0), on="file", when=self._see)

    def client(self, **options: Any) -> KlingClient:
        """A client of the account."""
        keys = {"access_key": self.emulator.access_key, "secret_key": self.emulator.secret_key}
        if self._is_current:
            keys = {"api_key": self.emulator.api_key}
        client = KlingClient(**{"base_url": self.emulator.base_url, "clock": wall(), **keys, **options})
        self.clients.append(client)
        return client

    def request(self, **options: Any) -> ImageToVideo | current.ImageToVideo:
        """The request."""
        if self._is_current:
            return current.ImageToVideo(IMAGE, model="kling-3.0-turbo", prompt="a cat", **options)
        return ImageToVideo(IMAGE, **options)

    async def work(self, client: KlingClient, count: int = 1, **options: Any) -> None:
        """Requests several videos at once, and saves each."""
        await asyncio.gather(*(self.one(client, **options) for _ in range(count)))

    async def one(self, client: KlingClient, **options: Any) -> None:
        """Requests one video and saves it; a create in doubt is settled later."""
        self.requested += 1
        try:
            try:
                handle, ending = await client.submit(self.request(**options)), "saved"
            except CreateInDoubt as error:
                handle, ending = await self._settled(client, error.reference or "", options)
            await self._save(handle)
        except KlingError as error:
            self.errors.append(error)
            ending = type(error).__name__
        self.endings[ending] += 1
        self.resident.append(int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize())

    async def stream(self, client: KlingClient) -> None:
        """Requests one video, and writes its stream to a file; an incomplete one is discarded."""
        self.requested += 1
        handle = await client.submit(self.request())
        path = self._directory / f"{handle.task_id}.mp4"
        try:
            path.write_bytes(b"".join([chunk async for chunk in handle.stream()]))
        except KlingError as error:
            self.errors.append(error)
            self.endings[type(error).__name__] += 1
        else:
            self._paths.add(path)
            self.endings["streamed"] += 1

    async def outcome(self, **more: Any) -> Outcome:
        """Returns the outcome at this moment."""
        ledger = self.emulator.ledger
        durations = [(entry.finished_at or wall()()) - entry.created_at for entry in ledger.entries]
        limit = self.emulator.account.limit or self.emulator._account.concurrency
        took = asyncio.get_running_loop().time() - self._began
        return Outcome(
            requested=self.requested,
            paid=ledger.created,
            whole=await self._whole(),
            files=len(list(self._directory.iterdir())),
            creates=ledger.requests["create"],
            endings=Counter(self.endings),
            injected=dict(self.emulator.faults.injected),
            ranges=tuple(self._ranges),
            errors=tuple(self.errors),
            resident=tuple(self.resident),
            seconds=took,
            over_ideal=took / max(ideal(durations, limit), 1.0),
            **more,
        )

    async def _settled(self, client: KlingClient, reference: str, options: dict[str, Any]) -> tuple[TaskHandle, str]:
        """Handles `CreateInDoubt` as documented: looks later, and submits an unknown task again with the same id."""
        while True:
            await asyncio.sleep(LATER)
            try:
                await client.get_task(reference)
                return client.attach(reference), "in doubt, then saved"
            except TaskNotFound:
                options = {**options, "external_task_id": reference.rpartition(":")[2]}
            with contextlib.suppress(CreateInDoubt):
                again = await client.submit(self.request(**options), if_exists="adopt")
                return again, "in doubt, then sent again"

    async def _save(self, handle: TaskHandle) -> None:
        """Saves, and retries after a `DownloadError`."""
        for attempt in range(1, SAVES + 1):
            try:
                self._paths.add(await handle.save(self._directory))
            except DownloadError:
                self.endings["save failed"] += 1
                if attempt == SAVES:
                    raise
            else:
                return

    async def _whole(self) -> int:
        digests = set()
        running = self.emulator._running
        assert running is not None
        for path in self._paths:
            task = self.emulator._account.task(path.stem)
            revision = self.emulator.faults.revisions[f"/files/{task.task_id}/plain/{task.result_id}.mp4"]
            made = await running.results.file(revised(task, revision), "plain")
            with made.open() as truth:
                digest = hashlib.sha256(truth.read()).digest()
            if hashlib.sha256(path.read_bytes()).digest() == digest:
                digests.add(digest)
        return len(digests)

    def _see(self, call: Call) -> bool:
        self._ranges.append(call.headers.get("range"))
        return False


@contextlib.asynccontextmanager
async def stage(directory: Path, *, is_current: bool = False, **options: Any) -> AsyncIterator[Stage]:
    """An account at real speed, for one story."""
    async with Emulator(**{"render": False, "speed": 1.0, "concurrency": 20, "clock": wall(), **options}) as emulator:
        play = Stage(emulator, directory, is_current=is_current)
        try:
            yield play
        finally:
            for client in play.clients:
                await client.close()


def ideal(durations: Iterable[float], slots: int) -> float:
    """The time at which the last of these tasks would end, if each began as soon as a slot was free."""
    ends = [0.0] * slots
    for duration in durations:
        heapq.heapreplace(ends, ends[0] + duration)
    return max(ends)


async def objects_of_the_client() -> int:
    """Number of objects of the client's classes, apart from those created by importing its modules."""
    for package in (io, journal, protocol):  # many of their modules are imported on first use
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    gc.collect()
    # An aborted request leaves the generators of its body. Collecting them does not close them yet: the event loop
    # closes each in a separate task, the outer one first. The clock jumps only when all of that is done.
    await asyncio.sleep(1)
    gc.collect()
    modules = (str(type(each).__module__) for each in gc.get_objects())
    return sum(name.startswith("kling_async.") and ".emulator" not in name for name in modules)
