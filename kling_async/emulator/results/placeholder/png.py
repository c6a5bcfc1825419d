"""Pictures without an encoder: a calm colour with text on it, as PNG with a palette."""

import colorsys
import hashlib
import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import Final

from kling_async.emulator.results.rendering.caption import Label

_SHADES: Final = 12

Colour = tuple[int, ...]


def painted(width: int, height: int, hue: str, labels: Sequence[Label]) -> bytes:
    """Paints a picture.

    Apart from the letters each row has one shade, so that 4K takes a fraction of a second.

    Args:
        width: Pixels.
        height: Pixels.
        hue: A text that determines the colour.
        labels: The labels, none over another.

    Returns:
        A PNG file.
    """
    palette = _shades(hue)
    rows = [bytes([y * _SHADES // height]) * width for y in range(height)]
    for label in labels:
        tables = _tables(label, palette)
        for y in range(label.height):
            alphas = label.rgba[4 * label.width * y + 3 : 4 * label.width * (y + 1) : 4]
            row = rows[label.top + y]
            written = alphas.translate(tables[row[0]])
            rows[label.top + y] = (row[: label.left] + written + row[label.left + label.width :])[:width]
    return png(width, height, rows, palette)


def png(width: int, height: int, rows: Iterable[bytes], palette: Sequence[Colour] = ()) -> bytes:
    """Returns a PNG file.

    Args:
        width: Pixels.
        height: Pixels.
        rows: From top to bottom, each pixel its number in the palette, or red, green and blue.
        palette: At most 256 colours; empty if the rows contain the colours themselves.
    """
    header = struct.pack(">IIBBBBB", width, height, 8, 3 if palette else 2, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows), 1)  # 0: no filter
    colours = _chunk(b"PLTE", b"".join(map(bytes, palette))) if palette else b""
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + colours + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _shades(hue: str) -> list[Colour]:
    """Returns the background's colours from top to bottom."""
    part = hashlib.sha256(hue.encode()).digest()[0] / 256
    shades = [colorsys.hls_to_rgb(part, 0.42 - 0.16 * shade / _SHADES, 0.38) for shade in range(_SHADES)]
    return [tuple(round(255 * channel) for channel in shade) for shade in shades]


def _tables(label: Label, palette: list[Colour]) -> list[bytes]:
    """Returns, for each shade, the number of its mixture with each of the label's colours, by that colour's opacity.

    Adds the mixtures to the palette.
    """
    tables = []
    inks = _inks(label)
    for shade in range(_SHADES):
        table = bytearray(256)
        for opacity, ink in inks.items():
            pairs = zip(ink, palette[shade], strict=True)
            mixture = tuple((over * opacity + under * (255 - opacity)) // 255 for over, under in pairs)
            if mixture not in palette:
                palette.append(mixture)
            table[opacity] = palette.index(mixture)
        tables.append(bytes(table))
    return tables


def _inks(label: Label) -> dict[int, bytes]:
    """Returns the colours of a label, one for each opacity."""
    opacities = left = label.rgba[3::4]
    inks = {}
    while left:
        opacity = left[0]
        start = 4 * opacities.index(opacity)
        inks[opacity] = label.rgba[start : start + 3]
        left = left.translate(None, bytes([opacity]))
    return inks
