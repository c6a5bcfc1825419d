"""Expanded pictures."""

from typing import Any, Final

from kling_async import ExpandImage
from tests.two_readings.pieces import FLAT, SMALL, TALL, URL, WIDE
from tests.two_readings.reading import Piece, Reading


def ratios(up: Any = 0, down: Any = 0, left: Any = 0, right: Any = 0) -> Piece:
    """Returns the ratios by which the sides are expanded."""
    sides = {"up": up, "down": down, "left": left, "right": right}
    return {f"{side}_expansion_ratio": value for side, value in sides.items()}


PIECES: Final[list[Piece]] = [
    {"image": None},
    {"image": WIDE},
    {"image": TALL},
    {"image": SMALL},
    {"image": FLAT},
    ratios(),
    ratios(up=2),
    ratios(up=2.01),
    ratios(down=-0.1),
    ratios(left=1, right=1),
    ratios(0.1495, 0.1495, 0.6547, 0.6547),
    ratios(0.0003, 0, 1, 1),
    ratios(0.01, 0, 1, 1),
    ratios(1, 1, 1, 1),
    {"n": 9},
    {"n": 10},
]

READING: Final = Reading(record=ExpandImage, least={"image": URL}, pieces=PIECES)
