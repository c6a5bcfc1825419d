"""Pictures that contain submitted ones. Imported only when results are rendered."""

import av

from kling_async.emulator.results.placeholder.png import png
from kling_async.emulator.results.rendering.caption import Label
from kling_async.emulator.results.result import Loader

from . import frames, stills
from .picture_spec import Placed


def laid(ground: bytes, pictures: tuple[Placed, ...], labels: list[Label], load: Loader) -> bytes:
    """Lays pictures on a ground, and labels over all.

    Args:
        ground: A PNG.
        pictures: From bottom to top.
        labels: The labels.
        load: Returns the bytes of a stored image.

    Returns:
        A PNG of the ground's size.

    Raises:
        DamagedImageError: If an image cannot be decoded.
    """
    canvas = frames.filtered(frames.decode(ground), "format=rgb24")
    for each in pictures:
        canvas = _over(canvas, stills.picture(each.image, load, each.width, each.height), each.left, each.top)
    for label in labels:
        canvas = _over(canvas, stills.overlay(label), label.left, label.top)
    return png(canvas.width, canvas.height, frames.rows(canvas, 3))


def _over(canvas: av.VideoFrame, piece: av.VideoFrame, left: int, top: int) -> av.VideoFrame:
    return frames.filtered(frames.merged(f"overlay={left}:{top}:format=rgb", canvas, piece), "format=rgb24")
