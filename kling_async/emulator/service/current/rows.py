"""What the paths of the current generation make, and what that costs: the type of their table."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import attrs

from kling_async.emulator.service.video_models import frame_size

SHORT_SIDE: Final = {"720p": 720, "1080p": 1080, "4k": 2160}
"""Pixels of the shorter side, by resolution."""

RATIOS: Final = {"16:9": (16, 9), "9:16": (9, 16), "1:1": (1, 1)}
"""What a clip without a first frame may be asked for."""

MORE_RATIOS: Final = RATIOS | {"21:9": (21, 9), "4:3": (4, 3), "3:4": (3, 4)}
"""The same, of the newest models."""

FIVE_OR_TEN: Final = range(5, 11, 5)

FPS: Final = 24

CLIP_SECONDS: Final = 5
"""Length of a clip for which none is asked, and of a video that the account has not made, as it is not fetched."""

_EFFORT: Final = {"720p": 0.65, "1080p": 1.0, "4k": 2.0}

Rates = Mapping[str, Decimal]
"""Units per second, by resolution."""


def rates(*units: str) -> dict[str, Decimal]:
    """Give prices of 720p, 1080p and, if there is a third one, 4k; "" where there is none."""
    return {name: Decimal(price) for name, price in zip(SHORT_SIDE, units, strict=False) if price}


@attrs.frozen(kw_only=True)
class Row:
    """One path.

    Attributes:
        model: Its last segment.
        takes: Types of `contents` that count here; empty where there is a `prompt` instead.
        needs: Those that have to be there.
        named: Those that may have an id, by which the prompt calls them.
        most_videos: Of `feature_video` and `base_video` together.
        durations: Whole seconds that the model makes; empty where the clip is as long as a video that is given.
        resolutions: Of `settings.resolution`.
        audio: Of `settings.audio`; empty where there is no such member.
        default_audio: The value of a request that has none.
        always_heard: Whether each clip has sound.
        ratios: Of `settings.aspect_ratio`; empty where there is no such member.
        has_shots: Whether there is `settings.multi_shot`.
        reads_shots: Whether a prompt may describe several shots.
        prompt_limit: Characters of the prompt.
        silent: Price of a clip without sound.
        native: The same, with sound; empty where it costs the same.
        voice: The same, with a voice.
        video: The same, with a video among the contents.
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
    always_heard: bool = False
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
        """Give the price of a second; a combination that has none of its own costs what the silent clip costs."""
        units = self.silent.get(resolution, Decimal(0))
        if native:
            units = self.native.get(resolution, units)
            if voice:
                units = self.voice.get(resolution, units)
        return self.video.get(resolution, units) if video else units

    def lasting(self, asked: int) -> int:
        """Give the length that the model makes of a length that the service accepts, whatever it is."""
        if not self.durations:
            return CLIP_SECONDS
        return max((each for each in self.durations if each <= asked), default=self.durations[0])

    def generation_seconds(self, resolution: str, seconds: int) -> float:
        """Give the mean time from submitted to succeeded; only few lengths were measured, the rest is between them."""
        return self.seconds * _EFFORT[resolution] * (0.6 + 0.08 * seconds)

    def size(self, resolution: str, ratio: tuple[int, int]) -> tuple[int, int]:
        """Give width and height in pixels."""
        return frame_size(SHORT_SIDE[resolution], ratio)
