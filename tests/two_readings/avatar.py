"""Avatar."""

from typing import Final

from kling_async import Avatar
from kling_async.emulator.results.placeholder.sound import wav
from tests.protocol.sound_files import AAC, M4A, OGG
from tests.two_readings.pieces import FLAT, SMALL, SQUARE, TALL, URL, WIDE
from tests.two_readings.reading import Difference, Reading

SPEECH: Final = wav("a", "1", 3000)

READING: Final = Reading(
    record=Avatar,
    least={"image": WIDE, "sound_file": SPEECH},
    pieces=[
        {"image": TALL},
        {"image": SQUARE},
        {"image": URL},
        {"image": SMALL},
        {"image": FLAT},
        {"image": None},
        {"sound_file": "https://example.com/a.mp3"},
        {"sound_file": OGG},
        {"sound_file": SPEECH + bytes(5 * 2**20)},
        {"sound_file": None},
        {"sound_file": None, "audio_id": "7"},
        {"sound_file": "", "audio_id": "7"},
        {"audio_id": "7"},
        {"audio_id": ""},
    ],
    only_the_emulator_refuses=[
        Difference(
            "Audio format is invalid",
            {"sound_file": M4A},
            "M4A and AAC are documented, and were refused: the client warns, and lets the service judge",
        ),
        Difference("Audio format is invalid", {"sound_file": AAC}, "as above"),
        Difference(
            "The duration of the audio is invalid",
            {"sound_file": wav("a", "1", 1000)},
            "how long a sound is takes a decoder: the client leaves it to the service",
        ),
    ],
)
