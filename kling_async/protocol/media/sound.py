"""The sound files of a request."""

from pathlib import PurePath
from typing import ClassVar, Self

import attrs

from kling_async.protocol.media.formats import EDGE_BYTES, suffix_of
from kling_async.protocol.media.given import FileFacts, Media
from kling_async.protocol.media.shape import Read


@attrs.frozen(repr=False)
class Sound(Media):
    """A sound to send: a file, a web address, or bytes.

    Made from what the user gives by `Sound.of`; rarely needed by name, except for `Sound.from_base64`.

    Attributes:
        source: which of the kinds it is.
        path: the file, for `MediaSource.PATH`.
        url: the address, for `MediaSource.URL`; the service fetches it.
        data: the bytes of the file, for `MediaSource.DATA`.
        complaint: why it is not a sound, for `MediaSource.UNREADABLE`; the rules report it.
    """

    _magic_in_base64: ClassVar = ("SUQz", "UklGR")  # MP3 with ID3, WAV


SoundGiven = str | bytes | PurePath | Sound
"""What users may give for a sound: a path, an `http(s)://` address, bytes, or a `Sound`."""


@attrs.frozen(kw_only=True)
class SoundFacts(FileFacts):
    """Facts about a local sound before it is sent.

    Attributes:
        size: of the file in bytes; None if it could not be read.
        complaint: why its format was not checked.
        missing_file: whether there is no such file.
        suffix: for its first bytes, such as `.mp3`; empty if the format is not known.
    """

    suffix: str = ""

    @classmethod
    def of(cls, read: Read, size: int) -> Self:
        """Returns the facts; inspects only the beginning of the file."""
        head = read(0, EDGE_BYTES)
        return cls(size=size, suffix=suffix_of(head)) if head else cls(size=size, complaint="the file is empty")
