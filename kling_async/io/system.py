"""All differences between operating systems; PLATFORMS.md describes the consequences. Blocking calls."""

import contextlib
import importlib
import os
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

_LOCKED_BYTE: Final = 2**31 - 2
"""Offset of the byte that is locked on Windows: the last one in the range of every API, beyond most files."""


class System(Protocol):
    """What differs between operating systems."""

    own: int
    """Flags for opening files with names of this package: no symbolic links, which may lead anywhere."""
    nonblocking: int
    """Flags for opening files that may be something else: a named pipe must not block."""
    can_rename_open_files: bool
    """Whether an open file can be renamed and deleted."""
    journals: bool
    """Whether its locks are sufficient for a journal."""

    def lock(self, descriptor: int, *, shared: bool = False) -> bool:
        """Locks a file for as long as the descriptor is open; False if it is locked already.

        Raises:
            OSError: its file system has no locks.
        """
        ...

    def sync(self, descriptor: int) -> None:
        """Makes the contents of a file, or the names in a directory, durable against a power cut."""
        ...

    def sync_directory(self, directory: Path) -> None:
        """Makes the names in a directory durable."""
        ...

    def publish(self, part: Path, target: Path) -> None:
        """Renames a file without replacing an existing one.

        Raises:
            FileExistsError: the new name exists.
        """
        ...

    def probe(self, path: Path) -> tuple[Path, int]:
        """Returns name and flags of a probe file; one that a killed process leaves behind is removed later.

        Args:
            path: the preferred name.
        """
        ...

    def most_files(self) -> tuple[int | None, int | None]:
        """Returns the soft and the hard limit of open files; None for no limit."""
        ...

    def begin_writeback(self, descriptor: int, start: int, count: int) -> None:
        """Starts writing to disk, so that a later sync takes less time."""

    def write(self, descriptor: int, pieces: Sequence[memoryview]) -> int:
        """Appends pieces, without joining them first if possible; returns the number of bytes written."""
        ...

    def read(self, descriptor: int, offset: int, count: int) -> bytes:
        """Reads from an offset in a file."""
        ...


