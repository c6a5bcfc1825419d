"""Reads format and size from the header of a picture file, without decoding it.

JPEG and PNG are supported, which are what the service accepts. For any other format the error names it.
"""

import re
import struct
from typing import Final, Literal, Self

import attrs

from kling_async.protocol.media.given import FileFacts
from kling_async.protocol.media.shape import Read

SEEN_BYTES: Final = 64 * 2**20
"""Maximum number of bytes of a file that are inspected: several times what the service accepts."""


@attrs.frozen(kw_only=True)
class ImageHeader:
    """A picture's format and size.

    Attributes:
        format: `jpeg` or `png`.
        width: pixels, as shown: EXIF orientations 5 to 8 swap the sides.
        height: pixels, as shown.
        complete: whether the picture's end is present (JPEG: EOI, PNG: IEND). Data after the end is ignored.
    """

    format: Literal["jpeg", "png"]
    width: int
    height: int
    complete: bool


@attrs.frozen(kw_only=True)
class ImageFacts(FileFacts):
    """Facts about a local picture before it is sent.

    Attributes:
        size: of the file in bytes; None if it could not be read.
        complaint: why there is no header.
        missing_file: whether there is no such file.
        header: of the picture; None if it could not be read.
    """

    header: ImageHeader | None = None

    @classmethod
    def of(cls, read: Read, size: int) -> Self:
        """Reads the header as `read_header`, but returns errors as a complaint, which the rules report."""
        try:
            return cls(size=size, header=read_header(read, size))
        except ValueError as error:
            return cls(size=size, complaint=str(error))


def read_header(read: Read, size: int) -> ImageHeader:
    """Reads format and size from anywhere in a file, in bounded time whatever its bytes.

    The picture's end is searched in everything after its size, so that a thumbnail's end does not count, and appended
    data such as a video or an archive does not matter. A file counts as cut off only if all of it was inspected.

    Args:
        read: reads from the file.
        size: of the whole file in bytes.

    Raises:
        ValueError: it is not a JPEG or PNG, or is cut off before its size; the message names what it is.
    """
    file = _File(read, size)
    head = file.at(0, 256)
    if not head:
        raise ValueError("the file is empty")
    if head.startswith(b"\xff\xd8") and head[2:3] in {b"", b"\xff"}:
        return _read_jpeg(file)
    if head.startswith(_PNG_SIGNATURE):
        return _read_png(file)
    raise ValueError(_what_else(head))


_BLOCK = 2**16  # bytes read at once at least, since the inspected places are close together


class _File:
    """A file's first `SEEN_BYTES` bytes, read on demand."""

    def __init__(self, read: Read, size: int) -> None:
        self._read = read
        self._size = size
        self._seen = min(size, SEEN_BYTES)
        self._start = 0
        self._block = b""

    def at(self, start: int, count: int) -> bytes:
        """Returns `count` bytes from `start`; fewer at the end."""
        self._load(start, count)
        return self._block[start - self._start : start - self._start + count]

    def find(self, wanted: bytes, start: int) -> int:
        """Returns the first place of some bytes, at `start` or later; -1 if they are not found."""
        while True:
            self._load(start, len(wanted))
            found = self._block.find(wanted, start - self._start)
            if found >= 0:
                return self._start + found
            end = self._start + len(self._block)
            if end - start < len(wanted) or end >= self._seen:
                return -1
            start = end - len(wanted) + 1

    def end_of_fill(self, start: int) -> int:
        """Returns the first place after a run of 0xff."""
        while True:
            self._load(start, 1)
            other = _NO_FILL.search(self._block, start - self._start)
            if other is not None:
                return self._start + other.start()
            end = self._start + len(self._block)
            if end <= start:
                return start
            start = end

    def _load(self, start: int, count: int) -> None:
        """Reads these bytes, unless they are in the current block."""
        count = min(count, self._seen - start)
        if start < self._start or start + count > self._start + len(self._block) or count <= 0:
            self._start = start
            self._block = self._read(start, max(count, min(_BLOCK, self._seen - start))) if count > 0 else b""

    def ends(self, end: bytes, start: int) -> bool:
        """Whether `end` occurs at `start` or later, or may occur after the inspected bytes."""
        if self._size > self._seen:
            return True
        return self.find(end, max(start, self._seen - _BLOCK)) >= 0 or self.find(end, start) >= 0

    def cut_off(self, kind: str) -> ValueError:
        """Returns the error for a header that was not found before the end."""
        if self._size > self._seen:
            return ValueError(f"this {kind} does not tell its width and height in its first {self._seen} bytes")
        return ValueError(f"this {kind} is cut off before its width and height: {self._size} bytes are all there is")


_MOST_STEPS = 100_000  # segments or chunks walked; real files have some dozens, or hundreds with a large profile


# ------------------------------------------------------------------------------------------------- JPEG

_NO_FILL = re.compile(rb"[^\xff]")
_ALONE = frozenset({0x00, 0x01, *range(0xD0, 0xD9)})  # markers without a length; 00 is a stuffed byte, not a marker
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # all codings, without DHT, JPG and DAC
_END, _SCAN, _APP1 = 0xD9, 0xDA, 0xE1
_EXIF = b"Exif\0\0"


