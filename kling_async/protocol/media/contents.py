"""What a file is by its bytes: text, which is no video, or the boxes of an MP4, which end where it ends."""

import enum
import zlib
from collections.abc import Callable
from typing import Final

HEAD_BYTES: Final = 512
"""Bytes of the beginning that tell text from anything else."""
GZIP: Final = b"\x1f\x8b"
"""How gzip begins."""
BOX_BYTES: Final = 16
"""The longest head of a box."""

_SURE_BYTES: Final = 16
"""Bytes that tell UTF-16 from what is binary."""
_NEEDED: Final = frozenset({b"moov", b"mdat"})
_KNOWN: Final = _NEEDED | {b"ftyp", b"styp", b"moof"}
_BINARY: Final = frozenset({*range(9), 0x0B, *range(0x0E, 0x1B), *range(0x1C, 0x20), 0x7F})
"""Bytes that no text holds, in any encoding that keeps ASCII."""
_MEDIA: Final = (b"GIF8", b"RIFF", b"OggS", b"fLaC", b"ID3", b"FLV\x01")
"""Beginnings of media that read as letters."""
_WIDE: Final = (
    ("utf-32", b"\xff\xfe\0\0"),
    ("utf-32", b"\0\0\xfe\xff"),
    ("utf-16", b"\xff\xfe"),
    ("utf-16", b"\xfe\xff"),
)


def text_in(head: bytes) -> str | None:
    """What text a body is by its first bytes, `HEAD_BYTES` of them or all: `a page`, `JSON`; None for other things.

    Text that gzip packed counts as what it is.
    """
    if head.startswith(GZIP):
        head = _unpacked(head)
    text = _text(head)
    if text is None:
        return None
    start = text.lstrip().lower()
    if start.startswith(("<!doctype html", "<html", "<head", "<body", "<!--")):
        return "a page"
    if start.startswith("<"):
        return "XML"
    return "JSON" if start.startswith(("{", "[")) else "text"


def is_decided(head: bytes) -> bool:
    """Whether more bytes would not change what `text_in` says."""
    if len(head) >= HEAD_BYTES:
        return True
    return len(head) >= _SURE_BYTES and not head.startswith(GZIP) and text_in(head) is None


class Shape(enum.Enum):
    """How a file ends, as far as boxes tell."""

    WHOLE = "the boxes of an MP4 fill it exactly, those that make a video among them"
    CUT = "it ends within a box of an MP4"
    ODD = "these are not the boxes of an MP4, or not all of them"


def shape_of(size: int, read: Callable[[int, int], bytes]) -> Shape:
    """Walks through the boxes of a file.

    Args:
        size: of the file in bytes.
        read: `(offset, count)` to bytes of the file.
    """
    boxes, offset = Boxes(), 0
    while offset < size:
        head = read(offset, BOX_BYTES)
        if not head:
            return Shape.CUT
        boxes.take(head)
        offset += len(head)
        offset += boxes.skip(size - offset)
    return boxes.shape()


class Boxes:
    """Follows the boxes of an MP4 whose bytes come one after the other; it need not see those inside of them."""

    def __init__(self) -> None:
        self._head = b""
        self._left: float = 0
        self._kinds: set[bytes] = set()
        self._broken = False

    def take(self, chunk: bytes) -> None:
        """Takes the bytes that come next."""
        while chunk and not self._broken:
            if self._left:
                passed = int(min(self._left, len(chunk)))
                self._left -= passed
            else:
                wanted = 16 if self._head[:4] == b"\0\0\0\1" and len(self._head) >= 8 else 8
                passed = min(wanted - len(self._head), len(chunk))
                self._head += chunk[:passed]
                self._enter()
            chunk = chunk[passed:]

    def skip(self, count: int) -> int:
        """Passes over up to `count` bytes that are in no box's head, and tells how many."""
        if self._broken:
            return count
        passed = int(min(self._left, count))
        self._left -= passed
        return passed

    def shape(self) -> Shape:
        """What a file is that ends here. Both boxes that it needs must be there: it may end between two by chance."""
        ended = not self._head and self._left in {0, float("inf")}
        if ended and not self._broken and self._kinds >= _NEEDED:
            return Shape.WHOLE
        return Shape.CUT if not ended and not self._broken and self._kinds & _KNOWN else Shape.ODD

    def _enter(self) -> None:
        """Goes into a box once its head is there: 8 bytes, or 16 with a long length."""
        have, box = len(self._head), int.from_bytes(self._head[:4])
        if have < 8 or (box == 1 and have < 16):
            return
        if box == 1:
            box = int.from_bytes(self._head[8:])
        self._kinds.add(self._head[4:8])
        self._left = box - have if box else float("inf")  # 0: "to the end of the file"
        self._broken = self._left < 0
        self._head = b""


def _text(head: bytes) -> str | None:
    """The text that bytes are, in UTF-8, UTF-16, UTF-32 or an encoding that keeps ASCII; None for other bytes."""
    for encoding, mark in _WIDE:
        if head.startswith(mark):
            return _decoded(head, encoding)
    if len(head) >= 4 and not any(head[1::2]):
        return _decoded(head, "utf-16-le")
    if len(head) >= 4 and not any(head[::2]):
        return _decoded(head, "utf-16-be")
    if head.startswith(_MEDIA) or not _BINARY.isdisjoint(head):
        return None
    return head.removeprefix(b"\xef\xbb\xbf").decode("latin-1")  # of any such encoding: only its ASCII is looked at


def _decoded(head: bytes, encoding: str) -> str | None:
    width = 4 if encoding == "utf-32" else 2
    try:
        text = head[: len(head) // width * width].decode(encoding)
    except UnicodeDecodeError as error:
        if len(head) - error.start > 4:  # else the head ends within a letter
            return None
        text = head[: error.start].decode(encoding)
    return None if not text or any(ord(letter) in _BINARY for letter in text) else text


def _unpacked(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(head, HEAD_BYTES) or head
    except zlib.error:
        return head
