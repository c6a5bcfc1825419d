"""Omni video."""

from typing import Any, Final

import attrs

from kling_async import OmniVideo
from tests.two_readings.pieces import (
    FLAT,
    SHOTS_THAT_THE_SERVICE_FINDS,
    SHOTS_WITHOUT_MULTI_SHOT,
    SMALL,
    TALL,
    UNCERTAIN_VOICES,
    UNKNOWN_MODEL,
    URL,
    WIDE,
)
from tests.two_readings.reading import Difference, Piece, Reading

CLIP: Final = "https://example.com/clip.mp4"
FIRST: Final = {"image_url": URL, "type": "first_frame"}
END: Final = {"image_url": URL, "type": "end_frame"}
NO_RATIO: Final = {"aspect_ratio": None}


def video(refer_type: str, **more: Any) -> Piece:
    """A video."""
    return {"video_list": [{"video_url": CLIP, "refer_type": refer_type} | more]}


EDIT: Final = video("base") | NO_RATIO

INPUTS: Final[list[Piece]] = [
    NO_RATIO,
    {"image_list": [URL, WIDE, TALL]},
    {"image_list": [URL] * 7},
    {"image_list": [URL] * 8},
    {"image_list": [SMALL]},
    {"image_list": [FLAT, {"image_url": URL, "type": ""}]},
    {"image_list": [{"image_url": URL, "type": "last_frame"}]},
    {"image_list": [FIRST]} | NO_RATIO,
    {"image_list": [FIRST], "duration": 4} | NO_RATIO,
    {"image_list": [FIRST, END], "duration": 4} | NO_RATIO,
    {"image_list": [FIRST, END], "element_list": [1]} | NO_RATIO,
    {"image_list": [FIRST, END, URL]} | NO_RATIO,
    {"image_list": [FIRST, FIRST]} | NO_RATIO,
    {"image_list": [FIRST, END, END]} | NO_RATIO,
    {"image_list": [FIRST, URL], "element_list": [1, 2, 3]} | NO_RATIO,
    {"image_list": [FIRST], "element_list": [1, 2, 3, 4]} | NO_RATIO,
    {"image_list": [END]},
    {"image_list": [END]} | NO_RATIO,
    {"image_list": [URL] * 4, "element_list": [1, 2, 3]},
    {"image_list": [URL] * 4, "element_list": [1, 2, 3, 4]},
    {"image_list": None},
    {"image_list": None, "duration": 7},
    {"image_list": None, "element_list": [*range(1, 8)]},
    {"image_list": None, "element_list": [*range(1, 9)]},
    {"element_list": [0]},
    video("feature"),
    video("feature") | NO_RATIO,
    video("feature", keep_original_sound="no"),
    video("feature") | {"sound": True},
    video("feature") | {"image_list": [URL] * 4},
    video("feature") | {"image_list": [URL] * 4, "element_list": [1]},
    video("feature") | {"image_list": [FIRST]} | NO_RATIO,
    EDIT,
    EDIT | {"duration": 2},
    EDIT | {"duration": None, "sound": True},
    EDIT | {"duration": None, "image_list": [FIRST]},
    EDIT | {"duration": None, "image_list": [FIRST, END]},
    EDIT | {"duration": None, "image_list": [URL, URL, URL], "element_list": [1]},
    EDIT | {"duration": None, "multi_shot": True, "shot_type": "intelligence"},
    video("copy"),
    {"video_list": [CLIP, CLIP]} | NO_RATIO,
    {"video_list": [{"video_url": ""}]} | NO_RATIO,
    {"video_list": ["data:video/mp4;base64,AAAA"]} | NO_RATIO,
    {"video_list": ["clip.mp4"]} | NO_RATIO,
    {"prompt": "cat.png"},
]

READING: Final = Reading(
    record=OmniVideo,
    least={
        "prompt": "a cat",
        "aspect_ratio": "16:9",
        "image_list": [URL],
    },  # a prompt alone does not allow every length
    pieces=INPUTS,
    only_the_client_refuses=[
        SHOTS_WITHOUT_MULTI_SHOT,
        attrs.evolve(
            SHOTS_THAT_THE_SERVICE_FINDS,
            example={**SHOTS_THAT_THE_SERVICE_FINDS.example, "model_name": "kling-v3-omni"},
        ),
        Difference(
            "prompt: is the name of a picture",
            {"prompt": "cat.png"},
            "the service would make a video of the file name, and bill it",
        ),
        Difference(
            "duration: .* is out of range",
            EDIT | {"duration": 0},
            "the service ignores the duration of a video that is edited; no seconds at all are a mistake all the same",
        ),
    ],
    only_the_emulator_refuses=[
        UNKNOWN_MODEL,
        UNCERTAIN_VOICES,
        Difference(
            "aspect_ratio is not supported with first_frame or refer_type base",
            {"image_list": [FIRST]},
            "the client only warns: that the service refuses it, and does not ignore it, nobody has seen",
        ),
    ],
)
