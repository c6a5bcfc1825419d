"""`/v1/videos/effects`: a ready-made scene is played with the subject of a picture, or the subjects of two."""

from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal

import attrs

from kling_async.protocol import records
from kling_async.protocol.converters import AS_TEXT, each, inside, is_empty, none_if_empty, whole_number
from kling_async.protocol.converters import image as as_image
from kling_async.protocol.endpoint import Endpoint, Request
from kling_async.protocol.errors import Problem
from kling_async.protocol.media.image import Image, ImageGiven
from kling_async.protocol.records import WatermarkInfo
from kling_async.protocol.rules import pictures, settings, task_options
from kling_async.protocol.rules.models import SECONDS_MOST
from kling_async.protocol.rules.values import exactly_one, filled, listed, text, whole

INPUT: Final = inside("input")
IMAGES: Final = 2


def _image(value: ImageGiven | None) -> Image | None:
    return None if is_empty(value) else as_image(value)  # beside `images`, "" is none


def _images(values: Iterable[ImageGiven] | None) -> tuple[Image, ...] | None:
    read: tuple[Image, ...] | None = each(as_image, values)
    return read or None  # beside `image`, [] is none


@attrs.frozen
class VideoEffect(Request):
    """A video of a ready-made scene with what one or two pictures show: `POST /v1/videos/effects`.

    Scenes are added and removed every week; the service's page of effects lists them. The scene decides whether it
    takes one picture or two. Prices are not published as a table: `Task.final_unit_deduction` has the cost.

    Attributes:
        effect_scene: name of the scene, such as `pet_dance` (one picture) or `hug_pro` (two); required.
        image: the picture of a scene for one: a path, an `http(s)://` address or bytes; JPEG or PNG, at most 10 MB (10
            x 2**20 bytes), each side at least 300 px, ratio 1:2.5 to 2.5:1. The picture of an earlier task will do.
        images: exactly 2 pictures, like `image`, of a scene for two: the left person, then the right one.
        duration: whole seconds, for older scenes (5; 10 with some for two); omitted if not given.
        model_name: for older scenes; omitted if not given.
        mode: `std` or `pro`, for older scenes; omitted if not given.
        watermark_info: whether a watermarked video is made as well.
        callback_url: address that the service posts status changes to.
        external_task_id: your own id, unique in the account; generated if omitted.
    """

    effect_scene: str
    image: Image | None = attrs.field(default=None, converter=_image, metadata=INPUT, kw_only=True)
    images: tuple[Image, ...] | None = attrs.field(default=None, converter=_images, metadata=INPUT, kw_only=True)
    duration: int | None = attrs.field(
        default=None, converter=attrs.converters.optional(whole_number), metadata={**AS_TEXT, **INPUT}, kw_only=True
    )
    model_name: str | None = attrs.field(default=None, converter=none_if_empty, metadata=INPUT, kw_only=True)
    mode: Literal["std", "pro"] | None = attrs.field(default=None, metadata=INPUT, kw_only=True)
    watermark_info: WatermarkInfo | None = attrs.field(default=None, converter=records.watermark_info, kw_only=True)
    callback_url: str | None = attrs.field(default=None, converter=none_if_empty, repr=False, kw_only=True)
    external_task_id: str | None = attrs.field(default=None, converter=none_if_empty, kw_only=True)


# ------------------------------------------------------------------------------------------------- rules


def scene(request: VideoEffect) -> Iterator[Problem]:
    """Any text: new scenes are added every week."""
    yield from filled("effect_scene", request.effect_scene)


def one_or_two(request: VideoEffect) -> Iterator[Problem]:
    """One picture, or two in a list."""
    yield from exactly_one(request, "image", "images")
    yield from listed("images", request.images, Image, most=IMAGES)
    given: Any = request.images
    if isinstance(given, tuple) and len(given) < IMAGES:
        yield Problem("images", f"has {len(given)} picture; a scene for two needs {IMAGES}, a scene for one image")


def older_settings(request: VideoEffect) -> Iterator[Problem]:
    """Optional settings: only the service can check which scene accepts them."""
    if request.duration is not None:
        yield from whole("duration", request.duration, 1, SECONDS_MOST)
    if request.model_name is not None:
        yield from text("model_name", request.model_name)
    yield from settings.mode(request)


TYPICAL_SECONDS: Final = 320.0
"""The mean over all scenes measured by a public client."""

ENDPOINT = Endpoint(
    path="/v1/videos/effects",
    record=VideoEffect,
    picture_rules=(pictures.pictures,),
    rules=(
        scene,
        one_or_two,
        older_settings,
        task_options.watermark_info,
        task_options.callback_url,
        task_options.external_task_id,
    ),
    typical_seconds=lambda _: TYPICAL_SECONDS,
    finds_by_external_id=True,
)
