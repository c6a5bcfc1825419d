"""Pictures composed of subjects, a scene and a style."""

from typing import Final

from kling_async import MultiImageToImage
from tests.two_readings.pieces import FLAT, SMALL, TALL, UNKNOWN_MODEL, URL, WIDE
from tests.two_readings.reading import Piece, Reading

PIECES: Final[list[Piece]] = [
    {"subject_image_list": []},
    {"subject_image_list": [URL, WIDE, TALL, URL]},
    {"subject_image_list": [URL] * 5},
    {"subject_image_list": [SMALL]},
    {"scene_image": WIDE, "style_image": URL},
    {"scene_image": FLAT},
    {"style_image": SMALL},
    {"n": 9},
    {"n": 10},
    {"aspect_ratio": "21:9"},
    {"aspect_ratio": "5:4"},
]

READING: Final = Reading(
    record=MultiImageToImage,
    least={"subject_image_list": [URL]},
    pieces=PIECES,
    only_the_emulator_refuses=[UNKNOWN_MODEL],
)
