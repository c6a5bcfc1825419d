"""Motion control."""

from typing import Final

from kling_async import MotionControl
from tests.two_readings.pieces import FLAT, SMALL, TALL, UNKNOWN_MODEL, URL, WIDE
from tests.two_readings.reading import Piece, Reading

INPUTS: Final[list[Piece]] = [
    {"image_url": None},
    {"image_url": WIDE},
    {"image_url": TALL},
    {"image_url": SMALL},
    {"image_url": FLAT},
    {"video_url": None},
    {"video_url": ""},
    {"video_url": "HTTP://EXAMPLE.COM/DANCE.MP4"},
    {"video_url": "data:video/mp4;base64,AAAA"},
    {"video_url": "dance.mp4"},
    {"video_url": "ftp://example.com/dance.mp4"},
    {"video_url": "https://"},
    {"video_url": "https://example.com/my dance.mp4"},
    {"character_orientation": "image"},
    {"character_orientation": None},
    {"character_orientation": "left"},
    {"mode": None},
    {"keep_original_sound": "no"},
    {"keep_original_sound": False},
    {"element_list": [1]},
    {"element_list": [1, 2]},
    {"element_list": [1], "character_orientation": "image"},
    {"element_list": []},
]

READING: Final = Reading(
    record=MotionControl,
    least={
        "image_url": URL,
        "video_url": "https://example.com/dance.mp4",
        "character_orientation": "video",
        "mode": "pro",
    },
    pieces=INPUTS,
    only_the_emulator_refuses=[UNKNOWN_MODEL],
)
