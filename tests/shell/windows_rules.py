"""A simulation of Windows: what it refuses, and what it lacks."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kling_async.io import system
from kling_async.io.system import Windows


class Locks:
    """`msvcrt.locking`: locks bytes at the descriptor's position, until the descriptor is closed."""

    LK_NBLCK = 2

    def __init__(self) -> None:
        self._held: dict[tuple[int, int, int], int] = {}

    def locking(self, descriptor: int, mode: int, count: int) -> None:
        """Locks, or refuses at once."""
        assert (mode, count) == (self.LK_NBLCK, 1)
        place = (*identity(os.fstat(descriptor)), os.lseek(descriptor, 0, os.SEEK_CUR))
        holder = self._held.get(place, descriptor)
        if descriptor != holder and _is(holder, place[:2]):
            raise PermissionError(13, "Permission denied")
        self._held[place] = descriptor


class Refused(PermissionError):
    """An operation that these rules refuse."""


def identity(of: os.stat_result) -> tuple[int, int]:
    """The identity of a file."""
    return of.st_dev, of.st_ino


def _is(descriptor: int, wanted: tuple[int, int]) -> bool:
    try:
        return identity(os.fstat(descriptor)) == wanted
    except OSError:  # it is closed
        return False


def is_open(path: Path | str) -> bool:
    """Whether this process has a file open."""
    if not os.path.lexists(path):
        return False
    wanted = identity(os.lstat(path))
    return any(_is(int(each.name), wanted) for each in Path("/dev/fd").iterdir())


def obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes `os` refuse what Windows refuses, and removes what Windows lacks."""
    for name in ("pread", "writev", "posix_fadvise", "O_NOFOLLOW", "O_NONBLOCK", "register_at_fork"):
        monkeypatch.delattr(os, name, raising=False)
    opened, rename = os.open, os.rename

    def open_(path: Path | str, flags: int, *more: int) -> int:
        if Path(path).is_dir():
            raise Refused(13, "Permission denied", str(path))
        return opened(path, flags, *more)

    def refusing(call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*paths: Path | str, **options: Any) -> Any:
            if any(map(is_open, paths)):
                raise Refused(13, "The process cannot access the file because it is being used", str(paths[0]))
            return call(*paths, **options)

        return called

    def rename_(old: Path | str, new: Path | str) -> None:
        if os.path.lexists(new):
            raise FileExistsError(17, "File exists", str(new))
        rename(old, new)

    monkeypatch.setattr(os, "open", open_)
    monkeypatch.setattr(os, "unlink", refusing(os.unlink))
    monkeypatch.setattr(os, "replace", refusing(os.replace))
    monkeypatch.setattr(os, "rename", refusing(rename_))
    monkeypatch.setattr(system, "HERE", Windows(Locks()))
