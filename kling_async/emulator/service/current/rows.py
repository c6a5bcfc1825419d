"""The inputs, outputs and prices of the current generation's paths: the type of their table."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import attrs

from kling_async.emulator.service.video_models import frame_size

SHORT_SIDE: Final = {"720p": 720, "1080p": 1080, "4k": 2160}
"""Pixels of the shorter side, by resolution."""

RATIOS: Final = {"16:9": (16, 9), "9:16": (9, 16), "1:1": (1, 1)}
"""Aspect ratios of clips without a first frame."""

MORE_RATIOS: Final = RATIOS | {"21:9": (21, 9), "4:3": (4, 3), "3:4": (3, 4)}
"""Aspect ratios of the newest models."""

FIVE_OR_TEN: Final = range(5, 11, 5)

FPS: Final = 24

CLIP_SECONDS: Final = 5
"""Length of a clip without a requested one, and assumed length of a video that the account has not made."""

_EFFORT: Final = {"720p": 0.65, "1080p": 1.0, "4k": 2.0}

Rates = Mapping[str, Decimal]
"""Units per second, by resolution."""


def rates(*units: str) -> dict[str, Decimal]:
    """Returns the prices of 720p, 1080p and, if given, 4k; "" where there is none."""
    return {name: Decimal(price) for name, price in zip(SHORT_SIDE, units, strict=False) if price}


@attrs.frozen(kw_only=True)
class Row:
    """One path.

    Attributes:
        model: Its last segment.
        takes: Types of `contents` that it uses; empty where there is a `prompt` instead.
        needs: Required types.
        named: Types that may have an id, by which the prompt refers to them.
        most_videos: Limit of `feature_video` and `base_video` together.
        durations: Whole seconds that the model makes; empty where the clip is as long as the input video.
        resolutions: Values of `settings.resolution`.
        audio: Values of `settings.audio`; empty where there is no such member.
        default_audio: The value of `settings.audio` in a request without it.
        always_has_sound: Whether each clip has sound.
        ratios: Values of `settings.aspect_ratio`; empty where there is no such member.
        has_shots: Whether there is `settings.multi_shot`.
        reads_shots: Whether a prompt may describe several shots.
        prompt_limit: Characters of the prompt, at most.
        silent: Price of a clip without sound.
        native: Price with sound; empty where it is the same.
        voice: Price with a voice.
        video: Price with a video among the contents.
        seconds: Mean time from submitted to succeeded of 5 s in 1080p.
    """

    model: str
    takes: frozenset[str] = frozenset()
    needs: tuple[str, ...] = ()
    named: frozenset[str] = frozenset({"element", "voice"})
    most_videos: int = 1
    durations: range = range(3, 16)
    resolutions: tuple[str, ...] = ("720p", "1080p")
    audio: tuple[str, ...] = ()
    default_audio: str = "off"
    always_has_sound: bool = False
    ratios: Mapping[str, tuple[int, int]] = attrs.field(factory=dict)
    has_shots: bool = False
    reads_shots: bool = False
    prompt_limit: int = 2500
    silent: Rates
    native: Rates = attrs.field(factory=dict)
    voice: Rates = attrs.field(factory=dict)
    video: Rates = attrs.field(factory=dict)
    seconds: float

    def rate(self, resolution: str, *, native: bool, voice: bool, video: bool) -> Decimal:
        """Returns the price of a second; a combination without a price costs as much as the silent clip."""
        units = self.silent.get(resolution, Decimal(0))
        if native:
            units = self.native.get(resolution, units)
            if voice:
                units = self.voice.get(resolution, units)
        return self.video.get(resolution, units) if video else units

    def lasting(self, requested: int) -> int:
        """Returns the length that the model makes for a requested length, which may be any number."""
        if not self.durations:
            return CLIP_SECONDS
        return max((each for each in self.durations if each <= requested), default=self.durations[0])

    def generation_seconds(self, resolution: str, seconds: int) -> float:
        """Returns the mean time from submitted to succeeded; few lengths were measured, the rest is interpolated."""
        return self.seconds * _EFFORT[resolution] * (0.6 + 0.08 * seconds)

    def size(self, resolution: str, ratio: tuple[int, int]) -> tuple[int, int]:
        """Returns width and height in pixels."""
        return frame_size(SHORT_SIDE[resolution], ratio)
