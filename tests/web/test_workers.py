"""Several clients on one journal: a callback reaches the client that follows the task, and no task is polled twice."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from kling_async import EntryState, ImageToVideo, KlingClient, Polling, TaskFailed, TaskHandle, TaskStatus
from kling_async.emulator import Emulator
from kling_async.journal import sqlite_file
from kling_async.journal.local import Local
from kling_async.journal.sqlite import SqliteStore
from tests.shell.conftest import ClientMaker
from tests.web.callbacks import current, legacy, sender, signed

SELDOM = Polling(first=1000, maximum=1000)
URL = "http://127.0.0.1:9/kling"


def polls(emulator: Emulator) -> int:
    """Returns the number of polls so far."""
    return emulator.ledger.requests["query"] + emulator.ledger.requests["list"]


async def owned(make_client: ClientMaker, image: Path, path: Path, **options: Any) -> tuple[KlingClient, TaskHandle]:
    """Returns a client that hardly ever polls, and a handle of its work, whose task is in the journal."""
    client = make_client(**{"journal": path, "callback_url": URL, "polling": SELDOM, **options})
    handle = await client.submit(ImageToVideo(image), key="cat")
    assert len([entry async for entry in client.journal.entries(state=EntryState.ACCEPTED)]) == 1
    return client, handle


async def stored(client: KlingClient) -> int:
    """Returns the number of callbacks stored for the client in the journal."""
    return await client.works.journal.do(lambda store: len(store.callbacks(client.works.journal.owner)))


@pytest.mark.parametrize(("body", "word"), [(legacy, "succeed"), (current, "succeeded"), (legacy, "failed")])
async def test_a_callback_that_reaches_another_worker(
    make_client: ClientMaker, image: Path, path: Path, emulator: Emulator, *, body: Any, word: str
) -> None:
    """A callback to another client reaches the one that follows the task within a second, without a poll."""
    client, handle = await owned(make_client, image, path)
    assert (await sender(make_client(journal=path)).post(body(handle.task_id, word))).status == 200
    async with asyncio.timeout(1):
        if word == "failed":
            with pytest.raises(TaskFailed):
                await handle
        else:
            assert (await handle).videos[0].url.endswith("/a.mp4")
    assert polls(emulator) == 0
    [entry] = [entry async for entry in client.journal.entries()]
    assert (entry.state, entry.task_id) == (EntryState.ENDED, handle.task_id)
    assert await stored(client) == 0


async def test_callbacks_through_another_worker(make_client: ClientMaker, image: Path, path: Path) -> None:
    """Each status is seen once, in the service's order, even if the callbacks come in another one."""
    client, handle = await owned(make_client, image, path)
    sent = sender(make_client(journal=path))
    bodies = [("processing", 60), ("processing", 60), ("failed", 59), ("succeed", 70), ("processing", 61)]
    for status, after in bodies:
        await sent.post(legacy(handle.task_id, status, after=after))
    assert [task.status async for task in handle.updates()] == ["submitted", "processing", "succeed"]
    await sent.post(legacy(handle.task_id, "failed", after=80))
    await asyncio.sleep(2)
    [entry] = [entry async for entry in client.journal.entries()]
    assert entry.status is TaskStatus.SUCCEED


async def test_an_unsigned_callback_that_reaches_another_worker(
    make_client: ClientMaker, image: Path, path: Path, emulator: Emulator
) -> None:
    """An unsigned callback is a hint: the client that follows the task polls it once, the other one not at all."""
    client, handle = await owned(make_client, image, path)
    await asyncio.sleep(10)  # it is processing by now
    sent = sender(make_client(journal=path), secrets=[])
    for _ in range(20):
        assert (await sent.post(legacy(handle.task_id, "processing", more="x" * 1000), {})).status == 200
    assert await stored(client) == 1
    await asyncio.sleep(2)
    assert (handle.status, polls(emulator)) == (TaskStatus.PROCESSING, 1)


async def test_a_handle_of_work_of_another_client(
    make_client: ClientMaker, image: Path, path: Path, emulator: Emulator
) -> None:
    """A client that submits the same key or attaches polls the service once, when the journal has the end."""
    client, handle = await owned(make_client, image, path, polling=None)
    other = make_client(journal=path, polling=Polling(first=1, maximum=1))
    handles = [await other.submit(ImageToVideo(image), key="cat"), other.attach(handle.reference)]
    third = make_client(journal=path).attach(f"image2video:{handle.external_task_id}")
    ends = [asyncio.ensure_future(each.wait()) for each in (*handles, third)]
    await asyncio.sleep(0.5)
    assert [each.status for each in handles] == [TaskStatus.SUBMITTED] * 2
    await handle
    await client.works.journal.do(lambda _: None)  # and its end is on disk
    polls_before = polls(emulator)
    ended_at = asyncio.get_running_loop().time()
    assert {task.task_id for task in await asyncio.gather(*ends)} == {handle.task_id}
    assert asyncio.get_running_loop().time() - ended_at < 1.5
    assert polls(emulator) <= polls_before + 2
    assert emulator.ledger.created == 1
    [entry] = [entry async for entry in client.journal.entries()]
    assert entry.units == emulator.ledger.charged


async def test_a_callback_to_a_client_that_is_not_the_owner(
    make_client: ClientMaker, image: Path, path: Path, emulator: Emulator
) -> None:
    """A signed callback ends the handles of both clients; the owner writes the end to the journal."""
    client, handle = await owned(make_client, image, path)
    other = make_client(journal=path)
    follower = await other.submit(ImageToVideo(image), key="cat")
    await asyncio.sleep(0.1)
    await sender(other).post(legacy(handle.task_id, "succeed", final_unit_deduction="1.5"))
    assert follower.done()
    await asyncio.wait_for(handle.wait(), 1)
    [entry] = [entry async for entry in client.journal.entries()]
    assert (entry.state, str(entry.units)) == (EntryState.ENDED, "1.5")
    assert polls(emulator) == 0


