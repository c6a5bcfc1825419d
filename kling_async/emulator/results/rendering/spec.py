"""The complete description of a rendered clip as one value: the key of the cache."""

from collections.abc import Mapping
from typing import Final, Self

import attrs

from . import font
from .camera import Camera

BY_URL: Final = "url"
"""In place of a stored image's name: the image was given by URL, and is not fetched."""

TOO_LARGE: Final = "large"
"""In place of a stored image's name: the image has too many pixels to be decoded here."""

_PROMPT_LETTERS: Final = 120
_CARD_LETTERS: Final = 600


def _first_words(prompt: str) -> str:
    return font.plain(prompt[:_PROMPT_LETTERS])


def _card(prompt: str) -> str:
    return font.plain(prompt[:_CARD_LETTERS])


@attrs.frozen(kw_only=True)
class Brush:
    """A dynamic mask.

    Attributes:
        mask: Name of the stored image.
        points: The trajectory, in widths of the image from its bottom left corner.
    """

    mask: str
    points: tuple[tuple[float, float], ...]


@attrs.frozen(kw_only=True)
class RenderSpec:
    """A clip to render. Images are names in the image store, "" where there is none.

    Attributes:
        width: Pixels, even.
        height: Pixels, even.
        fps: Frames per second.
        seconds: Length, exact.
        image: The first frame, or the last if there is only that; "" if `card` is shown.
        card: A text that is shown large if there is no image; only its first words are kept.
        tail: The last frame.
        backwards: Whether `image` is the last frame, so that the camera ends there.
        camera: The movement.
        static_mask: Mask of the static part.
        brushes: Masks of the moving parts.
        title: Model and mode.
        prompt: The prompt; only its first words are kept.
        watermark: Whether the picture is stamped.
        sound: Whether there is a sound track.
    """

    width: int
    height: int
    fps: int
    seconds: int
    image: str = ""
    card: str = attrs.field(default="", converter=_card)
    tail: str = ""
    backwards: bool = False
    camera: Camera = attrs.field(factory=Camera)
    static_mask: str = ""
    brushes: tuple[Brush, ...] = ()
    title: str = ""
    prompt: str = attrs.field(default="", converter=_first_words)
    watermark: bool = False
    sound: bool = False

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.fps * self.seconds

    @property
    def aspect(self) -> float:
        """Height divided by width."""
        return self.height / self.width

    def with_images(self, images: Mapping[str, str]) -> Self:
        """Returns the same clip with other names of its images.

        Args:
            images: The new names by the present ones.
        """
        names = {"": ""} | dict(images)
        return attrs.evolve(
            self,
            image=names[self.image],
            tail=names[self.tail],
            static_mask=names[self.static_mask],
            brushes=tuple(attrs.evolve(brush, mask=names[brush.mask]) for brush in self.brushes),
        )
