"""Files on this machine: where a video goes, and the part that becomes it. Blocking; called in threads."""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

import attrs

from kling_async.protocol import transfer
from kling_async.protocol.errors import TargetError, TargetExists
from kling_async.protocol.transfer import Part


@attrs.frozen
class Place:
    """Where to save, checked.

    Attributes:
        path: a file to make, or a directory.
        is_directory: which of the two.
    """

    path: Path
    is_directory: bool


def check_place(text: str, overwrite: bool) -> Place:  # noqa: FBT001  (called through an executor)
    """Tells what is wrong with a place while nobody has waited for minutes yet; makes a directory that `text/` names.

    Raises:
        TargetExists: there is a file.
        TargetError: it cannot be written to.
    """
    if not text or "\0" in text:
        raise TargetError(f"{text!r} is no path to save to")
    path = Path(text)
    try:
        if text.endswith(("/", os.sep)):
            path.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            _check_writable(path)
            return Place(path, is_directory=True)
        if not path.parent.is_dir():
            raise TargetError(f"there is no directory {path.parent}; make it first")
        if path.exists() and not path.is_file():
            raise TargetError(f"{path} is not a regular file")
        if path.exists() and not overwrite:
            raise TargetExists(f"{path} exists; overwrite=True replaces it")
        _check_writable(path.parent)
    except FileExistsError as error:
        raise error if isinstance(error, TargetError) else TargetError(f"{path} is a file, not a directory") from None
    except TargetError:
        raise
    except OSError as error:
        raise TargetError(f"{path} cannot be used: {error.strerror or error}") from None
    return Place(path, is_directory=False)


def _check_writable(directory: Path) -> None:
    if not os.access(directory, os.W_OK | os.X_OK):
        raise TargetError(f"no permission to write into {directory}")


class PartFile:
    """`NAME.part`, which grows into NAME, and `NAME.part.json`, which says what it is a part of.

    Args:
        target: NAME.
        label: which video it is; a part of another one begins anew.
    """

    def __init__(self, target: Path, label: str) -> None:
        self.target = target
        self.path = target.with_name(target.name + ".part")
        self._note = target.with_name(target.name + ".part.json")
        kept = self._read_note()
        self.part = kept if kept is not None and kept.video_id == label else Part(label)
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        if kept is None or kept.video_id != label:
            os.ftruncate(self._descriptor, 0)
        self.size = os.lseek(self._descriptor, 0, os.SEEK_END)

    def write(self, pieces: Iterable[bytes]) -> None:
        """Appends."""
        data = memoryview(b"".join(pieces))
        while data:
            data = data[os.write(self._descriptor, data) :]

    def note(self, part: Part) -> None:
        """Says what the part is of, before its first byte is there."""
        if part == self.part and self._note.exists():
            return
        self.part = part
        draft = self._note.with_name(self._note.name + ".new")
        draft.write_bytes(part.to_json())
        draft.replace(self._note)

    def restart(self) -> None:
        """Throws away what is there."""
        self._note.unlink(missing_ok=True)
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self.part = Part(self.part.video_id)

    def is_whole(self) -> bool:
        """Whether all of the video is there, by its length and its boxes."""
        size = os.fstat(self._descriptor).st_size
        return transfer.is_whole(size, self.part.length, self._read)

    def publish(self, overwrite: bool) -> None:  # noqa: FBT001  (called through an executor)
        """Gives the whole file its name, durably.

        Raises:
            FileExistsError: without `overwrite`, a file of that name appeared meanwhile.
        """
        os.fsync(self._descriptor)
        if overwrite:
            self.path.replace(self.target)
        else:
            self._publish_new()
        self._note.unlink(missing_ok=True)
        _sync_directory(self.target.parent)

    def close(self) -> None:
        """Closes the part; it stays where it is if it was not published."""
        os.close(self._descriptor)

    def _publish_new(self) -> None:
        try:
            os.link(self.path, self.target)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links: take the name first, then replace it
            os.close(os.open(self.target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            self.path.replace(self.target)
        else:
            self.path.unlink()

    def _read(self, offset: int, count: int) -> bytes:
        os.lseek(self._descriptor, offset, os.SEEK_SET)
        data = os.read(self._descriptor, count)
        os.lseek(self._descriptor, 0, os.SEEK_END)
        return data

    def _read_note(self) -> Part | None:
        try:
            return Part.from_json(self._note.read_bytes())
        except OSError:
            return None


def _sync_directory(directory: Path) -> None:
    # So that the new name survives a power cut; not every system can open a directory.
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
