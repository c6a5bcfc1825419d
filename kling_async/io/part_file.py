"""Partial files, which become the file once they are complete. Blocking; called in threads."""

import contextlib
import errno
import hashlib
import os
from pathlib import Path
from typing import Final

import attrs

from kling_async.io import system
from kling_async.io.directory_sync import DirectorySync
from kling_async.io.target import DRAFT, NOTE, PART, found, refuse_any_suffix, refuse_existing, shown
from kling_async.protocol import transfer
from kling_async.protocol.errors import SaveInProgress
from kling_async.protocol.media import contents
from kling_async.protocol.media.formats import EDGE_BYTES, SUFFIXES, suffix_of
from kling_async.protocol.media.shape import Shape
from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.transfer import End, Part

NO_LOCKS: Final = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
"""Error numbers of file systems without locks."""
AT_ONCE: Final = 512
"""Buffers passed to one call of `writev`; Linux and macOS accept 1024."""
NOTE_BYTES: Final = 2**16
"""Maximum size of a note that is read, in bytes."""


@attrs.frozen
class Ended:
    """The outcome of a part whose body ended cleanly.

    Attributes:
        end: published (`WHOLE`, `ODD`), or kept as a part (`SHORT`, `CUT`).
        digest: of its bytes, if only a second fetch can show whether it is complete.
    """

    end: End
    digest: bytes | None = None


