"""Cancellation at every single await: of the caller, and of all tasks that work for it."""

import asyncio
import contextlib
import hashlib
import itertools
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import attrs
import pytest

from kling_async import EntryState, KlingClient, Polling, TaskHandle
from kling_async.emulator import Call, Emulator, Fault
from kling_async.emulator.faults.kinds import CallKind
from tests.adversity.steps import Moments
from tests.shell.conftest import wall

Use = Callable[[TaskHandle, Path], Awaitable[object]]
Arrange = Callable[[Emulator], None]

pytestmark = pytest.mark.usefixtures("nothing_is_left")

STEP = int(os.environ.get("KLING_ASYNC_AWAITS", "2"))
"""With a fault, jobs are cancelled only at every n-th await; with `late`, at others."""

slow = pytest.mark.slow
both = pytest.mark.parametrize("late", [pytest.param(False, id="awaiting"), pytest.param(True, id="answered")])
"""Cancelled while a result is awaited, or at the moment when it is available."""
one = pytest.mark.parametrize(
    "late", [pytest.param(False, id="awaiting"), pytest.param(True, id="answered", marks=slow)]
)
"""The same, of which the first is enough for a quick look."""

with_journal = pytest.mark.parametrize(
    "journalled", [pytest.param(False, id=""), pytest.param(True, id="journal", marks=slow)]
)


@attrs.define
class Trial:
    """One cancelled job, and its leftovers."""

    emulator: Emulator
    client: KlingClient
    image: Path
    target: Path
    use: Use
    references: list[str] = attrs.field(factory=list)

    async def job(self) -> None:
        """Creates, follows, and uses the result."""
        handle = await self.client.image_to_video(self.image)
        self.references.append(handle.reference)
        await handle
        await self.use(handle, self.target)

    async def check(self, before: int) -> None:
        """Checks what must hold afterwards, wherever the job was cancelled."""
        await asyncio.sleep(100)
        self.emulator.faults.clear()
        paid = [entry.task_id for entry in self.emulator.ledger.entries[before:]]
        assert len(paid) <= 1
        reachable = self.references or list(self.client.unsettled)
        assert reachable == [f"image2video:{task_id}" for task_id in paid]
        for reference in reachable:
            await self._save_again(reference)
        async with asyncio.timeout(100):  # the only slot is back
            await self.client.image_to_video(self.image)

    async def _save_again(self, reference: str) -> None:
        """Checks that the file is whole or absent, and that a partial one is resumed."""
        ranges: list[str] = []

        def listen(call: Call) -> None:
            ranges.append(call.headers.get("range", ""))

        part = self.target.with_name(self.target.name + ".part")
        kept = part.stat().st_size if part.exists() else 0
        self.emulator.faults.add(listen, on="file")
        saved = self.target.exists()
        if not saved:
            await self.client.attach(reference).save(self.target)
        self.emulator.faults.clear()
        task = await self.client.get_task(reference)
        async with aiohttp.ClientSession() as session, session.get(task.videos[0].url) as answer:
            whole = await answer.read()
        wanted = [] if saved or kept == len(whole) else [f"bytes={kept}-" if kept else ""]
        assert ranges == wanted
        assert hashlib.sha256(self.target.read_bytes()).digest() == hashlib.sha256(whole).digest()
        assert [path.name for path in self.target.parent.iterdir()] == [self.target.name]


def client_of(emulator: Emulator, journal: Path | None) -> KlingClient:
    """A client with a single slot."""
    return KlingClient(
        base_url=emulator.base_url,
        access_key=emulator.access_key,
        secret_key=emulator.secret_key,
        concurrency=1,
        polling=Polling(first=1),
        clock=wall(),
        journal=journal,
    )


async def check_journal(emulator: Emulator, journal: Path, before: int) -> None:
    """The journal has every paid task, and recovers the unsaved ones; a create that was not sent is never sent."""
    paid = {f"image2video:{entry.task_id}" for entry in emulator.ledger.entries[before:]}
    async with client_of(emulator, journal) as client:
        entries = [entry async for entry in client.journal.entries()]
        left = {handle.reference async for handle in client.recover()}
    assert {entry.reference for entry in entries if entry.state is not EntryState.REFUSED} == paid
    assert left == paid - {entry.reference for entry in entries if entry.state is EntryState.SAVED}
    assert len(emulator.ledger.entries) == before + len(paid)
    assert {path.suffix for path in journal.with_name(f"{journal.name}.files").iterdir()} <= {".lock"}


