"""`/v1/videos/motion-control`: the person in a picture moves like the person in a video."""

import functools
from collections.abc import Iterator
from typing import Any, Final, Literal

import attrs

from kling_async.protocol import clips, records
from kling_async.protocol.capability import CapabilityMap, Feature
from kling_async.protocol.converters import YES_NO, address_shown, instead_of, none_if_empty, yes_no
from kling_async.protocol.converters import image as as_image
from kling_async.protocol.endpoint import Endpoint, Request
from kling_async.protocol.errors import Problem
from kling_async.protocol.media.image import Image
from kling_async.protocol.records import WatermarkInfo
from kling_async.protocol.results import Element, Video
from kling_async.protocol.rules import models, pictures, task_options, text, videos, voices
from kling_async.protocol.rules.values import exactly_one, one_of

KnownModel = Literal["kling-v2-6", "kling-v3"]
"""Completions for editors; any other text is accepted, since models come and go."""

ELEMENTS_MOST: Final = 1


@attrs.frozen
class MotionControl(Request):
    """A video in which the person of a picture moves as in another video: `POST /v1/videos/motion-control`.

    The seconds of the result are billed, rounded: 0.5 (`std`) or 0.8 (`pro`) units each with kling-v2-6, 0.9 or 1.2
    with kling-v3. Its length depends on the usable part of the video, so the price is not known in advance. What a
    model can do is in `kling_async.capabilities(MotionControl)`.

    Attributes:
        image_url: the person to animate, seen whole or from the waist up: a path, an `http(s)://` address or bytes;
            JPEG or PNG, at most 10 MB (10 x 2**20 bytes), each side at least 300 px, ratio 1:2.5 to 2.5:1. Required.
        model_name: always sent.
        video_url: the motion: an `http(s)://` address, which the service fetches; MP4 or MOV, at most 100 MB, one take
            of at least 3 seconds, sides of 340 to 3850 px. Required, or a video of an earlier task in its place.
        video: in its place, a video that an earlier task made.
        character_orientation: whether the person looks where the one of the picture does (`image`: a video of at most
            10 seconds) or of the video (at most 30 seconds); required.
        mode: `std` (720p) or `pro` (1080p); required.
        prompt: what else happens, at most 2500 characters.
        keep_original_sound: whether the video's sound stays; True and False, or the documented `"yes"` and `"no"`.
            Always sent.
        element_list: at most 1 element or its id (kling-v3, with the orientation of the video).
        watermark_info: whether a watermarked video is made as well.
        callback_url: address that the service posts status changes to.
        external_task_id: your own id, unique in the account; generated if omitted.
    """

    image_url: Image | None = attrs.field(default=None, converter=as_image)
    model_name: KnownModel | str = attrs.field(default="kling-v2-6", kw_only=True)
    video_url: str | None = attrs.field(default=None, converter=none_if_empty, repr=address_shown, kw_only=True)
    video: Video | None = attrs.field(
        default=None, metadata=instead_of("video_url", "url"), repr=address_shown, kw_only=True
    )
    character_orientation: Literal["image", "video"] | None = attrs.field(default=None, kw_only=True)
    mode: Literal["std", "pro"] | None = attrs.field(default=None, kw_only=True)
    prompt: str | None = attrs.field(default=None, kw_only=True)
    keep_original_sound: bool | None = attrs.field(default=True, converter=yes_no, metadata=YES_NO, kw_only=True)
    element_list: tuple[Element, ...] | None = attrs.field(default=None, converter=records.element_list, kw_only=True)
    watermark_info: WatermarkInfo | None = attrs.field(default=None, converter=records.watermark_info, kw_only=True)
    callback_url: str | None = attrs.field(default=None, converter=none_if_empty, repr=False, kw_only=True)
    external_task_id: str | None = attrs.field(default=None, converter=none_if_empty, kw_only=True)


# ------------------------------------------------------------------------------------------------- rules


def person(request: MotionControl) -> Iterator[Problem]:
    """A picture is required."""
    if request.image_url is None:
        yield Problem("image_url", "is required: a path, an http(s):// address or bytes of a picture of the person")


def one_video(request: MotionControl) -> Iterator[Problem]:
    """The motion, by its address or as an earlier task made it."""
    yield from exactly_one(request, "video_url", "video")


def orientation(request: MotionControl) -> Iterator[Problem]:
    """Required; an element requires the orientation of the video."""
    if request.character_orientation is None:
        yield Problem("character_orientation", "is required; use image or video")
    else:
        yield from one_of("character_orientation", request.character_orientation, ("image", "video"))
    if request.element_list and request.character_orientation == "image":
        yield Problem("element_list", "is possible with character_orientation video only")


def mode(request: MotionControl) -> Iterator[Problem]:
    """Required."""
    if request.mode is None:
        yield Problem("mode", "is required; use std or pro")
    yield from _BY_MODEL.mode(request)


def original_sound(request: MotionControl) -> Iterator[Problem]:
    """Always sent."""
    yield from videos.original_sound("keep_original_sound", request.keep_original_sound)


# --------------------------------------------------------------------------------------- map and prices

FEATURES: tuple[Feature[MotionControl], ...] = (
    Feature(name="element_list", heading="elements", used=lambda request: bool(request.element_list)),
)

_MAP = """
# model_name         mode  s   element size  fps
kling-v2-6           std   any -       720p  ?
kling-v2-6           pro   any -       1080p ?
kling-v3             std   any y       720p  ?
kling-v3             pro   any y       1080p ?
"""

# The price table of 2026-09, of a second of the result.
_PRICES = """
# model_name         mode
kling-v2-6           std   0.5
kling-v2-6           pro   0.8
kling-v3             std   0.9
kling-v3             pro   1.2
"""

CAPABILITIES = CapabilityMap(FEATURES, _MAP, _PRICES, priced_by=())
_BY_MODEL = models.ModelRules(CAPABILITIES)

# One user measured 181 s for 4.8 s in pro, where clips from pictures take 150 s.
_TIMES_LONGER: Final = 181 / 150


def typical_seconds(request: MotionControl | None) -> float:
    """Returns the time of a clip of 5 seconds, since the length of the result is not known in advance."""
    mode: Any = request and request.mode
    return _TIMES_LONGER * clips.typical_seconds(mode if isinstance(mode, str) else None, 5)


ENDPOINT = Endpoint(
    path="/v1/videos/motion-control",
    record=MotionControl,
    picture_rules=(pictures.pictures,),
    rules=(
        person,
        models.model_name,
        one_video,
        videos.video_url,
        orientation,
        mode,
        text.prompt,
        original_sound,
        functools.partial(voices.elements, most=ELEMENTS_MOST),
        task_options.watermark_info,
        task_options.callback_url,
        task_options.external_task_id,
        _BY_MODEL.abilities,
    ),
    capabilities=CAPABILITIES,
    typical_seconds=typical_seconds,
    finds_by_external_id=True,
)
