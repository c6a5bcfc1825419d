"""The result of endpoints that make one video, optionally with a watermarked second file."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Self

import attrs

from .placeholder.video import VideoSpec
from .rendering.spec import RenderSpec
from .result import Link, Loader

# Pixels of a frame above which clips are rendered one at a time: 4K takes some 300 MB.
_LARGE: Final = 5_000_000


@attrs.frozen
class RenderedVideo:
    """A clip to render.

    Attributes:
        spec: Its appearance.
    """

    spec: RenderSpec

    @property
    def is_large(self) -> bool:
        """Whether it is rendered alone."""
        return self.spec.width * self.spec.height > _LARGE

    def make(self, load: Loader, target: Path, stopped: Callable[[], bool]) -> None:
        """Renders the clip."""
        from .rendering.render import render  # noqa: PLC0415 - imports PyAV, which is an extra

        render(self.spec, load, target, stopped)


@attrs.frozen(kw_only=True)
class VideoResult:
    """One video.

    Attributes:
        spec: Its appearance; its images have the names of the request's members.
        watermark: Whether there is a second file.
        surplus_frames: Frames by which the length in answers exceeds the requested one, at least 1.
    """

    spec: RenderSpec
    watermark: bool
    surplus_frames: int = 1

    @property
    def files(self) -> Mapping[str, str]:
        """The video, and the one with the watermark if it was requested."""
        return {"plain": ".mp4"} | ({"watermark": ".mp4"} if self.watermark else {})

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.spec.width, self.spec.height

    def task_result(self, result_id: str, link: Link) -> dict[str, Any]:
        """Returns the video as in answers."""
        video = {"id": result_id, "url": link("plain")}
        if self.watermark:
            video["watermark_url"] = link("watermark")
        milliseconds = 1000 * self.spec.seconds + 1000 * self.surplus_frames // self.spec.fps
        return {"videos": [video | {"duration": f"{milliseconds / 1000:g}"}]}

    def placeholder(self, name: str, label: str) -> VideoSpec:
        """Returns a still picture as a video of the same size and length."""
        spec = self.spec
        return VideoSpec(
            width=spec.width,
            height=spec.height,
            fps=spec.fps,
            seconds=spec.seconds,
            label=label,
            watermark=name == "watermark",
        )

    def rendering(self, name: str, images: Mapping[str, str]) -> RenderedVideo:
        """Returns the clip with the images' names in the store."""
        return RenderedVideo(attrs.evolve(self.spec.with_images(images), watermark=name == "watermark"))

    def revised(self, revision: int) -> Self:
        """Returns the same video with another caption."""
        prompt = f"revision {revision} {self.spec.prompt}"
        return attrs.evolve(self, spec=attrs.evolve(self.spec, prompt=prompt))
