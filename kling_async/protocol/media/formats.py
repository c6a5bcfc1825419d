"""Detects the format of a file by its beginning, and whether its end fits that format."""

from typing import Final

from kling_async.protocol.media.contents import text_in
from kling_async.protocol.media.shape import Read, Shape

EDGE_BYTES: Final = 64
"""Number of bytes inspected at the beginning and at the end."""

_BEGINNINGS: Final = (
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"GIF8", ".gif"),
    (b"ID3", ".mp3"),
    (b"OggS", ".ogg"),
    (b"fLaC", ".flac"),
    (b"\x1aE\xdf\xa3", ".webm"),
    (b"%PDF", ".pdf"),
    (b"PK\x03\x04", ".zip"),
    (b"glTF", ".glb"),
)
_RIFF: Final = {b"WEBP": ".webp", b"WAVE": ".wav", b"AVI ": ".avi"}
_BRANDS: Final = {b"qt  ": ".mov", b"M4A ": ".m4a", b"avif": ".avif", b"heic": ".heic"}
_FRAMES: Final = {
    **{bytes([mark]): ".mp3" for mark in (0xE2, 0xE3, 0xF2, 0xF3, 0xFA, 0xFB)},
    **{bytes([mark]): ".aac" for mark in (0xF0, 0xF1, 0xF8, 0xF9)},
}
"""The byte after 0xFF at the beginning of a frame of sound."""
_TEXTS: Final = {"a page": ".html", "XML": ".xml", "JSON": ".json", "text": ".txt"}
SUFFIXES: Final = tuple(
    dict.fromkeys(
        [
            *(suffix for _, suffix in _BEGINNINGS),
            *_RIFF.values(),
            *_BRANDS.values(),
            *_FRAMES.values(),
            *_TEXTS.values(),
            ".mp4",
        ]
    )
)
"""All suffixes that `suffix_of` returns."""
_UNKNOWN_SIZES: Final = {0, 2**32 - 1}
"""Sizes in the header of a WAV that was written before its length was known."""


def suffix_of(head: bytes) -> str:
    """Returns the suffix for a file's first bytes, such as `.png`; empty if the format is not known."""
    for beginning, suffix in _BEGINNINGS:
        if head.startswith(beginning):
            return suffix
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12], "")
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], ".mp4")
    if head[:1] == b"\xff" and (frame := _FRAMES.get(head[1:2])) is not None:
        return frame
    return _TEXTS.get(text_in(head) or "", "")


class Edges:
    """Checks a file by its beginning and its end.

    Args:
        suffixes: of the allowed formats; None for any.
    """

    def __init__(self, suffixes: tuple[str, ...] | None) -> None:
        self._suffixes = suffixes
        self._size = 0
        self._head = b""
        self._tail = b""

    def take(self, chunk: bytes) -> None:
        """Adds the next bytes."""
        self._size += len(chunk)
        self._head += chunk[: EDGE_BYTES - len(self._head)]
        self._tail = (self._tail + chunk[-EDGE_BYTES:])[-EDGE_BYTES:]

    def shape(self) -> Shape:
        """Returns the shape of a file that ends here."""
        return self._shape(self._size, self._head, self._tail)

    def shape_of(self, size: int, read: Read) -> Shape:
        """Returns the shape of a stored file."""
        return self._shape(size, read(0, EDGE_BYTES), read(max(size - EDGE_BYTES, 0), EDGE_BYTES))

    def _shape(self, size: int, head: bytes, tail: bytes) -> Shape:
        suffix = suffix_of(head)
        if self._suffixes is not None and suffix not in self._suffixes:
            return Shape.ODD
        match suffix:
            case ".png":
                return _ended(whole=b"IEND\xaeB`\x82" in tail)
            case ".jpg":
                return _ended(whole=tail.rstrip(b"\0").endswith(b"\xff\xd9"))
            case ".gif":
                return _ended(whole=tail.endswith(b";"))
            case ".webp" | ".wav" | ".avi":
                return _riff(size, int.from_bytes(head[4:8], "little"))
            case _:
                return Shape.OPEN


def _ended(*, whole: bool) -> Shape:
    return Shape.WHOLE if whole else Shape.CUT


def _riff(size: int, stated: int) -> Shape:
    if stated in _UNKNOWN_SIZES:
        return Shape.OPEN
    return _ended(whole=size >= stated + 8)  # other data may follow
