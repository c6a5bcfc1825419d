"""Paths to save to are checked by writing there before anything is paid, and no file is left."""

import asyncio
import errno
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from kling_async import KlingError, TargetError, TargetExists
from kling_async.io import target
from kling_async.io.directory_sync import DirectorySync
from kling_async.io.part_file import PartFile
from kling_async.io.target import Target, check_target, shown
from kling_async.protocol.transfer import Part
from tests.shell.file_host import FileHost, whole, with_length
from tests.shell.test_odd_files import MOVIE

PART = Part("v", len(MOVIE), '"a"')


def check(path: object) -> Target:
    """Checks a path."""
    return check_target(str(path), overwrite=False)


def refusing(code: int, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """Makes a system call fail."""

    def refused(*_: object, **__: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(f"kling_async.io.target.os.{call}", refused)


@pytest.mark.parametrize("place", ["x.mp4", "", "new/"])
def test_a_place_that_can_be_used_is_left_as_it_was(tmp_path: Path, place: str) -> None:
    """A check leaves no file, neither in a directory nor beside a file."""
    found = check(f"{tmp_path}/{place}")
    assert found.is_directory is (place != "x.mp4")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("place", ["x.mp4", ""])
def test_the_proof_of_a_process_that_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Processes killed during a check leave at most one file, which the next check removes."""
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda *_, **__: None)
        check(f"{tmp_path}/{place}")
    assert len(list(tmp_path.iterdir())) == 1
    check(f"{tmp_path}/{place}")
    assert list(tmp_path.iterdir()) == []


def test_concurrent_checks_of_one_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Concurrent checks of the same path do not disturb each other."""
    write = os.write

    def write_and_check(descriptor: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", write)
        check(f"{tmp_path}/x.mp4")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", write_and_check)
    check(f"{tmp_path}/x.mp4")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_the_proof(tmp_path: Path) -> None:
    """A large file or a non-file under the check's name is foreign: it is kept, and named in the error."""
    (tmp_path / "x.mp4.part.probe").write_bytes(bytes(5000))
    with pytest.raises(TargetError, match="is in the way"):
        check(f"{tmp_path}/x.mp4")
    assert (tmp_path / "x.mp4.part.probe").stat().st_size == 5000


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
@pytest.mark.parametrize("place", ["/proc/x.mp4", "/proc", "/proc/self/x.mp4", "/sys/x.mp4"])
def test_a_file_system_that_takes_no_files(place: str) -> None:
    """A file system with permissions but without room is refused, since the check creates a file."""
    with pytest.raises(TargetError, match="cannot be written"):
        check(place)


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EDQUOT, errno.ENAMETOOLONG])
@pytest.mark.parametrize("place", ["x.mp4", ""])
def test_a_place_where_no_file_can_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, place: str
) -> None:
    """A read-only or full directory is refused with the system's reason."""
    refusing(code, monkeypatch, "open")
    with pytest.raises(TargetError, match=os.strerror(code)) as caught:
        check(tmp_path / place)
    assert isinstance(caught.value, OSError)


@pytest.mark.parametrize("short", [False, True])
def test_a_disk_that_takes_only_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, short: bool) -> None:
    """A full disk that still creates empty files is refused, since the check writes some bytes."""
    if short:
        monkeypatch.setattr("kling_async.io.target.os.write", lambda *_: 100)
    else:
        refusing(errno.ENOSPC, monkeypatch, "write")
    with pytest.raises(TargetError, match="No space left"):
        check(tmp_path / "x.mp4")
    assert whole(tmp_path) == []


def test_the_part_of_an_earlier_save_is_not_touched(tmp_path: Path) -> None:
    """A check changes neither the bytes, time or note of a part, nor a running save."""
    running = PartFile(tmp_path / "x.mp4", "v", DirectorySync())
    running.open(overwrite=False)
    running.write([MOVIE[:100]], PART)
    before = [(path.name, path.stat().st_mtime_ns, path.read_bytes()) for path in sorted(tmp_path.iterdir())]
    check(tmp_path / "x.mp4")
    assert before == [(path.name, path.stat().st_mtime_ns, path.read_bytes()) for path in sorted(tmp_path.iterdir())]
    running.finish([MOVIE[100:]], PART, overwrite=False)
    assert (tmp_path / "x.mp4").read_bytes() == MOVIE


def test_a_part_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that belongs to another user is refused before anything is paid."""
    (tmp_path / "x.mp4.part").write_bytes(b"x")
    opened = os.open

    def refuse_part(path: str | Path, *arguments: Any, **options: Any) -> int:
        if str(path).endswith(".part"):
            raise OSError(errno.EACCES, "Permission denied")
        return opened(path, *arguments, **options)

    monkeypatch.setattr("kling_async.io.target.os.open", refuse_part)
    with pytest.raises(TargetError, match="Permission denied"):
        check(tmp_path / "x.mp4")


@pytest.mark.parametrize("ending", [".part", ".part.json", ".part.json.new"])
@pytest.mark.parametrize("kind", ["link", "directory", "pipe"])
def test_objects_in_place_of_a_part(tmp_path: Path, ending: str, kind: str) -> None:
    """A link, a directory or a pipe in place of a part, its note or the note's draft is refused at once."""
    foreign, own = tmp_path / "foreign", tmp_path / f"x.mp4{ending}"
    foreign.write_text("precious")
    if kind == "link":
        own.symlink_to(foreign)
    elif kind == "directory":
        own.mkdir()
    else:
        os.mkfifo(own)
    with pytest.raises(TargetError, match="in the way"):
        check(tmp_path / "x.mp4")
    assert foreign.read_text() == "precious"


