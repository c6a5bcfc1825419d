"""Lip-sync."""

from typing import Any, Final

from kling_async import LipSync
from kling_async.emulator.results.placeholder.sound import wav
from tests.protocol.sound_files import M4A, OGG
from tests.two_readings.reading import Difference, Piece, Reading

SPEECH: Final = wav("a", "1", 3000)
TIMES: Final = {"sound_start_time": 0, "sound_end_time": 3000, "sound_insert_time": 0}


def choice(**parameters: Any) -> Piece:
    """Returns the choice of a speaking face, with these members changed."""
    return {"face_choose": [{"face_id": "0", "sound_file": SPEECH, **TIMES, **parameters}]}


READING: Final = Reading(
    record=LipSync,
    least={"session_id": "1", **choice()},
    pieces=[
        {"session_id": ""},
        {"face_choose": []},
        {"face_choose": choice()["face_choose"] * 2},
        choice(face_id=""),
        choice(sound_file=None),
        choice(sound_file=None, audio_id="7"),
        choice(sound_file="", audio_id="7"),
        choice(audio_id="7"),
        choice(sound_file="https://example.com/a.mp3"),
        choice(sound_file=OGG),
        choice(sound_start_time=-1),
        choice(sound_start_time=1000),
        choice(sound_start_time=1001),
        choice(sound_start_time=4000),
        choice(sound_insert_time=-1),
        choice(sound_insert_time=9000),
        choice(sound_volume=0, original_audio_volume=2),
        choice(sound_volume=0.5),
        choice(sound_volume=2.1),
        choice(original_audio_volume=-0.1),
    ],
    only_the_emulator_refuses=[
        Difference(
            "Audio format is invalid",
            choice(sound_file=M4A),
            "M4A and AAC are documented, and were refused: the client warns, and lets the service judge",
        ),
        Difference(
            "sound_end_time can not exceed the sound",
            choice(sound_end_time=3001),
            "how long a sound is takes a decoder: the client leaves it to the service",
        ),
    ],
)
