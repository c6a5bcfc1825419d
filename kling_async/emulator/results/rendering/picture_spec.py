"""All that decides what a picture looks like, as one value: the key of the cache."""

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
    """A submitted image in a picture, which fills its place and loses its edges if it has another ratio.

    Attributes:
        image: Its name in the image store.
        left: Pixels, even.
        top: The same.
        width: The same.
        height: The same.
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
        height: The same.
        title: Model, resolution, number.
        prompt: What is asked for in words; its first ones are kept.
        watermark: Whether it is stamped.
        label: Digits that make it differ from others.
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
        """Paint it as a card with the prompt, without its images."""
        card = [caption.title(self.prompt, self.width, self.height)] if self.prompt else []
        return self._painted([caption.caption(self.width, self.height, self.title, self.label), *card, *self._stamp()])

    def ground(self) -> bytes:
        """Paint what lies below its images."""
        return self._painted([])

    def labels(self) -> list[Label]:
        """Give what is written over its images."""
        return [caption.caption(self.width, self.height, self.title, self.prompt), *self._stamp()]

    def with_images(self, images: Mapping[str, str]) -> Self:
        """Give the same picture with other names of its images.

        Args:
            images: The new names by the present ones.
        """
        return attrs.evolve(self, images=tuple(attrs.evolve(each, image=images[each.image]) for each in self.images))

    def _stamp(self) -> list[Label]:
        return [caption.stamp(self.width, self.height)] if self.watermark else []

    def _painted(self, labels: list[Label]) -> bytes:
        return painted(self.width, self.height, f"{self.label} {self.title} {self.prompt}", labels)


def side_by_side(images: Sequence[str], width: int, height: int) -> tuple[Placed, ...]:
    """Place images in rows and columns that fill a picture.

    Args:
        images: Their names; one alone fills all of it.
        width: Of the picture.
        height: The same.
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
