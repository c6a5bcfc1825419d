"""Disks that are full for a while, or read-only: real ones, in separate processes."""

import asyncio
import contextlib
import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from kling_async import EntryState, ImageToVideo, JournalError, KlingClient, TextToVideo
from kling_async.emulator import Emulator
from kling_async.journal import sqlite_file
from tests.shell.conftest import ClientMaker

SCRIPT: Final = str(Path(__file__).with_name("disk_work.py"))
MAY_MOUNT: Final = (
    shutil.which("unshare") is not None
    and subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0  # noqa: S607  (wherever the system has it)
)
mounts = pytest.mark.skipif(not MAY_MOUNT, reason="only root may mount")


def in_a_namespace(mount: str, *command: str) -> list[str]:
    """Returns a command that runs with a private mount."""
    return ["unshare", "-m", "sh", "-ec", f'{mount}\nexec "$@"', "sh", *command]


async def seen(directory: Path, limit: str) -> tuple[dict[str, Any], int]:
    """Returns the output of the script, and how many tasks were paid."""
    place, out = directory / "disk", directory / "out"
    for each in (place, out):
        each.mkdir()
    async with Emulator(render=False, speed=2000, concurrency=50) as emulator:
        command = [sys.executable, SCRIPT, emulator.base_url, str(place / "clips.sqlite"), str(out), limit]
        if limit == "tmpfs":
            command = in_a_namespace(f"mount -t tmpfs -o size=3m,mode=700 none '{place}'", *command)
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        printed, _ = await process.communicate()
        return json.loads(printed), emulator.ledger.created


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        pytest.param("tmpfs", "the disk is full", marks=mounts),
        pytest.param("size", "the disk is full, or broken"),
    ],
)
def test_a_disk_that_is_full_for_a_while(tmp_path: Path, limit: str, message: str) -> None:
    """What cannot be written is refused and not sent; running work is saved; with space again all is paid once."""
    found, created = asyncio.run(seen(tmp_path, limit))
    refused = [error for error in found["while"] if error]
    assert len(refused) > 10
    assert all(error.startswith("JournalError: the journal") and message in error for error in refused)
    assert found["kept"].startswith("JournalError: ")
    assert found["left"] == []
    assert found["opening"].startswith("JournalError: the journal")
    assert limit == "size" or found["video"] == ""  # the same holds for videos
    assert found["after"] == [""] * 32
    assert created == len(found["entries"]) == 32
    assert set(found["entries"].values()) == {EntryState.SAVED}
    assert len(list((tmp_path / "out").glob("*.mp4"))) == 32


OPENING: Final = """
import asyncio, sys
from kling_async import KlingClient, KlingError, TextToVideo
async def main():
    try:
        async with KlingClient(base_url=sys.argv[1], api_key="api-key-kling-emulator", journal=sys.argv[2]) as client:
            await client.submit(TextToVideo("a cat"))
    except KlingError as error:
        print(type(error).__name__, error)
asyncio.run(main())
"""


async def error_of(mount: str, path: Path, *arguments: str) -> tuple[str, int]:
    """Returns the error of a client that opens a journal there, and how many tasks were paid."""
    async with Emulator(render=False) as emulator:
        command = in_a_namespace(mount, sys.executable, *arguments, "-c", OPENING, emulator.base_url, str(path))
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        return (await process.communicate())[0].decode(), emulator.ledger.created


@mounts
@pytest.mark.parametrize("used", [False, True])
def test_a_read_only_file_system(tmp_path: Path, *, used: bool) -> None:
    """A journal on a read-only file system, new or existing, is refused before anything is paid."""
    place = tmp_path / "disk"
    place.mkdir()
    if used:
        assert asyncio.run(error_of("", place / "clips.sqlite")) == ("", 1)
    mount = f"mount --bind '{place}' '{place}' && mount -o remount,bind,ro '{place}'"
    text, created = asyncio.run(error_of(mount, place / "clips.sqlite"))
    assert text.startswith("JournalError the journal")
    assert "read-only" in text.lower() or "must exist, and be writable" in text
    assert created == 0


