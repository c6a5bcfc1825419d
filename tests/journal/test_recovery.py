"""One client continues the unfinished work of another."""

import asyncio
import logging
import math
from pathlib import Path
from typing import Any

import pytest

from kling_async import (
    CreateInDoubt,
    CreateVoice,
    DownloadError,
    EntryState,
    ImageToVideo,
    KlingClient,
    RawTask,
    Request,
    Retry,
    TargetExists,
    TaskFailed,
    TaskHandle,
    TextToVideo,
    WatermarkInfo,
)
from kling_async.emulator import Emulator, Fault
from kling_async.journal.record import Record
from kling_async.journal.sqlite import SqliteStore
from tests.journal.conftest import Place
from tests.shell.conftest import ClientMaker, wall

CAT = TextToVideo("a cat")
QUICK = Retry(first=0.1, settle=1, budget=2)


async def recovered(client: KlingClient) -> list[TaskHandle]:
    """Returns all handles that `recover()` yields."""
    return [handle async for handle in client.recover()]


async def states(client: KlingClient) -> list[EntryState]:
    """Returns the states of all entries."""
    return [entry.state async for entry in client.journal.entries()]


async def test_running_and_unsaved_and_done(
    any_place: Place, make_client: ClientMaker, emulator: Emulator, tmp_path: Path
) -> None:
    """Running and unsaved work comes back with its key and target; failed or saved work does not."""
    async with make_client(journal=any_place()) as first:
        saved = await first.submit(CAT, key="saved", save_to=tmp_path / "saved.mp4")
        failed = await first.submit(TextToVideo("forbidden"), key="failed")
        ended = await first.submit(CAT, save_to=tmp_path / "ended.mp4")
        await saved.save()
        await ended
        with pytest.raises(TaskFailed):
            await failed
        running = await first.submit(CAT, key="running", save_to=f"{tmp_path}/out/")
    async with make_client(journal=any_place()) as second:
        handles = await recovered(second)
        assert [(handle.reference, handle.key) for handle in handles] == [
            (ended.reference, None),
            (running.reference, "running"),
        ]
        assert await handles[0].save() == tmp_path / "ended.mp4"
        assert await handles[1].save() == tmp_path / "out" / "running.mp4"
        assert await recovered(second) == []
    async with make_client(journal=any_place()) as third:
        assert await recovered(third) == []
        assert await states(third) == [EntryState.SAVED, EntryState.ENDED, EntryState.SAVED, EntryState.SAVED]
    assert emulator.ledger.created == 4


async def test_the_work_of_the_living_is_not_taken(any_place: Place, make_client: ClientMaker) -> None:
    """An open client keeps its work; of clients that recover at once, exactly one gets it."""
    first, *others = [make_client(journal=any_place()) for _ in range(4)]
    handle = await first.submit(CAT, key="cat")
    assert await recovered(others[0]) == []
    await first.close()
    found = await asyncio.gather(*map(recovered, others))
    assert [each.reference for handles in found for each in handles] == [handle.reference]


@pytest.mark.parametrize("lives", [True, False])
async def test_the_owner_of_a_key(
    any_place: Place, make_client: ClientMaker, emulator: Emulator, *, lives: bool
) -> None:
    """A caller becomes the owner of a key if the old owner is gone, and only follows its task otherwise."""
    first, second, third = (make_client(journal=any_place()) for _ in range(3))
    handle = await first.submit(CAT, key="cat")
    if not lives:
        await first.close()
    assert (await second.submit(CAT, key="cat")).reference == handle.reference
    assert await recovered(third) == []
    await second.close()
    assert len(await recovered(third)) == (not lives)
    assert emulator.ledger.created == 1


async def in_doubt(
    make_client: ClientMaker,
    path: Path,
    emulator: Emulator,
    request: Request,
    *,
    effect: bool,
    key: str | None = None,
) -> None:
    """Leaves a create in doubt."""
    emulator.faults.add(Fault.reset(after_effect=effect), on="create", times=1)
    emulator.faults.add(Fault.reset(), on="query")
    async with make_client(journal=path, retry=QUICK) as client:
        with pytest.raises(CreateInDoubt):
            await client.submit(request, key=key)
    emulator.faults.clear()


@pytest.mark.parametrize("effect", [True, False])
async def test_doubt_is_settled(
    make_client: ClientMaker,
    emulator: Emulator,
    path: Path,
    image: Path,
    *,
    effect: bool,
) -> None:
    """A create in doubt is looked up, and sent again with its bytes if the service has no such task."""
    await in_doubt(make_client, path, emulator, ImageToVideo(image.read_bytes(), prompt="a cat"), effect=effect)
    async with make_client(journal=path, retry=QUICK) as client:
        (handle,) = await recovered(client)
        await handle
        (entry,) = [entry async for entry in client.journal.entries()]
        assert entry.state is EntryState.ENDED
        assert [each.external_task_id for each in emulator.ledger.entries] == [entry.external_task_id]
    assert list(path.with_name("clips.sqlite.files").iterdir()) == []