@pytest.mark.parametrize("ending", [".part.json", ".part.json.new"])
def test_notes_follow_no_links(tmp_path: Path, ending: str) -> None:
    """A link that appears after the check is not followed: its target is neither read nor written."""
    foreign = tmp_path / "foreign"
    foreign.write_bytes(PART.to_json())
    (tmp_path / "x.mp4.part").write_bytes(MOVIE[:100])
    (tmp_path / f"x.mp4{ending}").symlink_to(foreign)
    part = PartFile(tmp_path / "x.mp4", "v", DirectorySync())
    part.open(overwrite=False)
    assert part.size == 0  # the note of another file is not valid
    part.write([MOVIE[:50]], PART)
    part.close()
    assert foreign.read_bytes() == PART.to_json()
    note = tmp_path / "x.mp4.part.json"
    assert not note.is_symlink()
    assert json.loads(note.read_text())["video_id"] == "v"
    assert whole(tmp_path) == ["foreign", "x.mp4.part", "x.mp4.part.json"]


def test_a_link_that_appears_in_the_last_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link that appears between check and write is not followed: the save fails, and the target is unchanged."""
    foreign, draft = tmp_path / "foreign", tmp_path / "x.mp4.part.json.new"
    foreign.write_text("precious")
    part = PartFile(tmp_path / "x.mp4", "v", DirectorySync())
    part.open(overwrite=False)
    unlink = Path.unlink

    def planted(path: Path, *, missing_ok: bool = False) -> None:
        unlink(path, missing_ok=missing_ok)
        if path == draft:
            path.symlink_to(foreign)

    monkeypatch.setattr(Path, "unlink", planted)
    with pytest.raises(OSError, match=r".+"):
        part.write([MOVIE[:50]], PART)
    monkeypatch.undo()
    part.close()
    assert foreign.read_text() == "precious"


def test_a_pipe_in_place_of_a_note_does_not_block(tmp_path: Path) -> None:
    """Reading a note never blocks, whatever kind of file it is."""
    (tmp_path / "x.mp4.part").write_bytes(MOVIE[:100])
    os.mkfifo(tmp_path / "x.mp4.part.json")
    part = PartFile(tmp_path / "x.mp4", "v", DirectorySync())
    part.open(overwrite=False)
    assert part.size == 0
    part.close()


@pytest.mark.parametrize("place", ["\ud800.mp4", "\ud800/x.mp4", "x\udfff/", "\ud83d", "a\0b", ""])
def test_invalid_file_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Lone surrogates and the zero byte raise a TargetError that can be printed."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TargetError) as caught:
        check(place)
    str(caught.value).encode()


async def test_names_that_are_no_text(tmp_path: Path) -> None:
    """A name of any bytes is used; errors about it can be printed."""
    target = tmp_path / os.fsdecode(b"\xff.mp4")
    try:
        target.touch()
    except OSError:
        pytest.skip("this file system has only names that are text")
    target.unlink()
    assert (await FileHost(with_length(MOVIE)).save(target)).read_bytes() == MOVIE
    with pytest.raises(TargetExists) as caught:
        check(target)
    str(caught.value).encode()
    assert shown(target).endswith("\\xff.mp4") or shown(target).endswith("\\udcff.mp4")


async def test_bytes_and_paths_name_places_alike(tmp_path: Path) -> None:
    """A target may be text, bytes or a path."""
    async with FileHost(with_length(MOVIE)).downloads() as downloads:
        for name in (str(tmp_path / "x.mp4"), tmp_path / "x.mp4", os.fsencode(tmp_path / "x.mp4")):
            async with downloads.reserve(name, None, watermark=False, overwrite=False) as place:  # type: ignore[arg-type]  # bytes: undocumented
                assert place.path == tmp_path / "x.mp4"


async def test_a_proof_that_is_cancelled_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller cancelled during the check waits for its end, and no file is left."""
    there, go_on = threading.Event(), threading.Event()
    write = os.write

    def slow(descriptor: int, data: bytes) -> int:
        there.set()
        go_on.wait(10)
        return write(descriptor, data)

    monkeypatch.setattr("kling_async.io.target.os.write", slow)
    async with FileHost(None).downloads() as downloads:

        async def reserve() -> None:
            async with downloads.reserve(tmp_path / "x.mp4", None, watermark=False, overwrite=False):
                pass

        reserving = asyncio.ensure_future(reserve())
        await asyncio.to_thread(there.wait, 10)
        reserving.cancel()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await reserving
    assert whole(tmp_path) == []


async def test_a_save_that_gets_nothing_leaves_nothing(tmp_path: Path) -> None:
    """A host that never sent a byte leaves no empty part behind."""
    with pytest.raises(KlingError):
        await FileHost(None).save(tmp_path / "x.mp4")
    assert whole(tmp_path) == []


def test_the_longest_name(tmp_path: Path) -> None:
    """A name is refused only if the suffixes of its part files do not fit."""
    most = target.NAME_BYTES - len(target.PART) - 9
    assert check(tmp_path / ("x" * most)).path.name == "x" * most
    with pytest.raises(TargetError, match="too long"):
        check(tmp_path / ("x" * (most + 1)))
    part = PartFile(tmp_path / ("x" * most), "v", DirectorySync())
    part.open(overwrite=False)
    part.write([MOVIE[:10]], PART)
    part.close()
