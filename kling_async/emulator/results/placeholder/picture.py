"""The still picture of a result: a calm colour with big letters, as H.264 macroblocks.

It is painted in cells of 4 x 4 pixels, each the number of a colour in a palette. A macroblock is 4 x 4 cells, and the
few kinds there are get their 384 bytes of samples once.
"""

import colorsys
import hashlib
from typing import Final

from kling_async.emulator.results.rendering import font

from .h264 import PCM_HEADER, Format

_SHADES: Final = 12
_INK: Final = _SHADES  # palette: the background's shades from top to bottom, then the letters' colour


class _Canvas:
    """Rows of cells, including the part that is cropped away."""

    def __init__(self, form: Format) -> None:
        self.width, self.height = -(-form.width // 4), -(-form.height // 4)  # visible cells
        stride, height = form.columns * 4, form.rows * 4
        self.rows = [bytearray([min(y * _SHADES // self.height, _SHADES - 1)]) * stride for y in range(height)]
        self.inked: set[int] = set()

    def write(self, word: str, left: int, top: int, scale: int) -> None:
        """Writes a word whose font pixels are `scale` x `scale` cells, clipped to the canvas."""
        glyphs = [font.rows(letter) for letter in word]
        for row in range(7):
            columns = [glyph[row] >> bit & 1 for glyph in glyphs for bit in (4, 3, 2, 1, 0, 5)]
            for y in range(max(top + row * scale, 0), min(top + (row + 1) * scale, self.height)):
                self.inked.add(y // 4)
                for column, ink in enumerate(columns):
                    if ink:
                        start = max(left + column * scale, 0)
                        end = max(min(left + (column + 1) * scale, self.width), start)
                        self.rows[y][start:end] = bytes([_INK]) * (end - start)


def macroblocks(form: Format, label: str, *, watermark: bool) -> list[bytes]:
    """Paints a picture.

    Args:
        form: Its size.
        label: Digits that are written in small below "EMULATED", and determine the background's colour.
        watermark: Whether "KLING" is in the bottom right corner.

    Returns:
        The rows of macroblocks, each macroblock with its `PCM_HEADER`.
    """
    canvas = _Canvas(form)
    scale = _scale("EMULATED", canvas, 0.8, 0.35)
    top = (canvas.height - 7 * scale) // 2
    canvas.write("EMULATED", (canvas.width - _columns("EMULATED") * scale) // 2, top, scale)
    small = min(_scale(label, canvas, 0.8, 0.1), max(scale // 3, 1))
    canvas.write(label, (canvas.width - _columns(label) * small) // 2, top + 9 * scale, small)
    if watermark:
        mark = _scale("KLING", canvas, 0.35, 0.15)
        left = canvas.width - (_columns("KLING") + 3) * mark
        canvas.write("KLING", left, canvas.height - 10 * mark, mark)
    return _rows(canvas, form, _palette(label))


def _columns(word: str) -> int:
    return 6 * len(word) - 1


def _scale(word: str, canvas: _Canvas, of_width: float, of_height: float) -> int:
    """Returns the largest scale at which a word takes at most these parts of the picture, at least 1."""
    return max(1, min(int(canvas.width * of_width) // _columns(word), int(canvas.height * of_height) // 7))


def _palette(label: str) -> list[tuple[int, int, int]]:
    """Returns the colours as Y, Cb, Cr."""
    hue = hashlib.sha256(label.encode()).digest()[0] / 256
    shades = [colorsys.hls_to_rgb(hue, 0.42 - 0.16 * shade / _SHADES, 0.38) for shade in range(_SHADES)]
    return [_ycbcr(*shade) for shade in shades] + [_ycbcr(0.96, 0.96, 0.93)]


def _ycbcr(red: float, green: float, blue: float) -> tuple[int, int, int]:
    """Converts from RGB in [0, 1] to BT.709 in limited range, where no sample is below 16."""
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return (
        round(16 + 219 * luma),
        round(128 + 224 * (blue - luma) / 1.8556),
        round(128 + 224 * (red - luma) / 1.5748),
    )


def _rows(canvas: _Canvas, form: Format, palette: list[tuple[int, int, int]]) -> list[bytes]:
    tables = [bytes(colour[plane] for colour in palette).ljust(256, b"\x80") for plane in range(3)]
    kinds: dict[bytes, bytes] = {}
    rows = []
    for row in range(form.rows):
        first, second, third, fourth = canvas.rows[4 * row : 4 * row + 4]
        starts = range(0, 4 * form.columns, 4) if row in canvas.inked else (0,)
        cells = [bytes(first[x : x + 4] + second[x : x + 4] + third[x : x + 4] + fourth[x : x + 4]) for x in starts]
        for key in set(cells) - kinds.keys():
            kinds[key] = _macroblock(key, tables)
        rows.append(b"".join(map(kinds.__getitem__, cells)) * (form.columns // len(cells)))
    return rows


def _macroblock(cells: bytes, tables: list[bytes]) -> bytes:
    """Returns the samples of a macroblock of 4 x 4 cells: 16 x 16 of luma, 8 x 8 of each chroma."""
    lines = [cells[start : start + 4] for start in range(0, 16, 4)]
    luma = b"".join(bytes(cell for cell in line for _ in range(4)) * 4 for line in lines)
    chroma = b"".join(bytes(cell for cell in line for _ in range(2)) * 2 for line in lines)
    return PCM_HEADER + luma.translate(tables[0]) + chroma.translate(tables[1]) + chroma.translate(tables[2])
