"""Targets of saves, checked before anything is paid. Blocking; called in threads."""

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import attrs

from kling_async.io import paths, system
from kling_async.io.paths import is_directory_name
from kling_async.protocol.errors import Remedy, TargetError, TargetExists
from kling_async.protocol.media.formats import SUFFIXES
from kling_async.protocol.result_kind import ResultKind

PART = ".part"
NOTE = ".part.json"
DRAFT = ".new"
PROBE = ".probe"
NAME_BYTES = 255
"""Maximum length of a file name, in bytes."""
PROBE_BYTES: Final = 4096
"""Bytes written to check that a disk has space for contents, not only for names."""


@attrs.frozen
class Target:
    """A checked target of a save.

    Attributes:
        path: a file to create, or a directory.
        is_directory: which of the two.
        directory: device and inode of the directory, which identify it under any path.
        kind: of the result, if known before the task has ended.
        name: stem of the file names in a directory; None for the id of the task.
    """

    path: Path
    is_directory: bool
    directory: tuple[int, int]
    kind: ResultKind | None = None
    name: str | None = None


def text_of(path: Any) -> str:
    """A path to save to, as text.

    Raises:
        TargetError: it is no path, or an address.
    """
    try:
        return paths.text_of(path)
    except ValueError as error:
        raise TargetError(str(error)) from None


def absolute(path: Any) -> str:
    """A path to save to, from the root; a separator at the end, which makes a directory, stays.

    Raises:
        TargetError: it is not a path, or the working directory no longer exists.
    """
    try:
        return paths.absolute(path)
    except ValueError as error:
        raise TargetError(str(error)) from None


def check_target(text: str, *, overwrite: bool) -> Target:
    """Checks a target by writing to it, before anything is paid or awaited; creates a directory for `text/`.

    The written file is removed, and the part of an earlier save is not touched.

    Raises:
        TargetExists: the file exists.
        TargetError: the target is not writable.
    """
    path = Path(text_of(text))
    try:
        if is_directory_name(text):
            path.mkdir(parents=True, exist_ok=True)
        there = found(path)
        if there is not None and stat.S_ISDIR(there.st_mode):
            _prove(path / "kling_async")
            return Target(path, is_directory=True, directory=(there.st_dev, there.st_ino))
        parent = found(path.parent)
        if parent is None or not stat.S_ISDIR(parent.st_mode):
            raise TargetError(f"there is no directory {shown(path.parent)}; make it first")
        refuse_existing(path, overwrite=overwrite)
        _check_part(path)
        _prove(path)
        return Target(path, is_directory=False, directory=(parent.st_dev, parent.st_ino))
    except FileExistsError as error:
        if isinstance(error, TargetError):
            raise
        raise TargetError(f"{shown(path)} is a file, not a directory") from None
    except TargetError:
        raise
    except UnicodeError:
        raise TargetError(f"{text!r} is no path to save to: it holds what no file name can") from None
    except OSError as error:
        raise TargetError(f"{shown(path)} cannot be written: {error.strerror or type(error).__name__}") from None


def check_target_for(
    text: str,
    task_id: str | None,
    *,
    watermark: bool,
    overwrite: bool,
    kind: ResultKind | None = None,
    several: bool | None = None,
    name: str | None = None,
) -> Target:
    """Checks a target for the files of a task.

    Args:
        text: a file or a directory.
        task_id: names the file in a directory; None if not known yet.
        watermark: whether the watermarked variant is saved.
        overwrite: whether an existing file may be replaced.
        kind: what is saved; None if only the finished task determines it.
        several: True if the target must be a directory, False if it must be a file; None for either.
        name: stem of the file names in a directory; None for the id of the task.

    Raises:
        TargetExists: the file exists.
        TargetError: the target cannot be used.
    """
    if several is False and is_directory_name(text):  # before the directory is created
        raise _no_file(text)
    place = attrs.evolve(check_target(text, overwrite=overwrite), kind=kind, name=name)
    if several is not None and several is not place.is_directory:
        raise _no_directory(text) if several else _no_file(text)
    stem, separator = (task_id, "-") if name is None else (name, ".")
    if place.is_directory and stem is not None and kind is not None:
        first = place.path / kind.file_name(stem, watermark=watermark, separator=separator)
        check_target(str(first), overwrite=overwrite)
        if kind is ResultKind.ANY:
            refuse_any_suffix(first, SUFFIXES, overwrite=overwrite)
        elif name is not None:  # the service chooses the format later
            refuse_any_suffix(first.with_suffix(""), kind.suffixes, overwrite=overwrite)
    return place


