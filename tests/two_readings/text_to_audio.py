"""Text to audio."""

from typing import Final

from kling_async import TextToAudio
from tests.two_readings.reading import Reading

READING: Final = Reading(
    record=TextToAudio,
    least={"prompt": "rain", "duration": 5.0},
    pieces=[
        {"prompt": "x" * 200},
        {"prompt": "x" * 201},
        {"duration": 3},
        {"duration": 10.0},
        {"duration": 2.9},
        {"duration": 10.1},
        {"duration": 5.5},
        {"duration": "5.0"},
        {"duration": None},
        {"duration": True},
    ],
)
