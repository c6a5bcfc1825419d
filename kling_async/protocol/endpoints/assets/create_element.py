"""`/v1/general/advanced-custom-elements`: pictures or a video of a subject become an element of the library."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, Literal, get_args

import attrs

from kling_async.protocol.converters import as_record, each, none_if_empty
from kling_async.protocol.converters import image as as_image
from kling_async.protocol.endpoint import Endpoint, Request
from kling_async.protocol.errors import Problem
from kling_async.protocol.media.image import Image
from kling_async.protocol.records import voice_id
from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.rules import pictures, task_options
from kling_async.protocol.rules.values import filled, listed, one_of, text, unread
from kling_async.protocol.rules.videos import video_address

ReferenceType = Literal["image_refer", "video_refer"]


# ----------------------------------------------------------------------------------------------- its records


@attrs.frozen(kw_only=True)
class ReferImage:
    """A further picture of an element's subject.

    Attributes:
        image_url: the picture, not only its address: a path, an `http(s)://` address, or bytes.
    """

    image_url: Image | None = attrs.field(converter=as_image)


@attrs.frozen(kw_only=True)
class ReferVideo:
    """A video of an element's subject.

    Attributes:
        video_url: its address: MP4 or MOV of 3 to 8 seconds, 1080p, 16:9 or 9:16, at most 200 MB.
    """

    video_url: str


@attrs.frozen(kw_only=True)
class ElementTag:
    """A word that an element is found by.

    Attributes:
        tag_id: its id, such as `o_102`.
    """

    tag_id: str


def _refer_images(values: Any) -> Any:
    return each(lambda value: _part(ReferImage, "image_url", value), values)


def _refer_videos(values: Any) -> Any:
    return each(lambda value: _part(ReferVideo, "video_url", value), values)


def _part(record: type, member: str, value: Any) -> Any:
    """Takes the one member by itself, too."""
    return as_record(record, value if isinstance(value, record | Mapping) else {member: value})


@attrs.frozen(kw_only=True)
class ElementImageList:
    """The pictures of an element's subject.

    Attributes:
        frontal_image: the subject from its front.
        refer_images: 1 to 3 pictures from other sides, or close.
    """

    frontal_image: Image | None = attrs.field(converter=as_image)
    refer_images: tuple[ReferImage, ...] = attrs.field(converter=_refer_images)


@attrs.frozen(kw_only=True)
class ElementVideoList:
    """The video of an element's subject.

    Attributes:
        refer_videos: exactly 1.
    """

    refer_videos: tuple[ReferVideo, ...] = attrs.field(converter=_refer_videos)


def _image_list(value: ElementImageList | Mapping[str, Any] | None) -> ElementImageList | None:
    read: ElementImageList | None = as_record(ElementImageList, value)
    return read


def _video_list(value: ElementVideoList | Mapping[str, Any] | None) -> ElementVideoList | None:
    read: ElementVideoList | None = as_record(ElementVideoList, value)
    return read


def _tag_list(values: Iterable[ElementTag | Mapping[str, Any] | str] | None) -> tuple[ElementTag, ...] | None:
    read: tuple[ElementTag, ...] | None = each(lambda value: _part(ElementTag, "tag_id", value), values)
    return read


@attrs.frozen
class CreateElement(Request):
    """An element of the library from pictures or a video: `POST /v1/general/advanced-custom-elements`.

    The element is in `task.elements`, for the `element_list` of other requests. It takes about 5 seconds and no units.

    Attributes:
        element_name: what it is called, at most 20 characters.
        element_description: what it is, at most 100 characters.
        reference_type: `image_refer` (`element_image_list` shows it) or `video_refer` (`element_video_list` does).
        element_image_list: pictures of the subject: `{"frontal_image": ..., "refer_images": [...]}`, of the latter 1 to
            3; each a path, an `http(s)://` address, or bytes, of the limits that all pictures have.
        element_video_list: a video of the subject: `{"refer_videos": ["https://..."]}`, exactly 1: MP4 or MOV of 3 to 8
            seconds, 1080p, 16:9 or 9:16, at most 200 MB, of people as they are.
        element_voice_id: a voice that is bound to it, a `Voice` or its id; with pictures only of people.
        tag_list: ids of tags: o_101 hottest, o_102 character, o_103 animal, o_104 item, o_105 costume, o_106 scene,
            o_107 effect, o_108 others.
        callback_url: address that the service posts status changes to.
        external_task_id: your own id, unique in the account; one is made where it is left out.
    """

    element_name: str
    element_description: str = attrs.field(kw_only=True)
    reference_type: ReferenceType = attrs.field(kw_only=True)
    element_image_list: ElementImageList | None = attrs.field(default=None, converter=_image_list, kw_only=True)
    element_video_list: ElementVideoList | None = attrs.field(default=None, converter=_video_list, kw_only=True)
    element_voice_id: str | None = attrs.field(default=None, converter=voice_id, kw_only=True)
    tag_list: tuple[ElementTag, ...] | None = attrs.field(default=None, converter=_tag_list, kw_only=True)
    callback_url: str | None = attrs.field(default=None, converter=none_if_empty, repr=False, kw_only=True)
    external_task_id: str | None = attrs.field(default=None, converter=none_if_empty, kw_only=True)


# ------------------------------------------------------------------------------------------------- rules

NAME_MOST: Final = 20  # characters
DESCRIPTION_MOST: Final = 100  # characters
REFER_IMAGES_MOST: Final = 3


def words(request: CreateElement) -> Iterator[Problem]:
    """A name, a description, and what it is made from."""
    yield from filled("element_name", request.element_name, most=NAME_MOST)
    yield from filled("element_description", request.element_description, most=DESCRIPTION_MOST)
    yield from one_of("reference_type", request.reference_type, get_args(ReferenceType))


def images(request: CreateElement) -> Iterator[Problem]:
    """With `image_refer` one from the front and 1 to 3 others."""
    value: Any = request.element_image_list
    if not isinstance(value, ElementImageList | None):
        yield Problem("element_image_list", unread(value, ElementImageList))
    elif value is not None:
        if value.frontal_image is None:
            yield Problem("element_image_list.frontal_image", "is required")
        field, given = "element_image_list.refer_images", value.refer_images
        yield from listed(field, given, ReferImage, most=REFER_IMAGES_MOST)
        if not given:
            yield Problem(field, f"give 1 to {REFER_IMAGES_MOST} pictures: from other sides, or close")
    elif request.reference_type == "image_refer":
        yield Problem("element_image_list", "is required with reference_type 'image_refer'")


def videos(request: CreateElement) -> Iterator[Problem]:
    """With `video_refer` exactly one, at an address."""
    value: Any = request.element_video_list
    field = "element_video_list.refer_videos"
    if not isinstance(value, ElementVideoList | None):
        yield Problem("element_video_list", unread(value, ElementVideoList))
    elif value is not None:
        read = yield from listed(field, value.refer_videos, ReferVideo, most=1)
        for path, video in read:
            yield from _needed_address(f"{path}.video_url", video.video_url)
        if not value.refer_videos:
            yield Problem(field, "give the address of 1 video")
        if request.reference_type == "image_refer":
            yield Problem("element_video_list", "has no effect with reference_type 'image_refer'", only_warns=True)
    elif request.reference_type == "video_refer":
        yield Problem("element_video_list", "is required with reference_type 'video_refer'")


def _needed_address(field: str, value: Any) -> Iterator[Problem]:
    if value is None or value == "":
        yield Problem(field, "is required")
    yield from video_address(field, value)


def voice_and_tags(request: CreateElement) -> Iterator[Problem]:
    """Ids are text; which there are, the service knows."""
    if request.element_voice_id is not None:
        yield from text("element_voice_id", request.element_voice_id)
    read = yield from listed("tag_list", request.tag_list, ElementTag, most=None)
    for path, tag in read:
        yield from filled(f"{path}.tag_id", tag.tag_id)


TYPICAL_SECONDS: Final = 5.0  # as somebody saw it, 2026-09

ENDPOINT = Endpoint(
    path="/v1/general/advanced-custom-elements",
    record=CreateElement,
    rules=(
        words,
        images,
        videos,
        voice_and_tags,
        task_options.callback_url,
        task_options.external_task_id,
    ),
    picture_rules=(pictures.pictures,),
    units=lambda _: Decimal(0),
    typical_seconds=lambda _: TYPICAL_SECONDS,
    result=ResultKind.ELEMENT,
    finds_by_external_id=True,
)
