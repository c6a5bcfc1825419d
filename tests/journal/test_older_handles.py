"""Handles older than the changes that another client of the journal has made to their work."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from kling_async import (
    DownloadError,
    EntryState,
    GenerateImages,
    KlingClient,
    Request,
    TargetExists,
    TaskHandle,
    TextToVideo,
    WatermarkInfo,
)
from kling_async.emulator import Emulator, Fault
from kling_async.journal.entry import Entry
from kling_async.journal.record import Record
from tests.journal.conftest import Place
from tests.shell.conftest import ClientMaker

CAT = TextToVideo("a cat", watermark_info=WatermarkInfo(enabled=True))
CATS = GenerateImages("cats", n=3)


@attrs.frozen
class Two:
    """Two clients of one journal."""

    clients: tuple[KlingClient, KlingClient]

    async def handles(self, request: Request, save_to: object) -> tuple[TaskHandle, TaskHandle]:
        """Returns a handle of each client for one key, whose task has ended."""
        ours, others = [await client.submit(request, key="cat", save_to=f"{save_to}") for client in self.clients]
        await ours
        await others
        return ours, others

    async def entry(self) -> Entry:
        """Returns the journal's entry of the key, after all queued writes of both clients."""
        *_, entry = [entry for client in self.clients async for entry in client.journal.entries()]
        return entry


@pytest.fixture
async def two(any_place: Place, make_client: ClientMaker) -> AsyncIterator[Two]:
    """Two open clients."""
    async with make_client(journal=any_place()) as client, make_client(journal=any_place()) as other:
        yield Two((client, other))


PLACES = pytest.mark.parametrize(
    ("request_", "name", "files"),
    [(CAT, "cat.mp4", ["cat.mp4"]), (CAT, "", ["cat.mp4"]), (CATS, "", ["cat.2.png", "cat.3.png", "cat.png"])],
    ids=["a file", "a directory", "several files"],
)


@PLACES
async def test_what_another_client_has_saved_is_given(
    two: Two, emulator: Emulator, tmp_path: Path, *, request_: Request, name: str, files: list[str]
) -> None:
    """A file that another client has saved is returned, and nothing is fetched again."""
    out = tmp_path / "out"
    out.mkdir()
    ours, others = await two.handles(request_, f"{out}/{name}")
    saved = await others.save()
    assert (await two.entry()).state is EntryState.SAVED
    delivered = emulator.ledger.delivered
    assert [await ours.save(), await ours.save(f"{out}/{name}")] == [saved, saved]
    assert sorted(each.name for each in out.iterdir()) == files
    assert emulator.ledger.delivered == delivered


@pytest.mark.parametrize("noted", [True, False])
@PLACES
async def test_what_another_client_saves_at_the_last_moment_is_given(
    two: Two,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    request_: Request,
    name: str,
    files: list[str],
    noted: bool,
) -> None:
    """The same if the target was free when the save began, and the other client has not recorded its file yet."""
    out, saving, saved = tmp_path / "out", Record.saving, Record.saved
    out.mkdir()
    ours, others = await two.handles(request_, f"{out}/{name}")

    async def after_the_other(record: Record, *arguments: Any, **more: Any) -> bool:
        if record is ours.work:
            with contextlib.nullcontext() if noted else pytest.raises(DownloadError):
                await others.save()
            await two.entry()  # after its queued writes
        return await saving(record, *arguments, **more)

    async def saved_or_killed(record: Record, *arguments: Any, **more: Any) -> None:
        if record is others.work and not noted:
            raise DownloadError("the process is gone")
        await saved(record, *arguments, **more)

    monkeypatch.setattr(Record, "saving", after_the_other)
    monkeypatch.setattr(Record, "saved", saved_or_killed)
    assert (await two.clients[0].generate(request_, f"{out}/{name}", key="cat")).parent == out
    assert sorted(each.name for each in out.iterdir()) == files
    assert (await two.entry()).state is EntryState.SAVED


@PLACES
async def test_what_another_client_saved_before_it_was_killed_is_known_by_its_bytes(
    two: Two,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    request_: Request,
    name: str,
    files: list[str],
) -> None:
    """The other client had recorded where it saves to, but not the end: its file is recognized."""

    async def killed(*_: object, **_more: object) -> None:
        raise DownloadError("the process is gone")

    out = tmp_path / "out"
    out.mkdir()
    ours, others = await two.handles(request_, f"{out}/{name}")
    with monkeypatch.context() as patch:
        patch.setattr(Record, "saved", killed)
        with pytest.raises(DownloadError):
            await others.save()
    numbers = {each.stat().st_ino for each in out.iterdir()}
    assert (await ours.save()).parent == out
    assert sorted(each.name for each in out.iterdir()) == files
    assert {each.stat().st_ino for each in out.iterdir()} == numbers
    assert (await two.entry()).state is EntryState.SAVED


async def test_what_is_in_the_way_stays(two: Two, tmp_path: Path) -> None:
    """A foreign file at the target is refused on the first save and on every further one."""
    ours, _ = await two.handles(CAT, tmp_path / "cat.mp4")
    (tmp_path / "cat.mp4").write_bytes(b"mine")
    for _ in range(2):
        with pytest.raises(TargetExists):
            await ours.save()
    assert (tmp_path / "cat.mp4").read_bytes() == b"mine"


async def test_a_variant_that_another_client_has_saved_stays_known(two: Two, tmp_path: Path) -> None:
    """Saving the watermarked variant keeps another client's record of the plain one."""
    ours, others = await two.handles(CAT, f"{tmp_path}/out/")
    plain, marked = await others.save(), await ours.save(watermark=True)
    files = (await two.entry()).files
    assert [(Path(file.path), file.watermark) for file in files] == [(plain, False), (marked, True)]


async def test_where_another_client_saves_to_stays_known(two: Two, emulator: Emulator, tmp_path: Path) -> None:
    """Finding a foreign file at one place keeps another client's record of a save at another place."""
    ours, others = await two.handles(CAT, tmp_path / "cat.mp4")
    emulator.faults.add(Fault.missing(), on="file", probability=1.0)
    with pytest.raises(DownloadError):
        await ours.save(tmp_path / "ours.mp4")
    with pytest.raises(DownloadError):
        await others.save()
    emulator.faults.clear()
    (tmp_path / "ours.mp4").write_bytes(b"mine")
    with pytest.raises(TargetExists):
        await ours.save(tmp_path / "ours.mp4")
    assert (await two.entry()).saving_to == str(tmp_path / "cat.mp4")
