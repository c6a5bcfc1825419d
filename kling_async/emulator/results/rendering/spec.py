"""All that decides what a rendered clip looks like, as one value: the key of the cache."""

from typing import Any, Final

import attrs

from kling_async.emulator.account.account_model import EmulatedTask
from kling_async.emulator.service import catalog
from kling_async.emulator.service.answers import Variant

from . import font
from .camera import Camera, camera_of

BY_URL: Final = "url"
"""In place of a kept image's name: the image was given by URL, and is not fetched."""

TOO_LARGE: Final = "large"
"""The same: the image has too many pixels to be decoded here."""

_PROMPT_LETTERS: Final = 120


@attrs.frozen(kw_only=True)
class Brush:
    """A dynamic mask.

    Attributes:
        mask: Name of the kept image.
        points: The trajectory, in widths of the image from its bottom left corner.
    """

    mask: str
    points: tuple[tuple[float, float], ...]


@attrs.frozen(kw_only=True)
class RenderSpec:
    """A clip to render. Images are names in the images, "" where there is none.

    Attributes:
        width: Pixels, even.
        height: Pixels, even.
        fps: Frames per second.
        seconds: Length, exact.
        image: The first frame, or `image_tail` where it stands alone.
        tail: The last frame.
        backwards: Whether `image` is the last frame, so that the camera has to arrive there.
        camera: The movement.
        static_mask: What stays.
        brushes: What moves.
        title: Model and mode.
        prompt: Its first words.
        watermark: Whether the picture is stamped.
        sound: Whether there is a sound track.
    """

    width: int
    height: int
    fps: int
    seconds: int
    image: str
    tail: str = ""
    backwards: bool = False
    camera: Camera = attrs.field(factory=Camera)
    static_mask: str = ""
    brushes: tuple[Brush, ...] = ()
    title: str = ""
    prompt: str = ""
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


def render_spec(task: EmulatedTask, variant: Variant) -> RenderSpec:
    """Say what the result of a task, whose images were kept, looks like."""
    order, images = task.request, task.request.images
    width, height = catalog.video_size(order.model_name, order.mode, order.picture.width, order.picture.height)
    masks: list[dict[str, Any]] = order.parameters.get("dynamic_masks") or []
    brushes = [
        Brush(
            mask=images[f"dynamic_masks.{number}"],
            points=tuple(
                (point["x"] / order.picture.width, point["y"] / order.picture.width) for point in brush["trajectories"]
            ),
        )
        for number, brush in enumerate(masks)
    ]
    return RenderSpec(
        width=width,
        height=height,
        fps=catalog.MODELS[order.model_name].fps,
        seconds=order.duration,
        image=images.get("image") or images["image_tail"],
        tail=images.get("image_tail", "") if "image" in images else "",
        backwards="image" not in images,
        camera=camera_of(order.parameters),
        static_mask=images.get("static_mask", ""),
        brushes=tuple(brushes),
        title=f"{order.model_name} {order.mode}",
        prompt=font.plain(order.prompt[:_PROMPT_LETTERS]),
        watermark=variant == "watermark",
        sound=order.parameters.get("sound") == "on",
    )
