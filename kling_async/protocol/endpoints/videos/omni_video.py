"""`/v1/videos/omni-video`: text, pictures, elements and a video, in any combination, become a video."""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, Literal

import attrs

from kling_async.protocol import records
from kling_async.protocol.capability import CapabilityMap, Feature
from kling_async.protocol.clips import typical_seconds_of, units_by
from kling_async.protocol.converters import (
    AS_TEXT,
    ON_OFF,
    YES_NO,
    address_shown,
    as_item,
    each,
    instead_of,
    none_if_empty,
    switch,
    whole_number,
    yes_no,
)
from kling_async.protocol.converters import image as as_image
from kling_async.protocol.endpoint import Endpoint, Request
from kling_async.protocol.errors import Problem
from kling_async.protocol.media.image import Image, ImageGiven
from kling_async.protocol.records import AspectRatio, Mode, ShotPrompt, ShotType, WatermarkInfo
from kling_async.protocol.results import Element, Video, Voice
from kling_async.protocol.rules import models, pictures, settings, shots, task_options, text, videos, voices
from kling_async.protocol.rules.values import exactly_one, in_words, listed, one_of, whole

KnownModel = Literal["kling-video-o1", "kling-v3-omni"]
"""Completions for editors; any other text is accepted, since models come and go."""

REFERENCES_MOST: Final = 7  # pictures and elements together
REFERENCES_MOST_WITH_VIDEO: Final = 4
ELEMENTS_MOST_WITH_FRAMES: Final = 3  # of kling-v3-omni

FrameType = Literal["first_frame", "end_frame"]
FRAME_TYPES: Final = ("first_frame", "end_frame")
REFER_TYPES: Final = ("base", "feature")


def frame_type(value: FrameType | Literal[""] | None) -> FrameType | None:
    """Converts "" to None: the service's examples use it for no type, but the service may refuse it."""
    return None if value == "" else value


@attrs.frozen(kw_only=True)
class InputImage:
    """One of the input pictures of a video.

    Attributes:
        image_url: a path, an `http(s)://` address or bytes; JPEG or PNG, at most 10 MB (10 x 2**20 bytes), each side at
            least 300 px, ratio 1:2.5 to 2.5:1.
        type: `first_frame` or `end_frame`; left out for a picture that the prompt names as `<<<image_1>>>`, numbered by
            its position in the list.
    """

    image_url: Image | None = attrs.field(converter=as_image)
    type: FrameType | None = attrs.field(default=None, converter=frame_type)


@attrs.frozen(kw_only=True)
class InputVideo:
    """The input video of a video, named `<<<video_1>>>` in a prompt.

    Attributes:
        video_url: an `http(s)://` address, which the service fetches; MP4 or MOV, at most 200 MB, 24 to 60 frames a
            second; 3 to 10 seconds and sides of 720 to 2160 px with kling-video-o1, 3 to 15 seconds and sides of 700 to
            4553 px with kling-v3-omni. The repr omits its query.
        video: in its place, a video that an earlier task made.
        refer_type: `base` to edit it, `feature` to take its style or motion, or to make the shot before or after it.
        keep_original_sound: whether its sound stays; True and False, or the documented `"yes"` and `"no"`. Always sent,
            as sources disagree on the service's default.
    """

    video_url: str | None = attrs.field(default=None, converter=none_if_empty, repr=address_shown)
    video: Video | None = attrs.field(default=None, metadata=instead_of("video_url", "url"), repr=address_shown)
    refer_type: Literal["base", "feature"] = "base"
    keep_original_sound: bool | None = attrs.field(default=True, converter=yes_no, metadata=YES_NO)


def image_list(values: Iterable[InputImage | Mapping[str, Any] | ImageGiven] | None) -> tuple[InputImage, ...] | None:
    """Converts any iterable, the documented dicts, and bare pictures."""
    read: tuple[InputImage, ...] | None = each(lambda value: as_item(InputImage, "image_url", value), values)
    return read


def video_list(values: Iterable[InputVideo | Mapping[str, Any] | Video | str] | None) -> tuple[InputVideo, ...] | None:
    """Converts any iterable, the documented dicts, bare addresses, and videos of earlier tasks."""

    def item(value: Any) -> Any:
        return as_item(InputVideo, "video" if isinstance(value, Video) else "video_url", value)

    read: tuple[InputVideo, ...] | None = each(item, values)
    return read