async def test_doubt_about_an_id_of_the_users(make_client: ClientMaker, emulator: Emulator, path: Path) -> None:
    """A create in doubt with an external id from the user is looked up by it, and not sent again."""
    request = TextToVideo("a cat", external_task_id="mine")
    await in_doubt(make_client, path, emulator, request, effect=True)
    async with make_client(journal=path, retry=QUICK) as client:
        (handle,) = await recovered(client)
        assert handle.external_task_id == "mine"
    assert emulator.ledger.created == 1


@pytest.mark.parametrize("lag", [0, 0.5])
@pytest.mark.parametrize(("later", "is_taken"), [(0, True), (3600, True), (7300, False)])
async def test_an_id_of_the_users_that_was_sent_by_a_clock_that_was_ahead(
    make_client: ClientMaker, emulator: Emulator, path: Path, *, later: float, is_taken: bool, lag: float
) -> None:
    """If an external id from the user was sent with a clock ahead, its task is recognized, at once or later."""
    now, request = wall(), TextToVideo("a cat", external_task_id="mine")

    def make_early(**options: Any) -> KlingClient:
        return make_client(api_key=emulator.api_key, clock=lambda: now() + 7200, **options)

    await in_doubt(make_early, path, emulator, request, effect=True)
    (paid,) = emulator.ledger.entries
    await asyncio.sleep(later)
    emulator.account.visible_after = now() - paid.created_at + lag
    async with make_client(journal=path, retry=QUICK, api_key=emulator.api_key) as client:
        handles = await recovered(client)
        (entry,) = [entry async for entry in client.journal.entries()]
    assert [handle.task_id for handle in handles] == [paid.task_id] * is_taken
    assert (entry.state is EntryState.INTENT) is not is_taken
    assert paid.task_id in f"{entry.task_id} {entry.error}"
    assert emulator.ledger.created == 1


async def test_doubt_about_a_path_without_a_record(make_client: ClientMaker, emulator: Emulator, path: Path) -> None:
    """A create that the service finds by no id is never sent again, by recovery or by its key."""
    request = RawTask("/v1/videos/text2video", {"prompt": "a cat"})
    await in_doubt(make_client, path, emulator, request, effect=True, key="cat")
    sent = emulator.faults.calls["create"]
    async with make_client(journal=path, retry=QUICK) as client:
        assert await recovered(client) == []
        with pytest.raises(CreateInDoubt):
            await client.submit(request, key="cat")
    assert (emulator.faults.calls["create"], emulator.ledger.created) == (sent, 1)


async def test_a_doubt_that_was_settled_has_an_owner(make_client: ClientMaker, emulator: Emulator, path: Path) -> None:
    """Work settled by a recovery belongs to the client that recovered it, for as long as that lives."""
    await in_doubt(make_client, path, emulator, CAT, effect=True)
    first, second = make_client(journal=path, retry=QUICK), make_client(journal=path, retry=QUICK)
    assert len(await recovered(first)) == 1
    assert await recovered(second) == []
    await first.close()
    assert len(await recovered(second)) == 1


async def test_bytes_of_a_doubt_outlive_their_process(
    make_client: ClientMaker, emulator: Emulator, path: Path, image: Path
) -> None:
    """The bytes that a dead process stored for a create in doubt stay, and are sent if there is no task."""
    emulator.faults.add(Fault.reset(), on="create", times=1)
    emulator.faults.add(Fault.reset(), on="query")
    gone = make_client(journal=path, retry=QUICK)
    with pytest.raises(CreateInDoubt):
        await gone.submit(ImageToVideo(image.read_bytes()))
    await asyncio.sleep(1)  # the note of it is written in the background
    assert gone._works is not None
    assert gone._works.journal._owner is not None
    gone._works.journal._owner.release()  # as when a process dies
    emulator.faults.clear()
    async with make_client(journal=path, retry=QUICK) as client:
        (handle,) = await recovered(client)
        await handle
    assert emulator.ledger.created == 1


async def test_what_has_no_files_is_done_when_it_is_made(
    any_place: Place, make_client: ClientMaker, emulator: Emulator
) -> None:
    """A task without files has nothing to save, and nothing to recover."""
    async with make_client(journal=any_place()) as first:
        await (await first.submit(CreateVoice("cat", voice_url="https://example.com/cat.mp3"), key="cat"))
    async with make_client(journal=any_place()) as second:
        assert await recovered(second) == []
        assert await states(second) == [EntryState.ENDED]
    assert emulator.ledger.created == 1


