"""Video to audio."""

from typing import Final

from kling_async import VideoToAudio
from tests.two_readings.reading import Reading

CLIP: Final = "https://example.com/cat.mp4"

READING: Final = Reading(
    record=VideoToAudio,
    least={"video_url": CLIP},
    pieces=[
        {"video_id": "867283741759110900"},
        {"video_id": "867283741759110900", "video_url": None},
        {"video_url": None},
        {"video_url": ""},
        {"video_url": "cat.mp4"},
        {"video_url": "ftp://example.com/cat.mp4"},
        {"sound_effect_prompt": "purring", "bgm_prompt": "a waltz", "asmr_mode": True},
        {"sound_effect_prompt": "x" * 200, "bgm_prompt": "x" * 200},
        {"sound_effect_prompt": "x" * 201},
        {"bgm_prompt": "x" * 201},
        {"sound_effect_prompt": "", "asmr_mode": False},
        {"asmr_mode": "on"},
    ],
)
