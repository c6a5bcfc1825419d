"""Elements of the library."""

from typing import Any, Final

from kling_async import CreateElement
from tests.two_readings.pieces import FLAT, SMALL, SQUARE, TALL, URL, WIDE
from tests.two_readings.reading import Difference, Reading

CLIP: Final = "https://example.com/clip.mp4"


def images(*refer: Any, frontal: Any = SQUARE) -> dict[str, Any]:
    """These pictures."""
    return {"element_image_list": {"frontal_image": frontal, "refer_images": [*refer]}}


def videos(*addresses: str) -> dict[str, Any]:
    """An element of these videos."""
    listed = {"refer_videos": [*addresses]}
    return {"reference_type": "video_refer", "element_image_list": None, "element_video_list": listed}


READING: Final = Reading(
    record=CreateElement,
    least={
        "element_name": "robot",
        "element_description": "small blue robot",
        "reference_type": "image_refer",
        **images(WIDE),
    },
    pieces=[
        {"element_name": ""},
        {"element_name": "x" * 20},
        {"element_name": "x" * 21},
        {"element_description": ""},
        {"element_description": "x" * 100},
        {"element_description": "x" * 101},
        {"reference_type": "picture"},
        {"reference_type": ""},
        {"element_image_list": None},
        images(),
        images(URL, TALL, SQUARE),
        images(URL, TALL, SQUARE, WIDE),
        images(SMALL),
        images(FLAT),
        images(WIDE, frontal=SMALL),
        images(WIDE, frontal=None),
        images(WIDE, frontal=URL),
        videos(),
        videos(CLIP),
        videos(CLIP, CLIP),
        videos(""),
        videos("clip.mp4"),
        {**videos(CLIP), "element_video_list": None},
        {**videos(CLIP), **images(WIDE)},
        {"element_voice_id": "5"},
        {"tag_list": []},
        {"tag_list": ["o_101", {"tag_id": "o_108"}]},
        {"tag_list": [""]},
        {"tag_list": ["o_109"]},
    ],
    only_the_emulator_refuses=[
        Difference(
            "tag_id value 'o_109' is invalid",
            {"tag_list": ["o_109"]},
            "there may be more tags tomorrow: the client lets the service judge",
        )
    ],
)
