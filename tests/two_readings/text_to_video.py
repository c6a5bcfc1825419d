"""Text to video."""

from typing import Final

from kling_async import TextToVideo
from tests.two_readings.pieces import (
    MODE_OF_MODELS_WITHOUT_MODES,
    SHOTS_THAT_THE_SERVICE_FINDS,
    SHOTS_WITHOUT_MULTI_SHOT,
    UNKNOWN_MODEL,
)
from tests.two_readings.reading import Difference, Reading

READING: Final = Reading(
    record=TextToVideo,
    least={"prompt": "a cat"},
    pieces=[{"prompt": "cat.png"}],
    only_the_client_refuses=[
        SHOTS_WITHOUT_MULTI_SHOT,
        SHOTS_THAT_THE_SERVICE_FINDS,
        MODE_OF_MODELS_WITHOUT_MODES,
        Difference(
            "prompt: is the name of a picture",
            {"prompt": "cat.png"},
            "the service would make a video of the file name, and bill it",
        ),
    ],
    only_the_emulator_refuses=[UNKNOWN_MODEL],
)
