"""`/v1/images/multi-image2image`: pictures of subjects, of a scene and of a style become one."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal

import attrs

from kling_async.protocol import image_tasks, records
from kling_async.protocol.capability import CapabilityMap
from kling_async.protocol.converters import each_in, images, none_if_empty, whole_number
from kling_async.protocol.converters import image as as_image
from kling_async.protocol.endpoint import Endpoint, Pool, Request
from kling_async.protocol.errors import Problem
from kling_async.protocol.media.image import Image, ImageGiven
from kling_async.protocol.records import ImageRatio, WatermarkInfo
from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.rules import image_settings, models, pictures, settings, task_options, text
from kling_async.protocol.rules.values import listed

KnownModel = Literal["kling-v2", "kling-v2-1"]
"""Completions for editors; any other text is accepted, since models come and go."""


def _subject_image_list(values: Iterable[ImageGiven | Mapping[str, Any]] | None) -> tuple[Image, ...] | None:
    return images(values, "subject_image")


@attrs.frozen
class MultiImageToImage(Request):
    """Pictures that join one to four subjects, a scene and a style: `POST /v1/images/multi-image2image`.

    A task takes as many slots as it makes pictures.

    Attributes:
        subject_image_list: 1 to 4 pictures of a subject each, which is cut out already (the service crops nothing):
            paths, `http(s)://` addresses or bytes; JPEG or PNG, at most 10 MB (10 x 2**20 bytes), each side at least
            300 px, ratio 1:2.5 to 2.5:1.
        model_name: always sent (the service's own default was kling-v2 before it was kling-v2-1).
        prompt: content of the pictures, at most 2500 characters.
        scene_image: the background, like one of `subject_image_list`.
        style_image: the style, like one of `subject_image_list`.
        n: how many pictures, 1 to 9.
        aspect_ratio: `16:9` (the service's default), `9:16`, `1:1`, `4:3`, `3:4`, `3:2`, `2:3` or `21:9`.
        watermark_info: whether watermarked pictures are made as well.
        callback_url: address that the service posts status changes to.
        external_task_id: your own id, unique in the account; generated if omitted.
    """

    subject_image_list: tuple[Image, ...] | None = attrs.field(
        default=None, converter=_subject_image_list, metadata=each_in("subject_image")
    )
    model_name: KnownModel | str = attrs.field(default="kling-v2-1", kw_only=True)
    prompt: str | None = attrs.field(default=None, kw_only=True)
    scene_image: Image | None = attrs.field(default=None, converter=as_image, kw_only=True)
    style_image: Image | None = attrs.field(default=None, converter=as_image, kw_only=True)
    n: int = attrs.field(default=1, converter=whole_number, kw_only=True)
    aspect_ratio: ImageRatio | str | None = attrs.field(default=None, kw_only=True)
    watermark_info: WatermarkInfo | None = attrs.field(default=None, converter=records.watermark_info, kw_only=True)
    callback_url: str | None = attrs.field(default=None, converter=none_if_empty, repr=False, kw_only=True)
    external_task_id: str | None = attrs.field(default=None, converter=none_if_empty, kw_only=True)


def subjects(request: MultiImageToImage) -> Iterator[Problem]:
    """1 to 4 of them."""
    yield from listed("subject_image_list", request.subject_image_list, Image, most=_SUBJECTS_MOST)
    if not request.subject_image_list:
        yield Problem("subject_image_list", f"is required: give 1 to {_SUBJECTS_MOST} pictures of subjects")


_SUBJECTS_MOST: Final = 4
_SECONDS: Final = 30.0  # no measurement is known; other pictures took 20 to 40 s

CAPABILITIES: CapabilityMap[MultiImageToImage] = CapabilityMap(
    (),
    table="kling-v2 any any\nkling-v2-1 any any",
    prices="kling-v2 any ?\nkling-v2-1 any 16",  # units units of a picture, by the price table of 2026-09
    price_of="picture",
    retired="kling-v2 2026-09-15 kling-v2-1",
)
_WORDS = settings.Words(CAPABILITIES, image_settings.RATIOS, image_settings.RESOLUTIONS)

ENDPOINT = Endpoint(
    path="/v1/images/multi-image2image",
    record=MultiImageToImage,
    rules=(
        subjects,
        models.model_name,
        text.prompt,
        image_settings.n,
        _WORDS.aspect_ratio,
        task_options.watermark_info,
        task_options.callback_url,
        task_options.external_task_id,
    ),
    picture_rules=(pictures.pictures,),
    capabilities=CAPABILITIES,
    units=image_tasks.units_by(CAPABILITIES),
    typical_seconds=lambda _request: _SECONDS,
    result=ResultKind.IMAGE,
    finds_by_external_id=True,
    pool=Pool.IMAGE,
    slots_of=image_tasks.number_of_pictures,
)
