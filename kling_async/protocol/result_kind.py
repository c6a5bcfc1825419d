"""The kinds of results, with the names and the structure of their files."""

import enum
from typing import Final
from urllib.parse import urlsplit

from kling_async.protocol.media import mp4
from kling_async.protocol.media.formats import EDGE_BYTES, Edges, suffix_of
from kling_async.protocol.media.shape import Follower, Read, Shape


class ResultKind(enum.Enum):
    """The kind of a task's result; the value is its name in messages."""

    VIDEO = "video"
    IMAGE = "picture"
    AUDIO = "sound"
    VOICE = "voice"
    ELEMENT = "element"
    ANY = "file"

    @property
    def is_file(self) -> bool:
        """Whether there are files to save: voices and elements stay at the service."""
        return self not in {ResultKind.VOICE, ResultKind.ELEMENT}

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Suffixes of such files, the default first; empty for `ANY`."""
        return _SUFFIXES.get(self, ())

    @property
    def suffix(self) -> str:
        """The default suffix, such as `.mp4`; empty for `ANY`."""
        return self.suffixes[0] if self.suffixes else ""

    def suffix_at(self, address: str) -> str:
        """Returns the suffix for the file at an address: a picture may be a JPEG, and sound a WAV."""
        if self is ResultKind.VIDEO:  # the same in all releases, whatever its name at the host
            return self.suffix
        path = _path(address).lower()
        return next((suffix for suffix in self.suffixes if path.endswith(suffix)), self.suffix)

    def file_name(self, stem: str, number: int = 0, address: str = "", *, watermark: bool, separator: str = "-") -> str:
        """Returns the name of one of a task's files in a directory: `<task_id>.png`, `<task_id>-watermark-2.png`.

        Args:
            stem: first part of the names, such as the task's id.
            number: of its kind, from 0; the first one's name is known before the task ends.
            address: of the file, if that is known.
            watermark: whether it is the watermarked variant.
            separator: before `watermark` and the number.
        """
        safe = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in stem)
        parts = [safe, *["watermark"] * watermark, *[str(number + 1)] * bool(number)]
        return separator.join(parts) + self.suffix_at(address)

    @property
    def looks(self) -> str:
        """Description of its files, for a warning about one that does not fit."""
        return _LOOKS[self]

    def refuses(self, text: str) -> bool:
        """Whether a text, by its `media.contents.text_in`, can only be an answer in place of the file."""
        return self is not ResultKind.ANY or text in {"a page", "XML"}

    def follower(self) -> Follower:
        """Returns an object that checks the structure of a file while its bytes pass."""
        if self is ResultKind.VIDEO:
            return mp4.Boxes()
        return _Any() if self is ResultKind.ANY else Edges(_SUFFIXES[self])

    def shape_of(self, size: int, read: Read) -> Shape:
        """Returns whether a file is complete, by its structure.

        Args:
            size: of the file in bytes.
            read: reads from it.
        """
        if self is ResultKind.VIDEO or (self is ResultKind.ANY and suffix_of(read(0, EDGE_BYTES)) in _BOXED):
            return mp4.shape_of(size, read)
        return Edges(_SUFFIXES.get(self)).shape_of(size, read)


_SUFFIXES: Final = {
    ResultKind.VIDEO: (".mp4",),
    ResultKind.IMAGE: (".png", ".jpg", ".jpeg", ".webp"),
    ResultKind.AUDIO: (".mp3", ".wav", ".m4a", ".aac", ".ogg", ".flac"),
}
"""The first is the default."""
_LOOKS: Final = {
    ResultKind.VIDEO: "a whole MP4",
    ResultKind.IMAGE: "a whole PNG, JPEG or WebP",
    ResultKind.AUDIO: "MP3, WAV or other sound",
    ResultKind.ANY: "a whole file",
}
_BOXED: Final = {".mp4", ".mov"}


class _Any:
    """Checks the structure of a file of any kind."""

    def __init__(self) -> None:
        self._head = b""
        self._boxes = mp4.Boxes()
        self._edges = Edges(None)

    def take(self, chunk: bytes) -> None:
        self._head += chunk[: EDGE_BYTES - len(self._head)]
        self._boxes.take(chunk)
        self._edges.take(chunk)

    def shape(self) -> Shape:
        return (self._boxes if suffix_of(self._head) in _BOXED else self._edges).shape()


def _path(address: str) -> str:
    try:
        return urlsplit(address).path
    except ValueError:
        return ""
