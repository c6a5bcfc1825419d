"""What each path of the current generation accepts, in one row per path."""

import enum
from collections.abc import Mapping
from typing import Final

import attrs

TEXT_TO_VIDEO: Final = "/text-to-video"
IMAGE_TO_VIDEO: Final = "/image-to-video"
OMNI_VIDEO: Final = "/omni-video"
MOTION_CONTROL: Final = "/motion-control"
FAMILIES: Final = (TEXT_TO_VIDEO, IMAGE_TO_VIDEO, OMNI_VIDEO, MOTION_CONTROL)
"""The first segments of paths, which the model follows."""

RATIOS: Final = ("16:9", "9:16", "1:1")
RESOLUTION_LEFT_OUT: Final = "720p"
DURATION_LEFT_OUT: Final = 5


class Shots(enum.Enum):
    """How several shots are requested on a path."""

    BY_MEMBER = "member"
    """By `multi_shot` and a prompt that lists them."""
    BY_PROMPT = "prompt"
    """By the prompt alone."""
    NONE = "-"
    """Not at all."""


@attrs.frozen(kw_only=True)
class Row:
    """What one path accepts.

    Attributes:
        path: the path, including the model.
        resolutions: values of `resolution`; the service's default is 720p.
        durations: whole seconds; empty if the result is as long as its video.
        ratios: values of `aspect_ratio`; empty if it follows the picture or the video.
        audio: values of `audio`; empty if there is no such setting.
        shots: how several shots are requested.
        prompt_most: maximum number of characters of the prompt.
        contents: types of materials, including `prompt`; empty if the prompt is not in `contents`.
        most: maximum number of materials of a type, where documented.
        only_1080p: features available in 1080p only: `native` sound, types of materials.
        seconds: median time of tasks for 5 seconds in 720p, as reported by users of the service.
        verified: whether the path is in the service's own documentation.
    """

    path: str
    resolutions: tuple[str, ...]
    durations: tuple[int, ...] = ()
    ratios: tuple[str, ...] = ()
    audio: tuple[str, ...] = ()
    shots: Shots = Shots.NONE
    prompt_most: int = 2500
    contents: tuple[str, ...] = ()
    most: Mapping[str, int] = attrs.field(factory=dict, hash=False)
    only_1080p: tuple[str, ...] = ()
    seconds: float = 85
    verified: bool = True

    @property
    def family(self) -> str:
        """The path without the model."""
        return self.path.rpartition("/")[0]

    @property
    def model(self) -> str:
        """The last segment of the path."""
        return self.path.rpartition("/")[2]

    @property
    def takes_video(self) -> bool:
        """Whether the result may follow a video."""
        return bool({"video", "base_video", "feature_video"} & {*self.contents})

    @property
    def audio_left_out(self) -> str | None:
        """The `audio` setting that is sent if omitted: sources disagree on the service's default."""
        return None if not self.audio else "original" if self.family == MOTION_CONTROL else "off"


_HD: Final = ("720p", "1080p")
_4K: Final = (*_HD, "4k")
_LONG: Final = tuple(range(3, 16))
_FIXED: Final = (5, 10)
_FRAMES: Final = ("prompt", "first_frame", "last_frame")
_OMNI: Final = (*_FRAMES, "refer_image", "feature_video", "base_video", "element")
_MOTION: Final = ("prompt", "image", "video")

