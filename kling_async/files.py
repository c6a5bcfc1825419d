"""Files on this machine: where a video goes, and the part that becomes it. Blocking; called in threads."""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

import attrs

from kling_async.protocol import transfer
from kling_async.protocol.errors import SaveInProgress, TargetError, TargetExists
from kling_async.protocol.transfer import Part

PART = ".part"
NOTE = ".part.json"
DRAFT = ".new"
NAME_BYTES = 255
"""What file systems allow for a name."""


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
        refuse_existing(path, overwrite)
        _check_part(path)
        _check_writable(path.parent)
    except FileExistsError as error:
        raise error if isinstance(error, TargetError) else TargetError(f"{path} is a file, not a directory") from None
    except TargetError:
        raise
    except OSError as error:
        raise TargetError(f"{path} cannot be used: {error.strerror or error}") from None
    return Place(path, is_directory=False)


def refuse_existing(path: Path, overwrite: bool) -> None:  # noqa: FBT001  (called through an executor)
    """Raises `TargetExists` where something of that name would have to give way, and may not."""
    if path.is_symlink() and not path.exists() and not overwrite:
        raise TargetExists(f"{path} is a link to nothing; overwrite=True replaces it")
    if path.exists() and not path.is_file():
        raise TargetError(f"{path} is not a regular file")
    if path.exists() and not overwrite:
        raise TargetExists(f"{path} exists; overwrite=True replaces it")


def _check_part(path: Path) -> None:
    part = path.with_name(path.name + PART)
    if len(os.fsencode(path.name + NOTE + DRAFT)) > NAME_BYTES:
        raise TargetError(f"the name {path.name[:40]}… is too long: {PART} and {NOTE} are put behind it while it grows")
    if part.is_symlink() or (part.exists() and not part.is_file()):
        raise TargetError(f"{part} is in the way: it is no regular file")


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
        self.path = target.with_name(target.name + PART)
        self.part = Part(label)
        self.size = 0
        self._note = target.with_name(target.name + NOTE)
        self._descriptor = -1

    def open(self) -> None:
        """Opens the part, and goes on with what is there if it is of the same video.

        Raises:
            SaveInProgress: another process writes to it.
        """
        self._descriptor = self._locked(0)
        kept = self._read_note()
        if kept is not None and kept.video_id == self.part.video_id:
            self.part = kept
        else:
            self._begin_anew()
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
        draft = self._note.with_name(self._note.name + DRAFT)
        draft.write_bytes(part.to_json())
        draft.replace(self._note)

    def restart(self) -> None:
        """Throws away what is there."""
        self._begin_anew()
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
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)
        _sync_directory(self.target.parent)

    def close(self) -> None:
        """Closes the part; it stays where it is if it was not published."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _begin_anew(self) -> None:
        """A file of its own: what is there may be a published video that a crash left linked to this name."""
        self._note.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = -1
        self._descriptor = self._locked(os.O_EXCL)

    def _locked(self, flags: int) -> int:
        flags |= os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(self.path, flags, 0o666)
        try:
            _lock(descriptor)
        except BlockingIOError:
            os.close(descriptor)
            raise SaveInProgress(f"another process saves to {self.target}") from None
        return descriptor

    def _publish_new(self) -> None:
        try:
            os.link(self.path, self.target)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links: take the name first, then replace it
            os.close(os.open(self.target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            try:
                self.path.replace(self.target)
            except OSError:
                self.target.unlink()
                raise

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


def _lock(descriptor: int) -> None:
    """Keeps other processes from the part, where the system can; the lock goes with the descriptor."""
    try:
        import fcntl  # noqa: PLC0415  (not on Windows)
    except ImportError:
        return
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _sync_directory(directory: Path) -> None:
    # So that the new name survives a power cut; not every system can open a directory.
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