def mode(value: Mode | None) -> Mode:
    """Returns `pro` for None: that is the service's default, but is sent since the price depends on it."""
    return "pro" if value is None else value


@attrs.frozen
class OmniVideo(Request):
    """A video from text, pictures, elements and a video, in one request: `POST /v1/videos/omni-video`.

    Pictures, elements and the video are named in the prompt as `<<<image_1>>>`, `<<<element_1>>>` and `<<<video_1>>>`,
    counted from 1. There are at most 7 pictures and elements together, 4 beside a video. What a model can do is in
    `kling_async.capabilities(OmniVideo)`.

    Attributes:
        prompt: what happens, at most 2500 characters; required, unless `shot_type` is `customize`: then `multi_prompt`
            is used.
        model_name: always sent (the service's own default is the older model).
        multi_shot: several shots in one video (kling-v3-omni); not with a video that is edited.
        shot_type: `customize` or `intelligence`; required with `multi_shot`.
        multi_prompt: 1 to 6 shots; required with `customize`.
        image_list: pictures, each to refer to or, with its `type`, the first or the last frame. A last frame needs a
            first one, and no third picture.
        element_list: elements or their ids; with a first frame at most 3, with a last frame none in kling-video-o1.
        video_list: at most one video: an address, or one of an earlier task; it is edited, unless its `refer_type` is
            `feature`.
        voice_list: at most 2 voices or their ids, with `sound=True`; which models take them is not certain.
        sound: whether the video has sound (kling-v3-omni; not with a video); True and False, or the documented `"on"`
            and `"off"`.
        mode: `std` (720p), `pro` (1080p) or `4k` (kling-v3-omni); always sent.
        aspect_ratio: `16:9`, `9:16` or `1:1`; required, unless there is a first frame or a video that is edited.
        duration: whole seconds: 3 to 15 with kling-v3-omni; 3 to 10 with kling-video-o1, only 5 or 10 from words or a
            first frame alone. The service's default is 5; a video that is edited keeps its length, so its price is not
            known in advance.
        watermark_info: whether a watermarked video is made as well.
        callback_url: address that the service posts status changes to.
        external_task_id: your own id, unique in the account; generated if omitted.
    """

    prompt: str | None = None
    model_name: KnownModel | str = attrs.field(default="kling-v3-omni", kw_only=True)
    multi_shot: bool | None = attrs.field(default=None, kw_only=True)
    shot_type: ShotType | None = attrs.field(default=None, kw_only=True)
    multi_prompt: tuple[ShotPrompt, ...] | None = attrs.field(
        default=None, converter=records.multi_prompt, kw_only=True
    )
    image_list: tuple[InputImage, ...] | None = attrs.field(default=None, converter=image_list, kw_only=True)
    element_list: tuple[Element, ...] | None = attrs.field(default=None, converter=records.element_list, kw_only=True)
    video_list: tuple[InputVideo, ...] | None = attrs.field(default=None, converter=video_list, kw_only=True)
    voice_list: tuple[Voice, ...] | None = attrs.field(default=None, converter=records.voice_list, kw_only=True)
    sound: bool | None = attrs.field(default=None, converter=switch, metadata=ON_OFF, kw_only=True)
    mode: Mode = attrs.field(default="pro", converter=mode, kw_only=True)
    aspect_ratio: AspectRatio | None = attrs.field(default=None, kw_only=True)
    duration: int | None = attrs.field(default=None, converter=whole_number, metadata=AS_TEXT, kw_only=True)
    watermark_info: WatermarkInfo | None = attrs.field(default=None, converter=records.watermark_info, kw_only=True)
    callback_url: str | None = attrs.field(default=None, converter=none_if_empty, repr=False, kw_only=True)
    external_task_id: str | None = attrs.field(default=None, converter=none_if_empty, kw_only=True)


# ---------------------------------------------------------------------------------------- what is referred to


