"""Pictures from a prompt, or from a picture and a prompt."""

from typing import Final

from kling_async import GenerateImages
from tests.two_readings.pieces import FLAT, PICTURE_NAME, SMALL, TALL, UNKNOWN_MODEL, URL, WIDE
from tests.two_readings.reading import Piece, Reading

PIECES: Final[list[Piece]] = [
    {"prompt": "cat.png"},
    {"image": URL},
    {"image": WIDE},
    {"image": TALL},
    {"image": SMALL},
    {"image": FLAT},
    {"image": URL, "image_reference": "subject"},
    {"image": URL, "image_reference": "face", "image_fidelity": 0.5},
    {"image": URL, "image_reference": "subject", "human_fidelity": 0.5},
    {"image": URL, "image_reference": "style"},
    {"image_reference": "subject"},
    {"image": URL, "image_fidelity": 1.5},
    {"image": URL, "image_reference": "subject", "human_fidelity": -1},
    {"image": URL, "negative_prompt": "a dog"},
    {"negative_prompt": "a dog"},
    {"element_list": [1, 2, 3]},
    {"element_list": list(range(1, 11))},
    {"element_list": list(range(1, 12))},
    {"element_list": list(range(1, 11)), "image": URL},
    {"n": 9},
    {"n": 10},
    {"n": 0},
    {"resolution": "1k"},
    {"resolution": "2k"},
    {"resolution": "4k"},
    {"aspect_ratio": "4:3"},
    {"aspect_ratio": "21:9"},
    {"aspect_ratio": "auto"},
    {"aspect_ratio": "5:4"},
]

READING: Final = Reading(
    record=GenerateImages,
    least={"prompt": "a cat"},
    pieces=PIECES,
    only_the_client_refuses=[PICTURE_NAME],
    only_the_emulator_refuses=[UNKNOWN_MODEL],
)
