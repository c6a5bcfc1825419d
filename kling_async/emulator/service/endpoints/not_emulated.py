"""Documented paths that are not emulated: families of the service that are retired, or hardly called."""

from typing import Final

from kling_async.emulator.service.endpoint import NotEmulated

_PATHS: Final = (
    "/v1/videos/video-extend",
    "/v1/videos/lip-sync",
    "/v1/videos/multi-image2video",
    "/v1/videos/multi-elements",
    "/v1/videos/image-recognize",
    "/v1/images/kolors-virtual-try-on",
    "/v1/general/ai-multi-shot",
    "/v1/general/custom-elements",
    "/v1/general/presets-elements",
    "/solutions",
)

ENDPOINTS: Final = tuple(map(NotEmulated, _PATHS))
