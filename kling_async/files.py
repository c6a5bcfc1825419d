"""Files on this machine: where a video goes, and the part that becomes it. Blocking; called in threads."""

import contextlib
import errno
import os
import stat
import threading
from pathlib import Path
from typing import Final

import attrs

from kling_async.protocol import transfer
from kling_async.protocol.errors import Remedy, SaveInProgress, TargetError, TargetExists
from kling_async.protocol.transfer import Part

PART = ".part"
NOTE = ".part.json"
DRAFT = ".new"
NAME_BYTES = 255
"""What file systems allow for a name."""
NO_LOCKS: Final = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
"""What a file system says that has no locks."""
AT_ONCE: Final = 512
"""Pieces given to one call of `writev`: Linux and macOS take 1024."""


@attrs.frozen
class Place:
    """Where to save, checked.

    Attributes:
        path: a file to make, or a directory.
        is_directory: which of the two.
        directory: device and number of the directory; the same for every way to name it.
    """

    path: Path
    is_directory: bool
    directory: tuple[int, int]


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
        found = _found(path)
        if found is not None and stat.S_ISDIR(found.st_mode):
            _check_writable(path)
            return Place(path, is_directory=True, directory=(found.st_dev, found.st_ino))
        parent = _found(path.parent)
        if parent is None or not stat.S_ISDIR(parent.st_mode):
            raise TargetError(f"there is no directory {path.parent}; make it first")
        refuse_existing(path, overwrite)
        _check_part(path)
        _check_writable(path.parent)
        return Place(path, is_directory=False, directory=(parent.st_dev, parent.st_ino))
    except FileExistsError as error:
        raise error if isinstance(error, TargetError) else TargetError(f"{path} is a file, not a directory") from None
    except TargetError:
        raise
    except OSError as error:
        raise TargetError(f"{path} cannot be used: {error.strerror or error}") from None


def refuse_existing(path: Path, overwrite: bool) -> None:  # noqa: FBT001  (called through an executor)
    """Raises `TargetExists` where something of that name would have to give way, and may not."""
    if _found(path, follow_symlinks=False) is None:
        return
    found = _found(path)
    if found is not None and not stat.S_ISREG(found.st_mode):
        raise TargetError(f"{path} is not a regular file")
    if not overwrite:
        what = "exists" if found is not None else "is a link to nothing"
        raise TargetExists(f"{path} {what}", remedy=Remedy.OVERWRITE)


def _check_part(path: Path) -> None:
    part = path.with_name(path.name + PART)
    if len(os.fsencode(path.name + NOTE + DRAFT)) > NAME_BYTES:
        raise TargetError(f"the name {path.name[:40]}… is too long: {PART} and {NOTE} are put behind it while it grows")
    found = _found(part, follow_symlinks=False)
    if found is not None and not stat.S_ISREG(found.st_mode):
        raise TargetError(f"{part} is in the way: it is no regular file")


def _found(path: Path, *, follow_symlinks: bool = True) -> os.stat_result | None:
    """What is there, by one call: each lets another thread in, and thousands of saves make many."""
    try:
        return path.stat(follow_symlinks=follow_symlinks)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _check_writable(directory: Path) -> None:
    if not os.access(directory, os.W_OK | os.X_OK):
        raise TargetError(f"no permission to write into {directory}")