async def test_a_key_that_is_recovered_at_the_same_time(
    make_client: ClientMaker, emulator: Emulator, path: Path
) -> None:
    """Recovering and submitting the same key at once settle it once, and send it once."""
    await in_doubt(make_client, path, emulator, CAT, effect=False, key="cat")
    sent = emulator.faults.calls["create"]
    async with make_client(journal=path, retry=QUICK) as client:
        (handle,), same = await asyncio.gather(recovered(client), client.submit(CAT, key="cat"))
        assert handle.reference == same.reference
    assert emulator.faults.calls["create"] == sent + 1
    assert emulator.ledger.created == 1


async def test_a_changed_file_is_not_sent(
    make_client: ClientMaker, emulator: Emulator, path: Path, image: Path, tmp_path: Path
) -> None:
    """A request whose file has changed is looked up only, and stays in doubt."""
    copy = tmp_path / "copy.png"
    copy.write_bytes(image.read_bytes())
    await in_doubt(make_client, path, emulator, ImageToVideo(copy), effect=False)
    copy.write_bytes(b"another")
    sent = emulator.faults.calls["create"]
    async with make_client(journal=path, retry=QUICK) as client:
        assert await recovered(client) == []
        (entry,) = [entry async for entry in client.journal.entries()]
        assert (entry.state, entry.owner) == (EntryState.INTENT, None)
    assert (emulator.faults.calls["create"], emulator.ledger.created) == (sent, 0)


