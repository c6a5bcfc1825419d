"""Pictures, or a series of them, from a prompt that may refer to others."""

from typing import Final

from kling_async import OmniImage
from tests.two_readings.pieces import FLAT, PICTURE_NAME, SMALL, TALL, UNKNOWN_MODEL, URL, WIDE
from tests.two_readings.reading import Piece, Reading

PIECES: Final[list[Piece]] = [
    {"prompt": "cat.png"},
    {"image_list": []},
    {"image_list": [URL, WIDE, TALL]},
    {"image_list": [SMALL]},
    {"image_list": [URL, FLAT]},
    {"image_list": [URL] * 10},
    {"image_list": [URL] * 11},
    {"image_list": [URL] * 5, "element_list": [1, 2, 3, 4, 5]},
    {"image_list": [URL] * 5, "element_list": [1, 2, 3, 4, 5, 6]},
    {"element_list": [1, 2, 3, 4, 5]},
    {"resolution": "2k"},
    {"resolution": "4k"},
    {"resolution": "8k"},
    {"result_type": "single"},
    {"result_type": "series"},
    {"result_type": "film"},
    {"result_type": "series", "series_amount": 2},
    {"result_type": "series", "series_amount": 9, "resolution": "4k"},
    {"result_type": "series", "series_amount": "auto"},
    {"result_type": "series", "series_amount": 1},
    {"result_type": "series", "series_amount": 10},
    {"result_type": "series", "n": 9},
    {"series_amount": 4},
    {"n": 9},
    {"n": 10},
    {"aspect_ratio": "21:9"},
    {"aspect_ratio": "auto"},
    {"aspect_ratio": "auto", "image_list": [URL]},
    {"aspect_ratio": "5:4"},
]

READING: Final = Reading(
    record=OmniImage,
    least={"prompt": "a cat"},
    pieces=PIECES,
    only_the_client_refuses=[PICTURE_NAME],
    only_the_emulator_refuses=[UNKNOWN_MODEL],
)
