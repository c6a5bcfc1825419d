"""Files that are named after their key."""

from pathlib import Path
from typing import Any

import pytest

from kling_async import DownloadError, GenerateImages, TargetExists, TextToVideo, VideoToAudio, WatermarkInfo
from kling_async.emulator import Emulator, Fault
from kling_async.io.download import Downloads
from tests.shell.conftest import ClientMaker

CAT = TextToVideo("a cat")
CATS = GenerateImages("cats", n=3)


async def test_every_file_of_a_key(make_client: ClientMaker, path: Path, tmp_path: Path) -> None:
    """In a directory files are named after the key, further ones with a number that no other key can have."""
    async with make_client(journal=path) as client:
        handle = await client.submit(CATS, key="cat")
        paths = await handle.save_all(tmp_path / "out")
        single = await client.generate(GenerateImages("a cat"), tmp_path / "out", key="cat-2")
    assert [each.name for each in paths] == ["cat.png", "cat.2.png", "cat.3.png"]
    assert single.name == "cat-2.png"


async def test_the_watermarked_variant(make_client: ClientMaker, path: Path, tmp_path: Path) -> None:
    """Each of the two variants is recorded separately as saved."""
    request = TextToVideo("a cat", watermark_info=WatermarkInfo(enabled=True))
    async with make_client(journal=path) as client:
        plain = await client.generate(request, tmp_path, key="cat")
        marked = await client.generate(request, tmp_path, key="cat", watermark=True)
        assert (plain.name, marked.name) == ("cat.mp4", "cat.watermark.mp4")
        assert plain.read_bytes() != marked.read_bytes()
        assert await client.generate(request, tmp_path, key="cat") == plain
        assert await client.generate(request, tmp_path, key="cat", watermark=True) == marked
        [entry] = [entry async for entry in client.journal.entries()]
        assert [(Path(file.path).name, file.watermark) for file in entry.files] == [
            ("cat.mp4", False),
            ("cat.watermark.mp4", True),
        ]


@pytest.mark.parametrize("by", ["another client", "the same handle"])
async def test_a_save_of_several_that_broke_off(
    make_client: ClientMaker,
    emulator: Emulator,
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    by: str,
) -> None:
    """A save interrupted between two files of a task is resumed: existing files are recognized as its own."""
    save, saved = Downloads._save_one, list[Any]()

    async def only_the_first(*arguments: Any, **more: Any) -> Path:
        if saved:
            raise DownloadError("the process is gone")
        saved.append(await save(*arguments, **more))
        return Path(saved[0])

    out = f"{tmp_path}/out/"
    async with make_client(journal=path) as first:
        with monkeypatch.context() as patch:
            patch.setattr(Downloads, "_save_one", only_the_first)
            handle = await first.submit(CATS, key="cat", save_to=out)
            with pytest.raises(DownloadError):
                await handle.save_all(out)
        assert [each.name for each in Path(out).glob("*.png")] == ["cat.png"]
        if by == "the same handle":
            assert len(await handle.save_all(out)) == 3
    async with make_client(journal=path) as second:
        assert await second.generate(CATS, out, key="cat") == Path(out) / "cat.png"
    assert {each.name for each in Path(out).iterdir()} == {"cat.png", "cat.2.png", "cat.3.png"}
    assert emulator.ledger.created == 1


@pytest.mark.parametrize("name", ["cat.png", "cat.jpg", "cat.3.png"])
async def test_a_foreign_file(
    make_client: ClientMaker, emulator: Emulator, path: Path, tmp_path: Path, name: str
) -> None:
    """A file that existed before is never replaced, however often the save is repeated."""
    (tmp_path / name).write_bytes(b"mine")
    async with make_client(journal=path) as client:
        for _ in range(3):
            with pytest.raises(TargetExists, match=name):
                await client.generate(CATS, tmp_path, key="cat")
    assert (tmp_path / name).read_bytes() == b"mine"
    assert emulator.ledger.created == (1 if name == "cat.3.png" else 0)  # the number of its files is known later


async def test_a_broken_save_claims_no_other_names(
    make_client: ClientMaker, emulator: Emulator, path: Path, tmp_path: Path
) -> None:
    """An interrupted save claims the names of its own files, and no others in the directory."""
    emulator.faults.add(Fault.missing(), on="file", probability=1.0)
    async with make_client(journal=path) as client:
        with pytest.raises(DownloadError):
            await client.generate(CAT, tmp_path, key="cat")
        emulator.faults.clear()
        (tmp_path / "dog.mp4").write_bytes(b"mine")
        with pytest.raises(TargetExists):
            await client.generate(CAT, tmp_path / "dog.mp4", key="cat")
        assert (await client.generate(CAT, tmp_path, key="cat")).name == "cat.mp4"
    assert (tmp_path / "dog.mp4").read_bytes() == b"mine"
    assert emulator.ledger.created == 1


async def test_a_video_with_its_sound(make_client: ClientMaker, path: Path, tmp_path: Path) -> None:
    """Files of several kinds differ in their suffixes."""
    async with make_client(journal=path) as client:
        video = await client.submit(CAT, key="cat")
        task = await video
        handle = await client.submit(VideoToAudio(task.videos[0], sound_effect_prompt="a purr"), key="purr")
        paths = await handle.save_all(tmp_path)
    assert [each.name for each in paths] == ["purr.mp4", "purr.mp3", "purr.wav"]