@mounts
def test_a_full_disk_from_the_beginning(tmp_path: Path) -> None:
    """A journal that cannot be created is refused before anything is paid."""
    mount = f"mount -t tmpfs -o size=8k none '{tmp_path}'; head -c 4096 /dev/zero > '{tmp_path}/x'"
    text, created = asyncio.run(error_of(mount, tmp_path / "clips.sqlite"))
    assert text.startswith("JournalError the journal")
    assert "full" in text
    assert created == 0


async def test_bytes_that_do_not_fit(make_client: ClientMaker, emulator: Emulator, path: Path, image: Path) -> None:
    """A request whose bytes cannot be stored is not sent and leaves no files; the journal keeps working."""
    client = make_client(journal=path)
    await client.submit(TextToVideo("a cat"), key="before")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (image.stat().st_size // 2, before[1]))
    try:
        with pytest.raises(JournalError, match=r"clips.sqlite.files/.* cannot be written: .*; nothing was sent"):
            await client.submit(ImageToVideo(image.read_bytes()), key="cat")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert {each.suffix for each in path.with_name("clips.sqlite.files").iterdir()} == {".lock"}
    assert [entry.key async for entry in client.journal.entries()] == ["before"]
    await client.submit(ImageToVideo(image.read_bytes()), key="cat")
    assert emulator.ledger.created == 2


@pytest.fixture
def unchangeable() -> Iterator[Callable[[Path], None]]:
    """Makes a file immutable, even for root."""
    changed: list[Path] = []

    def make(each: Path) -> None:
        command = ["chattr", "+i", str(each)]
        if not shutil.which("chattr") or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("chattr does not work here")
        changed.append(each)

    yield make
    for each in changed:
        subprocess.run(["chattr", "-i", str(each)], check=True)  # noqa: S607  (wherever the system has it)


async def test_a_read_only_file(
    make_client: ClientMaker, emulator: Emulator, path: Path, unchangeable: Callable[[Path], None]
) -> None:
    """A read-only file is refused before anything is paid."""
    async with make_client(journal=path) as client:
        await client.submit(TextToVideo("a cat"), key="cat")
    unchangeable(path)
    with pytest.raises(JournalError, match=r"read-only|cannot be opened"):
        await make_client(journal=path).submit(TextToVideo("a dog"), key="dog")
    assert emulator.ledger.created == 1


async def test_a_read_only_directory(
    make_client: ClientMaker, emulator: Emulator, tmp_path: Path, unchangeable: Callable[[Path], None]
) -> None:
    """A read-only directory is refused before anything is paid."""
    place = tmp_path / "place"
    place.mkdir()
    unchangeable(place)
    with pytest.raises(JournalError, match=r"clips.sqlite cannot be opened: Operation not permitted"):
        await make_client(journal=place / "clips.sqlite").submit(TextToVideo("a dog"), key="dog")
    assert emulator.ledger.created == 0


LOCKING: Final = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


def test_another_program_keeps_it_locked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long lock by another program is reported on opening and on a create; a short one is waited for."""

    async def run() -> None:
        async with Emulator(render=False) as emulator, contextlib.AsyncExitStack() as stack:
            options: dict[str, Any] = {"base_url": emulator.base_url, "api_key": emulator.api_key, "journal": path}
            client = await stack.enter_async_context(KlingClient(**options))
            await client.submit(TextToVideo("a cat"), key="before")
            command = [sys.executable, "-c", LOCKING, str(path)]
            pipe = asyncio.subprocess.PIPE
            other = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
            assert other.stdout is not None
            assert other.stdin is not None
            assert await other.stdout.readline() == b"locked\n"
            monkeypatch.setattr(sqlite_file, "LOCK_SECONDS", 0.2)
            with pytest.raises(JournalError, match="locked by something else"):
                await client.submit(TextToVideo("a cat"), key="while")
            with pytest.raises(JournalError, match="locked by something else"):
                await KlingClient(**options).__aenter__()
            monkeypatch.undo()
            waiting = asyncio.ensure_future(client.submit(TextToVideo("a cat"), key="while"))
            await asyncio.sleep(0.3)
            assert not waiting.done()
            assert emulator.ledger.created == 1
            other.stdin.close()
            await waiting
            await other.wait()
            assert emulator.ledger.created == 2

    asyncio.run(run())
