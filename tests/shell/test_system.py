"""The file rules of other operating systems, as far as they can be simulated here."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kling_async import ImageToVideo, JournalError, KlingClient, SaveInProgress
from kling_async.emulator import Emulator
from kling_async.io import system
from kling_async.io.config import warn_of_file_limit
from kling_async.io.directory_sync import DirectorySync
from kling_async.io.part_file import Ended, PartFile
from kling_async.io.system import Posix
from kling_async.io.target import check_target
from kling_async.protocol.transfer import End
from tests.shell.conftest import IMAGES
from tests.shell.test_part_file import MOVIE, PART, WHOLE, names, part_of
from tests.shell.windows_rules import Refused, obeyed


@pytest.fixture
def windows(tmp_path: Path) -> Iterator[None]:  # noqa: ARG001  (it is removed afterwards, not by these rules)
    """Refuses what Windows refuses, and removes what it lacks."""
    with pytest.MonkeyPatch.context() as patched:
        obeyed(patched)
        yield


def mac(**more: Any) -> Posix:
    """The functions of macOS."""
    return Posix(SimpleNamespace(F_FULLFSYNC=51, **more), None)


@pytest.mark.usefixtures("windows")
async def test_a_clip_on_windows(tmp_path: Path) -> None:
    """Concurrent saves into a directory work from a picture to the file, and leave no other file."""
    async with (
        Emulator(speed=2000, render=False) as emulator,
        KlingClient(base_url=emulator.base_url, api_key=emulator.api_key) as kling,
    ):
        request = ImageToVideo(str(IMAGES / "cat.png"), prompt="it moves")
        await kling.generate(request, tmp_path / "cat.mp4")
        again = await kling.generate(request, tmp_path / "cat.mp4", overwrite=True)
    assert names(tmp_path) == ["cat.mp4"]
    assert again.read_bytes()[4:8] == b"ftyp"


@pytest.mark.usefixtures("windows")
def test_a_part_is_resumed_where_open_files_keep_their_names(tmp_path: Path) -> None:
    """A part is cut, kept, resumed and restarted as elsewhere, by one process at a time."""
    first = part_of(tmp_path)
    first.write([MOVIE[:40]], PART)
    with pytest.raises(SaveInProgress):
        PartFile(tmp_path / "x.mp4", "v", DirectorySync()).open(overwrite=False)
    first.restart()
    first.write([MOVIE[:20]], PART)
    first.close()
    second = part_of(tmp_path)
    assert second.size == 20
    (tmp_path / "x.mp4").write_text("precious")
    with pytest.raises(FileExistsError):
        second.finish([MOVIE[20:]], PART, overwrite=False)
    second.close()
    assert names(tmp_path) == ["x.mp4", "x.mp4.part", "x.mp4.part.json"]
    (tmp_path / "x.mp4").unlink()
    third = part_of(tmp_path)
    assert third.finish([], PART, overwrite=False) == WHOLE
    assert (tmp_path / "x.mp4").read_bytes() == MOVIE
    assert names(tmp_path) == ["x.mp4"]


@pytest.mark.usefixtures("windows")
def test_an_empty_part_is_not_left_on_windows(tmp_path: Path) -> None:
    """An empty part is closed before it is deleted."""
    part_of(tmp_path).close()
    assert names(tmp_path) == []


@pytest.mark.usefixtures("windows")
def test_a_file_that_another_program_reads_keeps_its_place(tmp_path: Path) -> None:
    """A file open elsewhere cannot be replaced: the save fails, and the part is kept for the next one."""
    (tmp_path / "x.mp4").write_text("being watched")
    file = PartFile(tmp_path / "x.mp4", "v", DirectorySync())
    file.open(overwrite=True)
    with (tmp_path / "x.mp4").open("rb"), pytest.raises(Refused):
        file.finish([MOVIE], PART, overwrite=True)
    file.close()
    again = PartFile(tmp_path / "x.mp4", "v", DirectorySync())
    again.open(overwrite=True)
    assert again.finish([], PART, overwrite=True) == Ended(End.WHOLE)
    assert (tmp_path / "x.mp4").read_bytes() == MOVIE


@pytest.mark.usefixtures("windows")
def test_concurrent_checks_of_one_path_on_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each check has a separate file, as neither could delete the other's."""
    write = os.write

    def write_and_check(descriptor: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", write)
        check_target(f"{tmp_path}/", overwrite=False)
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", write_and_check)
    check_target(f"{tmp_path}/", overwrite=False)
    assert names(tmp_path) == []


@pytest.mark.usefixtures("windows")
async def test_a_journal_on_windows(tmp_path: Path) -> None:
    """The journal is unavailable, as locks do not show which process died: an error before anything is sent."""
    kling = KlingClient(api_key="key", journal=tmp_path / "j.sqlite")
    with pytest.raises(JournalError, match="locks that this system does not have"):
        await kling.__aenter__()
    await kling.close()


@pytest.mark.usefixtures("windows")
def test_no_limit_of_files_on_windows(caplog: pytest.LogCaptureFixture) -> None:
    """Windows has no limit of files to warn of."""
    warn_of_file_limit(10**6)
    assert caplog.messages == []


def test_syncs_on_macos_reach_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files and directories are synced by F_FULLFSYNC, since `fsync` stops at the disk's cache."""
    requested: list[int] = []
    monkeypatch.setattr(system, "HERE", mac(fcntl=lambda _, command: requested.append(command)))
    monkeypatch.setattr(os, "fsync", None)
    monkeypatch.setattr(system.HERE, "lock", lambda *_, **__: True)
    monkeypatch.delattr(os, "posix_fadvise", raising=False)
    assert part_of(tmp_path).finish([MOVIE], PART, overwrite=False) == WHOLE
    assert requested == [51, 51]


def test_a_file_system_on_macos_without_f_fullfsync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without F_FULLFSYNC, such as a network's, is synced by `fsync`."""
    requested: list[int] = []

    def refused(*_: object) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(os, "fsync", requested.append)
    with (tmp_path / "x").open("wb") as file:
        mac(fcntl=refused).sync(file.fileno())
        assert requested == [file.fileno()]
