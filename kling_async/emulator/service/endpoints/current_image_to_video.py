"""Image to video of the current generation: a clip that begins with a picture, and may end with another."""

from typing import Final

from kling_async.emulator.service.current.creates import Request, endpoint
from kling_async.emulator.service.current.rows import FIVE_OR_TEN, Row, rates
from kling_async.emulator.service.errors import invalid

_PATH: Final = "/image-to-video"
_FIRST: Final = frozenset({"prompt", "first_frame"})
_FRAMES: Final = _FIRST | {"last_frame"}

# Prices of 2026-09. A clip of 3.0-turbo of 3 s in 720p took 28 s, one of 2.5-turbo of 5 s took 50 s; the other times
# are those of the legacy generation.
_TURBO: Final = Row(
    model="kling-3.0-turbo",
    takes=_FIRST,
    needs=("first_frame",),
    always_has_sound=True,
    reads_shots=True,
    prompt_limit=3072,  # 2500 on this page, 3072 on that of text to video
    silent=rates("0.8", "1.0"),
    seconds=51.0,
)
_V3: Final = Row(
    model="kling-3.0",
    takes=_FRAMES | {"element"},
    needs=("first_frame",),
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
    takes=_FRAMES | {"voice"},
    needs=("first_frame",),
    durations=FIVE_OR_TEN,
    audio=("native", "off"),
    silent=rates("0.3", "0.5"),
    native=rates("", "1.0"),
    voice=rates("", "1.2"),
    seconds=164.0,
)
_V2_5: Final = Row(
    model="kling-2.5-turbo",
    takes=_FRAMES,
    needs=("first_frame",),
    durations=FIVE_OR_TEN,
    silent=rates("0.3", "0.5"),
    seconds=77.0,
)


def _check_v3(request: Request) -> None:
    if request.count("element") > 3:
        raise invalid("contents can not have more than 3 elements")


def _check_v2_6(request: Request) -> None:
    _check_v2_5(request)
    settings = request.settings
    is_native = settings.audio == "native"
    if is_native and settings.resolution != "1080p":
        raise invalid("audio mode 'native' is only supported with resolution 1080p")
    if request.has("voice") and not is_native:
        raise invalid("voice is only supported with audio mode 'native'")
    if request.count("voice") > 2:
        raise invalid("contents can not have more than 2 voices")


def _check_v2_5(request: Request) -> None:
    if request.has("last_frame") and request.settings.resolution != "1080p":
        raise invalid("last_frame is only supported with resolution 1080p")


# The inputs of these are known from partners only; their paths and times are guesses.
_V4: Final = Row(
    model="kling-4.0",
    takes=_FRAMES | {"middle_frame"},
    needs=("first_frame",),
    durations=range(3, 31),
    always_has_sound=True,
    reads_shots=True,
    prompt_limit=26_000,
    silent=rates("1.12", "1.68"),
    seconds=180.0,
)
_V4_FLASH: Final = Row(
    model="kling-4.0-flash",
    takes=_FIRST,
    needs=("first_frame",),
    durations=range(3, 21),
    resolutions=("720p",),
    always_has_sound=True,
    reads_shots=True,
    prompt_limit=26_000,
    silent=rates("0.67"),
    seconds=130.0,
)


def _check_v4(request: Request) -> None:
    if request.count("middle_frame") > 8:
        raise invalid("contents can not have more than 8 middle frames")


ENDPOINTS: Final = (
    endpoint(_PATH, _TURBO),
    endpoint(_PATH, _V3, documented=_check_v3),
    endpoint(_PATH, _V2_6, documented=_check_v2_6),
    endpoint(_PATH, _V2_5, documented=_check_v2_5),
    endpoint(_PATH, _V4, documented=_check_v4, is_documented=False),
    endpoint(_PATH, _V4_FLASH, is_documented=False),
)
