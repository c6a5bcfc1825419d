"""Owners of entries: each client holds a file lock, which the operating system releases when the process dies."""

import asyncio
import contextlib
import os
import secrets
import uuid
import weakref
from collections.abc import Collection
from pathlib import Path
from typing import Final

from kling_async.io import system
from kling_async.journal.store import OwnerRow
from kling_async.protocol.errors import JournalError

_PREFIX: Final = "owner-"
_SUFFIX: Final = ".lock"

_owners_here: "weakref.WeakValueDictionary[str, Owner]" = weakref.WeakValueDictionary()
"""The owners of this process."""


class Owner:
    """A client's ownership of its work, for as long as the client lives.

    Args:
        directory: the directory beside the journal.
        loop: the loop that the client runs on.
    """

    def __init__(self, directory: Path, loop: asyncio.AbstractEventLoop) -> None:
        if not system.HERE.journals:
            raise JournalError(
                "a journal needs locks that this system does not have (flock); leave it out, or run on Linux or macOS"
            )
        self.id = 0
        self._loop = weakref.ref(loop)
        self._descriptor = -1
        while self._descriptor < 0:
            self.name = secrets.token_hex(8)
            self._path = path_of(directory, self.name)
            self._descriptor = _locked(self._path)
        self.forked = False
        _owners_here[self.name] = self

    @property
    def lives(self) -> bool:
        """Whether the client can still work: it cannot once its loop is closed."""
        loop = self._loop()
        return self._descriptor >= 0 and loop is not None and not loop.is_closed()

    @property
    def holds(self) -> bool:
        """As `lives`: a lock does not expire."""
        return self.lives

    def release(self) -> None:
        """Releases the lock; idempotent."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                self._path.unlink()  # while still locked, so that no other client takes it for a dead owner's file
            os.close(descriptor)

    def after_fork(self) -> None:
        """Closes the descriptor in the child: the lock belongs to the parent."""
        self.forked = True
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def path_of(directory: Path, name: str) -> Path:
    """Returns the path of an owner's lock file."""
    return directory / f"{_PREFIX}{name}{_SUFFIX}"


def _locked(path: Path) -> int:
    """Creates and locks a file; returns its descriptor, or -1 if `forget_dead` deleted it before it was locked."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        if system.HERE.lock(descriptor) and path.exists():
            return descriptor
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return -1


def is_elsewhere(owner: OwnerRow) -> bool:
    """Whether an owner is, or was, on another machine; containers on one machine share its boot id and its locks."""
    return owner.machine != machine() and not _is_of_this_boot(owner)


def _is_of_this_boot(owner: OwnerRow) -> bool:
    return owner.boot == boot() and (bool(owner.boot) or owner.machine == machine())


def is_gone(directory: Path, owner: OwnerRow | None) -> bool:
    """Whether an owner's client is closed or its process is dead; a process that is only stopped still owns work."""
    if owner is None or not _is_of_this_boot(owner):
        return True
    local = _owners_here.get(owner.name)
    if local is not None:
        return not local.lives
    try:
        descriptor = os.open(path_of(directory, owner.name), os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        return system.HERE.lock(descriptor, shared=True)  # shared: two processes that check do not block each other
    finally:
        os.close(descriptor)


def forget_dead(directory: Path, wanted: Collection[str]) -> None:
    """Deletes the lock files of owners that are gone.

    Args:
        directory: the directory beside the journal.
        wanted: the names of owners that have work, whose files stay.
    """
    kept = {path_of(directory, name) for name in wanted}
    for path in {*directory.glob(f"{_PREFIX}*{_SUFFIX}")} - kept:
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                if system.HERE.lock(descriptor):  # held during the deletion, which `_locked` checks for
                    path.unlink()
            finally:
                os.close(descriptor)


def machine() -> str:
    """Returns an id of this machine."""
    return system.machine_id() or f"{uuid.getnode():x}"


def boot() -> str:
    """Returns the boot id of this machine: no lock survives a boot."""
    return system.boot_id()


def _after_fork() -> None:
    for owner in list(_owners_here.values()):
        owner.after_fork()
    _owners_here.clear()


system.at_fork(after_in_child=_after_fork)
