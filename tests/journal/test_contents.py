"""The contents of all files of a journal, byte by byte, and their permissions."""

import base64
import os
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from kling_async import CreateInDoubt, Image, ImageToVideo, KlingError, RawTask, Retry, TextToVideo
from kling_async.emulator import Emulator, Fault
from tests.shell.conftest import ClientMaker

QUICK = Retry(first=0.1, settle=1, budget=2)


@pytest.fixture
def no_mask() -> Iterator[None]:
    """Sets the umask to zero."""
    before = os.umask(0)
    yield
    os.umask(before)


def all_files(path: Path) -> list[Path]:
    """Returns the journal and all files beside it."""
    beside = path.with_name(f"{path.name}.files")
    return [*path.parent.glob(f"{path.name}*"), *beside.rglob("*")]


def traces_of(secret: str) -> set[bytes]:
    """Returns the forms of a text: plain, at each of the three offsets in base64, and URL-encoded."""
    data = secret.encode()
    shifted = [base64.b64encode(bytes(count) + data).decode()[4:-4].encode() for count in range(3)]
    return {data, *shifted, urllib.parse.quote(secret).encode()}


async def test_no_credentials_and_nothing_in_base64(
    make_client: ClientMaker, emulator: Emulator, path: Path, image: Path
) -> None:
    """With pictures passed in every form, no file of the journal contains credentials or base64."""
    picture = image.read_bytes()
    text = base64.b64encode(picture).decode()
    async with make_client(journal=path, retry=QUICK) as client:
        await (await client.submit(ImageToVideo(picture, prompt="bytes"), key="bytes"))
        await client.submit(ImageToVideo(Image.from_base64(text), prompt="text"), key="text")
        await client.submit(ImageToVideo(image, image_tail=picture, mode="pro", prompt="both"), key="both")
        raw = {"model_name": "kling-v1", "image": text}
        await client.submit(RawTask("/v1/videos/image2video", raw), key="raw")
        with pytest.raises(KlingError):
            await client.submit(TextToVideo("refused"), key="refused")
        emulator.faults.add(Fault.reset(), on="create", times=1)
        emulator.faults.add(Fault.reset(), on="query")
        with pytest.raises(CreateInDoubt):
            await client.submit(ImageToVideo(picture, prompt="doubt"), key="doubt")
        kept = [each for each in all_files(path) if each.is_file() and picture == each.read_bytes()]
        assert len(kept) == 1  # that in doubt, as it was given
        found = b"\n".join(each.read_bytes() for each in all_files(path) if each.is_file() and each not in kept)
    found += path.read_bytes()
    assert b"refused" in found
    for secret in (emulator.secret_key, emulator.access_key, emulator.api_key):
        assert not [trace for trace in traces_of(secret) if trace in found]
    assert b"Bearer" not in found
    assert not [start for start in range(0, len(text) - 60, 997) if text[start : start + 60].encode() in found]


@pytest.mark.usefixtures("no_mask")
async def test_permissions(make_client: ClientMaker, emulator: Emulator, path: Path, image: Path) -> None:
    """Whatever the umask, files and the directory are accessible to their owner only, also if they were not before."""
    path.with_name(f"{path.name}.files").mkdir(mode=0o777)
    emulator.faults.add(Fault.reset(), on="create", times=1)
    emulator.faults.add(Fault.reset(), on="query")
    client = make_client(journal=path, retry=QUICK)
    with pytest.raises(CreateInDoubt):
        await client.submit(ImageToVideo(image.read_bytes()), key="doubt")
    modes = {each: each.stat().st_mode & 0o777 for each in all_files(path)}
    assert len(modes) == 6  # the file, two of SQLite, the directory, a lock, a picture
    assert {mode for each, mode in modes.items() if each.is_file()} == {0o600}
    assert {mode for each, mode in modes.items() if each.is_dir()} == {0o700}
