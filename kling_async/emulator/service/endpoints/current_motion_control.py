"""Motion control of the current generation: the person of a picture moves as the one of a video does."""

from typing import Final

from kling_async.emulator.service.current.creates import Request, endpoint
from kling_async.emulator.service.current.rows import Row, rates
from kling_async.emulator.service.errors import invalid

_PATH: Final = "/motion-control"
_GIVEN: Final = frozenset({"prompt", "image", "video"})

# Prices of 2026-09, per second of the result, which is as long as the video. One user waited 181 s for 4.8 s in 1080p.
_V3: Final = Row(
    model="kling-3.0",
    takes=_GIVEN | {"element"},
    needs=("image", "video"),
    durations=range(0),
    audio=("original", "off"),
    default_audio="original",
    silent=rates("0.9", "1.2"),
    seconds=181.0,
)
_V2_6: Final = Row(
    model="kling-2.6",
    takes=_GIVEN,
    needs=("image", "video"),
    durations=range(0),
    audio=("original", "off"),
    default_audio="original",
    silent=rates("0.5", "0.8"),
    seconds=181.0,
)


def _check_v3(request: Request) -> None:
    if request.count("element") > 1:
        raise invalid("contents can not have more than one element")
    if request.has("element") and request.settings.orientation != "video":
        raise invalid("element is only supported with character_orientation 'video'")


ENDPOINTS: Final = (endpoint(_PATH, _V3, documented=_check_v3), endpoint(_PATH, _V2_6))
