"""Requests as the journal stores them, as JSON without the bytes of files; and the differences between two of them."""

import functools
import re
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any, Final

import attrs

from kling_async.journal.entry import Entry
from kling_async.journal.store import Work
from kling_async.protocol.errors import Difference
from kling_async.protocol.media.given import Media, MediaSource

FILE: Final = "kling_async.file"
"""The only member of a mark, which takes the place of a file; its value describes the file."""
_NOT_COMPARED: Final = frozenset({"external_task_id", "callback_url"})
_BASE64: Final = re.compile(r"(?:data:[^,]*,)?[A-Za-z0-9+/=_\s-]{1000,}")
"""Text in a request to a raw path that may be a file: no prompt is that long without any other character."""
_SHOWN: Final = 80
_DIGEST_SHOWN: Final = 12
_ABSENT: Final = "(absent)"


@attrs.frozen
class Part:
    """A file of a request, or text as long as one.

    Attributes:
        given: bytes, a path, or base64 text, as the caller gave it.
    """

    given: Media | str

    @property
    def path(self) -> str | None:
        """The path of the file; None if bytes or text were given."""
        return self.given.path if isinstance(self.given, Media) and self.given.source is MediaSource.PATH else None

    @property
    def data(self) -> bytes | None:
        """The bytes to store; None for a file given by its path."""
        if isinstance(self.given, str):
            return self.given.encode()
        return self.given.data


def split(members: Mapping[str, Any]) -> tuple[dict[str, Any], list[Part]]:
    """Returns the members as stored if there are no files, and the files among them, in order."""
    parts: list[Part] = []
    plain: dict[str, Any] = _mapped(members, parts.append)
    return plain, parts


def kept(members: Mapping[str, Any], marks: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the members with marks in place of their files."""
    remaining = iter(marks)
    found: dict[str, Any] = _mapped(members, lambda _: {FILE: next(remaining)})
    return found


def marks_in(members: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Returns the marks among the members."""
    marks: list[Mapping[str, Any]] = []
    restored(members, marks.append)
    return marks


def restored(members: Any, restore: Callable[[Mapping[str, Any]], Any]) -> Any:
    """Returns the members as they are sent, with each mark replaced by its file or text."""
    match members:
        case {"kling_async.file": mark}:  # FILE, which a pattern cannot name
            return restore(mark)
        case dict():
            return {name: restored(value, restore) for name, value in members.items()}
        case list():
            return [restored(value, restore) for value in members]
        case _:
            return members


def differences(entry: Entry | Work, work: Work) -> tuple[Difference, ...]:
    """Returns the differences between a request and the one in the journal, except in ids and `callback_url`.

    Only members known to both versions of this package count: a newer one may send members that an older one lacks.
    """
    if entry.endpoint != work.endpoint:
        return (Difference("endpoint", entry.endpoint, work.endpoint),)
    found = []
    for name in dict.fromkeys([*entry.request, *work.request]):
        unknown = any(known is not None and name not in known for known in (entry.known, work.known))
        is_gone = any(mark["sha256"] is None for mark in marks_in({name: work.request.get(name)}))
        before, now = (_compared(of.request.get(name), "path" if is_gone else "sha256") for of in (entry, work))
        if name not in _NOT_COMPARED and not unknown and before != now:
            found.append(Difference(name, *(_shown(restored(of.request.get(name), _file)) for of in (entry, work))))
    return tuple(found)


@functools.cache
def known_members(record: type) -> frozenset[str]:
    """Returns the members that requests of this class can have, in this version."""
    names = set()
    for field in attrs.fields(record):
        stand_in = field.metadata.get("instead_of")
        names.add(stand_in.member if stand_in else field.metadata.get("inside", field.name))
    return frozenset(names)


def _mapped(value: Any, replace: Callable[[Part], Any]) -> Any:
    match value:
        case Media(source=MediaSource.URL):
            return value.url
        case Media():
            return replace(Part(value))
        case str() if len(value) >= 1000 and _BASE64.fullmatch(value):
            return replace(Part(value))
        case Mapping():
            return {name: _mapped(item, replace) for name, item in value.items()}
        case list() | tuple():
            return [_mapped(item, replace) for item in value]
        case _:
            return value


def _compared(value: Any, by: str) -> Any:
    return restored(value, lambda mark: {by: mark.get(by)})


def _file(mark: Mapping[str, Any]) -> str:
    """Returns the description of a file in messages."""
    name, digest = PurePath(mark.get("path", "bytes")).name, mark["sha256"]
    return f"{name} (gone)" if digest is None else f"{name} (SHA-256 {digest[:_DIGEST_SHOWN]}…)"


def _shown(value: Any) -> str:
    if value is None:
        return _ABSENT
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
