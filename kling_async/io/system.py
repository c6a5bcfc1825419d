"""What differs between operating systems: all of it is here, and PLATFORMS.md says what follows. Blocking calls."""

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
"""Which byte Windows locks: the last that every version of its calls can name, and that hardly a file has."""


class System(Protocol):
    """An operating system, in what others do otherwise."""

    own: int
    """How files of our own names are opened: a link in their place would lead anywhere."""
    waits_for_nobody: int
    """How files are opened that may be something else: a named pipe would wait for its other end."""
    renames_what_is_open: bool
    """Whether a file may get another name, or none, while somebody has it open."""
    journals: bool
    """Whether its locks are those that a journal rests on."""

    def lock(self, descriptor: int, *, shared: bool = False) -> bool:
        """Locks a file for as long as the descriptor is open; False where somebody else has it.

        Raises:
            OSError: its file system has no locks.
        """
        ...

    def sync(self, descriptor: int) -> None:
        """Brings what was written to a file, or the names in a directory, to where no power cut reaches it."""
        ...

    def sync_directory(self, directory: Path) -> None:
        """Makes the names in a directory durable."""
        ...

    def publish(self, part: Path, target: Path) -> None:
        """Gives a file a name that nothing has yet, and takes its old one away.

        Raises:
            FileExistsError: something has that name.
        """
        ...

    def probe(self, path: Path) -> tuple[Path, int]:
        """How to call and open a file that proves a place; one that a kill leaves there does not stay for long.

        Args:
            path: what it is called at best.
        """
        ...

    def most_files(self) -> tuple[int | None, int | None]:
        """How many files may be open: the limit that counts, and the highest that it may be set to; None for none."""
        ...

    def begin_writeback(self, descriptor: int, start: int, count: int) -> None:
        """Lets the disk begin, so that a sync later finds little left to do."""

    def write(self, descriptor: int, pieces: Sequence[memoryview]) -> int:
        """Appends pieces, without joining them first where that can be; tells how many bytes."""
        ...

    def read(self, descriptor: int, offset: int, count: int) -> bytes:
        """Reads from a place in a file."""
        ...


class Posix:
    """Linux, macOS, BSD.

    Args:
        fcntl: the module.
        resource: the module.
    """

    renames_what_is_open = True
    journals = True

    def __init__(self, fcntl: Any, resource: Any) -> None:
        self._fcntl = fcntl
        self._resource = resource
        self.own: int = getattr(os, "O_NOFOLLOW", 0)
        self.waits_for_nobody: int = getattr(os, "O_NONBLOCK", 0)

    def lock(self, descriptor: int, *, shared: bool = False) -> bool:
        """As `System.lock`: `flock`, since `lockf` is dropped by whatever of this process closes the file."""
        kind = self._fcntl.LOCK_SH if shared else self._fcntl.LOCK_EX
        try:
            self._fcntl.flock(descriptor, kind | self._fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def sync(self, descriptor: int) -> None:
        """As `System.sync`: on macOS, `fsync` leaves it in the cache of the disk."""
        if hasattr(self._fcntl, "F_FULLFSYNC"):
            with contextlib.suppress(OSError):  # not every file system knows it
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
        """As `System.publish`: by a second name, since renaming replaces."""
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
        """As `System.probe`: always the same name, so that what a kill leaves goes the next time."""
        return path, self.own

    def most_files(self) -> tuple[int | None, int | None]:
        """As `System.most_files`."""
        endless = self._resource.RLIM_INFINITY
        soft, hard = self._resource.getrlimit(self._resource.RLIMIT_NOFILE)
        return None if soft == endless else soft, None if hard == endless else hard

    def begin_writeback(self, descriptor: int, start: int, count: int) -> None:
        """As `System.begin_writeback`.

        What is asked for is to drop what lies there; as it is not on disk yet, Linux keeps it, and begins to write it.
        """
        if count and hasattr(os, "posix_fadvise"):  # not on macOS; a count of 0 would mean all that follows
            with contextlib.suppress(OSError):  # advice
                os.posix_fadvise(descriptor, start, count, os.POSIX_FADV_DONTNEED)

    def write(self, descriptor: int, pieces: Sequence[memoryview]) -> int:
        """As `System.write`."""
        return os.writev(descriptor, pieces)

    def read(self, descriptor: int, offset: int, count: int) -> bytes:
        """As `System.read`."""
        return os.pread(descriptor, count, offset)


class Windows:
    """Windows, whose files keep their names while somebody has them open, and whose directories cannot be opened.

    Args:
        msvcrt: the module.
    """

    renames_what_is_open = False
    journals = False

    def __init__(self, msvcrt: Any) -> None:
        self._msvcrt = msvcrt
        self.own: int = getattr(os, "O_BINARY", 0)
        self.waits_for_nobody = self.own

    def lock(self, descriptor: int, *, shared: bool = False) -> bool:  # noqa: ARG002  (it has no shared ones)
        """As `System.lock`: of one byte, since others can neither read nor write those that are locked."""
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
        """As `System.sync_directory`: NTFS keeps a log of names, and lets nobody sync them."""

    def publish(self, part: Path, target: Path) -> None:
        """As `System.publish`: renaming replaces nothing there."""
        os.rename(part, target)  # noqa: PTH104  (Path.rename says that it may replace)

    def probe(self, path: Path) -> tuple[Path, int]:
        """As `System.probe`: its name is its own, as nobody else could take it away; it goes when it is closed."""
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
"""The system that this runs on."""


def at_fork(**hooks: Callable[[], object]) -> None:
    """Calls these at each fork of this process, as `os.register_at_fork` does; on Windows no process forks."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(**hooks)


def machine_id() -> str:
    """Names this machine where it has such a name, as Linux does; else empty."""
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        with contextlib.suppress(OSError):
            if text := Path(path).read_text("ascii").strip():
                return text
    return ""


def boot_id() -> str:
    """Names the time since this machine was last started, where that has a name, as on Linux; else empty."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return ""


def boot_time() -> float:
    """Seconds of a clock that is never set, and that goes on while the machine sleeps, where there is such a one."""
    clock: int | None = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


def mounts() -> str:
    """What is mounted where, as Linux says it; else empty."""
    with contextlib.suppress(OSError):
        return Path("/proc/self/mounts").read_text("utf-8", "replace")
    return ""