class PartFile:
    """`NAME.part`, which grows into NAME, and `NAME.part.json`, which says what it is a part of.

    Args:
        target: NAME.
        label: which video it is; a part of another one begins anew.
        names: makes NAME durable.
    """

    def __init__(self, target: Path, label: str, names: "Names") -> None:
        self.target = target
        self.path = target.with_name(target.name + PART)
        self.part = Part(label)
        self.size = 0
        self._note = target.with_name(target.name + NOTE)
        self._noted: Part | None = None
        self._names = names
        self._descriptor = -1
        self._torn = False

    def open(self, overwrite: bool) -> None:  # noqa: FBT001  (called through an executor)
        """Opens the part, and goes on with what is there if it is of the same video.

        Raises:
            TargetExists: there is a file.
            SaveInProgress: another process writes to the part.
        """
        refuse_existing(self.target, overwrite)
        try:
            self._open_new()
        except FileExistsError:
            self._descriptor = self._locked(0)
            self._noted = self._read_note()
            if self._noted is None or self._noted.video_id != self.part.video_id:
                self.restart()
            else:
                self.part = self._noted
                self.size = os.fstat(self._descriptor).st_size

    def write(self, pieces: list[bytes], part: Part) -> None:
        """Appends pieces of what `part` says; nothing any more once that has failed, since it would leave a gap."""
        start = self.size
        self._append(pieces, part)
        _begin_writeback(self._descriptor, start, self.size - start)

    def finish(self, pieces: list[bytes], part: Part, overwrite: bool) -> bool:  # noqa: FBT001  (as above)
        """Appends the last pieces; if the video is whole then, gives it its name, durably. Tells whether it is.

        Raises:
            FileExistsError: without `overwrite`, a file of that name appeared meanwhile; what came is kept.
        """
        published = False
        try:
            # What is published at once needs no note, but an older one must not vouch for these bytes.
            self._append(pieces, None if self._noted is None else part)
            if not self._torn and transfer.is_whole(self.size, part.length, self._read):
                self._publish(overwrite)
                published = True
        finally:
            if not published:
                self._note_down(part)
        return published

    def restart(self) -> None:
        """Throws away what is there."""
        # A file of its own: what is there may be a published video that a crash left linked to this name.
        self.path.unlink(missing_ok=True)
        self.close()
        try:
            self._open_new()
        except FileExistsError:
            raise self._in_progress() from None
        self.part = Part(self.part.video_id)

    def close(self) -> None:
        """Closes the part; it stays where it is if it was not published."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open_new(self) -> None:
        self._descriptor = self._locked(os.O_EXCL)
        self._note.unlink(missing_ok=True)
        self._noted = None
        self._torn = False
        self.size = 0

    def _note_down(self, part: Part) -> None:
        """Says what the part is of, before its first byte is there."""
        if part == self._noted:
            return
        draft = self._note.with_name(self._note.name + DRAFT)
        draft.write_bytes(part.to_json())
        draft.replace(self._note)
        self._noted = part

    def _append(self, pieces: list[bytes], noted: Part | None) -> None:
        if self._torn:
            return
        self._torn = True  # until all is there, whatever ends this
        if noted is not None:
            self._note_down(noted)
        left = [memoryview(piece) for piece in pieces if piece]
        while left:
            written = _write(self._descriptor, left[:AT_ONCE])
            self.size += written
            while left and written >= len(left[0]):
                written -= len(left.pop(0))
            if written:
                left[0] = left[0][written:]
        self._torn = False

    def _publish(self, overwrite: bool) -> None:  # noqa: FBT001
        os.fsync(self._descriptor)
        if self._noted is not None:  # before the part's name is free: then it would be another's note
            self._note.unlink(missing_ok=True)
            self._noted = None
        if overwrite:
            self.path.replace(self.target)
            if self._is_there(self._descriptor):  # two names of one file: replacing one by the other does nothing
                self.path.unlink()
        else:
            self._publish_new()
        self._names.sync(self.target.parent)
        self.close()

    def _locked(self, flags: int) -> int:
        flags |= os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(self.path, flags, 0o666)
        try:
            # Whoever held the lock before may have published this file, or thrown it away.
            if _lock(descriptor) and self._is_there(descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        raise self._in_progress()

    def _is_there(self, descriptor: int) -> bool:
        """Whether the part's name means this file; as long as it is locked, that stays so."""
        found = _found(self.path, follow_symlinks=False)
        return found is not None and os.path.samestat(found, os.fstat(descriptor))

    def _in_progress(self) -> SaveInProgress:
        return SaveInProgress(f"another process saves to {self.target}")

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
        else:
            self.path.unlink()

    def _read(self, offset: int, count: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._descriptor, count, offset)
        os.lseek(self._descriptor, offset, os.SEEK_SET)  # writing appends wherever this is
        return os.read(self._descriptor, count)

    def _read_note(self) -> Part | None:
        try:
            return Part.from_json(self._note.read_bytes())
        except OSError:
            return None


def _write(descriptor: int, pieces: list[memoryview]) -> int:
    """Writes without joining first, where the system can; tells how many bytes."""
    return os.writev(descriptor, pieces) if hasattr(os, "writev") else os.write(descriptor, b"".join(pieces))


def _begin_writeback(descriptor: int, start: int, count: int) -> None:
    """Lets the disk begin, so that the sync at the end finds little left to do.

    What is asked for is to drop what lies there; as it is not on disk yet, Linux keeps it, and begins to write it.
    """
    if count and hasattr(os, "posix_fadvise"):  # none would mean all that follows
        with contextlib.suppress(OSError):  # advice
            os.posix_fadvise(descriptor, start, count, os.POSIX_FADV_DONTNEED)


def _lock(descriptor: int) -> bool:
    """Keeps other processes from the part, where system and file system can; False where one of them has it.

    The lock goes with the descriptor.
    """
    try:
        import fcntl  # noqa: PLC0415  (not on Windows)
    except ImportError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    return True


class Names:
    """Lets new names survive a power cut: syncs directories, one at a time, and once for all that wait.

    Syncs at the same moment fight for the directory and the journal, which costs more than all else in a small save.
    """

    def __init__(self) -> None:
        self._syncing = threading.Lock()
        self._adding = threading.Lock()
        self._waiting: dict[Path, set[object]] = {}

    def sync(self, directory: Path) -> None:
        """Syncs a directory, or waits for a sync that began after the call."""
        ticket = object()
        with self._adding:
            self._waiting.setdefault(directory, set()).add(ticket)
        with self._syncing:
            with self._adding:
                if ticket not in self._waiting.get(directory, ()):
                    return
                del self._waiting[directory]
            _sync_directory(directory)


def _sync_directory(directory: Path) -> None:
    with contextlib.suppress(OSError):  # not every system can open a directory
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
