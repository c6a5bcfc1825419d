"""Targets that several clients save to, each with its own journal: the first file stays."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kling_async import DownloadError, EntryState, SaveInProgress, TargetExists, TextToVideo
from kling_async.emulator import Emulator, Fault
from kling_async.io.directory_sync import NoSync
from kling_async.io.part_file import PartFile
from kling_async.journal.record import Record
from tests.shell.conftest import ClientMaker

CAT = TextToVideo("a cat")


@pytest.fixture
def being_saved(tmp_path: Path) -> Iterator[PartFile]:
    """A file that another process is saving."""
    file = PartFile(tmp_path / "cat.mp4", "another's", NoSync())
    file.open(overwrite=False)
    yield file
    file.close()


@pytest.mark.parametrize("name", ["", "cat.mp4"])
async def test_a_broken_save_adopts_no_file_of_another(
    make_client: ClientMaker, emulator: Emulator, path: Path, tmp_path: Path, name: str
) -> None:
    """A file saved by another client where a save was interrupted is neither replaced nor adopted, however often."""
    out, other = tmp_path / "out", tmp_path / "other.sqlite"
    out.mkdir()
    emulator.faults.add(Fault.missing(), on="file", probability=1.0)
    async with make_client(journal=path) as client, make_client(journal=other) as quicker:
        with pytest.raises(DownloadError):
            await client.generate(CAT, out / name, key="cat")
        emulator.faults.clear()
        (out / "cat.mp4.part").unlink(missing_ok=True)
        foreign = (await quicker.generate(TextToVideo("a dog"), out / name, key="cat")).read_bytes()
        for _ in range(3):
            with pytest.raises(TargetExists, match=r"cat\.mp4"):
                await client.generate(CAT, out / name, key="cat")
        [entry] = [entry async for entry in client.journal.entries()]
        assert (entry.state, entry.saving_to) == (EntryState.ENDED, None)
        own = await client.generate(CAT, tmp_path / "own.mp4", key="cat")
    assert own.read_bytes() != foreign
    assert [(each.name, each.read_bytes()) for each in out.iterdir()] == [("cat.mp4", foreign)]
    assert emulator.ledger.created == 2


@pytest.mark.parametrize("name", ["", "cat.mp4"])
async def test_the_second_save_adopts_nothing(
    make_client: ClientMaker, emulator: Emulator, path: Path, tmp_path: Path, *, being_saved: PartFile, name: str
) -> None:
    """A save does not adopt the file of another process that was faster."""
    async with make_client(journal=path) as client:
        with pytest.raises(SaveInProgress):
            await client.generate(CAT, tmp_path / name, key="cat")
        being_saved.close()
        (tmp_path / "cat.mp4").write_bytes(b"another's")
        with pytest.raises(TargetExists):
            await client.generate(CAT, tmp_path / name, key="cat")
    assert (tmp_path / "cat.mp4").read_bytes() == b"another's"
    assert emulator.ledger.created == 1


@pytest.mark.parametrize("name", ["", "cat.mp4"])
async def test_its_own_file_is_known_by_its_bytes(
    make_client: ClientMaker,
    emulator: Emulator,
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    name: str,
) -> None:
    """The file of a save that ended before the journal recorded it is recognized by its bytes, and nothing is added."""

    async def killed(*_: object, **_more: object) -> None:
        raise DownloadError("the process is gone")

    out = tmp_path / "out"
    out.mkdir()
    async with make_client(journal=path) as first:
        with monkeypatch.context() as patch:
            patch.setattr(Record, "saved", killed)
            with pytest.raises(DownloadError):
                await first.generate(CAT, out / name, key="cat")
    number = (out / "cat.mp4").stat().st_ino
    async with make_client(journal=path) as second:
        saved = await second.generate(CAT, out / name, key="cat")
        [entry] = [entry async for entry in second.journal.entries()]
    assert entry.state is EntryState.SAVED
    assert [each.stat().st_ino for each in out.iterdir()] == [saved.stat().st_ino] == [number]
    assert emulator.ledger.created == 1
