"""The result of endpoints that make pictures: one or several, each optionally with a watermarked second file."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from .rendering.picture_spec import PictureSpec
from .result import Link, Loader

# Pixels above which pictures are made one at a time: those of 4K take some 200 MB.
_LARGE: Final = 5_000_000
_WATERMARK: Final = "-watermark"


@attrs.frozen
class RenderedPicture:
    """A picture with the submitted images in it.

    Attributes:
        spec: Its appearance.
    """

    spec: PictureSpec

    @property
    def is_large(self) -> bool:
        """Whether it is made alone."""
        return self.spec.width * self.spec.height > _LARGE

    def make(self, load: Loader, target: Path, stopped: Callable[[], bool]) -> None:  # noqa: ARG002 - it is quick
        """Makes the file; without images it is the same card as without rendering."""
        if not self.spec.images:
            target.write_bytes(self.spec.make())
            return
        from .rendering.collage import laid  # noqa: PLC0415 - imports PyAV, which is an extra

        target.write_bytes(laid(self.spec.ground(), self.spec.images, self.spec.labels(), load))


@attrs.frozen(kw_only=True)
class PicturesResult:
    """One picture or several.

    Attributes:
        spec: Their common appearance, to which a number is added; its images have the names of the request's members.
        count: Number of pictures.
        watermark: Whether each has a second file.
        result_type: "single" or "series" if answers contain it, else "".
    """

    spec: PictureSpec
    count: int
    watermark: bool
    result_type: str = ""

    @property
    def files(self) -> Mapping[str, str]:
        """The pictures, each followed by the one with the watermark if that was requested."""
        endings = ("", _WATERMARK) if self.watermark else ("",)
        return {f"image-{index}{ending}": ".png" for index in range(self.count) for ending in endings}

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.spec.width, self.spec.height

    def task_result(self, result_id: str, link: Link) -> dict[str, Any]:  # noqa: ARG002 - pictures have no ids
        """Returns the pictures as in answers."""
        images = []
        for index in range(self.count):
            images.append({"index": index, "url": link(f"image-{index}")})
            if self.watermark:
                images[-1]["watermark_url"] = link(f"image-{index}{_WATERMARK}")
        if not self.result_type:
            return {"images": images}
        series = self.result_type == "series"
        single: list[Any] = []
        return {
            "result_type": self.result_type,
            "images": single if series else images,
            "series_images": images if series else [],
        }

    def placeholder(self, name: str, label: str) -> PictureSpec:
        """Returns a card with the prompt."""
        return attrs.evolve(self._named(name), label=label)

    def rendering(self, name: str, images: Mapping[str, str]) -> RenderedPicture:
        """Returns the picture with the images' names in the store."""
        return RenderedPicture(self._named(name).with_images(images))

    def revised(self, revision: int) -> "PicturesResult":
        """Returns the same pictures with another text in them."""
        return attrs.evolve(self, spec=attrs.evolve(self.spec, prompt=f"revision {revision} {self.spec.prompt}"))

    def _named(self, name: str) -> PictureSpec:
        """Returns a picture by the name of its file."""
        number = int(name.removesuffix(_WATERMARK).removeprefix("image-")) + 1
        title = f"{self.spec.title}  {number}/{self.count}".strip()
        return attrs.evolve(self.spec, title=title, watermark=name.endswith(_WATERMARK))