def read(values: Any, kind: type) -> list[Any]:
    """Returns the valid items of a list; the rules report the others."""
    return [value for value in values if isinstance(value, kind)] if isinstance(values, tuple) else []


def frame_types(request: OmniVideo) -> list[str | None]:
    """Returns the type of each picture: a frame, or None for a reference."""
    return [image.type for image in read(request.image_list, InputImage)]


def is_edit(request: OmniVideo) -> bool:
    """Whether a video is edited."""
    return any(video.refer_type == "base" for video in read(request.video_list, InputVideo))


# ------------------------------------------------------------------------------------------------- rules


def no_picture(request: OmniVideo) -> Iterator[Problem]:
    """The prompt is not the name of a picture: pictures are given in `image_list`."""
    yield from text.no_picture_name(request, "say what happens in the video, and give the picture in image_list")


def duration(request: OmniVideo) -> Iterator[Problem]:
    """A duration that the model supports; it has no effect with an edited video."""
    clip: Any = request  # as in `Rule`: of pyright
    if request.duration is not None and not is_edit(request):
        yield from _BY_MODEL.duration(clip)
    elif request.duration is not None:
        yield from whole("duration", request.duration, 1, models.SECONDS_MOST)
        yield Problem("duration", "has no effect: a video that is edited keeps its length", only_warns=True)


def o1_duration(request: OmniVideo) -> Iterator[Problem]:
    """kling-video-o1 makes 5 or 10 seconds from words or a first frame alone, by its map."""
    plain = not request.element_list and not request.video_list and frame_types(request) in ([], ["first_frame"])
    between = not list(whole("", request.duration, 3, 10)) and request.duration not in {5, 10}
    if request.model_name == "kling-video-o1" and plain and between:
        yield Problem(
            "duration",
            f"{request.duration} is not possible with kling-video-o1 from words or a first frame alone; use 5 or 10",
            by_map=True,
        )


def frames(request: OmniVideo) -> Iterator[Problem]:
    """At most one first and one last frame; the last needs the first, and no third picture."""
    for path, image in (yield from listed("image_list", request.image_list, InputImage, most=None)):
        if image.image_url is None:
            yield Problem(f"{path}.image_url", "is required: a path, an http(s):// address or bytes")
        if image.type is not None:
            yield from one_of(f"{path}.type", image.type, FRAME_TYPES)
    types = frame_types(request)
    for name in FRAME_TYPES:
        if types.count(name) > 1:
            yield Problem("image_list", f"has {types.count(name)} pictures of type {name}; one is possible")
    if "end_frame" in types and "first_frame" not in types:
        yield Problem("image_list", "has an end_frame without a first_frame; give that as well")
    elif types.count("end_frame") == 1 and len(types) > 2:
        yield Problem("image_list", "has an end_frame beside a first_frame and others; an end_frame allows no others")


def references(request: OmniVideo) -> Iterator[Problem]:
    """The maximum number of pictures and elements together."""
    types, elements = frame_types(request), len(read(request.element_list, Element))
    most = REFERENCES_MOST_WITH_VIDEO if request.video_list else REFERENCES_MOST
    if len(types) + elements > most:
        beside = " beside a video" if request.video_list else ""
        yield Problem(
            "image_list" if types else "element_list",
            f"{len(types) + elements} pictures and elements are given; at most {most} together are possible{beside}",
        )
        return
    if request.model_name == "kling-v3-omni" and elements > ELEMENTS_MOST_WITH_FRAMES and "first_frame" in types:
        yield Problem(
            "element_list", f"has {elements} entries; beside a first_frame at most 3 are possible", by_map=True
        )
    if request.model_name == "kling-video-o1" and elements and "end_frame" in types:
        yield Problem("element_list", "is not possible beside an end_frame with kling-video-o1", by_map=True)