# The pages and capability tables of 2026-09. 2500 characters of a prompt are recommended where 3072 are possible; of
# kling-3.0-turbo the page of pictures says 2500 and that of words 3072.
# Seconds: turbo 28 for a video of 3 s, omni 83 for 3 s, 2.5-turbo 50 for 5 s, one user each; else as on legacy paths.
VERIFIED: Final = (
    Row(
        path="/text-to-video/kling-3.0-turbo",
        resolutions=_HD,
        durations=_LONG,
        ratios=RATIOS,
        shots=Shots.BY_PROMPT,
        prompt_most=3072,
        seconds=35,
    ),
    Row(
        path="/image-to-video/kling-3.0-turbo",
        resolutions=_HD,
        durations=_LONG,
        shots=Shots.BY_PROMPT,
        prompt_most=3072,
        contents=("prompt", "first_frame"),
        seconds=35,
    ),
    Row(
        path="/text-to-video/kling-3.0",
        resolutions=_4K,
        durations=_LONG,
        ratios=RATIOS,
        audio=("native", "off"),
        shots=Shots.BY_MEMBER,
        prompt_most=3072,
    ),
    Row(
        path="/image-to-video/kling-3.0",
        resolutions=_4K,
        durations=_LONG,
        audio=("native", "off"),
        shots=Shots.BY_MEMBER,
        prompt_most=3072,
        contents=(*_FRAMES, "element"),
        most={"element": 3},
    ),
    Row(
        path="/omni-video/kling-3.0-omni",
        resolutions=_4K,
        durations=_LONG,
        ratios=RATIOS,
        audio=("native", "original", "off"),
        shots=Shots.BY_MEMBER,
        prompt_most=3072,
        contents=_OMNI,
        seconds=104,
    ),
    Row(
        path="/motion-control/kling-3.0",
        resolutions=_HD,
        audio=("original", "off"),
        contents=(*_MOTION, "element"),
        most={"element": 1},
    ),
    Row(
        path="/omni-video/kling-o1",
        resolutions=_HD,
        durations=tuple(range(3, 11)),
        ratios=RATIOS,
        audio=("original", "off"),
        contents=_OMNI,
        seconds=104,
    ),
    Row(
        path="/text-to-video/kling-2.6",
        resolutions=_HD,
        durations=_FIXED,
        ratios=RATIOS,
        audio=("native", "off"),
        only_1080p=("native",),
    ),
    Row(
        path="/image-to-video/kling-2.6",
        resolutions=_HD,
        durations=_FIXED,
        audio=("native", "off"),
        contents=(*_FRAMES, "voice"),
        most={"voice": 2},
        only_1080p=("native", "last_frame", "voice"),
    ),
    Row(path="/motion-control/kling-2.6", resolutions=_HD, audio=("original", "off"), contents=_MOTION),
    Row(path="/text-to-video/kling-2.5-turbo", resolutions=_HD, durations=_FIXED, ratios=RATIOS, seconds=50),
    Row(
        path="/image-to-video/kling-2.5-turbo",
        resolutions=_HD,
        durations=_FIXED,
        contents=_FRAMES,
        only_1080p=("last_frame",),
        seconds=50,
    ),
)

_MORE_RATIOS: Final = (*RATIOS, "21:9", "4:3", "3:4")


def _unverified(family: str, *contents: str) -> tuple[Row, Row]:
    """Returns the rows of kling-4.0 and kling-4.0-flash as published by partners (2026-11), not by the service."""
    ratios = () if family == IMAGE_TO_VIDEO else _MORE_RATIOS
    flash = tuple(kind for kind in contents if kind in {"prompt", "first_frame", "refer_image", "element"})
    return (
        Row(
            path=f"{family}/kling-4.0",
            resolutions=_HD,
            durations=tuple(range(3, 31)),
            ratios=ratios,
            shots=Shots.BY_PROMPT,
            prompt_most=26_000,
            contents=contents,
            seconds=180,
            verified=False,
        ),
        Row(
            path=f"{family}/kling-4.0-flash",
            resolutions=("720p",),
            durations=tuple(range(3, 21)),
            ratios=ratios,
            shots=Shots.BY_PROMPT,
            prompt_most=26_000,
            contents=flash,
            seconds=86,
            verified=False,
        ),
    )


ROWS: Final = (
    *VERIFIED,
    *_unverified(TEXT_TO_VIDEO),
    *_unverified(IMAGE_TO_VIDEO, "prompt", "first_frame", "middle_frame", "last_frame"),
    *_unverified(OMNI_VIDEO, *_OMNI, "middle_frame", "voice"),
)
"""All rows, including unverified ones."""

TYPES: Final = frozenset(kind for row in ROWS for kind in row.contents)
"""All types of materials."""

MODELS: Final = {family: tuple(row.model for row in ROWS if row.family == family) for family in FAMILIES}
"""The models of each family."""

OF_LEGACY: Final = {
    "kling-v3": "kling-3.0",
    "kling-v3-omni": "kling-3.0-omni",
    "kling-video-o1": "kling-o1",
    "kling-v2-6": "kling-2.6",
    "kling-v2-5-turbo": "kling-2.5-turbo",
}
"""Names in this generation of the models of legacy paths."""

_BY_PATH: Final = {row.path: row for row in ROWS}


def row_of(path: str) -> Row | None:
    """Returns the row of a path; None if the path is unknown."""
    return _BY_PATH.get(path)
