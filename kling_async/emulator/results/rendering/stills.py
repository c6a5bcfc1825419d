"""The still pictures that a clip is made from: the image at the required size, masked pieces of it, placeholders."""

import functools
from collections.abc import Mapping, Sequence
from typing import Final

import attrs
import av

from kling_async.emulator.results.result import Loader

from . import frames
from .caption import Label, notice, title

# Samples of the picture per pixel of the frame in each direction, by the frame's shorter side. The picture is sampled
# without interpolation, so more samples are smoother, and slower.
_OVERSAMPLING: Final = ((1080, 1.5),)

# JPEGs are BT.601 in full range, videos in high definition BT.709 in limited range.
_COLOURS: Final = "out_color_matrix=bt709:out_range=limited"
_PLACEHOLDER: Final = {
    "url": "the image was given by URL: it is not fetched",
    "large": "the image is too large to be shown here",
}
_MASK_FLOOR: Final = 24  # luma above which a mask without transparency covers; JPEG has some noise in black
_FILL_COLUMNS: Final = 48
_FAINT: Final = 8  # of 255: values that scaling makes from 0
_SMOOTHING: Final = 40  # rounds

Colour = tuple[int, ...]


@attrs.frozen(kw_only=True, eq=False)
class Piece:
    """The part of a picture that a mask covers, cut out with soft edges.

    Attributes:
        frame: The pixels, with alpha.
        left: Position of its left edge in the frame.
        top: Position of its top edge in the frame.
    """

    frame: av.VideoFrame
    left: int
    top: int


def oversampled(width: int, height: int) -> tuple[int, int]:
    """Returns the size of the picture from which a frame's pixels are sampled."""
    factor = next((factor for side, factor in _OVERSAMPLING if min(width, height) <= side), 1.0)
    return round(width * factor), round(height * factor)


def picture(name: str, load: Loader, width: int, height: int) -> av.VideoFrame:
    """Returns an image that fills a size, in 4:4:4. An image of another ratio is cropped."""
    if name in _PLACEHOLDER:
        return _placeholder(_PLACEHOLDER[name], width, height)
    return scaled(frames.decode(load(name)), width, height)


def title_card(text: str, width: int, height: int) -> av.VideoFrame:
    """Returns a picture, in 4:4:4, with a large text."""
    return _with_label(title(text, width, height), width, height)


