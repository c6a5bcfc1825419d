"""One task for each key."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from kling_async import (
    ConfigurationError,
    CreateInDoubt,
    EntryState,
    ImageToVideo,
    InvalidRequest,
    JournalError,
    KeyConflict,
    KlingError,
    RawTask,
    Retry,
    TargetError,
    TaskFailed,
    TextToVideo,
)
from kling_async.emulator import Emulator, Fault
from kling_async.journal.client_journal import ClientJournal
from kling_async.journal.decisions import Decision, Open
from kling_async.journal.entry import Entry
from kling_async.journal.store import Work
from tests.journal.conftest import Place
from tests.shell.conftest import ClientMaker

CAT = TextToVideo("a cat")
RAW = RawTask("/v1/videos/text2video", {"prompt": "a cat"})


async def test_twenty_at_once(place: Place, make_client: ClientMaker, emulator: Emulator) -> None:
    """Any number of callers that submit a key at once, in two clients, cause one create."""
    clients = [make_client(journal=place()), make_client(journal=place())]
    handles = await asyncio.gather(*(clients[number % 2].submit(CAT, key="cat") for number in range(20)))
    assert {handle.reference for handle in handles} == {handles[0].reference}
    assert emulator.ledger.created == 1


@pytest.mark.parametrize("request_", [CAT, RAW], ids=["found by its id", "not found by its id"])
async def test_two_clients_that_find_a_key_free(
    place: Place,
    make_client: ClientMaker,
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    request_: TextToVideo | RawTask,
) -> None:
    """If two clients find a key free at the same moment, one sends a create, the other follows its task."""
    decide, both = ClientJournal.decide, asyncio.Barrier(2)

    async def at_once(self: ClientJournal, work: Work, *, again_if_failed: bool) -> tuple[Decision, Entry | None]:
        decided = await decide(self, work, again_if_failed=again_if_failed)
        if isinstance(decided[0], Open):
            await both.wait()
        return decided

    monkeypatch.setattr(ClientJournal, "decide", at_once)
    clients = [make_client(journal=place()), make_client(journal=place())]
    first, second = await asyncio.gather(*(client.submit(request_, key="cat") for client in clients))
    assert first.reference == second.reference
    assert emulator.ledger.requests["create"] == emulator.ledger.created == 1


async def test_a_key_lives_longer_than_its_client(place: Place, make_client: ClientMaker, emulator: Emulator) -> None:
    """A later client gets the same task for the key."""
    async with make_client(journal=place()) as first:
        handle = await first.submit(CAT, key="cat")
    async with make_client(journal=place()) as second:
        assert (await second.submit(CAT, key="cat")).reference == handle.reference
    assert emulator.ledger.created == 1


async def test_another_request_of_a_path_without_a_record_is_a_conflict(
    place: Place, make_client: ClientMaker, emulator: Emulator
) -> None:
    """All members sent to a raw path are compared."""
    client = make_client(journal=place())
    await client.submit(RAW, key="cat")
    with pytest.raises(KeyConflict, match="prompt: 'a cat' in the journal, 'a dog' now"):
        await client.submit(RawTask("/v1/videos/text2video", {"prompt": "a dog"}), key="cat")
    assert emulator.ledger.created == 1


async def test_a_key_does_not_bypass_the_capability_map(
    place: Place, make_client: ClientMaker, emulator: Emulator
) -> None:
    """A new key does not bypass the capability map; nothing is sent, and the key stays free."""
    client = make_client(journal=place())
    with pytest.raises(InvalidRequest):
        await client.submit(TextToVideo("a cat", camera_control={"type": "down_back"}), key="cat")
    assert emulator.ledger.requests["create"] == 0
    await client.submit(CAT, key="cat")


@pytest.mark.parametrize("prompt", ["a cat", "forbidden"])
async def test_another_attempt_after_an_unseen_end(
    place: Place, make_client: ClientMaker, emulator: Emulator, prompt: str
) -> None:
    """Before another attempt the service is queried for the end of the last one; a result is kept to be saved."""
    request = TextToVideo(prompt)
    async with make_client(journal=place()) as first:
        old = await first.submit(request, key="cat")
    await asyncio.sleep(1000)
    async with make_client(journal=place()) as second:
        handle = await second.submit(request, key="cat", again="failed")
        assert (handle.reference == old.reference) is (prompt == "a cat")
    async with make_client(journal=place()) as third:
        assert [each.reference async for each in third.recover()] == [handle.reference]
    assert emulator.ledger.created == (1 if prompt == "a cat" else 2)


async def test_another_request_is_a_conflict(place: Place, make_client: ClientMaker, emulator: Emulator) -> None:
    """The same key with another request is refused with the differences; nothing is sent."""
    client = make_client(journal=place())
    handle = await client.submit(CAT, key="cat")
    with pytest.raises(KeyConflict, match="prompt: 'a cat' in the journal, 'a dog' now") as caught:
        await client.submit(TextToVideo("a dog"), key="cat")
    assert [each.member for each in caught.value.differences] == ["prompt"]
    assert caught.value.reference == handle.reference
    assert emulator.ledger.created == 1


async def test_a_changed_file_is_a_conflict(
    place: Place, make_client: ClientMaker, image: Path, tmp_path: Path, emulator: Emulator
) -> None:
    """Files are compared by their bytes: a copy elsewhere is the same request, other bytes are another one."""
    client = make_client(journal=place())
    copy = tmp_path / "copy.png"
    copy.write_bytes(image.read_bytes())
    handle = await client.submit(ImageToVideo(image), key="cat")
    assert (await client.submit(ImageToVideo(copy), key="cat")).reference == handle.reference
    copy.write_bytes(image.read_bytes() + b"more")
    with pytest.raises(KeyConflict, match="image"):
        await client.submit(ImageToVideo(copy), key="cat")
    assert emulator.ledger.created == 1


async def test_a_failed_task_is_made_again_only_on_demand(
    place: Place, make_client: ClientMaker, emulator: Emulator
) -> None:
    """The same key returns a failed task; `again="failed"` makes another attempt, but not while one is running."""
    client = make_client(journal=place())
    request = TextToVideo("forbidden")
    first = await client.submit(request, key="cat")
    assert (await client.submit(request, key="cat", again="failed")).reference == first.reference  # still running
    with pytest.raises(TaskFailed):
        await first
    assert (await client.submit(request, key="cat")).reference == first.reference
    second = await client.submit(request, key="cat", again="failed")
    assert second.reference != first.reference
    assert emulator.ledger.created == 2
    assert [entry.attempt async for entry in client.journal.entries(key="cat")] == [1, 2]


async def test_a_refused_request_can_be_corrected(place: Place, make_client: ClientMaker, emulator: Emulator) -> None:
    """A request that the service refused leaves the key free for a corrected one."""
    client = make_client(journal=place())
    with pytest.raises(KlingError):
        await client.submit(TextToVideo("refused"), key="cat")
    assert [entry.state async for entry in client.journal.entries()] == [EntryState.REFUSED]
    await client.submit(CAT, key="cat")
    assert [entry.state async for entry in client.journal.entries()] == [EntryState.ACCEPTED]
    assert emulator.ledger.created == 1


@pytest.mark.parametrize("after_effect", [True, False])
async def test_a_lost_answer(place: Place, make_client: ClientMaker, emulator: Emulator, *, after_effect: bool) -> None:
    """If a create stays in doubt, the same key settles it: it is looked up, and sent if there is no task."""
    client = make_client(journal=place(), retry=Retry(first=0.1, settle=1, budget=2))
    emulator.faults.add(Fault.reset(after_effect=after_effect), on="create", times=1)
    emulator.faults.add(Fault.reset(), on="query")
    with pytest.raises(CreateInDoubt):
        await client.submit(CAT, key="cat")
    (entry,) = [entry async for entry in client.journal.entries()]
    assert (entry.state, entry.owner) == (EntryState.INTENT, None)
    assert "no answer said" in entry.error
    emulator.faults.clear()
    handle = await client.submit(CAT, key="cat")
    assert handle.external_task_id == entry.external_task_id
    assert emulator.ledger.created == 1


async def test_save_to_is_remembered(make_client: ClientMaker, emulator: Emulator, path: Path, tmp_path: Path) -> None:
    """`save()` without a target uses that of `submit`, in any client; an intact file is returned without a request."""
    async with make_client(journal=path) as first:
        await first.submit(CAT, key="cat", save_to=tmp_path / "cat.mp4")
    async with make_client(journal=path) as second:
        handle = await second.submit(CAT, key="cat")
        assert await handle.save() == tmp_path / "cat.mp4"
    delivered = emulator.ledger.delivered
    async with make_client(journal=path) as third:
        assert await (await third.submit(CAT, key="cat")).save() == tmp_path / "cat.mp4"
    assert emulator.ledger.delivered == delivered
    (entry,) = [entry async for entry in third.journal.entries(state=EntryState.SAVED)]
    assert [(file.path, file.size) for file in entry.files] == [
        (str(tmp_path / "cat.mp4"), (tmp_path / "cat.mp4").stat().st_size)
    ]


async def test_save_without_any_target(place: Place, make_client: ClientMaker) -> None:
    """Without a known target, saving is refused."""
    handle = await make_client(journal=place()).submit(CAT, key="cat")
    with pytest.raises(TargetError, match="save_to"):
        await handle.save()


async def test_generate_into_a_directory(
    place: Place, make_client: ClientMaker, emulator: Emulator, tmp_path: Path
) -> None:
    """With a key, a file in a directory is named after it; a second run returns it and pays nothing."""
    for _ in range(2):
        async with make_client(journal=place()) as client:
            assert await client.generate(CAT, f"{tmp_path}/out/", key="cat") == tmp_path / "out" / "cat.mp4"
    assert emulator.ledger.created == 1


async def test_generate_does_not_overwrite(
    place: Place, make_client: ClientMaker, emulator: Emulator, tmp_path: Path
) -> None:
    """A file that the journal has no record of is not overwritten, and nothing is sent."""
    (tmp_path / "cat.mp4").write_bytes(b"mine")
    with pytest.raises(TargetError, match="exists"):
        await make_client(journal=place()).generate(CAT, tmp_path / "cat.mp4", key="cat")
    assert (tmp_path / "cat.mp4").read_bytes() == b"mine"
    assert emulator.ledger.created == 0


async def test_options_need_a_journal(make_client: ClientMaker) -> None:
    """Without a journal, keys and recovery are refused."""
    client = make_client()
    with pytest.raises(ConfigurationError, match="key needs a journal"):
        await client.submit(CAT, key="cat")
    with pytest.raises(ConfigurationError, match="no journal"):
        await anext(client.recover())


@pytest.mark.parametrize(
    ("request_", "options"),
    [
        (TextToVideo("a cat", external_task_id="mine"), {"key": "cat"}),
        (CAT, {"key": ""}),
        (CAT, {"key": "x" * 1001}),
        (CAT, {"key": 5}),
        (CAT, {"again": "failed"}),
        (CAT, {"key": "cat", "again": "always"}),
        (CAT, {"save_to": 5}),
    ],
)
async def test_options_that_cannot_be_followed(
    place: Place, make_client: ClientMaker, emulator: Emulator, request_: TextToVideo, options: Any
) -> None:
    """Invalid options are refused before anything is sent."""
    with pytest.raises(InvalidRequest):
        await make_client(journal=place()).submit(request_, **options)
    assert emulator.ledger.created == 0


async def test_the_intent_is_there_before_the_create(
    place: Place, make_client: ClientMaker, emulator: Emulator
) -> None:
    """The journal has the intent when `on_intent` is called; if that raises, nothing is sent."""
    seen: list[EntryState] = []

    async def on_intent(_: object) -> None:
        seen.extend([entry.state async for entry in client.journal.entries()])
        raise ValueError("no")

    client = make_client(journal=place(), on_intent=on_intent)
    with pytest.raises(ValueError, match="no"):
        await client.submit(CAT, key="cat")
    assert seen == [EntryState.INTENT]
    assert emulator.ledger.created == 0
    assert [entry.state async for entry in client.journal.entries()] == [EntryState.REFUSED]


async def test_bytes_are_kept_until_the_task_is_accepted(
    make_client: ClientMaker, image: Path, path: Path, tmp_path: Path
) -> None:
    """Bytes are stored beside the journal before the create and deleted after it, and are never in the journal."""
    kept: list[int] = []

    async def on_intent(_: object) -> None:
        kept.extend(each.stat().st_size for each in (tmp_path / "clips.sqlite.files").glob("*-*-0"))

    async with make_client(journal=path, on_intent=on_intent) as client:
        await client.submit(ImageToVideo(image.read_bytes()), key="cat")
    assert kept == [image.stat().st_size]
    assert list((tmp_path / "clips.sqlite.files").iterdir()) == []
    assert path.stat().st_size < 100_000


async def test_no_secrets_and_no_rights_for_others(
    make_client: ClientMaker, emulator: Emulator, path: Path, image: Path, tmp_path: Path
) -> None:
    """The journal contains no credentials and no bytes of pictures, and other users cannot read it."""
    client = make_client(journal=path)
    await client.submit(ImageToVideo(image.read_bytes()), key="cat")
    found = [each for each in tmp_path.glob("clips.sqlite*") if each.is_file()]
    assert len(found) == 3
    assert {each.stat().st_mode & 0o777 for each in found} == {0o600}
    assert (tmp_path / "clips.sqlite.files").stat().st_mode & 0o777 == 0o700
    text = b"".join(each.read_bytes() for each in found)
    assert emulator.secret_key.encode() not in text
    assert emulator.access_key.encode() not in text
    assert b"iVBOR" not in text


async def test_a_closed_journal_raises(place: Place, make_client: ClientMaker) -> None:
    """A save after its client was closed cannot be recorded, and does not hang."""
    client = make_client(journal=place())
    await client.submit(CAT, key="cat")
    await client.close()
    with pytest.raises(JournalError, match="closed"):
        await client.journal.writer.do(lambda store: store.id)
