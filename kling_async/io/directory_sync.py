"""Syncs files and directories, so that they survive a power cut. Blocking; called in threads."""

import contextlib
import threading
from pathlib import Path

from kling_async.io import system


class DirectorySync:
    """Syncs directories one at a time; one sync serves all waiters.

    Concurrent syncs contend for the directory and the file system's journal, which dominates the cost of a small save.
    """

    def __init__(self) -> None:
        self._syncing = threading.Lock()
        self._adding = threading.Lock()
        self._waiting: dict[Path, set[object]] = {}

    def sync_file(self, descriptor: int) -> None:
        """Syncs the contents of a file."""
        system.HERE.sync(descriptor)

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
            with contextlib.suppress(OSError):  # some file systems do not support it
                system.HERE.sync_directory(directory)


class NoSync(DirectorySync):
    """Syncs nothing; for tests, whose files need not survive a power cut."""

    def sync_file(self, descriptor: int) -> None:
        """Does nothing."""

    def sync(self, directory: Path) -> None:
        """Does nothing."""