def shown(path: Path) -> str:
    """Returns a printable path: file names may contain bytes that are not text."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Raises `TargetExists` if the path exists and may not be overwritten; `TargetError` if it is no regular file."""
    if found(path, follow_symlinks=False) is None:
        return
    there = found(path)
    if there is not None and not stat.S_ISREG(there.st_mode):
        raise TargetError(f"{shown(path)} is not a regular file")
    if not overwrite:
        what = "exists" if there is not None else "is a link to nothing"
        raise TargetExists(f"{shown(path)} {what}", remedy=Remedy.OVERWRITE)


def refuse_any_suffix(path: Path, suffixes: Iterable[str], *, overwrite: bool) -> None:
    """As `refuse_existing`, for a file that gets one of these suffixes, depending on its contents."""
    for suffix in suffixes:
        refuse_existing(path.with_name(path.name + suffix), overwrite=overwrite)


def _no_file(text: str) -> TargetError:
    return TargetError(
        f"{text!r} is a directory: generate needs the name of a file. In a directory a file is called after its task, "
        "so that a second run would find none and pay again; submit and save do that"
    )


def _no_directory(text: str) -> TargetError:
    return TargetError(
        f"{text!r} is no directory, which several files need; put {os.sep!r} behind the name of a new one"
    )


def _check_part(path: Path) -> None:
    if len(os.fsencode(path.name + NOTE + DRAFT)) > NAME_BYTES:
        raise TargetError(
            f"the name {shown(Path(path.name[:40]))}… is too long: {PART} and {NOTE} are put behind it while it grows"
        )
    for ending in (PART, NOTE, NOTE + DRAFT):
        ours = path.with_name(path.name + ending)
        there = found(ours, follow_symlinks=False)
        if there is None:
            continue
        if not stat.S_ISREG(there.st_mode):
            raise TargetError(f"{shown(ours)} is in the way: it is no regular file")
        if ending == PART:
            os.close(os.open(ours, os.O_WRONLY | os.O_APPEND | system.HERE.own))


def _prove(path: Path) -> None:
    """Creates a file beside a path, as the part will be, writes to it, and deletes it.

    It is not named like the part, to which another process may be saving.
    """
    probe, flags = system.HERE.probe(path.with_name(path.name + PART + PROBE))  # no longer than the note's draft
    descriptor = _made_anew(probe, flags)
    try:
        if os.write(descriptor, bytes(PROBE_BYTES)) < PROBE_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(descriptor)
        probe.unlink(missing_ok=True)  # a concurrent check of the same target deletes it, too


def _made_anew(probe: Path, flags: int) -> int:
    """Creates a file; replaces one that another process left or is using, which needs its name no more."""
    while True:
        try:
            return os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | flags, 0o600)
        except FileExistsError:
            there = found(probe, follow_symlinks=False)
            if there is not None and not (stat.S_ISREG(there.st_mode) and there.st_size <= PROBE_BYTES):
                raise TargetError(f"{shown(probe)} is in the way: it is not what a save leaves there") from None
            probe.unlink(missing_ok=True)


def found(path: Path, *, follow_symlinks: bool = True) -> os.stat_result | None:
    """Returns the status of a path, or None, by one system call: with thousands of saves, each call counts."""
    try:
        return path.stat(follow_symlinks=follow_symlinks)
    except (FileNotFoundError, NotADirectoryError):
        return None
