"""Detects by its bytes whether a file is text, such as an error page in place of the requested file."""

import zlib
from typing import Final

HEAD_BYTES: Final = 512
"""Number of first bytes that distinguish text from anything else."""
GZIP: Final = b"\x1f\x8b"
"""The first bytes of gzip."""

_SURE_BYTES: Final = 16
"""Number of bytes that distinguish UTF-16 from binary data."""
_BINARY: Final = frozenset({*range(9), 0x0B, *range(0x0E, 0x1B), *range(0x1C, 0x20), 0x7F})
"""Bytes that do not occur in text, in any encoding that includes ASCII."""
_MEDIA: Final = (b"GIF8", b"RIFF", b"OggS", b"fLaC", b"ID3", b"FLV\x01")
"""First bytes of media files that consist of letters."""
_WIDE: Final = (
    ("utf-32", b"\xff\xfe\0\0"),
    ("utf-32", b"\0\0\xfe\xff"),
    ("utf-16", b"\xff\xfe"),
    ("utf-16", b"\xfe\xff"),
)


def text_in(head: bytes) -> str | None:
    """Returns the kind of a text, such as `a page` or `JSON`, by its first `HEAD_BYTES` bytes; None if it is not text.

    Text compressed with gzip is unpacked first.
    """
    if head.startswith(GZIP):
        head = _unpacked(head)
    text = _text(head[:HEAD_BYTES])
    if text is None:
        return None
    start = text.lstrip().lower()
    if start.startswith(("<!doctype html", "<html", "<head", "<body", "<!--")):
        return "a page"
    if start.startswith("<"):
        return "XML"
    return "JSON" if start.startswith(("{", "[")) else "text"


def is_decided(head: bytes) -> bool:
    """Whether more bytes cannot change the result of `text_in`."""
    if len(head) >= HEAD_BYTES:
        return True
    return len(head) >= _SURE_BYTES and not head.startswith(GZIP) and text_in(head) is None


def _text(head: bytes) -> str | None:
    """Decodes text in UTF-8, UTF-16, UTF-32 or an encoding that includes ASCII; returns None for other bytes."""
    for encoding, mark in _WIDE:
        if head.startswith(mark):
            return _decoded(head, encoding)
    if len(head) >= 4 and not any(head[1::2]):
        return _decoded(head, "utf-16-le")
    if len(head) >= 4 and not any(head[::2]):
        return _decoded(head, "utf-16-be")
    if head.startswith(_MEDIA) or not _BINARY.isdisjoint(head):
        return None
    return head.removeprefix(b"\xef\xbb\xbf").decode("latin-1")  # the encoding is irrelevant: only ASCII is compared


def _decoded(head: bytes, encoding: str) -> str | None:
    width = 4 if encoding == "utf-32" else 2
    try:
        text = head[: len(head) // width * width].decode(encoding)
    except UnicodeDecodeError as error:
        if len(head) - error.start > 4:  # otherwise the head ends within a character
            return None
        text = head[: error.start].decode(encoding)
    return None if not text or any(ord(letter) in _BINARY for letter in text) else text


def _unpacked(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(head, HEAD_BYTES) or head
    except zlib.error:
        return head