async def at_every_await(
    image: Path, directory: Path, *, late: bool, use: Use, arrange: Arrange, journalled: bool = False, step: int = 1
) -> int:
    """Cancels one job after the other, each a step later, until one runs to its end; returns how many it cancelled."""
    cancelled = 0
    async with Emulator(render=False, speed=20, concurrency=2, clock=wall()) as emulator:
        for number in itertools.count(late % step, step):
            place = directory / str(number)
            place.mkdir()
            before = emulator.ledger.created
            emulator.faults.clear()
            arrange(emulator)
            moments = Moments(number, late=late)
            journal = directory / f"{number}.sqlite" if journalled else None
            client = client_of(emulator, journal)
            try:  # a journal is opened by the job
                trial = Trial(emulator, client, image, place / "cat.mp4", use)
                with contextlib.suppress(asyncio.CancelledError):
                    await moments.run(trial.job)
                await trial.check(before)
            finally:
                await client.close()
            if journal is not None:
                await check_journal(emulator, journal, before)
            cancelled += moments.struck
            if moments.passed < number:
                break
    return cancelled


def fault(fault: Fault, on: CallKind) -> Arrange:
    """Injects a fault into the first such call."""
    return lambda emulator: emulator.faults.add(fault, on=on, at=1)


async def save(handle: TaskHandle, target: Path) -> None:
    """Saves the video of a handle."""
    await handle.save(target)


async def stream(handle: TaskHandle, _: Path) -> None:
    """Streams the video of a handle to a consumer that also awaits."""
    async with contextlib.aclosing(handle.stream()) as chunks:
        async for _chunk in chunks:
            await asyncio.sleep(0)


@both
async def test_a_job_cancelled_at_every_await(image: Path, tmp_path: Path, *, late: bool) -> None:
    """No slot, paid task or received part of a file is lost, at whichever await a caller is cancelled."""
    assert await at_every_await(image, tmp_path, late=late, use=save, arrange=lambda _: None) > 20


@one
async def test_a_job_with_a_journal_cancelled_at_every_await(image: Path, tmp_path: Path, *, late: bool) -> None:
    """The same holds with a journal: it has each paid task, and no entry for which another client would pay again."""
    assert await at_every_await(image, tmp_path, late=late, use=save, arrange=lambda _: None, journalled=True) > 30


@one
@with_journal
@pytest.mark.parametrize(
    "arrange",
    [
        pytest.param(fault(Fault.reset(after_effect=True), "create"), id="answer lost"),
        pytest.param(fault(Fault.reset(), "create"), id="create lost", marks=slow),
        pytest.param(fault(Fault.error(1303), "create"), id="account full", marks=slow),
        pytest.param(fault(Fault.error(1004), "create"), id="token expired", marks=slow),
    ],
)
async def test_a_create_that_needs_more_than_one_call(
    image: Path, tmp_path: Path, *, late: bool, arrange: Arrange, journalled: bool
) -> None:
    """The same holds while a create is in doubt, or waits to be sent again."""
    cancelled = await at_every_await(
        image, tmp_path, late=late, use=save, arrange=arrange, journalled=journalled, step=STEP
    )
    assert cancelled > 20 / STEP


@one
@with_journal
@pytest.mark.parametrize(
    "arrange",
    [
        pytest.param(fault(Fault.reset(share=0.5), "file"), id="reset at half"),
        pytest.param(fault(Fault.truncated(), "file"), id="half, with a clean end", marks=slow),
        pytest.param(fault(Fault.expired(), "file"), id="address expired", marks=slow),
    ],
)
async def test_a_download_that_needs_more_than_one_connection(
    image: Path, tmp_path: Path, *, late: bool, arrange: Arrange, journalled: bool
) -> None:
    """The same holds while a download is resumed, and the next one continues where it stopped."""
    cancelled = await at_every_await(
        image, tmp_path, late=late, use=save, arrange=arrange, journalled=journalled, step=STEP
    )
    assert cancelled > 20 / STEP


@one
async def test_a_consumer_of_a_stream_cancelled_at_every_await(image: Path, tmp_path: Path, *, late: bool) -> None:
    """The same holds for a stream."""
    assert await at_every_await(image, tmp_path, late=late, use=stream, arrange=lambda _: None) > 15