class PartFile:
    """`NAME.part`, which becomes NAME, and `NAME.part.json`, the note, which identifies the file that it is a part of.

    Args:
        target: NAME.
        label: identifies the file; the part of another file is discarded.
        sync: makes NAME and its contents durable.
        kind: of the file.
        named: whether NAME is final; else a suffix that fits the contents is appended at the end.
    """

    def __init__(
        self,
        target: Path,
        label: str,
        sync: DirectorySync,
        kind: ResultKind = ResultKind.VIDEO,
        *,
        named: bool = True,
    ) -> None:
        self.target = target
        self.path = target.with_name(target.name + PART)
        self.part = Part(label)
        self.size = 0
        self._note = target.with_name(target.name + NOTE)
        self._noted: Part | None = None
        self._sync = sync
        self.kind = kind
        self._named = named
        self._descriptor = -1
        self._torn = False

    def open(self, *, overwrite: bool) -> None:
        """Opens the part; an existing part of the same file is resumed.

        Raises:
            TargetExists: the target exists.
            SaveInProgress: another process writes to the part.
        """
        refuse_existing(self.target, overwrite=overwrite)
        if not self._named:
            refuse_any_suffix(self.target, SUFFIXES, overwrite=overwrite)
        try:
            self._open_new()
        except FileExistsError:
            self._descriptor = self._locked(0)
            self._noted = self._read_note()
            if self._noted is not None and self._goes_on(self._noted):
                self.part = self._noted
                self.size = os.fstat(self._descriptor).st_size
            else:
                self.restart()

    def write(self, pieces: list[bytes], part: Part) -> None:
        """Appends pieces of the file that `part` describes; does nothing after a failure, as that would leave a gap."""
        start = self.size
        self._append(pieces, part)
        system.HERE.begin_writeback(self._descriptor, start, self.size - start)

    def finish(
        self,
        pieces: list[bytes],
        part: Part,
        *,
        overwrite: bool,
        before: bytes | None = None,
        checked_for_more: bool = False,
    ) -> Ended:
        """Appends the last pieces; if the file is complete then, publishes it durably under its name.

        Args:
            pieces: the last ones.
            part: describes the file.
            overwrite: whether to replace an existing file.
            before: digest of the previous fetch of the same file, if any.
            checked_for_more: whether the host was checked for more bytes than it announced.

        Raises:
            FileExistsError: without `overwrite`, a file of that name appeared meanwhile; the part is kept.
        """
        published = False
        try:
            # A file that is published at once needs no note, but an older note must not apply to these bytes.
            self._append(pieces, None if self._noted is None else part)
            shape = self.kind.shape_of(self.size, self._read)
            digest = self._digest() if part.length is None and shape is not Shape.WHOLE else None
            again = checked_for_more if digest is None else digest == before
            end = transfer.judge_end(self.size, part.length, shape, again=again)
            if end in {End.WHOLE, End.ODD}:
                if not self._named:
                    suffix = suffix_of(self._read(0, EDGE_BYTES))
                    self.target = self.target.with_name(self.target.name + suffix)
                self._publish(overwrite=overwrite)
                published = True
        finally:
            if not published:
                self._note_down(part)
        return Ended(end, digest)

    def restart(self) -> None:
        """Discards the part, and begins a new one."""
        # As a new file: the old one may be a published video that a crash left linked to this name.
        self._take_away()
        try:
            self._open_new()
        except FileExistsError:
            raise self._in_progress() from None
        self.part = Part(self.part.video_id)

    def close(self) -> None:
        """Closes the part; keeps it if it was not published and is not empty."""
        if self._descriptor < 0:
            return
        with contextlib.suppress(OSError):
            if self.size == 0 and self._is_there(self._descriptor):
                self._note.unlink(missing_ok=True)
                self._take_away()
        self._let_go()

    def _goes_on(self, noted: Part) -> bool:
        """Whether the part of an earlier save is the beginning of the same file."""
        size = os.fstat(self._descriptor).st_size
        if noted.video_id != self.part.video_id or (noted.length is not None and size > noted.length):
            return False
        return size > 0 and contents.text_in(self._read(0, contents.HEAD_BYTES)) is None

    def _open_new(self) -> None:
        self._descriptor = self._locked(os.O_EXCL)
        self._note.unlink(missing_ok=True)
        self._noted = None
        self._torn = False
        self.size = 0

    def _note_down(self, part: Part) -> None:
        """Writes the note, before the first byte of the part."""
        if part == self._noted:
            return
        draft = self._note.with_name(self._note.name + DRAFT)
        draft.unlink(missing_ok=True)  # a crash may have left it
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | system.HERE.own, 0o666)
        with open(descriptor, "wb") as file:  # noqa: PTH123  (a descriptor)
            file.write(part.to_json())
        draft.replace(self._note)
        self._noted = part

    def _append(self, pieces: list[bytes], noted: Part | None) -> None:
        if self._torn:
            return
        self._torn = True  # until everything is written, however this ends
        if noted is not None:
            self._note_down(noted)
        left = [memoryview(piece) for piece in pieces if piece]
        while left:
            written = system.HERE.write(self._descriptor, left[:AT_ONCE])
            self.size += written
            while left and written >= len(left[0]):
                written -= len(left.pop(0))
            if written:
                left[0] = left[0][written:]
        self._torn = False

    def _publish(self, *, overwrite: bool) -> None:
        self._sync.sync_file(self._descriptor)
        if self._noted is not None:  # before the part's name is free: then it would be the note of another save
            self._note.unlink(missing_ok=True)
            self._noted = None
        if not system.HERE.can_rename_open_files:
            self._let_go()
        if not overwrite:
            system.HERE.publish(self.path, self.target)
        else:
            self.path.replace(self.target)
            if self._descriptor >= 0 and self._is_there(self._descriptor):
                self.path.unlink()  # two names of the same file: `replace` did nothing
        self._sync.sync(self.target.parent)
        self.close()

    def _take_away(self) -> None:
        """Closes and deletes the part; where the system can, it stays locked until it is deleted."""
        if not system.HERE.can_rename_open_files:
            self._let_go()
        self.path.unlink(missing_ok=True)
        self._let_go()

    def _let_go(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _locked(self, flags: int) -> int:
        descriptor = os.open(self.path, flags | os.O_RDWR | os.O_CREAT | os.O_APPEND | system.HERE.own, 0o666)
        try:
            # The previous holder of the lock may have published or deleted this file.
            if _lock(descriptor) and self._is_there(descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        raise self._in_progress()

    def _is_there(self, descriptor: int) -> bool:
        """Whether the part's name still refers to this file; cannot change while the file is locked."""
        there = found(self.path, follow_symlinks=False)
        return there is not None and os.path.samestat(there, os.fstat(descriptor))

    def _in_progress(self) -> SaveInProgress:
        return SaveInProgress(f"another process saves to {shown(self.target)}")

    def _read(self, offset: int, count: int) -> bytes:
        return system.HERE.read(self._descriptor, offset, count)

    def _digest(self) -> bytes:
        digest, offset = hashlib.sha256(), 0
        while piece := self._read(offset, 2**20):
            digest.update(piece)
            offset += len(piece)
        return digest.digest()

    def _read_note(self) -> Part | None:
        try:
            # A named pipe in its place must not block.
            descriptor = os.open(self._note, os.O_RDONLY | system.HERE.own | system.HERE.nonblocking)
            with open(descriptor, "rb") as file:  # noqa: PTH123  (a descriptor)
                return Part.from_json(file.read(NOTE_BYTES))
        except OSError:
            return None


def _lock(descriptor: int) -> bool:
    """Locks the part against other processes, if the file system has locks; False if another process holds it.

    Closing the descriptor releases the lock.
    """
    try:
        return system.HERE.lock(descriptor)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    return True
