"""Pixel size and orientation of a PNG or JPEG, read from its first bytes; nothing is ever decoded."""

import struct
from typing import Final

MAX_PIXELS: Final = 24_000_000
"""The largest image that the emulator decodes, to bound its memory; the service is not known to have such a limit."""

PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
JPEG_SIGNATURE: Final = b"\xff\xd8\xff"
_EXIF_ORIENTATION: Final = 0x0112
_JPEG_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE_MARKERS: Final = frozenset({0x01, *range(0xD0, 0xD9)})


def dimensions(data: bytes) -> tuple[int, int]:
    """Returns width and height of a PNG or JPEG as displayed, after EXIF rotation.

    Raises:
        ValueError: If they are missing; IndexError or struct.error, if the data are incomplete.
    """
    return _png_size(data) if data.startswith(PNG_SIGNATURE) else _jpeg_size(data)


def _png_size(data: bytes) -> tuple[int, int]:
    if data[12:16] != b"IHDR":
        raise ValueError("a PNG begins with IHDR")
    width, height = struct.unpack_from(">II", data, 16)
    return _sides(width, height)


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Reads the segments up to the frame header, with the EXIF orientation if there is one."""
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
    """Returns the EXIF orientation of an image whose header was read: 1 (upright) to 8; 1 if there is none.

    Values of 5 to 8 swap width and height. It is not read from a PNG, as by most decoders.
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
    """Returns the orientation in an APP1 segment, 1 if it has none."""
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
