"""A strict PNG reader of the standard library alone, which rejects any damage."""

import struct
import zlib
from typing import Final

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Bytes of a pixel by its kind of colour, at 8 bits each."""


def size_of_whole_png(content: bytes) -> tuple[int, int]:
    """Returns the size of a picture after checking each chunk's checksum and each line of pixels.

    Raises:
        AssertionError: something is missing or damaged.
    """
    assert content.startswith(_SIGNATURE)
    chunks: dict[bytes, bytes] = {}
    at, name = len(_SIGNATURE), b""
    while at < len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        data = content[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", content, at + 8 + length) == (zlib.crc32(name + data),)
        chunks[name] = chunks.get(name, b"") + data
        at += 12 + length
    assert name == b"IEND"
    width, height, depth, colour, *_, interlaced = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (depth, interlaced) == (8, 0)
    line = 1 + width * _CHANNELS[colour]
    pixels = zlib.decompress(chunks[b"IDAT"])
    assert len(pixels) == height * line
    assert set(pixels[::line]) <= set(range(5))  # how each line is filtered
    return int(width), int(height)