def video(request: OmniVideo) -> Iterator[Problem]:
    """At most one video; one that is edited allows no frames and no shots, and none allows sound."""
    for path, item in (yield from listed("video_list", request.video_list, InputVideo, most=1)):
        for problem in exactly_one(item, "video_url", "video"):
            yield attrs.evolve(problem, field=f"{path}.{problem.field}")
        yield from videos.video_address(f"{path}.video_url", item.video_url)
        yield from one_of(f"{path}.refer_type", item.refer_type, REFER_TYPES)
        yield from videos.original_sound(f"{path}.keep_original_sound", item.keep_original_sound)
    if request.video_list and request.sound is True:
        yield Problem("sound", "is not possible with a video; leave it out (keep_original_sound keeps the video's)")
    if not is_edit(request):
        return
    named = [name for name in FRAME_TYPES if name in frame_types(request)]
    if named:
        yield Problem(
            "image_list", f"{in_words(named, last='and')} cannot be used with a video that is edited (refer_type base)"
        )
    if request.multi_shot is True:
        yield Problem("multi_shot", "is not possible with a video that is edited (refer_type base)")


def aspect_ratio(request: OmniVideo) -> Iterator[Problem]:
    """A ratio is required without a first frame and without an edited video."""
    yield from _WORDS.aspect_ratio(request)
    if is_edit(request) or "first_frame" in frame_types(request):
        if request.aspect_ratio is not None:
            yield Problem(
                "aspect_ratio",
                "is not for a result with a first_frame or of a video that is edited, as the documentation says; it is "
                "sent, and may be refused",
                only_warns=True,
            )
    elif request.aspect_ratio is None:
        ratios = in_words(settings.ASPECT_RATIOS)
        yield Problem("aspect_ratio", f"is required without a first_frame or a video that is edited; use {ratios}")


# --------------------------------------------------------------------------------------- map and prices

FEATURES: tuple[Feature[OmniVideo], ...] = (
    Feature(
        name="sound", without="sound off", heading="sound", documented=True, used=lambda request: request.sound is True
    ),
    Feature(name="voice_list", heading="voices", needs="sound", used=lambda request: bool(request.voice_list)),
    Feature(name="multi_shot", heading="shots", used=lambda request: request.multi_shot is True),
    Feature(name="video_list", heading="video", used=lambda request: bool(request.video_list)),
)

# Sources disagree on voices. A video in 4k is documented for the path of the current generation only.
_MAP = """
#                               sound voice multi video
# model_name         mode  s                shot        size  fps
kling-video-o1       std   3-10 -     ?     -     y     720p  24
kling-video-o1       pro   3-10 -     ?     -     y     1080p 24
kling-v3-omni        std   3-15 y     ?     y     y     720p  24
kling-v3-omni        pro   3-15 y     ?     y     y     1080p 24
kling-v3-omni        4k    3-15 y     ?     y     ?     4k    24
"""

# The price table of 2026-09.
_PRICES = """
# model_name         mode  silent sound voice video
kling-video-o1       std   0.6    ?     ?     0.9
kling-video-o1       pro   0.8    ?     ?     1.2
kling-v3-omni        std   0.6    0.8   ?     0.9
kling-v3-omni        pro   0.8    1.0   ?     1.2
kling-v3-omni        4k    3      3     ?     ?
"""

CAPABILITIES = CapabilityMap(FEATURES, _MAP, _PRICES, priced_by=("sound", "voice_list", "video_list"))
_BY_MODEL = models.ModelRules(CAPABILITIES)
_WORDS = settings.Words(CAPABILITIES)
_by_the_map: Callable[[Any], Decimal | None] = units_by(CAPABILITIES)


def units(request: OmniVideo) -> Decimal | None:
    """Returns the price by the map; None for an edited video, which is billed by its length, not known in advance."""
    return None if is_edit(request) else _by_the_map(request)


ENDPOINT = Endpoint(
    path="/v1/videos/omni-video",
    record=OmniVideo,
    picture_rules=(pictures.pictures,),
    rules=(
        shots.prompt_or_shots,
        no_picture,
        models.model_name,
        _BY_MODEL.mode,
        duration,
        o1_duration,
        settings.sound,
        text.prompt,
        shots.shots,
        frames,
        references,
        functools.partial(voices.elements, most=None),
        video,
        voices.uncertain_voices,
        aspect_ratio,
        task_options.watermark_info,
        task_options.callback_url,
        task_options.external_task_id,
        _BY_MODEL.abilities,
    ),
    capabilities=CAPABILITIES,
    units=units,
    typical_seconds=typical_seconds_of,
    finds_by_external_id=True,
)
