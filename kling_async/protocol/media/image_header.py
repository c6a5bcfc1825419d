"""What a picture file says of itself, from the places in it that matter; nothing is decoded.

JPEG and PNG are read, as these are what the service takes. Anything else gets a sentence that names what it is.
"""

import re
import struct
from typing import Final, Literal, Self

import attrs

from kling_async.protocol.media.given import FileFacts
from kling_async.protocol.media.shape import Read

SEEN_BYTES: Final = 64 * 2**20
"""Bytes of a file that are looked at, at most: several times what the service takes."""


@attrs.frozen(kw_only=True)
class ImageHeader:
    """A picture's format and size.

    Attributes:
        format: `jpeg` or `png`.
        width: pixels, as shown: EXIF orientations 5 to 8 swap the sides.
        height: pixels, as shown.
        complete: whether the picture's end is there (JPEG: EOI, PNG: IEND). What follows the end does not matter.
    """

    format: Literal["jpeg", "png"]
    width: int
    height: int
    complete: bool


@attrs.frozen(kw_only=True)
class ImageFacts(FileFacts):
    """What is known of a local picture before it is sent.

    Attributes:
        size: bytes of the file; None where it could not be read.
        complaint: why there is no header.
        missing_file: whether there is no such file.
        header: what it says of itself; None where it could not be read.
    """

    header: ImageHeader | None = None

    @classmethod
    def of(cls, read: Read, size: int) -> Self:
        """As `read_header`, with the complaint as a value: checks report it beside all other problems."""
        try:
            return cls(size=size, header=read_header(read, size))
        except ValueError as error:
            return cls(size=size, complaint=str(error))


def read_header(read: Read, size: int) -> ImageHeader:
    """Reads format and size from wherever in a file they stand, in bounded time whatever the bytes are.

    The end of a picture is looked for in all that comes behind its size, so that a thumbnail's end does not count, and
    a video, an archive or anything else that was appended does no harm. What was not seen is not missing: a file is
    cut off only if all of it was looked at.

    Args:
        read: reads the file.
        size: bytes of the whole file.

    Raises:
        ValueError: it is no JPEG or PNG, or is cut off before it tells its size; the text says what it is.
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


_BLOCK = 2**16  # bytes read at least, since places that are looked at lie close together


class _File:
    """A file's first `SEEN_BYTES` bytes, read where they are looked at."""

    def __init__(self, read: Read, size: int) -> None:
        self._read = read
        self._size = size
        self._seen = min(size, SEEN_BYTES)
        self._start = 0
        self._block = b""

    def at(self, start: int, count: int) -> bytes:
        """So many bytes from a place on; fewer at the end."""
        self._load(start, count)
        return self._block[start - self._start : start - self._start + count]

    def find(self, wanted: bytes, start: int) -> int:
        """The first place of some bytes, at `start` or later; -1 where they are not seen."""
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
        """The first place behind a run of 0xff."""
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
        """Reads on where these bytes are not at hand."""
        count = min(count, self._seen - start)
        if start < self._start or start + count > self._start + len(self._block) or count <= 0:
            self._start = start
            self._block = self._read(start, max(count, min(_BLOCK, self._seen - start))) if count > 0 else b""

    def ends(self, end: bytes, start: int) -> bool:
        """Whether `end` stands at `start` or later, as far as can be seen; most often it is near the file's end."""
        if self._size > self._seen:
            return True
        return self.find(end, max(start, self._seen - _BLOCK)) >= 0 or self.find(end, start) >= 0

    def cut_off(self, kind: str) -> ValueError:
        """For a walk that came to the end."""
        if self._size > self._seen:
            return ValueError(f"this {kind} does not tell its width and height in its first {self._seen} bytes")
        return ValueError(f"this {kind} is cut off before its width and height: {self._size} bytes are all there is")


_MOST_STEPS = 100_000  # segments or chunks walked; real files have some dozens, or hundreds with a large profile


# ------------------------------------------------------------------------------------------------- JPEG

_NO_FILL = re.compile(rb"[^\xff]")
_ALONE = frozenset({0x00, 0x01, *range(0xD0, 0xD9)})  # markers without a length; 00 is no marker but a stuffed byte
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # all codings, without DHT, JPG and DAC
_END, _SCAN, _APP1 = 0xD9, 0xDA, 0xE1
_EXIF = b"Exif\0\0"


def _read_jpeg(file: _File) -> ImageHeader:
    """Walks the segments up to the frame header (SOF); thumbnails lie inside segments and are stepped over."""
    at, orientation = 2, 1
    for _ in range(_MOST_STEPS):
        # As decoders do, what is no marker is skipped, and so are fill bytes before one.
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
_EXIF_BYTES = 2**16  # of an eXIf chunk that are looked at, as many as a JPEG could hold


def _read_png(file: _File) -> ImageHeader:
    head = file.at(0, 24)
    if len(head) < 24:
        raise file.cut_off("PNG")
    if head[8:16] != b"\0\0\0\x0dIHDR":
        raise ValueError("this PNG is damaged: its header chunk (IHDR) does not come first")
    width, height = struct.unpack_from(">II", head, 16)
    return _header("png", width, height, _png_orientation(file), complete=file.ends(_PNG_END, 24))


def _png_orientation(file: _File) -> int:
    """The orientation in an eXIf chunk before the picture data; behind it, it is rare."""
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
    """EXIF tag 0x0112 of the first directory; 1 (upright) where it is absent or damaged."""
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
        if tag == 0x0112 and kind in {3, 4}:  # SHORT as the standard says, LONG as some write it
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
    """A sentence on a file that is neither JPEG nor PNG."""
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
