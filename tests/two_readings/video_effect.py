"""Video effects."""

from typing import Final

from kling_async import VideoEffect
from tests.two_readings.pieces import FLAT, SMALL, SQUARE, TALL, URL, WIDE
from tests.two_readings.reading import Difference, Reading

READING: Final = Reading(
    record=VideoEffect,
    least={"effect_scene": "pet_dance", "image": WIDE},
    pieces=[
        {"effect_scene": "a scene of next week"},
        {"effect_scene": ""},
        {"image": URL},
        {"image": SQUARE},
        {"image": SMALL},
        {"image": None},
        {"image": None, "images": [WIDE, TALL]},
        {"image": "", "images": [URL, URL]},
        {"image": None, "images": [WIDE, FLAT]},
        {"image": None, "images": [WIDE]},
        {"image": None, "images": [WIDE, TALL, SQUARE]},
        {"images": [WIDE, TALL]},
        {"images": []},
        {"mode": "std", "duration": 5, "model_name": "kling-v1-6"},
    ],
    only_the_emulator_refuses=[
        Difference(
            "duration value",
            {"duration": 7},
            "which lengths a scene has is not documented any more: the client lets the service judge",
        ),
    ],
)
