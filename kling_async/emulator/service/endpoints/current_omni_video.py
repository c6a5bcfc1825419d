"""Omni video of the current generation: a clip from words, pictures, elements and a video, in many combinations."""

from typing import Final

from kling_async.emulator.service.current.creates import Request, endpoint
from kling_async.emulator.service.current.documented import shots_of
from kling_async.emulator.service.current.rows import MORE_RATIOS, RATIOS, Row, rates
from kling_async.emulator.service.errors import invalid

_PATH: Final = "/omni-video"
_VIDEOS: Final = ("feature_video", "base_video")
_FRAMES: Final = ("first_frame", "last_frame")
_TAKES: Final = frozenset({"prompt", *_FRAMES, "refer_image", *_VIDEOS, "element"})
_NAMED: Final = _TAKES - {"prompt"}

# Prices of 2026-09. A clip of 3.0-omni of 3 s in 720p took 83 s.
_V3: Final = Row(
    model="kling-3.0-omni",
    takes=_TAKES,
    named=_NAMED,
    resolutions=("720p", "1080p", "4k"),
    ratios=RATIOS,
    audio=("native", "original", "off"),
    has_shots=True,
    reads_shots=True,
    prompt_limit=3072,
    silent=rates("0.6", "0.8", "3.0"),
    native=rates("0.8", "1.0", "3.0"),
    video=rates("0.9", "1.2", "3.0"),
    seconds=152.0,
)
_O1: Final = Row(
    model="kling-o1",
    takes=_TAKES,
    named=_NAMED,
    durations=range(3, 11),
    ratios=RATIOS,
    audio=("original", "off"),
    silent=rates("0.6", "0.8"),
    video=rates("0.9", "1.2"),
    seconds=152.0,
)
# Known from partners only; the paths are guesses. The service also bills the seconds of an input video, the emulator
# does not.
_V4: Final = Row(
    model="kling-4.0",
    takes=_TAKES | {"middle_frame", "voice"},
    named=_NAMED | {"middle_frame", "voice"},
    most_videos=5,
    durations=range(3, 31),
    ratios=MORE_RATIOS,
    always_has_sound=True,
    reads_shots=True,
    prompt_limit=26_000,
    silent=rates("1.12", "1.68"),
    video=rates("0.67", "1.0"),
    seconds=180.0,
)
_V4_FLASH: Final = Row(
    model="kling-4.0-flash",
    takes=frozenset({"prompt", "first_frame", "refer_image", "element"}),
    named=frozenset({"first_frame", "refer_image", "element"}),
    durations=range(3, 21),
    resolutions=("720p",),
    ratios=MORE_RATIOS,
    always_has_sound=True,
    reads_shots=True,
    prompt_limit=26_000,
    silent=rates("0.67"),
    seconds=130.0,
)


def _seen(request: Request) -> None:
    """Refuses what the service was observed to refuse; there an ignored `video` also counts as a shape."""
    has_shape = request.has("first_frame", *_VIDEOS) or "video" in request.ignored
    if not has_shape and not request.settings.ratio:
        raise invalid("settings.aspect_ratio is required")
    if request.settings.audio == "original" and not request.has(*_VIDEOS):
        raise invalid("audio mode 'original' is not supported by the current model")


def _seen_of_o1(request: Request) -> None:
    _seen(request)
    is_plain = not request.has("refer_image", "element", *_VIDEOS)
    if is_plain and request.settings.requested_seconds not in {None, 5, 10}:
        raise invalid("Duration only supports 5 or 10 seconds when no refer_image is provided")


def _check_v3(request: Request) -> None:
    """Checks a request; of the rules that depend on an element's kind only those that hold for every kind."""
    _check_both(request)
    if request.has("feature_video") and request.settings.audio != "off":
        raise invalid("audio is not supported with feature_video")
    if request.has("base_video"):
        if request.settings.audio == "native":
            raise invalid("audio mode 'native' is not supported with base_video")
        if shots_of(request.prompt):
            raise invalid("several shots are not supported with base_video")
    if request.has(*_FRAMES) and not request.has(*_VIDEOS) and request.count("element") > 3:
        raise invalid("contents can not have more than 3 elements with frames")


def _check_o1(request: Request) -> None:
    _check_both(request)
    if request.has("last_frame") and request.has("element", "refer_image", "feature_video"):
        raise invalid("last_frame is only supported with first_frame")


def _check_both(request: Request) -> None:
    if not request.has("prompt"):
        raise invalid("content item of type 'prompt' is required")
    if request.has("base_video") and request.has(*_FRAMES):
        raise invalid("frames are not supported with base_video")
    most = 4 if request.has(*_VIDEOS) else 7
    if request.count("refer_image", "element") > most:
        raise invalid(f"contents can not have more than {most} reference images and elements")


ENDPOINTS: Final = (
    endpoint(_PATH, _V3, seen=_seen, documented=_check_v3, alias="kling-v3-omni"),
    endpoint(_PATH, _O1, seen=_seen_of_o1, documented=_check_o1),
    endpoint(_PATH, _V4, is_documented=False),
    endpoint(_PATH, _V4_FLASH, is_documented=False),
)
