"""Text to video of the current generation: a clip from words."""

from typing import Final

from kling_async.emulator.service.current.creates import Request, endpoint
from kling_async.emulator.service.current.rows import FIVE_OR_TEN, MORE_RATIOS, RATIOS, Row, rates
from kling_async.emulator.service.errors import invalid

_PATH: Final = "/text-to-video"

# Prices of 2026-09; times as for image to video.
_TURBO: Final = Row(
    model="kling-3.0-turbo",
    ratios=RATIOS,
    always_has_sound=True,
    reads_shots=True,
    prompt_limit=3072,
    silent=rates("0.8", "1.0"),
    seconds=51.0,
)
_V3: Final = Row(
    model="kling-3.0",
    ratios=RATIOS,
    resolutions=("720p", "1080p", "4k"),
    audio=("native", "off"),
    has_shots=True,
    reads_shots=True,
    prompt_limit=3072,
    silent=rates("0.6", "0.8", "3.0"),
    native=rates("0.9", "1.2", "3.0"),
    seconds=164.0,
)
_V2_6: Final = Row(
    model="kling-2.6",
    ratios=RATIOS,
    durations=FIVE_OR_TEN,
    audio=("native", "off"),
    silent=rates("0.3", "0.5"),
    native=rates("", "1.0"),
    seconds=164.0,
)
_V2_5: Final = Row(
    model="kling-2.5-turbo",
    ratios=RATIOS,
    durations=FIVE_OR_TEN,
    silent=rates("0.3", "0.5"),
    seconds=77.0,
)
# Known from partners only; the paths are guesses.
_V4: Final = Row(
    model="kling-4.0",
    ratios=MORE_RATIOS,
    durations=range(3, 31),
    always_has_sound=True,
    reads_shots=True,
    prompt_limit=26_000,
    silent=rates("1.12", "1.68"),
    seconds=180.0,
)
_V4_FLASH: Final = Row(
    model="kling-4.0-flash",
    ratios=MORE_RATIOS,
    durations=range(3, 21),
    resolutions=("720p",),
    always_has_sound=True,
    reads_shots=True,
    prompt_limit=26_000,
    silent=rates("0.67"),
    seconds=130.0,
)


def _check_v2_6(request: Request) -> None:
    if request.settings.audio == "native" and request.settings.resolution != "1080p":
        raise invalid("audio mode 'native' is only supported with resolution 1080p")


ENDPOINTS: Final = (
    endpoint(_PATH, _TURBO),
    endpoint(_PATH, _V3),
    endpoint(_PATH, _V2_6, documented=_check_v2_6),
    endpoint(_PATH, _V2_5),
    endpoint(_PATH, _V4, is_documented=False),
    endpoint(_PATH, _V4_FLASH, is_documented=False),
)
