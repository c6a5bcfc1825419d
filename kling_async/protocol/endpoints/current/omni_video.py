"""`/omni-video/{model}`: text, pictures, elements and a video, in any combination, become a video."""

from typing import Literal

import attrs

from kling_async.protocol import records
from kling_async.protocol.converters import none_if_empty, whole_number
from kling_async.protocol.endpoints.current import families, materials, table
from kling_async.protocol.endpoints.current.materials import NamedElement, NamedImage, NamedVideo, NamedVoice, Shot
from kling_async.protocol.endpoints.current.request import IN_CONTENTS, IN_PATH, IN_SETTINGS, CurrentRequest
from kling_async.protocol.media.image import Image
from kling_async.protocol.records import WatermarkInfo

KnownModel = Literal["kling-3.0-omni", "kling-o1"]
"""Completions for editors; any other text is accepted, since models come and go."""


@attrs.frozen
class OmniVideoParameters(CurrentRequest):
    """A video from text, pictures, elements and a video, in one request: `POST /omni-video/{model}`.

    Materials with a name are referred to in the prompt: `{"cat": "cat.png"}` as `@cat`. No name may be part of another.
    There are at most 7 pictures to refer to and elements together, 4 beside a video. What a model can do is in
    `kling_async.capabilities(current.OmniVideo)`.

    Attributes:
        prompt: what happens, at most 2500 characters, 3072 with kling-3.0-omni (2500 are recommended); or 1 to 6
            shots, with that. Required.
        model: `kling-3.0-omni`, `kling-o1`, or a newer one. Required.
        first_frame: a path, an `http(s)://` address or bytes, or one of these by its name; JPEG or PNG, at most 50 MB
            (50 x 2**20 bytes), each side at least 300 px, ratio 1:2.5 to 2.5:1. Prefer an address.
        last_frame: like `first_frame`, which it requires.
        middle_frames: pictures between the two, in their order (only kling-4.0, which is not verified).
        refer_images: pictures to refer to, like `first_frame`: by the names that the prompt has, or a list.
        feature_video: a video of which style, motion or camera are taken, or the shot before or after is made: an
            `http(s)://` address, or a video of an earlier task, alone or by its name. MP4 or MOV, at most 200 MB, 24
            to 60 frames a second; sides of 700 to 4553 px and 3 to 15.5 seconds with kling-3.0-omni, 700 to 2160 px
            and 3 to 10 seconds with kling-o1.
        base_video: a video that is edited, likewise; the result is as long as it is, so its price is not known in
            advance.
        elements: by the names that the prompt has: `{"hero": element}` for `@hero`.
        voices: likewise (only kling-4.0, which is not verified).
        resolution: `720p`, `1080p` or `4k` (kling-3.0-omni); the service's default is `720p`.
        duration: whole seconds: 3 to 15 with kling-3.0-omni; 3 to 10 with kling-o1, only 5 or 10 there without
            `refer_images`. If omitted, the seconds of all shots, or 5.
        aspect_ratio: `16:9`, `9:16` or `1:1`; required, unless there is a `first_frame` or a video.
        audio: `native` for sound (kling-3.0-omni, not with a video), `original` for that of the video, or `off`, which
            is sent if omitted.
        multi_shot: several shots in one video (kling-3.0-omni, not of a `base_video`); if omitted, it follows from the
            prompt.
        watermark_info: whether a watermarked video is made as well.
        callback_url: address that the service posts status changes to.
        external_task_id: your own id, unique in the account; generated if omitted.
        path: the path to send it to, for a model whose path is not `/omni-video/{model}`.
    """

    prompt: str | tuple[Shot, ...] | None = attrs.field(default=None, converter=materials.prompt, metadata=IN_CONTENTS)
    first_frame: Image | NamedImage | None = attrs.field(
        default=None, converter=materials.one_image, kw_only=True, metadata=IN_CONTENTS
    )
    last_frame: Image | NamedImage | None = attrs.field(
        default=None, converter=materials.one_image, kw_only=True, metadata=IN_CONTENTS
    )
    middle_frames: tuple[Image, ...] | None = attrs.field(
        default=None, converter=materials.plain_images, kw_only=True, metadata=IN_CONTENTS
    )
    refer_images: tuple[NamedImage, ...] | None = attrs.field(
        default=None, converter=materials.images, kw_only=True, metadata=IN_CONTENTS
    )
    feature_video: NamedVideo | None = attrs.field(
        default=None, converter=materials.one_video, kw_only=True, metadata=IN_CONTENTS
    )
    base_video: NamedVideo | None = attrs.field(
        default=None, converter=materials.one_video, kw_only=True, metadata=IN_CONTENTS
    )
    elements: tuple[NamedElement, ...] | None = attrs.field(
        default=None, converter=materials.elements, kw_only=True, metadata=IN_CONTENTS
    )
    voices: tuple[NamedVoice, ...] | None = attrs.field(
        default=None, converter=materials.voices, kw_only=True, metadata=IN_CONTENTS
    )
    resolution: Literal["720p", "1080p", "4k"] | None = attrs.field(default=None, kw_only=True, metadata=IN_SETTINGS)
    duration: int | None = attrs.field(default=None, converter=whole_number, kw_only=True, metadata=IN_SETTINGS)
    aspect_ratio: Literal["16:9", "9:16", "1:1", "21:9", "4:3", "3:4"] | None = attrs.field(
        default=None, kw_only=True, metadata=IN_SETTINGS
    )
    audio: Literal["native", "original", "off"] | None = attrs.field(default=None, kw_only=True, metadata=IN_SETTINGS)
    multi_shot: bool | None = attrs.field(default=None, kw_only=True, metadata=IN_SETTINGS)
    watermark_info: WatermarkInfo | None = attrs.field(default=None, converter=records.watermark_info, kw_only=True)
    callback_url: str | None = attrs.field(default=None, converter=none_if_empty, repr=False, kw_only=True)
    external_task_id: str | None = attrs.field(default=None, converter=none_if_empty, kw_only=True)
    path: str | None = attrs.field(default=None, kw_only=True)

    family = table.OMNI_VIDEO


@attrs.frozen
class OmniVideo(OmniVideoParameters):  # noqa: D101  (described above)
    __doc__ = OmniVideoParameters.__doc__

    model: KnownModel | str = attrs.field(kw_only=True, metadata=IN_PATH)


ENDPOINT = families.endpoint(OmniVideo)
