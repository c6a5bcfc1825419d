"""What a picture file says of itself, from its first and last bytes; nothing is decoded.

JPEG and PNG are read, as these are what the service takes. Anything else gets a sentence that names what it is.
"""

import re
import struct
from typing import Literal, Self

import attrs

HEAD_BYTES = 2 * 2**20
"""Bytes of a file's beginning that `read_header` wants: colour profiles of 1.3 MB come before the size."""

TAIL_BYTES = 64 * 2**10
"""Bytes of a file's end that `read_header` wants: phones and editors append some kilobytes after the picture."""


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
class ImageFacts:
    """What is known of a local picture before it is sent.

    Attributes:
        size: bytes of the file; None where it could not be read.
        header: what it says of itself; None where it says nothing.
        complaint: why there is no header.
        missing_file: whether there is no such file.
    """

    size: int | None = None
    header: ImageHeader | None = None
    complaint: str | None = None
    missing_file: bool = False

    @classmethod
    def of(cls, head: bytes, tail: bytes, size: int) -> Self:
        """As `read_header`, with the complaint as a value: checks report it beside all other problems."""
        try:
            return cls(size=size, header=read_header(head, tail, size))
        except ValueError as error:
            return cls(size=size, complaint=str(error))


def read_header(head: bytes, tail: bytes, size: int) -> ImageHeader:
    """Reads format and size from a file's two ends, in bounded time whatever the bytes are.

    The end of a JPEG is looked for in all that is given of it behind its frame header, so that a thumbnail's end does
    not count and appended data does no harm. A motion photo carries a whole video behind the picture, out of sight of
    both windows; such a file is taken to be complete.

    Args:
        head: its first `HEAD_BYTES` bytes, or all of them.
        tail: its last `TAIL_BYTES` bytes, or all of them.
        size: bytes of the whole file.

    Raises:
        ValueError: it is no JPEG or PNG, or is cut off before it tells its size; the text says what it is.
    """
    if not head:
        raise ValueError("the file is empty")
    file = _Ends(head, tail, size)
    if head.startswith(b"\xff\xd8") and head[2:3] in {b"", b"\xff"}:
        return _read_jpeg(file)
    if head.startswith(_PNG_SIGNATURE):
        return _read_png(file)
    raise ValueError(_what_else(head))


@attrs.frozen
class _Ends:
    head: bytes
    tail: bytes
    size: int

    def has(self, end: bytes, start: int) -> bool:
        """Whether `end` stands at `start` or later in either window."""
        in_tail = max(0, start - (self.size - len(self.tail)))
        return self.head.find(end, start) >= 0 or self.tail.find(end, in_tail) >= 0

    def cut_off(self, kind: str) -> ValueError:
        """For a walk that ran off the end of `head`."""
        if self.size > len(self.head):
            return ValueError(f"this {kind} does not tell its width and height in its first {len(self.head)} bytes")
        return ValueError(f"this {kind} is cut off before its width and height: {self.size} bytes are all there is")


_MOST_STEPS = 4096  # segments or chunks walked; real files have some dozens, or hundreds with a large profile


# ------------------------------------------------------------------------------------------------- JPEG

_FILL = re.compile(rb"\xff*")
_ALONE = frozenset({0x00, 0x01, *range(0xD0, 0xD9)})  # markers without a length; 00 is no marker but a stuffed byte
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # all codings, without DHT, JPG and DAC
_END, _SCAN, _APP1 = 0xD9, 0xDA, 0xE1
_EXIF = b"Exif\0\0"
_MOTION_PHOTO = (b"MotionPhoto", b"MicroVideo")  # XMP names, new and old, that announce a video behind the picture


def _read_jpeg(file: _Ends) -> ImageHeader:
    """Walks the segments up to the frame header (SOF); thumbnails lie inside segments and are stepped over."""
    head, at, orientation = file.head, 2, 1
    for _ in range(_MOST_STEPS):
        # As decoders do, what is no marker is skipped, and so are fill bytes before one.
        start = head.find(b"\xff", at)
        if start < 0:
            raise file.cut_off("JPEG")
        at = _end_of_fill(head, start)
        if at + 3 > len(head):
            raise file.cut_off("JPEG")
        marker, length = head[at], int.from_bytes(head[at + 1 : at + 3])
        at += 1
        if marker in _ALONE:
            continue
        if marker in {_END, _SCAN} or length < 2:
            raise ValueError("this JPEG is damaged: it has no frame header")
        if marker in _FRAMES:
            return _jpeg_header(file, at, orientation)
        if marker == _APP1 and orientation == 1 and head.startswith(_EXIF, at + 2):
            orientation = _orientation(head[at + 2 + len(_EXIF) : at + length])
        at += length
    raise ValueError("this JPEG is damaged: no frame header among its first segments")


def _end_of_fill(head: bytes, start: int) -> int:
    fill = _FILL.match(head, start)
    return fill.end() if fill else start


def _jpeg_header(file: _Ends, at: int, orientation: int) -> ImageHeader:
    # length (2 bytes), bits per sample (1), height (2), width (2)
    if at + 7 > len(file.head):
        raise file.cut_off("JPEG")
    height, width = struct.unpack_from(">HH", file.head, at + 3)
    motion_photo = file.size > len(file.head) and any(file.head.find(name, 0, at) >= 0 for name in _MOTION_PHOTO)
    return _header("jpeg", width, height, orientation, complete=motion_photo or file.has(b"\xff\xd9", at + 7))


# -------------------------------------------------------------------------------------------------- PNG

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\0\0\0\0IEND\xaeB\x60\x82"


def _read_png(file: _Ends) -> ImageHeader:
    if len(file.head) < 24:
        raise file.cut_off("PNG")
    if file.head[8:16] != b"\0\0\0\x0dIHDR":
        raise ValueError("this PNG is damaged: its header chunk (IHDR) does not come first")
    width, height = struct.unpack_from(">II", file.head, 16)
    return _header("png", width, height, _png_orientation(file.head), complete=file.has(_PNG_END, 24))


def _png_orientation(head: bytes) -> int:
    """The orientation in an eXIf chunk before the picture data; behind it, it is rare and out of sight."""
    at = 8
    for _ in range(_MOST_STEPS):
        if at + 8 > len(head) or head.startswith(b"IDAT", at + 4):
            break
        length = int.from_bytes(head[at : at + 4])
        if head.startswith(b"eXIf", at + 4):
            return _orientation(head[at + 8 : at + 8 + length])
        at += 12 + length
    return 1


# ----------------------------------------------------------------------------------------- what both share


def _header(kind: Literal["jpeg", "png"], width: int, height: int, orientation: int, *, complete: bool) -> ImageHeader:
    if not width or not height:
        raise ValueError(f"this {kind.upper()} is damaged: it says it is {width} x {height} pixels")
    if orientation >= 5:
        width, height = height, width
    return ImageHeader(format=kind, width=width, height=height, complete=complete)


def _orientation(tiff: bytes) -> int:
    """EXIF tag 0x0112 of the first directory; 1 (upright) where it is absent or damaged."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None or len(tiff) < 8:
        return 1
    (directory,) = struct.unpack_from(order + "I", tiff, 4)
    if directory + 2 > len(tiff):
        return 1
    (entries,) = struct.unpack_from(order + "H", tiff, directory)
    for at in range(directory + 2, directory + 2 + 12 * min(entries, _MOST_STEPS), 12):
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
