"""Image to video."""

from typing import Final

from kling_async import ImageToVideo
from tests.protocol.picture_files import png
from tests.two_readings.pieces import (
    FLAT,
    MODE_OF_MODELS_WITHOUT_MODES,
    SHOTS_THAT_THE_SERVICE_FINDS,
    SHOTS_WITHOUT_MULTI_SHOT,
    SMALL,
    SQUARE,
    TALL,
    UNKNOWN_MODEL,
    URL,
    WIDE,
    camera,
)
from tests.two_readings.reading import Difference, Piece, Reading

WAY: Final = [{"x": 1, "y": 1}, {"x": 9, "y": 9}]

PICTURES: Final[list[Piece]] = [
    {"image": URL},
    {"image": None},
    {"image": TALL},
    {"image": SMALL},
    {"image": FLAT},
    {"image": b"RIFF\x24\x00\x00\x00WEBPVP8 " + bytes(64)},
    {"image_tail": SQUARE},
    {"image_tail": SQUARE, "image": None},
    {"static_mask": png(320, 180)},
    {"dynamic_masks": [{"mask": URL, "trajectories": WAY}]},
    {"dynamic_masks": [{"mask": png(320, 180), "trajectories": WAY}]},
    {"dynamic_masks": [{"mask": TALL, "trajectories": WAY}]},
    {"dynamic_masks": [{"mask": URL, "trajectories": WAY[:1]}]},
    {"dynamic_masks": [{"mask": URL, "trajectories": WAY}] * 7},
    {"element_list": [1, 2, 3]},
    {"element_list": [1, 2, 3, 4]},
]


READING: Final = Reading(
    record=ImageToVideo,
    least={"image": WIDE},
    pieces=PICTURES,
    only_the_client_refuses=[
        SHOTS_WITHOUT_MULTI_SHOT,
        SHOTS_THAT_THE_SERVICE_FINDS,
        MODE_OF_MODELS_WITHOUT_MODES,
        Difference(
            "(static_mask|dynamic_masks).* each side must have at least 300",
            {"model_name": "kling-v1", "static_mask": png(320, 180)},
            "the limits are documented for all pictures; that the service holds masks to them is not known",
        ),
        Difference(
            "(camera_control|static_mask|dynamic_masks): image_tail and",
            {"model_name": "kling-v1", "image": None, "image_tail": SQUARE, **camera(pan=1)},
            "the documentation excludes it for both images together; of image_tail alone nothing is known",
        ),
        Difference(
            "camera_control: kling-v3 (cannot do|with) camera_control",
            {"model_name": "kling-v3", "camera_control": {"type": "down_back"}},
            "three sources deny the camera in std, one does not: the map refuses, which strict=False lifts",
        ),
    ],
    only_the_emulator_refuses=[UNKNOWN_MODEL],
)
