"""Parameters that several endpoints have, as changes of the smallest request of each."""

from typing import Any, Final

from tests.protocol.picture_files import jpeg, png
from tests.two_readings.reading import Difference, Piece

WIDE, TALL, SQUARE, SMALL, FLAT = png(640, 360), jpeg(360, 640), png(400, 400), png(299, 300), jpeg(2000, 600)
URL: Final = "https://example.com/cat.png"
SHOTS: Final = [{"index": 1, "prompt": "a", "duration": 2}, {"index": 2, "prompt": "b", "duration": 3}]
CUSTOM: Final = {"multi_shot": True, "shot_type": "customize", "multi_prompt": SHOTS}


def camera(**config: float) -> dict[str, Any]:
    """Returns a camera movement."""
    return {"camera_control": {"type": "simple", "config": config}}


PROMPTS: Final[list[Piece]] = [
    {"prompt": "a cat"},
    {"prompt": ""},
    {"prompt": "x" * 2500},
    {"prompt": "x" * 2501},
    {"negative_prompt": "y" * 2501},
    {"cfg_scale": 0.5},
    {"cfg_scale": 1.5},
]
SOUND: Final[list[Piece]] = [
    {"sound": True},
    {"sound": False},
    {"sound": True, "voice_list": ["1", "2"]},
    {"voice_list": ["1"]},
    {"voice_list": ["1", "2", "3"], "sound": True},
    {"voice_list": []},
]
CAMERA: Final[list[Piece]] = [
    camera(pan=5),
    camera(zoom=-10),
    camera(roll=10.5),
    camera(pan=1, tilt=1),
    camera(),
    {"camera_control": {"type": "down_back"}},
    {"camera_control": {"type": "down_back", "config": {"pan": 1}}},
    {"camera_control": {"type": "simple"}},
    {"camera_control": {"type": "up"}},
]
SEVERAL_SHOTS: Final[list[Piece]] = [
    {"multi_shot": True, "shot_type": "intelligence"},
    {"multi_shot": True},
    {"multi_shot": False},
    CUSTOM,
    CUSTOM | {"duration": 5},
    CUSTOM | {"duration": 6},
    CUSTOM | {"multi_prompt": []},
    CUSTOM | {"multi_prompt": [{"index": 0, "prompt": "a", "duration": 5}]},
    CUSTOM | {"multi_prompt": [{"index": 1, "prompt": "a" * 513, "duration": 5}], "duration": 5},
    {"shot_type": "customize"},
]
EVERY_TASK: Final[list[Piece]] = [
    {"watermark_info": {"enabled": True}},
    {"callback_url": "https://example.com/kling"},
    {"callback_url": "example.com"},
    {"external_task_id": "mine"},
]
SETTINGS: Final[list[Piece]] = [
    {"mode": "pro"},
    {"mode": "4k"},
    {"duration": 10},
    {"duration": 7},
    {"duration": 16},
    {"model_name": "kling-v1-5"},
    {"model_name": "kling-v9"},
]
RATIOS: Final[list[Piece]] = [{"aspect_ratio": "9:16"}, {"aspect_ratio": "1:1"}, {"aspect_ratio": "4:3"}]
COMMON: Final = PROMPTS + SOUND + CAMERA + SEVERAL_SHOTS + EVERY_TASK + SETTINGS + RATIOS

# ------------------------------------------------------------------------------- differences of several endpoints

SHOTS_WITHOUT_MULTI_SHOT: Final = Difference(
    "(shot_type|multi_prompt): has an effect with multi_shot only",
    {"shot_type": "customize"},
    "the service ignores it; who writes it forgot multi_shot, and would pay for something else",
)
SHOTS_THAT_THE_SERVICE_FINDS: Final = Difference(
    "multi_prompt: (the shots last|two shots have the same index)",
    {**CUSTOM, "model_name": "kling-v3", "shot_type": "intelligence", "duration": 10},
    "that the service ignores shots which it is to find itself is not known",
)
MODE_OF_MODELS_WITHOUT_MODES: Final = Difference(
    "mode: (pro|std) is not possible with kling-v2-(1-)?master",
    {"model_name": "kling-v2-master", "mode": "pro"},
    "the map has one mode for these models; that the service refuses another is not known",
)
UNKNOWN_MODEL: Final = Difference(
    "model is not supported",
    {"model_name": "kling-v9"},
    "models come and go: the client lets the service judge those that it does not know",
)
UNCERTAIN_VOICES: Final = Difference(
    "voice_list (needs sound to be on|can not exceed 2 items)",
    {"voice_list": ["1"]},
    "sources disagree on whether these videos have voices: the client only warns",
)
PICTURE_NAME: Final = Difference(
    "prompt: is the name of a picture",
    {"prompt": "cat.png"},
    "the service would make something of the file name, and bill it",
)
