"""`/v1/general/advanced-custom-elements`: pictures or a video of a subject become an element of the library."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, Literal, get_args

import attrs

from kling_async.protocol import records
from kling_async.protocol.converters import address_shown, alone, as_record, each, each_in, images, none_if_empty, texts
from kling_async.protocol.converters import image as as_image
from kling_async.protocol.endpoint import Endpoint, Request
from kling_async.protocol.errors import Problem
from kling_async.protocol.media.image import Image, ImageGiven
from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.results import Video, Voice
from kling_async.protocol.rules import pictures, task_options
from kling_async.protocol.rules.values import filled, listed, one_of, text, unread
from kling_async.protocol.rules.videos import video_address

ReferenceType = Literal["image_refer", "video_refer"]


# ----------------------------------------------------------------------------------------------- its records


def _refer_images(values: Iterable[ImageGiven | Mapping[str, Any]] | None) -> tuple[Image, ...] | None:
    return images(values, "image_url")


def _refer_videos(values: Iterable[str | Video | Mapping[str, Any]] | None) -> tuple[str | Video, ...] | None:
    read: tuple[str | Video, ...] | None = each(lambda value: alone(value, "video_url"), values)
    return read


def _addresses_shown(values: Any) -> str:
    return f"[{', '.join(map(address_shown, values))}]" if isinstance(values, tuple) else repr(values)


def _tag_list(values: Iterable[str | Mapping[str, Any]] | None) -> tuple[str, ...] | None:
    return texts(values, "tag_id")


@attrs.frozen(kw_only=True)
class ElementImageList:
    """The pictures of an element's subject: each a path, an `http(s)://` address, or bytes.

    Attributes:
        frontal_image: the subject from its front.
        refer_images: 1 to 3 pictures from other sides, or close.
    """

    frontal_image: Image | None = attrs.field(converter=as_image)
    refer_images: tuple[Image, ...] | None = attrs.field(converter=_refer_images, metadata=each_in("image_url"))


@attrs.frozen(kw_only=True)
class ElementVideoList:
    """The video of an element's subject.

    Attributes:
        refer_videos: exactly 1 address, or video of an earlier task: MP4 or MOV of 3 to 8 seconds, 1080p, 16:9 or 9:16,
            at most 200 MB.
    """

    refer_videos: tuple[str | Video, ...] | None = attrs.field(
        converter=_refer_videos, metadata=each_in("video_url"), repr=_addresses_shown
    )


def _image_list(value: ElementImageList | Mapping[str, Any] | None) -> ElementImageList | None:
    read: ElementImageList | None = as_record(ElementImageList, value)
    return read


def _video_list(value: ElementVideoList | Mapping[str, Any] | None) -> ElementVideoList | None:
    read: ElementVideoList | None = as_record(ElementVideoList, value)
    return read


def _voice_id(value: Voice | str | None) -> str | None:
    return None if value is None else none_if_empty(records.voice_id(value))


@attrs.frozen
class CreateElement(Request):
    """An element of the library from pictures or a video: `POST /v1/general/advanced-custom-elements`.

    The element is in `task.elements`, for the `element_list` of other requests. It takes about 5 seconds and no units.

    Attributes:
        element_name: its name, at most 20 characters.
        element_description: its description, at most 100 characters.
        reference_type: `image_refer` (`element_image_list` shows it) or `video_refer` (`element_video_list` does).
        element_image_list: pictures of the subject: `{"frontal_image": ..., "refer_images": [...]}`, of the latter 1 to
            3; each a path, an `http(s)://` address, or bytes, of the limits that all pictures have.
        element_video_list: a video of the subject: `{"refer_videos": ["https://..."]}`, exactly 1: MP4 or MOV of 3 to 8
            seconds, 1080p, 16:9 or 9:16, at most 200 MB, of people as they are.
        element_voice_id: a voice that is bound to it, a `Voice` or its id; with pictures only of people.
        tag_list: ids of tags: o_101 hottest, o_102 character, o_103 animal, o_104 item, o_105 costume, o_106 scene,
            o_107 effect, o_108 others.
        callback_url: address that the service posts status changes to.
        external_task_id: your own id, unique in the account; generated if omitted.
    """

    element_name: str
    element_description: str = attrs.field(kw_only=True)
    reference_type: ReferenceType = attrs.field(kw_only=True)
    element_image_list: ElementImageList | None = attrs.field(default=None, converter=_image_list, kw_only=True)
    element_video_list: ElementVideoList | None = attrs.field(default=None, converter=_video_list, kw_only=True)
    element_voice_id: str | None = attrs.field(default=None, converter=_voice_id, kw_only=True)
    tag_list: tuple[str, ...] | None = attrs.field(
        default=None, converter=_tag_list, metadata=each_in("tag_id"), kw_only=True
    )
    callback_url: str | None = attrs.field(default=None, converter=none_if_empty, repr=False, kw_only=True)
    external_task_id: str | None = attrs.field(default=None, converter=none_if_empty, kw_only=True)


# ------------------------------------------------------------------------------------------------- rules

NAME_MOST: Final = 20  # characters
DESCRIPTION_MOST: Final = 100  # characters
REFER_IMAGES_MOST: Final = 3


def words(request: CreateElement) -> Iterator[Problem]:
    """Name, description and type of reference are required."""
    yield from filled("element_name", request.element_name, most=NAME_MOST)
    yield from filled("element_description", request.element_description, most=DESCRIPTION_MOST)
    yield from one_of("reference_type", request.reference_type, get_args(ReferenceType))


def subject_images(request: CreateElement) -> Iterator[Problem]:
    """With `image_refer`, one picture from the front and 1 to 3 others."""
    value: Any = request.element_image_list
    if isinstance(value, ElementImageList):
        if value.frontal_image is None:
            yield Problem("element_image_list.frontal_image", "is required")
        field = "element_image_list.refer_images"
        yield from listed(field, value.refer_images, Image, most=REFER_IMAGES_MOST)
        if not value.refer_images:
            yield Problem(field, f"give 1 to {REFER_IMAGES_MOST} pictures: from other sides, or close")
    else:
        yield from _absent(
            "element_image_list", value, ElementImageList, needed=request.reference_type == "image_refer"
        )


def subject_videos(request: CreateElement) -> Iterator[Problem]:
    """With `video_refer`, exactly one video, at an address."""
    value: Any = request.element_video_list
    if isinstance(value, ElementVideoList):
        field = "element_video_list.refer_videos"
        read = yield from listed(field, value.refer_videos, object, most=1)
        for path, given in read:
            address = given.url if isinstance(given, Video) else given
            if address is None or address == "":
                yield Problem(path, "is required: an address, or a video of an earlier task that has one")
            yield from video_address(path, address)
        if not value.refer_videos:
            yield Problem(field, "give the address of 1 video")
        if request.reference_type == "image_refer":
            yield Problem("element_video_list", "has no effect with reference_type 'image_refer'", only_warns=True)
    else:
        yield from _absent(
            "element_video_list", value, ElementVideoList, needed=request.reference_type == "video_refer"
        )


def _absent(field: str, value: Any, record: type, *, needed: bool) -> Iterator[Problem]:
    if value is not None:
        yield Problem(field, unread(value, record))
    elif needed:
        yield Problem(field, "is required with this reference_type")


def voice_and_tags(request: CreateElement) -> Iterator[Problem]:
    """Ids are text; only the service can check whether they exist."""
    if request.element_voice_id is not None:
        yield from text("element_voice_id", request.element_voice_id)
    read = yield from listed("tag_list", request.tag_list, object, most=None)
    for path, tag in read:
        yield from filled(path, tag)


TYPICAL_SECONDS: Final = 5.0  # one user's measurement, 2026-09

ENDPOINT = Endpoint(
    path="/v1/general/advanced-custom-elements",
    record=CreateElement,
    rules=(
        words,
        subject_images,
        subject_videos,
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
