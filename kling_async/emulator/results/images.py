"""Format and pixel size of a submitted image, read from its first bytes; nothing is ever decoded."""

import binascii
import struct
from typing import Final, Literal
from urllib.parse import urlsplit

import attrs

from kling_async.emulator.service.errors import invalid

MAX_IMAGE_BYTES: Final = 10 * 2**20
"""An image holds at most 10 MB, before base64 (image2video documentation)."""

MIN_SIDE: Final = 300
"""Each side has at least 300 pixels (image2video documentation)."""

MAX_RATIO: Final = 2.5
"""The longer side is at most 2.5 times the shorter one (image2video documentation)."""

MAX_PIXELS: Final = 24_000_000
"""The largest image that the emulator decodes, to bound its memory; the service is not known to have such a limit."""

# Decoded in pieces, so that other threads get the interpreter's lock between two of them; a multiple of 4.
_PIECE: Final = 256 * 1024
_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_JPEG_SIGNATURE: Final = b"\xff\xd8\xff"
_EXIF_ORIENTATION: Final = 0x0112
_JPEG_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE_MARKERS: Final = frozenset({0x01, *range(0xD0, 0xD9)})


@attrs.frozen(kw_only=True)
class SubmittedImage:
    """What is kept of an image once its header was read.

    Attributes:
        format: Its format; an image that was given by URL is not fetched.
        width: Pixels from left to right as displayed, that is after EXIF rotation; an image by URL counts as 16:9.
        height: Pixels from top to bottom as displayed.
        size: Bytes before base64, 0 for an image by URL.
    """

    format: Literal["png", "jpeg", "url"]
    width: int
    height: int
    size: int

    @property
    def acceptable(self) -> bool:
        """Whether the sides and their ratio are within the documented limits."""
        shorter, longer = sorted((self.width, self.height))
        return shorter >= MIN_SIDE and longer <= MAX_RATIO * shorter

    def summary(self) -> str:
        """Describe the image in place of its data."""
        return f"<{self.format} {self.width}x{self.height}, {self.size} bytes>"


def read_image(text: str, field: str) -> SubmittedImage:
    """Look at an image as it is on the wire: a URL, or raw base64 without a `data:` prefix.

    Args:
        text: The member's text.
        field: The member's name, for the refusal.

    Raises:
        Refusal: 1201, when the text is neither, or the file is no PNG or JPEG, or holds more than 10 MB.
    """
    if text.startswith(("http://", "https://")):
        return SubmittedImage(format="url", width=1920, height=1080, size=0)
    size = _decoded_size(text)
    if size > MAX_IMAGE_BYTES:
        raise invalid(f"{field}: file size can not exceed 10MB")
    try:
        try:
            return _read_header(text[:_PIECE], size, field)
        except (IndexError, struct.error):
            return _read_header(text, size, field)  # a long profile or preview precedes the JPEG's frame header
    except (ValueError, IndexError, struct.error):
        raise invalid(f"{field}: the image file is damaged") from None


def is_reachable(url: str) -> bool:
    """Tell whether an image's address might be fetched: nothing is, so that all are but those that say they are not.

    No name ends in `.invalid` (RFC 6761), which makes it a switch of the emulator.
    """
    try:
        host = urlsplit(url).hostname or "invalid"
    except ValueError:
        return False
    return not f".{host.removesuffix('.')}".endswith(".invalid")


def _read_header(text: str, size: int, field: str) -> SubmittedImage:
    data = binascii.a2b_base64(text)
    if not data.startswith((_PNG_SIGNATURE, _JPEG_SIGNATURE)):
        raise invalid(f"{field}: only jpg, jpeg and png are supported")
    width, height = dimensions(data)
    kind: Literal["png", "jpeg"] = "png" if data.startswith(_PNG_SIGNATURE) else "jpeg"
    return SubmittedImage(format=kind, width=width, height=height, size=size)


def dimensions(data: bytes) -> tuple[int, int]:
    """Give width and height of a PNG or JPEG as displayed.

    Raises:
        ValueError: If they are not there; IndexError or struct.error, if the data end before.
    """
    return _png_size(data) if data.startswith(_PNG_SIGNATURE) else _jpeg_size(data)


def _decoded_size(text: str) -> int:
    """Check that a text is base64 all through, and give the bytes that it stands for, without keeping them."""
    # The alphabet is the standard one, padded, without line breaks: what the service is known to accept. The
    # wording was recorded for a "data:" prefix.
    refusal = invalid("File is not in a valid base64 format")
    if not text.isascii() or len(text) % 4:
        raise refusal
    size = 0
    try:
        for start in range(0, len(text), _PIECE):
            if size % 3:
                raise refusal  # the piece before was padded
            size += len(binascii.a2b_base64(text[start : start + _PIECE], strict_mode=True))
    except binascii.Error:
        raise refusal from None
    return size


def _png_size(data: bytes) -> tuple[int, int]:
    if data[12:16] != b"IHDR":
        raise ValueError("a PNG begins with IHDR")
    width, height = struct.unpack_from(">II", data, 16)
    return _sides(width, height)


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Walk the segments up to the frame header, minding an EXIF orientation on the way."""
    position = 2
    turned = False
    while True:
        if data[position] != 0xFF:
            raise ValueError("a JPEG segment begins with a marker")
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker in _JPEG_BARE_MARKERS:
            position += 2
            continue
        (length,) = struct.unpack_from(">H", data, position + 2)
        if length < 2 or marker in {0xD9, 0xDA}:
            raise ValueError("no frame header before the picture data")
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, position + 5)
            return _sides(height, width) if turned else _sides(width, height)
        if marker == 0xE1:
            turned = turned or _orientation(data[position + 4 : position + 2 + length]) in range(5, 9)
        position += 2 + length


def orientation(data: bytes) -> int:
    """Give the EXIF orientation of an image whose header was read: 1 (upright) to 8; 1 where there is none.

    Values of 5 to 8 swap width and height. Of a PNG it is not read, as by most decoders.
    """
    position = 2
    while data.startswith(b"\xff\xd8") and position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF or marker in _JPEG_BARE_MARKERS:
            position += 1 if marker == 0xFF else 2
            continue
        if marker in _JPEG_FRAMES or marker in {0xD9, 0xDA}:
            break
        (length,) = struct.unpack_from(">H", data, position + 2)
        found = _orientation(data[position + 4 : position + 2 + length]) if marker == 0xE1 else 1
        if found != 1:
            return found
        position += 2 + length
    return 1


def _orientation(segment: bytes) -> int:
    """Give the orientation that an APP1 segment tells, 1 if it tells none."""
    if not segment.startswith(b"Exif\0\0"):
        return 1
    tiff = segment[6:]
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    try:
        (offset,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, offset)
        for entry in range(offset + 2, offset + 2 + 12 * count, 12):
            tag, _kind, _count, value = struct.unpack_from(order + "HHIH", tiff, entry)
            if tag == _EXIF_ORIENTATION:
                return value if value in range(1, 9) else 1
    except struct.error:
        return 1  # decoders ignore broken EXIF
    return 1


def _sides(width: int, height: int) -> tuple[int, int]:
    if not width or not height:
        raise ValueError("a side is 0")
    return width, height
