"""Owners: which client works on what. Each holds a lock that the operating system drops when its process dies."""

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

_here: "weakref.WeakValueDictionary[str, Owner]" = weakref.WeakValueDictionary()
"""The owners of this process."""


class Owner:
    """A client's ownership of its work, for as long as it lives.

    Args:
        directory: beside the journal.
        loop: that the client runs on.
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
        _here[self.name] = self

    @property
    def lives(self) -> bool:
        """Whether its client can still work: a loop that is closed runs nothing any more."""
        loop = self._loop()
        return self._descriptor >= 0 and loop is not None and not loop.is_closed()

    @property
    def holds(self) -> bool:
        """As `lives`: a lock does not lapse."""
        return self.lives

    def release(self) -> None:
        """Lets go; idempotent."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                self._path.unlink()  # while it is locked: nobody takes it for that of a dead one
            os.close(descriptor)

    def after_fork(self) -> None:
        """In the child: the lock is the parent's alone."""
        self.forked = True
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def path_of(directory: Path, name: str) -> Path:
    """Where the lock of an owner is."""
    return directory / f"{_PREFIX}{name}{_SUFFIX}"


def _locked(path: Path) -> int:
    """A new file's descriptor, locked; -1 if somebody took the file for a dead one's before it was."""
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
    """Whether an owner is, or was, on another machine; containers of one machine share its boot, and its locks."""
    return owner.machine != machine() and not _is_of_this_boot(owner)


def _is_of_this_boot(owner: OwnerRow) -> bool:
    return owner.boot == boot() and (bool(owner.boot) or owner.machine == machine())


def is_gone(directory: Path, owner: OwnerRow | None) -> bool:
    """Whether an owner's client is closed or its process is dead; one that is only stopped still owns."""
    if owner is None or not _is_of_this_boot(owner):
        return True
    ours = _here.get(owner.name)
    if ours is not None:
        return not ours.lives
    try:
        descriptor = os.open(path_of(directory, owner.name), os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        return system.HERE.lock(descriptor, shared=True)  # two that look do not see each other
    finally:
        os.close(descriptor)


def forget_dead(directory: Path, wanted: Collection[str]) -> None:
    """Takes away the lock files of those that are gone.

    Args:
        directory: beside the journal.
        wanted: the names of owners that have work, and whose files stay.
    """
    kept = {path_of(directory, name) for name in wanted}
    for path in {*directory.glob(f"{_PREFIX}*{_SUFFIX}")} - kept:
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                if system.HERE.lock(descriptor):  # kept while it goes: `_locked` looks after that
                    path.unlink()
            finally:
                os.close(descriptor)


def machine() -> str:
    """Names this machine."""
    return system.machine_id() or f"{uuid.getnode():x}"


def boot() -> str:
    """Names the time since this machine was last started: no lock is older."""
    return system.boot_id()


def _after_fork() -> None:
    for owner in list(_here.values()):
        owner.after_fork()
    _here.clear()


system.at_fork(after_in_child=_after_fork)
