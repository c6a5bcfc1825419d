"""Text laid over a clip: its content, and its pixels as RGBA."""

import textwrap
from typing import Final

import attrs

from . import font

_PAPER: Final = bytes((12, 14, 18, 150))
_LETTERS_ACROSS: Final = 12  # the shorter side of a title card has room for at least this many
_LINES_PER_PICTURE: Final = 240  # font pixels in the shorter side


@attrs.frozen(kw_only=True)
class Label:
    """A small picture that is laid over frames.

    Attributes:
        width: Pixels, even.
        height: Pixels, even.
        left: Position of its left edge; even, as required by 4:2:0.
        top: Position of its top edge; even.
        rgba: Its rows, 4 bytes per pixel.
    """

    width: int
    height: int
    left: int = 0
    top: int = 0
    rgba: bytes = attrs.field(repr=False)


def scale_for(width: int, height: int) -> int:
    """Returns the size of a font pixel in a frame."""
    return max(1, min(width, height) // _LINES_PER_PICTURE)


def caption(width: int, height: int, title: str, prompt: str) -> Label:
    """Makes the label on each frame: "EMULATED", model and mode, the prompt's first words.

    Args:
        width: The frame's width.
        height: The frame's height.
        title: Model and mode.
        prompt: The prompt, in ASCII.
    """
    scale = scale_for(width, height)
    small = max(1, scale * 2 // 3)
    room = width - 8 * scale
    lines = [(_fitting(f"EMULATED  {title}", room, scale), scale)]
    if prompt:
        lines.append((_fitting(prompt, room, small), small))
    return _label(lines, _PAPER, ink=(255, 255, 255, 245), pad=2 * scale, left=2 * scale, top=2 * scale)


def stamp(width: int, height: int) -> Label:
    """Makes the watermark: large, translucent, in the bottom right corner."""
    scale = 2 * scale_for(width, height)
    label = _label([("KLING", scale)], bytes(4), ink=(255, 255, 255, 150), pad=scale, left=0, top=0)
    left, top = width - label.width - scale, height - label.height
    return attrs.evolve(label, left=max(left, 0) // 2 * 2, top=max(top, 0) // 2 * 2)


def notice(text: str, width: int, height: int) -> Label:
    """Makes a label for the middle of a placeholder picture."""
    scale = max(1, min(2 * scale_for(width, height), width * 9 // 10 // (font.PITCH * len(text))))
    label = _label([(text, scale)], bytes(4), ink=(255, 255, 255, 220), pad=scale, left=0, top=0)
    return attrs.evolve(label, left=(width - label.width) // 4 * 2, top=(height - label.height) // 4 * 2)


def title(text: str, width: int, height: int) -> Label:
    """Makes a label for the middle of a title card: a text in several lines, as large as possible."""
    room, rows = width * 7 // 10, height * 6 // 10
    largest = max(1, min(width, height) // (_LETTERS_ACROSS * font.PITCH))
    fitting = (scale for scale in range(largest, 1, -1) if len(_wrapped(text, room, scale)) <= _lines(rows, scale))
    scale = next(fitting, 1)
    lines = _wrapped(text, room, scale)[: _lines(rows, scale)] or [" "]
    centred = [(line.center(max(map(len, lines))), scale) for line in lines]
    label = _label(centred, bytes(4), ink=(255, 255, 255, 235), pad=scale, left=0, top=0)
    return attrs.evolve(label, left=(width - label.width) // 4 * 2, top=(height - label.height) // 4 * 2)


def _wrapped(text: str, room: int, scale: int) -> list[str]:
    return textwrap.wrap(text, max(room // (font.PITCH * scale), 1))


def _lines(rows: int, scale: int) -> int:
    return max(rows // (font.ROWS * scale), 1)


def _fitting(text: str, room: int, scale: int) -> str:
    letters = max(room // (font.PITCH * scale), 1)
    return text if len(text) <= letters else text[: max(letters - 3, 1)].rstrip() + "..."[: max(letters - 1, 0)]


def _label(
    lines: list[tuple[str, int]], paper: bytes, *, ink: tuple[int, int, int, int], pad: int, left: int, top: int
) -> Label:
    width = max(font.PITCH * scale * len(text) for text, scale in lines) + 2 * pad
    width += width % 2
    blank = paper * width
    rows = [blank] * pad
    for text, scale in lines:
        for number in range(font.ROWS):
            cells = (font.rows(letter)[number] >> bit & 1 for letter in text for bit in (4, 3, 2, 1, 0, 5))
            row = paper * pad + b"".join((bytes(ink) if cell else paper) * scale for cell in cells)
            rows += [row + paper * (width - len(row) // 4)] * scale
    rows += [blank] * (pad - pad // 2)
    rows += [blank] * (len(rows) % 2)
    return Label(width=width, height=len(rows), left=left // 2 * 2, top=top // 2 * 2, rgba=b"".join(rows))