class Posix:
    """Linux, macOS, BSD.

    Args:
        fcntl: the module.
        resource: the module.
    """

    can_rename_open_files = True
    journals = True

    def __init__(self, fcntl: Any, resource: Any) -> None:
        self._fcntl = fcntl
        self._resource = resource
        self.own: int = getattr(os, "O_NOFOLLOW", 0)
        self.nonblocking: int = getattr(os, "O_NONBLOCK", 0)

    def lock(self, descriptor: int, *, shared: bool = False) -> bool:
        """As `System.lock`: `flock`, since `lockf` is released when anything in this process closes the file."""
        kind = self._fcntl.LOCK_SH if shared else self._fcntl.LOCK_EX
        try:
            self._fcntl.flock(descriptor, kind | self._fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def sync(self, descriptor: int) -> None:
        """As `System.sync`: on macOS, `fsync` leaves the data in the cache of the disk."""
        if hasattr(self._fcntl, "F_FULLFSYNC"):
            with contextlib.suppress(OSError):  # some file systems do not support it
                self._fcntl.fcntl(descriptor, self._fcntl.F_FULLFSYNC)
                return
        os.fsync(descriptor)

    def sync_directory(self, directory: Path) -> None:
        """As `System.sync_directory`."""
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            self.sync(descriptor)
        finally:
            os.close(descriptor)

    def publish(self, part: Path, target: Path) -> None:
        """As `System.publish`: by a hard link, since renaming replaces."""
        try:
            os.link(part, target)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links: take the name first, then replace it
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            try:
                part.replace(target)
            except OSError:
                target.unlink()
                raise
        else:
            part.unlink()

    def probe(self, path: Path) -> tuple[Path, int]:
        """As `System.probe`: always the same name, so that the next probe removes one that was left behind."""
        return path, self.own

    def most_files(self) -> tuple[int | None, int | None]:
        """As `System.most_files`."""
        endless = self._resource.RLIM_INFINITY
        soft, hard = self._resource.getrlimit(self._resource.RLIMIT_NOFILE)
        return None if soft == endless else soft, None if hard == endless else hard

    def begin_writeback(self, descriptor: int, start: int, count: int) -> None:
        """As `System.begin_writeback`.

        The advice is to drop the pages from the cache; as they are dirty, Linux keeps them, and begins to write them.
        """
        if count and hasattr(os, "posix_fadvise"):  # not on macOS; a count of 0 would mean the rest of the file
            with contextlib.suppress(OSError):  # only advice
                os.posix_fadvise(descriptor, start, count, os.POSIX_FADV_DONTNEED)

    def write(self, descriptor: int, pieces: Sequence[memoryview]) -> int:
        """As `System.write`."""
        return os.writev(descriptor, pieces)

    def read(self, descriptor: int, offset: int, count: int) -> bytes:
        """As `System.read`."""
        return os.pread(descriptor, count, offset)


class Windows:
    """Windows, where open files cannot be renamed, and directories cannot be opened.

    Args:
        msvcrt: the module.
    """

    can_rename_open_files = False
    journals = False

    def __init__(self, msvcrt: Any) -> None:
        self._msvcrt = msvcrt
        self.own: int = getattr(os, "O_BINARY", 0)
        self.nonblocking = self.own

    def lock(self, descriptor: int, *, shared: bool = False) -> bool:  # noqa: ARG002  (there are no shared locks)
        """As `System.lock`: locks one byte, since other processes can neither read nor write locked bytes."""
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)  # writing appends wherever this is
        try:
            self._msvcrt.locking(descriptor, self._msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

    def sync(self, descriptor: int) -> None:
        """As `System.sync`."""
        os.fsync(descriptor)

    def sync_directory(self, directory: Path) -> None:
        """As `System.sync_directory`: does nothing, as NTFS journals names and offers no sync."""

    def publish(self, part: Path, target: Path) -> None:
        """As `System.publish`: renaming does not replace on Windows."""
        os.rename(part, target)  # noqa: PTH104  (Path.rename is documented to replace)

    def probe(self, path: Path) -> tuple[Path, int]:
        """As `System.probe`: a unique name, as no other process could delete it; it is deleted when closed."""
        return path.with_name(f"{secrets.token_hex(8)}{path.suffix}"), self.own | getattr(os, "O_TEMPORARY", 0)

    def most_files(self) -> tuple[int | None, int | None]:
        """As `System.most_files`: there is no such limit."""
        return None, None

    def begin_writeback(self, descriptor: int, start: int, count: int) -> None:
        """As `System.begin_writeback`: there is no such advice."""

    def write(self, descriptor: int, pieces: Sequence[memoryview]) -> int:
        """As `System.write`."""
        return os.write(descriptor, b"".join(pieces))

    def read(self, descriptor: int, offset: int, count: int) -> bytes:
        """As `System.read`."""
        os.lseek(descriptor, offset, os.SEEK_SET)  # writing appends wherever this is
        return os.read(descriptor, count)


def _here() -> System:
    if sys.platform == "win32":
        return Windows(importlib.import_module("msvcrt"))
    return Posix(importlib.import_module("fcntl"), importlib.import_module("resource"))


HERE: Final[System] = _here()
"""The system that this process runs on."""


def at_fork(**hooks: Callable[[], object]) -> None:
    """Registers hooks as `os.register_at_fork` does; does nothing on Windows, where processes do not fork."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(**hooks)


def machine_id() -> str:
    """Returns the id of this machine, which exists on Linux; else an empty string."""
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        with contextlib.suppress(OSError):
            if text := Path(path).read_text("ascii").strip():
                return text
    return ""


def boot_id() -> str:
    """Returns the id of the current boot of this machine, which exists on Linux; else an empty string."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return ""


def boot_time() -> float:
    """Seconds of a monotonic clock, which includes the time that the machine sleeps if the system has such a clock."""
    clock: int | None = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


def mounts() -> str:
    """Returns the mount table on Linux; else an empty string."""
    with contextlib.suppress(OSError):
        return Path("/proc/self/mounts").read_text("utf-8", "replace")
    return ""
