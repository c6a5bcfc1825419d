"""The complete description of a picture as one value: the key of the cache."""

import math
from collections.abc import Mapping, Sequence
from typing import Final, Self

import attrs

from kling_async.emulator.results.placeholder.png import painted

from . import caption, font
from .caption import Label

_LETTERS: Final = 600


def _first_words(prompt: str) -> str:
    return font.plain(prompt[:_LETTERS])


@attrs.frozen(kw_only=True)
class Placed:
    """A submitted image in a picture; it fills its place, and is cropped if it has another ratio.

    Attributes:
        image: Its name in the image store.
        left: Pixels, even.
        top: Pixels, even.
        width: Pixels, even.
        height: Pixels, even.
    """

    image: str
    left: int
    top: int
    width: int
    height: int


@attrs.frozen(kw_only=True)
class PictureSpec:
    """A picture.

    Attributes:
        width: Pixels.
        height: Pixels.
        title: Model, resolution, number.
        prompt: The prompt; only its first words are kept.
        watermark: Whether it is stamped.
        label: Digits that distinguish it from others.
        images: The submitted images in it, from bottom to top.
    """

    width: int
    height: int
    title: str = ""
    prompt: str = attrs.field(default="", converter=_first_words)
    watermark: bool = False
    label: str = ""
    images: tuple[Placed, ...] = ()

    def make(self) -> bytes:
        """Paints it as a card with the prompt, without its images."""
        card = [caption.title(self.prompt, self.width, self.height)] if self.prompt else []
        return self._painted([caption.caption(self.width, self.height, self.title, self.label), *card, *self._stamp()])

    def ground(self) -> bytes:
        """Paints the background of its images."""
        return self._painted([])

    def labels(self) -> list[Label]:
        """Returns the labels over its images."""
        return [caption.caption(self.width, self.height, self.title, self.prompt), *self._stamp()]

    def with_images(self, images: Mapping[str, str]) -> Self:
        """Returns the same picture with other names of its images.

        Args:
            images: The new names by the present ones.
        """
        return attrs.evolve(self, images=tuple(attrs.evolve(each, image=images[each.image]) for each in self.images))

    def _stamp(self) -> list[Label]:
        return [caption.stamp(self.width, self.height)] if self.watermark else []

    def _painted(self, labels: list[Label]) -> bytes:
        return painted(self.width, self.height, f"{self.label} {self.title} {self.prompt}", labels)


def side_by_side(images: Sequence[str], width: int, height: int) -> tuple[Placed, ...]:
    """Places images in rows and columns that fill a picture.

    Args:
        images: Their names; a single image fills the whole picture.
        width: The picture's width.
        height: The picture's height.
    """
    if not images:
        return ()
    columns = math.ceil(math.sqrt(len(images)))
    lines = -(-len(images) // columns)
    places = []
    for number, image in enumerate(images):
        line, column = divmod(number, columns)
        left, right = (_even(width * each / columns) for each in (column, column + 1))
        top, bottom = (_even(height * each / lines) for each in (line, line + 1))
        places.append(Placed(image=image, left=left, top=top, width=right - left, height=bottom - top))
    return tuple(places)


def _even(pixels: float) -> int:
    return 2 * round(pixels / 2)
