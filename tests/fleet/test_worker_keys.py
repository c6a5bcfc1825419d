"""A queue whose key changes: its work is paid once, and none is lost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from kling_async.emulator import Emulator
from kling_async.fleet import Fleet, JobState, worker
from kling_async.fleet.worker_client import WorkerClient
from kling_async.fleet.worker_values import Row
from kling_async.journal.entry import Entry
from kling_async.protocol.errors import KlingError, TaskNotFound
from tests.fleet.workers import KEYS, QuickWorker, clips, ended, one, until, working

ANOTHER = "api-key-of-another-account"


@pytest.fixture
async def fleet(postgres: str) -> AsyncIterator[Fleet]:
    """A fleet without jobs."""
    await Fleet.init(postgres, limit=4)
    async with Fleet(postgres) as fleet:
        yield fleet


@contextlib.asynccontextmanager
async def way(emulator: Emulator) -> AsyncIterator[tuple[str, Callable[[], None]]]:
    """Another address of an emulator, which can be disconnected."""
    port, open_ = urlsplit(emulator.base_url).port, set[asyncio.StreamWriter]()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_.add(writer)
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    async def taken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pass_on(reader, back), pass_on(there, writer))

    server = await asyncio.start_server(taken, "127.0.0.1", 0)

    def cut() -> None:
        server.close()
        for each in open_:
            each.transport.abort()

    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", cut
    cut()


async def logged(caplog: pytest.LogCaptureFixture, text: str) -> None:
    """Waits until a log has a text."""
    while text not in caplog.text:  # noqa: ASYNC110  (a log has no events)
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("credentials", [None, "other"])
async def test_a_queue_goes_to_another_account(
    postgres: str,
    fleet: Fleet,
    tmp_path: Path,
    *,
    credentials: str | None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Workers with the former key send nothing more, and follow sent tasks to their ends."""
    monkeypatch.setattr(worker, "_REFUSED_SECONDS", 0.1)
    before, after = clips(6)[:3], clips(6)[3:]
    keys = {credentials or "default": ANOTHER}
    async with (
        Emulator(render=False, speed=250, concurrency=4) as first,
        Emulator(render=False, speed=250, concurrency=4, api_key=ANOTHER) as second,
        working(postgres, first, tmp_path),
    ):
        await fleet.submit_all(before)
        await until(postgres, "SELECT count(*) = 3 FROM kling_journal_default.entries WHERE state <> 'intent'")
        await Fleet.init(postgres, limit=4, credentials=credentials, new_key=True)
        other = QuickWorker(postgres, out=tmp_path, keys=keys, heartbeat=2.0, base_url=second.base_url)
        running = asyncio.create_task(other.run())
        await fleet.submit_all(after)
        assert {job.state for job in await ended(fleet, before + after)} == {JobState.SAVED}
        assert (first.ledger.created, second.ledger.created) == (3, 3)
        await logged(
            caplog, "not the key that this queue" if credentials is None else "there is no KLING_API_KEY_OTHER"
        )
        other.stop()
        await running


@pytest.mark.parametrize("state", ["accepted", "intent"])
async def test_not_found_in_another_account(
    postgres: str, fleet: Fleet, tmp_path: Path, *, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work that is, or may be, paid with a former key is neither lost nor repeated: it is in another account."""
    async with Emulator(render=False, speed=0.01) as first, working(postgres, first, tmp_path, grace=0):
        await fleet.submit_all(clips(1))
        await until(postgres, "SELECT count(*) = 1 FROM kling_journal_default.entries WHERE state <> 'intent'")
    if state == "intent":
        one(postgres, "UPDATE kling_journal_default.entries SET state = 'intent', task_id = NULL RETURNING 1")

    async def missing(_client: WorkerClient, _row: Row, _entry: Entry) -> KlingError:
        return TaskNotFound("not found")

    monkeypatch.setattr(WorkerClient, "end_of", missing)
    await Fleet.init(postgres, limit=4, new_key=True)
    async with Emulator(render=False, speed=250, api_key=ANOTHER) as second:
        other = QuickWorker(postgres, out=tmp_path, keys={"default": ANOTHER}, base_url=second.base_url)
        running = asyncio.create_task(other.run())
        left = "SELECT count(*) = 1 FROM kling_fleet.pgqueuer WHERE status = 'queued' AND queue_manager_id IS NULL"
        await until(postgres, f"{left} AND execute_after > now() + interval '5 minutes'")
        assert one(postgres, "SELECT state FROM kling_journal_default.entries") == state
        assert second.ledger.created == 0
        other.stop()
        await running


async def test_a_follower_that_is_cut_off(postgres: str, fleet: Fleet, tmp_path: Path) -> None:
    """A follower whose queries fail gives way to a worker whose queries succeed."""
    async with Emulator(render=False, speed=100) as emulator, way(emulator) as (url, cut):
        near = QuickWorker(postgres, out=tmp_path, keys=KEYS, heartbeat=1.0, base_url=url)
        running = asyncio.create_task(near.run())
        await fleet.submit_all(clips(2))
        await until(postgres, "SELECT count(*) = 2 FROM kling_journal_default.entries WHERE state <> 'intent'")
        cut()
        async with working(postgres, emulator, tmp_path, heartbeat=1.0):
            assert {job.state for job in await ended(fleet, clips(2))} == {JobState.SAVED}
        assert emulator.ledger.created == 2
        near.stop()
        await running


async def test_a_former_key_does_not_come_back(
    postgres: str, fleet: Fleet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A queue does not adopt the former key of a running worker: nothing is sent with it."""
    async with Emulator(render=False, speed=250) as emulator, working(postgres, emulator, tmp_path):
        await fleet.submit_all(clips(1))
        await fleet.wait("clip-0")
        await Fleet.init(postgres, limit=4, new_key=True)
        await fleet.submit_all(clips(2))
        await logged(caplog, "restart this worker with")
        assert emulator.ledger.created == 1


async def test_a_worker_goes_on_with_other_credentials(postgres: str, fleet: Fleet, tmp_path: Path) -> None:
    """A worker that has the key of the queue's new credentials uses it without a restart."""
    async with Emulator(render=False, speed=250) as emulator:
        running = QuickWorker(
            postgres, out=tmp_path, keys={"default": "gone", "other": KEYS["default"]}, base_url=emulator.base_url
        )
        task = asyncio.create_task(running.run())
        await until(postgres, "SELECT count(*) = 1 FROM kling_fleet.workers")
        await Fleet.init(postgres, limit=4, credentials="other", new_key=True)
        await fleet.submit_all(clips(1))
        assert {job.state for job in await ended(fleet, clips(1))} == {JobState.SAVED}
        running.stop()
        await task