def scaled(image: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
    """Scales and crops a frame to a size, in 4:4:4."""
    cover = max(width / image.width, height / image.height)
    size = max(round(image.width * cover), width), max(round(image.height * cover), height)
    if abs(size[0] - width) <= 0.02 * width and abs(size[1] - height) <= 0.02 * height:
        size = width, height  # rounding of the frame's size only
    shrunk = f"scale={size[0]}:{size[1]}:flags=bicubic:{_COLOURS}"
    return frames.filtered(image, shrunk, f"crop={width}:{height}", "format=yuv444p")


def overlay(label: Label) -> av.VideoFrame:
    """Returns a label as a frame with alpha."""
    length = 4 * label.width
    lines = [label.rgba[start : start + length] for start in range(0, len(label.rgba), length)]
    return frames.filtered(frames.made(label.width, label.height, "rgba", lines), "format=yuva420p")


def mask(name: str, load: Loader, width: int, height: int) -> av.VideoFrame:
    """Returns the area that a mask covers: 255 in gray where it does, 0 elsewhere.

    Which pixels cover is not documented. Here the opaque pixels do, in a mask that has transparent ones, otherwise the
    pixels that are not black. A mask given by URL covers nothing.
    """
    if name in _PLACEHOLDER:
        return frames.made(width, height, "gray", [bytes(width)] * height)
    image = frames.filtered(frames.decode(load(name)), f"scale={width}:{height}:flags=bilinear", "format=rgba")
    alpha = b"".join(frames.rows(image, 4))[3::4]
    if min(alpha) < 128:
        table = bytes(255 * (value >= 128) for value in range(256))
    else:
        gray = frames.filtered(image, "scale=out_range=full", "format=gray")
        alpha, table = b"".join(frames.rows(gray)), bytes(255 * (value > _MASK_FLOOR) for value in range(256))
    covered = alpha.translate(table)
    return frames.made(
        width, height, "gray", [covered[start : start + width] for start in range(0, len(covered), width)]
    )


def piece(image: av.VideoFrame, covered: av.VideoFrame) -> Piece | None:
    """Cuts out the part that a mask covers; None if it covers nothing.

    Args:
        image: The picture at the frame's size, 4:4:4.
        covered: The mask, at the same size.
    """
    box = _box(frames.rows(covered))
    if box is None:
        return None
    left, top, width, height = box
    soft = frames.filtered(covered, "gblur=sigma=1")
    cut = frames.merged("alphamerge", frames.filtered(image, "format=yuva444p"), soft)
    return Piece(frame=frames.filtered(cut, f"crop={width}:{height}:{left}:{top}:exact=1"), left=left, top=top)


def healed(image: av.VideoFrame, masks: Sequence[av.VideoFrame]) -> av.VideoFrame:
    """Fills the parts that masks cover with the surrounding colours, so that moving pieces leave no copy behind.

    Args:
        image: The picture, 4:4:4.
        masks: At least one, all of one size.
    """
    hidden = functools.reduce(lambda one, other: frames.merged("blend=all_mode=lighten", one, other), masks)
    columns, lines = _FILL_COLUMNS, max(2, round(_FILL_COLUMNS * image.height / image.width))
    coarse = f"scale={columns}:{lines}:flags=area"
    cells = b"".join(frames.rows(frames.filtered(image, coarse, "format=rgb24"), 3))
    covered = b"".join(frames.rows(frames.filtered(hidden, coarse, "format=gray")))
    colours = [
        None if covered[cell] > _FAINT else tuple(cells[3 * cell : 3 * cell + 3]) for cell in range(len(covered))
    ]
    filling = [bytes(colour) for colour in _diffused(colours, columns)]
    rows = [b"".join(filling[start : start + columns]) for start in range(0, len(filling), columns)]
    patch = frames.filtered(
        scaled(frames.made(columns, lines, "rgb24", rows), image.width, image.height), "format=yuva444p"
    )
    # A little more than the covered part, with a soft edge.
    wide = f"scale={image.width}:{image.height}"
    hole = frames.filtered(hidden, "gblur=sigma=3", "lutyuv=y=clip(val*8\\,0\\,255)", wide, "format=gray")
    return frames.merged("overlay=format=yuv444", image, frames.merged("alphamerge", patch, hole))


def _diffused(colours: Sequence[Colour | None], columns: int) -> list[Colour]:
    """Spreads the colours of the open cells to the covered ones, None, ring by ring; then smooths these."""
    count = len(colours)
    known = {cell: colour for cell, colour in enumerate(colours) if colour is not None} or {0: (128, 128, 128)}
    covered = [cell for cell in range(count) if cell not in known]
    left = covered
    while left:
        found = {cell: mean for cell in left if (mean := _mean(known, cell, columns, count)) is not None}
        known |= found
        left = [cell for cell in left if cell not in found]
    for _ in range(_SMOOTHING):
        known |= {cell: _mean(known, cell, columns, count) or known[cell] for cell in covered}
    return [known[cell] for cell in range(count)]


def _mean(known: Mapping[int, Colour], cell: int, columns: int, count: int) -> Colour | None:
    """Returns the mean colour of the neighbours that have one."""
    near = [known[other] for other in _neighbours(cell, columns, count) if other in known]
    return tuple(sum(parts) // len(near) for parts in zip(*near, strict=True)) if near else None


def _neighbours(cell: int, columns: int, count: int) -> list[int]:
    column = cell % columns
    sides = [cell - 1] * (column > 0) + [cell + 1] * (column < columns - 1)
    return [*sides, *(other for other in (cell - columns, cell + columns) if 0 <= other < count)]


def _box(lines: list[bytes]) -> tuple[int, int, int, int] | None:
    """Returns left, top, width and height of the area that is not 0, with a margin; None if all is 0."""
    inked = [number for number, line in enumerate(lines) if any(line)]
    if not inked:
        return None
    top, bottom = inked[0], inked[-1] + 1
    left = min(len(line) - len(line.lstrip(b"\0")) for line in lines[top:bottom])
    right = max(len(line.rstrip(b"\0")) for line in lines[top:bottom])
    # A margin for the soft edge.
    left, top = max(left - 4, 0), max(top - 4, 0)
    return left, top, min(right + 4, len(lines[0])) - left, min(bottom + 4, len(lines)) - top


def _placeholder(text: str, width: int, height: int) -> av.VideoFrame:
    """Paints a picture with the reason why it replaces the image."""
    return _with_label(notice(text, width, height), width, height)


def _with_label(label: Label, width: int, height: int) -> av.VideoFrame:
    """Paints a calm ground, on which camera movements are visible, with a label on it."""
    lines = [
        bytes(value for column in range(16) for value in (40 + 5 * column, 60 + 6 * line, 96 + 3 * (column ^ line)))
        for line in range(9)
    ]
    ground = scaled(frames.made(16, 9, "rgb24", lines), width, height)
    return frames.merged(f"overlay={label.left}:{label.top}:format=yuv444", ground, overlay(label))
