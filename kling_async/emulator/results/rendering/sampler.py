"""The point of the picture that each pixel of a frame shows, as the two maps for libavfilter's `remap`.

The points are computed on a coarse grid, which libswscale then scales to the size of the frame: the result is exact at
the grid's points, and between them for all movements without perspective.
"""

import struct
from typing import Final

import av
from av.filter import Graph

from . import frames
from .camera import Matrix
from .spec import RenderSpec

_CELL: Final = 32  # pixels from one point of the grid to the next

# The maps contain whole numbers below 2 ** 16; the grid has as many binary places as fit.
_LIMIT: Final = 1 << 16


class Sampler:
    """Makes maps.

    Args:
        graph: The graph that uses them.
        spec: The clip.
        image: The picture that is sampled.

    Attributes:
        maps: The ends of two chains that produce the maps, of columns and of rows.
    """

    def __init__(self, graph: Graph, spec: RenderSpec, image: av.VideoFrame) -> None:
        # One more point at each side, because a scaled picture is flat beyond the outermost points.
        self._columns, self._lines = -(-spec.width // _CELL) + 2, -(-spec.height // _CELL) + 2
        self._x = [(_CELL * (column - 0.5)) / spec.width - 0.5 for column in range(self._columns)]
        self._y = [(_CELL * (line - 0.5) - spec.height / 2) / spec.width for line in range(self._lines)]
        self._size = image.width, image.height * spec.width / spec.height
        # The outermost points may lie beyond the picture; a bias keeps them above 0.
        bias = 2 * _CELL * max(round(image.width / spec.width), 1)
        places = 1
        while (max(image.width, image.height) + 2 * bias) * 2 * places < _LIMIT:
            places *= 2
        self._places, self._bias, self._height = places, bias * places, image.height * places
        fine = f"scale={self._columns * _CELL}:{self._lines * _CELL}:flags=bilinear"
        cropped = f"crop={spec.width}:{spec.height}:{_CELL}:{_CELL}:exact=1"
        self._entries = [frames.source(graph, self._columns, self._lines, "gray16le") for _ in range(2)]
        self.maps = [
            frames.chained(graph, entry, fine, cropped, f"lut=c0=clip((val-{self._bias})/{places}\\,0\\,{side - 1})")
            for entry, side in zip(self._entries, (image.width, image.height), strict=True)
        ]

    def push(self, matrix: Matrix, number: int) -> None:
        """Makes the maps of a frame.

        Args:
            matrix: The view.
            number: The frame's number.
        """
        a, b, c, d, e, f, g, h, i = matrix
        across, down = (side * self._places for side in self._size)
        right, below = across / 2 + self._bias, self._height / 2 + self._bias
        columns, lines = [], []
        for y in self._y:
            first, second, third = b * y + c, e * y + f, h * y + i
            depths = [g * x + third for x in self._x]
            points = list(zip(self._x, depths, strict=True))
            columns.append(_packed([round(right + across * (a * x + first) / depth) for x, depth in points]))
            lines.append(_packed([round(below + down * (d * x + second) / depth) for x, depth in points]))
        for entry, rows in zip(self._entries, (columns, lines), strict=True):
            frames.push(entry, frames.made(self._columns, self._lines, "gray16le", rows), number)


def _packed(values: list[int]) -> bytes:
    form = f"<{len(values)}H"
    try:
        return struct.pack(form, *values)
    except struct.error:  # far beyond the picture, at a point that is not visible
        return struct.pack(form, *(min(max(value, 0), _LIMIT - 1) for value in values))