async def test_what_cannot_be_settled(
    make_client: ClientMaker, emulator: Emulator, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A create in doubt of an endpoint without search by id is lost: logged, counted, never sent again."""
    async with make_client(journal=path) as client:
        await client.submit(CAT, key="cat")
    store = SqliteStore(path)
    store.open()
    with store.together():
        store.run("UPDATE entries SET state = 'intent', external_task_id = NULL, task_id = NULL")
    store.close()
    async with make_client(journal=path) as second:
        with caplog.at_level(logging.WARNING):
            assert await recovered(second) == []
        assert "in doubt, cannot be settled" in caplog.text
        assert "it cost about 1.5 units" in caplog.text
        assert await states(second) == [EntryState.LOST]
        with pytest.raises(CreateInDoubt, match="cannot be settled"):
            await second.submit(CAT, key="cat")
    assert emulator.ledger.created == 1


async def test_what_is_too_old_is_lost(
    any_place: Place, make_client: ClientMaker, caplog: pytest.LogCaptureFixture
) -> None:
    """Work older than the service's retention is logged as lost, with its cost."""
    async with make_client(journal=any_place()) as first:
        await (await first.submit(CAT, key="cat"))
    now = wall()
    async with make_client(journal=any_place(), clock=lambda: now() + 31 * 86400) as second:
        with caplog.at_level(logging.WARNING):
            assert await recovered(second) == []
        assert "lost: cat" in caplog.text
        assert "it cost 1.5 units" in caplog.text
        assert await states(second) == [EntryState.LOST]


@pytest.mark.parametrize("by_key", [True, False])
async def test_a_task_that_the_service_does_not_show_yet(
    any_place: Place, make_client: ClientMaker, emulator: Emulator, *, by_key: bool
) -> None:
    """A task accepted just before its process was killed is waited for until the service shows it."""
    emulator.account.visible_after = 20
    async with make_client(journal=any_place()) as first:
        await first.submit(CAT, key="cat")
    async with make_client(journal=any_place()) as second:
        handle = await second.submit(CAT, key="cat") if by_key else (await recovered(second))[0]
        await handle
    assert emulator.ledger.created == 1


async def test_a_key_whose_doubt_is_too_old(make_client: ClientMaker, emulator: Emulator, path: Path) -> None:
    """A create in doubt older than the service's retention is not sent again by its key: it may have been paid."""
    await in_doubt(make_client, path, emulator, CAT, effect=True, key="cat")
    emulator.account.visible_after = math.inf  # the service has deleted it
    sent, now = emulator.faults.calls["create"], wall()
    async with make_client(journal=path, retry=QUICK, clock=lambda: now() + 31 * 86400) as client:
        for _ in range(2):
            with pytest.raises(CreateInDoubt, match="30 days that the service keeps tasks; whether it was billed"):
                await client.submit(CAT, key="cat")
        assert await states(client) == [EntryState.LOST]
    assert (emulator.faults.calls["create"], emulator.ledger.created) == (sent, 1)


@pytest.mark.parametrize("effect", [True, False])
@pytest.mark.parametrize("days", [-400, -1, 29])
async def test_a_clock_that_is_set(
    make_client: ClientMaker, emulator: Emulator, path: Path, days: int, *, effect: bool
) -> None:
    """However the clock is set meanwhile, a doubt is settled, and one task is paid."""
    now = wall()
    await in_doubt(make_client, path, emulator, CAT, effect=effect, key="cat")
    later = {"clock": lambda: now() + days * 86400, "api_key": emulator.api_key}  # tokens are valid for half an hour
    async with make_client(journal=path, retry=QUICK, **later) as client:
        (handle,) = await recovered(client)
        assert (await client.submit(CAT, key="cat")).reference == handle.reference
        await handle
        assert await states(client) == [EntryState.ENDED]
    assert emulator.ledger.created == 1


@pytest.mark.parametrize("watermark", [False, True])
async def test_a_file_that_was_written_before_its_entry(
    any_place: Place,
    make_client: ClientMaker,
    emulator: Emulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    watermark: bool,
) -> None:
    """After a crash between a file and its entry, a file that appeared during the save is recognized."""

    async def nothing(_: Record, __: object, *, watermark: bool) -> None:
        """Replaces a write that a dead process would not have made."""

    request, target = TextToVideo("a cat", watermark_info=WatermarkInfo(enabled=True)), tmp_path / "cat.mp4"
    async with make_client(journal=any_place()) as first:
        with monkeypatch.context() as patch:
            patch.setattr(Record, "saved", nothing)
            await first.generate(request, target, key="cat", watermark=watermark)
        assert await states(first) == [EntryState.ENDED]
    delivered = emulator.ledger.delivered
    async with make_client(journal=any_place()) as second:
        (handle,) = await recovered(second)
        assert await handle.save(target, watermark=watermark) == target
        (entry,) = [entry async for entry in second.journal.entries()]
        assert (entry.state, [file.watermark for file in entry.files]) == (EntryState.SAVED, [watermark])
    assert emulator.ledger.delivered == delivered


async def test_a_place_that_is_not_that_of_the_broken_save(
    any_place: Place, make_client: ClientMaker, emulator: Emulator, tmp_path: Path
) -> None:
    """After an interrupted save, a save to another place writes a file there, and adopts no other one."""
    emulator.faults.add(Fault.missing(), on="file", probability=1.0)
    async with make_client(journal=any_place()) as client:
        with pytest.raises(DownloadError):
            await client.generate(CAT, tmp_path / "cat.mp4", key="cat")
        emulator.faults.clear()
        (tmp_path / "cat.mp4").write_bytes(b"mine")
        assert await client.generate(CAT, tmp_path / "other.mp4", key="cat") == tmp_path / "other.mp4"
    assert (tmp_path / "cat.mp4").read_bytes() == b"mine"
    assert emulator.ledger.created == 1


async def test_a_file_that_appears_while_a_save_is_tried_again(
    any_place: Place, make_client: ClientMaker, emulator: Emulator, tmp_path: Path
) -> None:
    """A file that appears between two tries of a save is foreign, and is not replaced by the second one either."""
    emulator.faults.add(Fault.missing(), on="file", probability=1.0)
    async with make_client(journal=any_place()) as client:
        with pytest.raises(DownloadError):
            await client.generate(CAT, tmp_path / "cat.mp4", key="cat")
        emulator.faults.clear()
        emulator.faults.add(Fault.stall(share=0.5, seconds=20), on="file", at=1)
        saving = asyncio.ensure_future(client.generate(CAT, tmp_path / "cat.mp4", key="cat"))
        await asyncio.sleep(10)
        (tmp_path / "cat.mp4").write_bytes(b"mine")
        with pytest.raises(TargetExists):
            await saving
    assert (tmp_path / "cat.mp4").read_bytes() == b"mine"
    assert emulator.ledger.created == 1


async def test_entries_are_typed(any_place: Place, make_client: ClientMaker) -> None:
    """An entry has the request, the estimate, the cost, and the time of each step."""
    async with make_client(journal=any_place()) as client:
        task = await (await client.submit(CAT, key="cat"))
        (entry,) = [entry async for entry in client.journal.entries(endpoint="text2video")]
        assert [entry async for entry in client.journal.entries(endpoint="image2video")] == []
    assert entry.request == {"prompt": "a cat", "model_name": "kling-v2-6", "duration": "5"}
    assert (entry.key, entry.attempt, entry.task_id, entry.reference) == ("cat", 1, task.task_id, task.reference)
    assert entry.estimate.units == entry.units == task.final_unit_deduction
    assert entry.accepted_at is not None
    assert entry.ended_at is not None
    assert entry.intended_at <= entry.accepted_at < entry.ended_at


async def test_closing_is_no_loss(any_place: Place, make_client: ClientMaker, caplog: pytest.LogCaptureFixture) -> None:
    """A client with a journal closes without a warning, even with unfinished work: the next one continues it."""
    async with make_client(journal=any_place()) as first:
        await first.submit(CAT, key="running")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    async with make_client(journal=any_place()) as second:
        assert [handle.key for handle in await recovered(second)] == ["running"]
