"""Text to video."""

from typing import Final

from kling_async import TextToVideo
from tests.two_readings.pieces import (
    MODE_OF_MODELS_WITHOUT_MODES,
    PICTURE_NAME,
    SHOTS_THAT_THE_SERVICE_FINDS,
    SHOTS_WITHOUT_MULTI_SHOT,
    UNCERTAIN_VOICES,
    UNKNOWN_MODEL,
)
from tests.two_readings.reading import Reading

READING: Final = Reading(
    record=TextToVideo,
    least={"prompt": "a cat"},
    pieces=[{"prompt": "cat.png"}],
    only_the_client_refuses=[
        SHOTS_WITHOUT_MULTI_SHOT,
        SHOTS_THAT_THE_SERVICE_FINDS,
        MODE_OF_MODELS_WITHOUT_MODES,
        PICTURE_NAME,
    ],
    only_the_emulator_refuses=[UNKNOWN_MODEL, UNCERTAIN_VOICES],
)