def _read_jpeg(file: _File) -> ImageHeader:
    """Walks the segments up to the frame header (SOF); thumbnails are inside segments and are skipped."""
    at, orientation = 2, 1
    for _ in range(_MOST_STEPS):
        # Like decoders, skip bytes that are not a marker, and fill bytes before one.
        start = file.find(b"\xff", at)
        if start < 0:
            raise file.cut_off("JPEG")
        at = file.end_of_fill(start)
        head = file.at(at, 3)
        if len(head) < 3:
            raise file.cut_off("JPEG")
        marker, length = head[0], int.from_bytes(head[1:])
        at += 1
        if marker in _ALONE:
            continue
        if marker in {_END, _SCAN} or length < 2:
            raise ValueError("this JPEG is damaged: it has no frame header")
        if marker in _FRAMES:
            return _jpeg_header(file, at, orientation)
        if marker == _APP1 and orientation == 1 and file.at(at + 2, len(_EXIF)) == _EXIF:
            orientation = _orientation(file.at(at + 2, length - 2)[len(_EXIF) :])
        at += length
    raise ValueError("this JPEG is damaged: no frame header among its first segments")


def _jpeg_header(file: _File, at: int, orientation: int) -> ImageHeader:
    # length (2 bytes), bits per sample (1), height (2), width (2)
    frame = file.at(at, 7)
    if len(frame) < 7:
        raise file.cut_off("JPEG")
    height, width = struct.unpack_from(">HH", frame, 3)
    return _header("jpeg", width, height, orientation, complete=file.ends(b"\xff\xd9", at + 7))


# -------------------------------------------------------------------------------------------------- PNG

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\0\0\0\0IEND\xaeB\x60\x82"
_EXIF_BYTES = 2**16  # maximum bytes of an eXIf chunk that are inspected: as many as a JPEG can contain


def _read_png(file: _File) -> ImageHeader:
    head = file.at(0, 24)
    if len(head) < 24:
        raise file.cut_off("PNG")
    if head[8:16] != b"\0\0\0\x0dIHDR":
        raise ValueError("this PNG is damaged: its header chunk (IHDR) does not come first")
    width, height = struct.unpack_from(">II", head, 16)
    return _header("png", width, height, _png_orientation(file), complete=file.ends(_PNG_END, 24))


def _png_orientation(file: _File) -> int:
    """Returns the orientation in an eXIf chunk before the picture data; after that, such a chunk is rare."""
    at = 8
    for _ in range(_MOST_STEPS):
        head = file.at(at, 8)
        if len(head) < 8 or head.endswith(b"IDAT"):
            break
        length = int.from_bytes(head[:4])
        if head.endswith(b"eXIf"):
            return _orientation(file.at(at + 8, min(length, _EXIF_BYTES)))
        at += 12 + length
    return 1


# ----------------------------------------------------------------------------------------- what both share


def _header(kind: Literal["jpeg", "png"], width: int, height: int, orientation: int, *, complete: bool) -> ImageHeader:
    if not width or not height:
        raise ValueError(f"this {kind.upper()} is damaged: it says it is {width} x {height} pixels")
    if orientation >= 5:
        width, height = height, width
    return ImageHeader(format=kind, width=width, height=height, complete=complete)


_MOST_ENTRIES = 4096  # of a directory


def _orientation(tiff: bytes) -> int:
    """Returns EXIF tag 0x0112 of the first directory; 1 (upright) if it is absent or damaged."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None or len(tiff) < 8:
        return 1
    (directory,) = struct.unpack_from(order + "I", tiff, 4)
    if directory + 2 > len(tiff):
        return 1
    (entries,) = struct.unpack_from(order + "H", tiff, directory)
    for at in range(directory + 2, directory + 2 + 12 * min(entries, _MOST_ENTRIES), 12):
        if at + 12 > len(tiff):
            break
        tag, kind = struct.unpack_from(order + "HH", tiff, at)
        if tag == 0x0112 and kind in {3, 4}:  # SHORT by the standard; some writers use LONG
            (value,) = struct.unpack_from(order + ("H" if kind == 3 else "I"), tiff, at + 8)
            return int(value) if 1 <= value <= 8 else 1
    return 1


# ------------------------------------------------------------------------------------- what else it may be

_OTHER_PICTURES = (
    (b"GIF8", "a GIF"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (b"8BPS", "a Photoshop file"),
    (b"%PDF", "a PDF"),
)
_OTHER_TEXTS = (
    (b"<!doctype html", "this is a web page (HTML), not a picture: was a download answered with one?"),
    (b"<html", "this is a web page (HTML), not a picture: was a download answered with one?"),
    (b"<svg", "this is an SVG drawing; the service takes JPEG and PNG: convert it first"),
    (b"data:", "this is a 'data:' address as text, not a picture: decode it first (Image.from_base64 does)"),
    (b"/9j/", "this is base64 text, not a picture: decode it first (Image.from_base64 does)"),
    (b"ivborw0kggo", "this is base64 text, not a picture: decode it first (Image.from_base64 does)"),
)
_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), "an AVIF picture"),
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"), "a HEIC picture"),
}


def _what_else(head: bytes) -> str:
    """Returns a sentence about a file that is neither JPEG nor PNG."""
    text = head[:256].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for start, sentence in _OTHER_TEXTS:
        if text.startswith(start):
            return sentence
    found = next((name for magic, name in _OTHER_PICTURES if head.startswith(magic)), None)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        found = "a WebP picture"
    elif head[:2] == b"BM" and head[6:10] == bytes(4):  # two letters alone may begin any text
        found = "a BMP picture"
    elif head[4:8] == b"ftyp":
        found = _BRANDS.get(head[8:12], "a video or an unknown kind of picture (MP4 family)")
    if found is None:
        return "this is neither a JPEG nor a PNG, which are what the service takes"
    return f"this is {found}; the service takes JPEG and PNG: convert it first"
