"""The files of a save, without a network: parts and names."""

import errno
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kling_async import SaveInProgress, TargetExists
from kling_async.io import part_file, system
from kling_async.io.directory_sync import DirectorySync
from kling_async.io.part_file import AT_ONCE, Ended, PartFile
from kling_async.io.system import Windows
from kling_async.protocol.transfer import End, Part

MOVIE = b"\0\0\0\x08ftyp\0\0\0\x08moov\0\0\0\0mdat" + bytes(range(256)) * 20
PART = Part("v", len(MOVIE), '"a"')
WHOLE = Ended(End.WHOLE)


def part_of(directory: Path) -> PartFile:
    """A part that is open."""
    file = PartFile(directory / "x.mp4", "v", DirectorySync())
    file.open(overwrite=False)
    return file


def names(directory: Path) -> list[str]:
    """The names in the directory."""
    return sorted(path.name for path in directory.iterdir())


def test_a_video_that_comes_at_once_needs_no_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A video written and published in one go never has a part that another process could resume."""
    monkeypatch.setattr(PartFile, "_note_down", None)
    assert part_of(tmp_path).finish([MOVIE], PART, overwrite=False) == WHOLE
    assert names(tmp_path) == ["x.mp4"]
    assert (tmp_path / "x.mp4").read_bytes() == MOVIE


def test_an_older_note_is_replaced_before_the_bytes(tmp_path: Path) -> None:
    """An older note is never valid for the bytes of another entity, not even for a moment."""
    first = part_of(tmp_path)
    first.write([MOVIE[:1]], Part("v", 5, '"old"'))
    first.close()
    second = part_of(tmp_path)
    assert second.part == Part("v", 5, '"old"')
    assert second.finish([MOVIE[1:-1]], PART, overwrite=False) == Ended(End.CUT)
    second.close()
    third = part_of(tmp_path)
    assert (third.part, third.size) == (PART, len(MOVIE) - 1)
    assert third.finish([MOVIE[-1:]], PART, overwrite=False) == WHOLE
    assert names(tmp_path) == ["x.mp4"]


def test_a_name_that_is_taken_at_the_end(tmp_path: Path) -> None:
    """If the name is taken at the end, part and note are kept, so that nothing is fetched twice."""
    file = part_of(tmp_path)
    (tmp_path / "x.mp4").write_text("precious")
    with pytest.raises(FileExistsError):
        file.finish([MOVIE], PART, overwrite=False)
    file.close()
    assert (tmp_path / "x.mp4").read_text() == "precious"
    assert names(tmp_path) == ["x.mp4", "x.mp4.part", "x.mp4.part.json"]
    with pytest.raises(TargetExists):
        part_of(tmp_path)


@pytest.mark.parametrize("joined", [False, True])
def test_more_pieces_than_one_call_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, joined: bool) -> None:
    """All pieces are written, even if the system writes fewer bytes than given, or cannot join pieces."""
    if joined:
        monkeypatch.setattr(system.HERE, "write", Windows(None).write)
    else:
        monkeypatch.setattr("kling_async.io.part_file.os.writev", _odd_share)
    pieces = [MOVIE[index : index + 1] for index in range(len(MOVIE))]
    assert len(pieces) > AT_ONCE
    assert part_of(tmp_path).finish([b"", *pieces], PART, overwrite=False) == WHOLE
    assert (tmp_path / "x.mp4").read_bytes() == MOVIE


def _odd_share(descriptor: int, pieces: list[memoryview]) -> int:
    import os  # noqa: PLC0415  (the real one, whatever is patched)

    return os.write(descriptor, b"".join(pieces[:7]))


def test_one_sync_for_all_waiting_callers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Directories are synced one at a time; later callers share the next sync, never one that began before."""
    began, ended, at_once = 0, 0, 0
    first_is_under_way, go_on = threading.Event(), threading.Event()

    def sync(_: Path) -> None:
        nonlocal began, ended, at_once
        began += 1
        at_once = max(at_once, began - ended)
        first_is_under_way.set()
        assert go_on.wait(10)
        ended += 1

    monkeypatch.setattr(system.HERE, "sync_directory", sync)
    syncs = DirectorySync()
    with ThreadPoolExecutor(10) as pool:
        first = pool.submit(syncs.sync, tmp_path)
        assert first_is_under_way.wait(10)
        others = [pool.submit(syncs.sync, tmp_path) for _ in range(8)]
        elsewhere = pool.submit(syncs.sync, tmp_path / "other")
        while len(syncs._waiting.get(tmp_path, ())) < 8 or len(syncs._waiting) < 2:
            time.sleep(0.001)
        go_on.set()
        for one in [first, *others, elsewhere]:
            one.result(10)
    assert (began, at_once) == (3, 1)
    assert syncs._waiting == {}


def test_a_part_deleted_while_its_lock_was_awaited_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that gets the lock of a deleted part does not write to it."""
    first = part_of(tmp_path)
    first.write([MOVIE[:40]], PART)
    second = PartFile(tmp_path / "x.mp4", PART.video_id, DirectorySync())
    lock = part_file._lock

    def late(descriptor: int) -> bool:
        monkeypatch.setattr(part_file, "_lock", lock)
        first.restart()
        first.write([MOVIE[:20]], PART)
        return lock(descriptor)

    monkeypatch.setattr(part_file, "_lock", late)
    with pytest.raises(SaveInProgress):
        second.open(overwrite=False)
    assert first.finish([MOVIE[20:]], PART, overwrite=False) == WHOLE
    assert (tmp_path / "x.mp4").read_bytes() == MOVIE


def test_a_part_that_another_begins_while_this_is_published_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a part is renamed, a new part of that name belongs to another process, as does its note."""
    first = part_of(tmp_path)
    first.write([MOVIE[:40]], PART)
    second = PartFile(tmp_path / "x.mp4", PART.video_id, DirectorySync())
    replace = Path.replace

    def replaced(path: Path, target: Path) -> Path:
        done = replace(path, target)
        if path.name.endswith(".part"):
            monkeypatch.setattr(Path, "replace", replace)
            second.open(overwrite=True)
            second.write([MOVIE[:30]], PART)
        return done

    monkeypatch.setattr(Path, "replace", replaced)
    assert first.finish([MOVIE[40:]], PART, overwrite=True) == WHOLE
    assert names(tmp_path) == ["x.mp4", "x.mp4.part", "x.mp4.part.json"]
    assert second.finish([MOVIE[30:]], PART, overwrite=True) == WHOLE
    assert (tmp_path / "x.mp4").read_bytes() == MOVIE


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP])
def test_a_file_system_without_locks_is_written_to_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """A file system without locks is accepted; any other error closes the descriptor and is raised."""
    fcntl = pytest.importorskip("fcntl")

    def refused(*_: object) -> None:
        raise OSError(code, "no locks here")

    monkeypatch.setattr(fcntl, "flock", refused)
    part = part_of(tmp_path)
    assert part.finish([MOVIE], PART, overwrite=False) == WHOLE
    code = errno.EIO
    with pytest.raises(OSError, match="no locks here"):
        PartFile(tmp_path / "y.mp4", PART.video_id, DirectorySync()).open(overwrite=False)
