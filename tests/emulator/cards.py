"""Test cards: pictures with points of known positions and colours, and functions that find them in a frame."""

import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Any

from kling_async.emulator.results.rendering.spec import RenderSpec

Colour = tuple[int, int, int]
Dot = tuple[float, float, Colour]

RED, BLUE, GRAY = (255, 0, 0), (0, 0, 255), (90, 90, 90)

SIZE = (192, 108)
"""Size of the frames in these tests, small to be fast."""


def png_of(width: int, height: int, paint: Callable[[int, int], bytes], colour_type: int = 2) -> bytes:
    """Returns a PNG whose pixels are given by a function of column and row."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    lines = b"".join(b"\0" + b"".join(paint(x, y) for x in range(width)) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines, 1)) + chunk(b"IEND", b"")


def card(*dots: Dot, radius: float = 7.0, ground: Colour = GRAY, size: tuple[int, int] = SIZE) -> bytes:
    """Returns a picture with dots: each has parts of width and height from the top left corner, and a colour."""
    width, height = size

    def paint(x: int, y: int) -> bytes:
        for across, down, colour in dots:
            if (x + 0.5 - across * width) ** 2 + (y + 0.5 - down * height) ** 2 <= radius**2:
                return bytes(colour)
        return bytes(ground)

    return png_of(width, height, paint)


def mask(across: float, down: float, radius: float = 12.0, size: tuple[int, int] = SIZE) -> bytes:
    """Returns a mask, white on black, that covers a disc."""
    return card((across, down, (255, 255, 255)), radius=radius, ground=(0, 0, 0), size=size)


def shot(**changes: Any) -> RenderSpec:
    """Returns a small shot of five frames."""
    arguments: dict[str, Any] = {"width": SIZE[0], "height": SIZE[1], "fps": 5, "seconds": 1, "image": "card"}
    return RenderSpec(**arguments | changes)


def found(frame: Any, colour: Colour) -> tuple[float, float]:
    """Returns the centre of everything red or blue in a frame, in pixels."""
    plane = frame.planes[2 if colour == RED else 1]
    data, length = bytes(plane), plane.line_size
    spots = [(x, y) for y in range(plane.height) for x in range(plane.width) if data[y * length + x] > 170]
    assert spots, "no such colour in the frame"
    return middle(spots)


def middle(spots: Sequence[tuple[int, int]]) -> tuple[float, float]:
    """Returns the centre, in pixels, of colour samples that each cover two by two pixels."""
    return sum(2 * x + 1 for x, _ in spots) / len(spots), sum(2 * y + 1 for _, y in spots) / len(spots)


def luma(frame: Any, x: float, y: float) -> int:
    """Returns the brightness of a pixel."""
    plane = frame.planes[0]
    return int(bytes(plane)[int(y) * plane.line_size + int(x)])