async def test_the_owner_closes(make_client: ClientMaker, image: Path, path: Path, emulator: Emulator) -> None:
    """The client with the same key takes over; the attached one polls, or uses the journal; nothing is resent."""
    client, handle = await owned(make_client, image, path)
    other, third = make_client(journal=path), make_client(journal=path)
    follower = await other.submit(ImageToVideo(image), key="cat")
    watching = asyncio.ensure_future(third.attach(handle.reference).wait())
    await asyncio.sleep(5)
    assert polls(emulator) == 0
    await client.close()
    await asyncio.sleep(1)
    assert polls(emulator) in {1, 2}  # the attached client polls before the takeover, or not
    [entry] = [entry async for entry in other.journal.entries()]
    assert entry.owner == other.works.journal.owner
    assert (await follower).task_id == (await watching).task_id == handle.task_id
    [entry] = [entry async for entry in other.journal.entries()]
    assert entry.state is EntryState.ENDED
    assert entry.units == emulator.ledger.charged
    assert emulator.ledger.created == 1


async def test_a_callback_that_the_owner_did_not_read(make_client: ClientMaker, image: Path, path: Path) -> None:
    """A callback stored for an owner that has closed reaches the client that takes its work over."""
    client, handle = await owned(make_client, image, path)
    await sender(make_client(journal=path)).post(legacy(handle.task_id, "succeed"))
    await client.close()
    async with make_client(journal=path, callback_url=URL, polling=SELDOM) as second:
        [taken] = [taken async for taken in second.recover()]
        assert (await asyncio.wait_for(taken.wait(), 2)).status is TaskStatus.SUCCEED
        await asyncio.sleep(1)
        assert await stored(second) == 0


async def test_an_owner_that_is_stuck(make_client: ClientMaker, image: Path, path: Path, emulator: Emulator) -> None:
    """If the owner lives but reports nothing, others poll once nearly all tasks of this kind have ended."""
    _, handle = await owned(make_client, image, path)
    other = make_client(journal=path)
    task = await asyncio.wait_for(other.attach(handle.reference).wait(), 900)
    assert (task.status, handle.status) == (TaskStatus.SUCCEED, TaskStatus.SUBMITTED)
    assert polls(emulator) <= 10


async def test_tasks_without_an_owner(make_client: ClientMaker, image: Path, path: Path, emulator: Emulator) -> None:
    """A task that is not in the journal, or has ended there, is polled at once."""
    reference = (await make_client().image_to_video(image)).reference
    client = make_client(journal=path, polling=SELDOM)
    for _ in range(2):
        waiting = asyncio.ensure_future(client.attach(reference).wait())
        await asyncio.sleep(0.2)
        waiting.cancel()
    assert polls(emulator) == 1


async def test_a_journal_that_is_locked(
    make_client: ClientMaker, image: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A callback that cannot be stored is answered with 503, and applied when repeated; others are not delayed."""
    monkeypatch.setattr(sqlite_file, "LOCK_SECONDS", 0.1)
    _, handle = await owned(make_client, image, path)
    sent = sender(make_client(journal=path))
    assert (await sent.post(legacy("1", "succeed"))).status == 200
    locked = sqlite3.connect(path, isolation_level=None)
    locked.execute("BEGIN IMMEDIATE")
    body = legacy(handle.task_id, "succeed")
    headers = signed(body)
    assert (await sent.post(body, headers)).status == 503
    assert (await sent.post(legacy("1", "succeed"))).status == 200
    locked.execute("ROLLBACK")
    locked.close()
    assert not handle.done()
    assert (await sent.post(body, headers)).status == 200
    await asyncio.wait_for(handle.wait(), 1)


async def test_a_journal_that_cannot_be_read(
    make_client: ClientMaker, image: Path, path: Path, monkeypatch: pytest.MonkeyPatch, emulator: Emulator
) -> None:
    """Clients poll the service, as if there were no journal."""

    def broken(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    _, handle = await owned(make_client, image, path, polling=None)
    monkeypatch.setattr(SqliteStore, "version", broken)
    monkeypatch.setattr(SqliteStore, "running", broken)
    other = make_client(journal=path)
    task = await other.attach(handle.reference)
    assert task.status is (await handle).status is TaskStatus.SUCCEED
    assert (await sender(other).post(legacy("1", "succeed"))).status == 503
    assert emulator.ledger.created == 1


@pytest.mark.parametrize(("url", "expected"), [(None, 0), (URL, 10 / Local.look_seconds)])
async def test_when_the_journal_is_read(
    make_client: ClientMaker,
    image: Path,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    url: str | None,
    expected: float,
) -> None:
    """Twice a second while callbacks are enabled and a task is followed, and at no other time."""
    looks: list[object] = []
    version = SqliteStore.version

    def counted(store: SqliteStore) -> object:
        looks.append(store)
        return version(store)

    monkeypatch.setattr(SqliteStore, "version", counted)
    client, handle = await owned(make_client, image, path, callback_url=url)
    await asyncio.sleep(10)
    assert expected - 1 <= len(looks) <= expected
    await sender(client).post(legacy(handle.task_id, "failed"))
    await asyncio.sleep(1)
    before = len(looks)
    await asyncio.sleep(100)
    assert len(looks) == before
