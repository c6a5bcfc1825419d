"""The places of a key's files, and names that are not valid text."""

import os
from pathlib import Path

import pytest

from kling_async import (
    BatchError,
    ConfigurationError,
    EntryState,
    ImageToVideo,
    InvalidRequest,
    Journal,
    JournalError,
    KlingClient,
    TargetError,
    TextToVideo,
)
from kling_async.batch.batch import Batch
from kling_async.emulator import Emulator
from kling_async.fleet.worker import Worker
from kling_async.journal.client_journal import ClientJournal
from kling_async.journal.local import Local
from kling_async.journal.sqlite import SqliteStore
from tests.shell.conftest import ClientMaker

CAT = TextToVideo("a cat")


async def test_the_newest_target_counts(
    make_client: ClientMaker, emulator: Emulator, path: Path, tmp_path: Path
) -> None:
    """A later `save_to` of a known key takes precedence, in any process, also if files are saved elsewhere."""
    first, second = tmp_path / "first.mp4", tmp_path / "second.mp4"
    async with make_client(journal=path) as client:
        await client.submit(CAT, key="cat", save_to=first)
        handle = await client.submit(CAT, key="cat", save_to=second)
        assert handle.save_to == str(second)
    async with make_client(journal=path) as client:
        (handle,) = [each async for each in client.recover()]
        assert await handle.save() == second
        assert not first.exists()
        assert await (await client.submit(CAT, key="cat")).save() == second
        assert await (await client.submit(CAT, key="cat", save_to=first)).save() == first
        again = await client.submit(CAT, key="cat", save_to=f"{tmp_path}/out/")
        assert await again.save() == tmp_path / "out" / "cat.mp4"
    delivered = emulator.ledger.delivered
    async with make_client(journal=path) as client:
        again = await client.submit(CAT, key="cat", save_to=tmp_path / "out")
        assert await again.save() == tmp_path / "out" / "cat.mp4"
    assert (emulator.ledger.created, emulator.ledger.delivered) == (1, delivered)


async def test_undecodable_names(
    make_client: ClientMaker, emulator: Emulator, path: Path, tmp_path: Path, image: Path
) -> None:
    """Files whose names are not decodable are sent, stored, saved and found again."""
    picture, target = tmp_path / os.fsdecode(b"caf\xe9.png"), tmp_path / os.fsdecode(b"caf\xe9.mp4")
    picture.write_bytes(image.read_bytes())
    for _ in range(2):
        async with make_client(journal=path) as client:
            handle = await client.submit(ImageToVideo(picture), key="cat", save_to=target)
            assert await handle.save() == target
    (entry,) = [entry async for entry in Journal(path).entries()]
    assert (entry.state, entry.save_to, entry.files[0].path) == (EntryState.SAVED, str(target), str(target))
    assert entry.request["image"]["kling_async.file"]["path"] == str(picture)
    assert emulator.ledger.created == 1


async def test_a_lone_surrogate(make_client: ClientMaker, emulator: Emulator, path: Path) -> None:
    """A key must be text that can be encoded."""
    client = make_client(journal=path)
    with pytest.raises(InvalidRequest, match="key"):
        await client.submit(CAT, key="\ud83d")
    assert emulator.ledger.created == 0


@pytest.mark.parametrize("name", ["file/", "file/out/", "a\0b/"])
async def test_a_directory_that_cannot_be_made(
    make_client: ClientMaker, emulator: Emulator, path: Path, tmp_path: Path, name: str
) -> None:
    """A directory that cannot be created is an error before anything is paid."""
    (tmp_path / "file").write_text("a file")
    with pytest.raises(TargetError):
        await make_client(journal=path).generate(CAT, f"{tmp_path}/{name}", key="cat")
    assert emulator.ledger.created == 0


@pytest.mark.parametrize("target", ["", "a\0b"])
async def test_empty_targets(make_client: ClientMaker, emulator: Emulator, path: Path, target: str) -> None:
    """An empty path, as from an unset variable, is refused before anything is paid."""
    client = make_client(journal=path)
    with pytest.raises(TargetError, match="is no path"):
        await client.submit(CAT, key="cat", save_to=target)
    with pytest.raises(TargetError, match="is no path"):
        Batch([CAT], out=target)
    with pytest.raises(TargetError, match="is no path"):
        Worker("postgresql:///none", out=target)
    assert emulator.ledger.created == 0


@pytest.mark.parametrize(
    "address", ["s3://bucket/", "https://me:s3cret@host/cat.mp4", "postgresql://me:s3cret@host/kling"]
)
async def test_a_url_is_refused_as_target(
    make_client: ClientMaker, emulator: Emulator, path: Path, address: str
) -> None:
    """A URL as target is refused before anything is paid, as text or path: no directory is made, no password shown."""
    client = make_client(journal=path)
    before, expected = sorted(Path.cwd().iterdir()), "expected a path on this machine, got an address"
    for given in (address, Path(address)):
        with pytest.raises(TargetError, match=expected) as target:
            await client.submit(CAT, key="cat", save_to=given)
        with pytest.raises(TargetError, match=expected):
            await client.generate(CAT, given)
        with pytest.raises(TargetError, match=expected):
            Batch([CAT], out=given)
        with pytest.raises(TargetError, match=expected):
            Worker("postgresql:///none", out=given)
        with pytest.raises(BatchError, match=expected) as jobs:
            await Batch(given, out=path.parent / "out").load()
        with pytest.raises(ConfigurationError, match=expected) as journal:
            Journal(given)
        assert "s3cret" not in f"{target.value} {jobs.value} {journal.value}"
    assert sorted(Path.cwd().iterdir()) == before
    assert emulator.ledger.created == 0


async def test_a_video_is_saved_if_the_journal_cannot_be_written(
    make_client: ClientMaker, emulator: Emulator, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the journal cannot be written during a save, the file is saved all the same, and recorded later."""

    def broken(*_: object) -> None:
        raise JournalError("the disk is full")

    async with make_client(journal=path) as client:
        handle = await client.submit(CAT, key="cat", save_to=tmp_path / "cat.mp4")
        await handle
        with monkeypatch.context() as patch:
            patch.setattr(SqliteStore, "saving", broken)
            assert await handle.save() == tmp_path / "cat.mp4"
        assert [entry.state async for entry in client.journal.entries()] == [EntryState.SAVED]
    assert emulator.ledger.created == 1


async def one_journal(client: KlingClient) -> ClientJournal:
    """Returns the journal of an open client."""
    assert client._works is not None
    await client._works.journal.open()
    return client._works.journal


async def test_two_names_of_one_journal(
    make_client: ClientMaker, emulator: Emulator, path: Path, tmp_path: Path
) -> None:
    """A link to a journal is the same journal, with the same locks."""
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.sqlite"
    link.symlink_to(path)
    first, second = make_client(journal=link), make_client(journal=path)
    handle = await first.submit(CAT, key="cat")
    assert [each async for each in second.recover()] == []
    places = [(await one_journal(each)).backend for each in (first, second)]
    assert len({each.directory for each in places if isinstance(each, Local)}) == 1
    assert (await second.submit(CAT, key="cat")).reference == handle.reference
    assert emulator.ledger.created == 1
    assert path.stat().st_mode & 0o777 == 0o600
