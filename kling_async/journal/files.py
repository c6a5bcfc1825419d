"""Files beside a journal, and checks of the files of requests and results. Blocking; called in threads."""

import contextlib
import hashlib
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import attrs

from kling_async.io import system
from kling_async.io.upload import opened, reason
from kling_async.journal.contents import Part
from kling_async.journal.entry import SavedFile
from kling_async.protocol.errors import InvalidRequest, JournalError, MediaFileMissing, Problem
from kling_async.protocol.media.given import Media, MediaSource
from kling_async.protocol.media.sound import Sound

NETWORK: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "fuse.sshfs", "glusterfs"})
"""File systems on which the locks of SQLite or of owners may not work."""


def marks_of(parts: Sequence[Part], name: str) -> list[dict[str, Any]]:
    """Returns the marks for the files of a request: a path or the name of a stored file, a digest, and the kind.

    The digest of a missing file is None: such a file can only be compared by its path.

    Raises:
        InvalidRequest: a file cannot be read.
    """
    marks = []
    for number, part in enumerate(parts):
        if part.path is None:
            where: dict[str, str | None] = {"kept": f"{name}-{number}"}
            digest: str | None = hashlib.sha256(part.data or b"").hexdigest()
        else:
            where = {"path": os.path.abspath(part.path)}  # noqa: PTH100  (links stay as they were given)
            try:
                digest = _digest_of(part.given)
            except MediaFileMissing:
                digest = None
        marks.append(where | {"sha256": digest, "kind": type(part.given).__name__})
    return marks


def refuse_gone(parts: Sequence[Part], marks: Sequence[Mapping[str, Any]]) -> None:
    """Refuses to send missing files.

    Raises:
        MediaFileMissing: a file is missing.
    """
    for part, mark in zip(parts, marks, strict=True):
        if mark["sha256"] is None:
            raise _gone(part.given)


def keep(directory: Path, parts: Sequence[Part], marks: Sequence[Mapping[str, Any]]) -> None:
    """Writes media given as bytes beside the journal, where they stay until the task is accepted.

    Raises:
        JournalError: a file cannot be written.
    """
    path = directory
    try:
        for part, mark in zip(parts, marks, strict=True):
            if "kept" in mark:
                path = directory / mark["kept"]
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(part.data or b"")
                    file.flush()
                    system.HERE.sync(descriptor)
        if path != directory:
            system.HERE.sync_directory(directory)
    except OSError as error:
        raise JournalError(f"{path} cannot be written: {error.strerror}; nothing was sent") from None


def forget(directory: Path, marks: Sequence[Mapping[str, Any]]) -> None:
    """Deletes the stored files of a request."""
    for mark in marks:
        if "kept" in mark:
            with contextlib.suppress(OSError):
                (directory / mark["kept"]).unlink()


def forget_all(directory: Path, owner: str, wanted: Collection[str]) -> None:
    """Deletes files that a dead owner stored for creates that it never began.

    Args:
        directory: the directory beside the journal.
        owner: the name of the owner.
        wanted: the names of files that are still needed.
    """
    for path in directory.glob(f"{owner}-*"):
        if path.name not in wanted:
            path.unlink(missing_ok=True)


def restore(directory: Path, mark: Mapping[str, Any], kinds: Mapping[str, type[Media]]) -> Media | str:
    """Returns the file or text that a mark stands for.

    Raises:
        InvalidRequest: the file is missing or has changed.
    """
    kind = kinds.get(mark["kind"])
    path = directory / mark["kept"] if "kept" in mark else Path(mark["path"])
    if kind is not None and "path" in mark:
        given = kind(MediaSource.PATH, path=str(path))
        if _digest_of(given) != mark["sha256"]:
            raise InvalidRequest.of([Problem(str(path), "has changed since it was to be sent")])
        return given
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidRequest.of([Problem(str(path), f"cannot be read: {reason(error)}")]) from None
    return data.decode() if kind is None else kind(MediaSource.DATA, data=data)


def describe(path: Path) -> SavedFile:
    """Returns the size and digest of a file that is completely written."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return SavedFile(os.path.abspath(path), os.fstat(file.fileno()).st_size, digest)  # noqa: PTH100  (as above)


def are_whole(files: Sequence[SavedFile]) -> bool:
    """Whether all files exist and are as they were saved."""
    try:
        return bool(files) and all(
            Path(file.path).stat().st_size == file.size and describe(Path(file.path)).sha256 == file.sha256
            for file in files
        )
    except OSError:
        return False


def moved(files: Sequence[SavedFile], place: str) -> list[Path]:
    """Returns the paths of saved files that were moved to a place, if all are there unchanged; else none.

    Args:
        files: the files of one piece of work.
        place: a directory, or the path of the file if there is only one.
    """
    names = [os.path.basename(file.path) for file in files]  # noqa: PTH119  (texts)
    is_directory = os.path.isdir(place)  # noqa: PTH112  (that of Path raises where one may not look)
    paths = [Path(place, name) for name in names] if is_directory else [Path(place)] * (len(files) == 1)
    there = [attrs.evolve(file, path=str(path)) for file, path in zip(files, paths, strict=False)]
    return paths if are_whole(there) else []


def prepare(path: Path) -> Path:
    """Creates the directory beside a journal if it does not exist, and returns its path.

    Raises:
        JournalError: it cannot be created, or is on a file system where locks do not work.
    """
    file = Path(os.path.realpath(path))  # one directory for all links to a journal
    directory = file.with_name(f"{file.name}.files")
    kind = file_system(str(file.parent), system.mounts())
    if kind in NETWORK:
        raise JournalError(
            f"{path} is on a network file system ({kind}), where the locks of a journal do not hold; put it on a disk "
            "of this machine"
        )
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        if directory.stat().st_mode & 0o077:
            directory.chmod(0o700)
    except OSError as error:
        raise JournalError(f"the journal {path} cannot be opened: {error.strerror} ({directory})") from None
    return directory


def file_system(path: str, mounts: str) -> str | None:
    """Returns the type of the file system that a path is on, from the text of `/proc/self/mounts`."""
    found = ("", "")
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) > 2:
            place = fields[1].encode().decode("unicode_escape")
            if (path == place or path.startswith(f"{place.rstrip('/')}/")) and len(place) >= len(found[0]):
                found = (place, fields[2])
    return found[1] or None


def _digest_of(given: Media | str) -> str:
    if isinstance(given, str):
        return hashlib.sha256(given.encode()).hexdigest()
    try:
        with opened(given) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise _gone(given) from None
    except (OSError, ValueError) as error:
        raise InvalidRequest.of([Problem(given.path or "", f"cannot be read: {reason(error)}")]) from None


def _gone(given: Media | str) -> InvalidRequest:
    kind: Literal["image", "sound"] = "sound" if isinstance(given, Sound) else "image"
    path = given.path if isinstance(given, Media) else None
    return InvalidRequest.of([Problem(path or kind, "is gone, and must be there to be sent", missing_file=kind)])
