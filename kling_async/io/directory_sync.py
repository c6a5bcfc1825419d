"""Files and new names that survive a power cut. Blocking; called in threads."""

import contextlib
import threading
from pathlib import Path

from kling_async.io import system


class DirectorySync:
    """Syncs directories, one at a time, and once for all that wait.

    Syncs at the same moment fight for the directory and the journal, which costs more than all else in a small save.
    """

    def __init__(self) -> None:
        self._syncing = threading.Lock()
        self._adding = threading.Lock()
        self._waiting: dict[Path, set[object]] = {}

    def sync_file(self, descriptor: int) -> None:
        """Syncs what a file holds."""
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
            with contextlib.suppress(OSError):  # not every file system can
                system.HERE.sync_directory(directory)


class NoSync(DirectorySync):
    """Syncs nothing: for files of tests, which no power cut can take away too early."""

    def sync_file(self, descriptor: int) -> None:
        """Does nothing."""

    def sync(self, directory: Path) -> None:
        """Does nothing."""
