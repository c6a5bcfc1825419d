"""Custom voices."""

from typing import Final

from kling_async import CreateVoice, Video
from tests.two_readings.reading import Difference, Reading

SPEECH: Final = "https://example.com/speech.mp3"

READING: Final = Reading(
    record=CreateVoice,
    least={"voice_name": "narrator", "voice_url": SPEECH},
    pieces=[
        {"voice_name": ""},
        {"voice_name": "x" * 20},
        {"voice_name": "x" * 21},
        {"voice_url": ""},
        {"voice_url": "http://example.com/speech.mov"},
        {"voice_url": "speech.mp3"},
        {"voice_url": "SUQzBAAAAAAA"},
        {"voice_url": "", "video_id": "5"},
        {"voice_url": "", "video": Video(id="5", url="https://example.com/made.mp4")},
        {"video_id": "5"},
        {"video": Video(id="5", url="https://example.com/made.mp4")},
    ],
    only_the_client_refuses=[
        Difference(
            "video_id: video and video_id exclude each other",
            {"voice_url": "", "video_id": "5", "video": Video(id="5", url="https://example.com/made.mp4")},
            "a video is sent as its id: the service sees one",
        )
    ],
)
