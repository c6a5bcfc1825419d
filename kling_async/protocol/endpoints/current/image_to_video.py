"""`/image-to-video/{model}`: a picture, or several, become a video."""

from typing import Literal

import attrs

from kling_async.protocol import records
from kling_async.protocol.converters import none_if_empty, whole_number
from kling_async.protocol.endpoints.current import families, materials, table
from kling_async.protocol.endpoints.current.materials import NamedElement, NamedImage, NamedVoice, Shot
from kling_async.protocol.endpoints.current.request import IN_CONTENTS, IN_PATH, IN_SETTINGS, CurrentRequest
from kling_async.protocol.media.image import Image
from kling_async.protocol.records import WatermarkInfo

KnownModel = Literal["kling-3.0-turbo", "kling-3.0", "kling-2.6", "kling-2.5-turbo"]
"""Completions for editors; any other text is accepted, since models come and go."""


@attrs.frozen
class ImageToVideoParameters(CurrentRequest):
    """A video from a picture, or from the first and the last: `POST /image-to-video/{model}`.

    Its ratio is that of the first frame. What a model can do is in `kling_async.capabilities(current.ImageToVideo)`.

    Attributes:
        first_frame: a path, an `http(s)://` address or bytes; JPEG or PNG, at most 50 MB (50 x 2**20 bytes), each side
            at least 300 px, ratio 1:2.5 to 2.5:1. The picture of an earlier task will do. Prefer an address: that the
            service accepts bytes here is documented, but not confirmed. Required.
        model: `kling-3.0-turbo`, `kling-3.0`, `kling-2.6`, `kling-2.5-turbo`, or a newer one. Required.
        last_frame: like `first_frame`; not with kling-3.0-turbo, and in 1080p only with kling-2.6 and kling-2.5-turbo.
        middle_frames: pictures between the two, in their order (only kling-4.0, which is not verified).
        prompt: what happens, at most 2500 characters, 3072 with kling-3.0 and kling-3.0-turbo (2500 are recommended);
            or 1 to 6 shots, with these two.
        elements: at most 3, by the names that the prompt has: `{"hero": element}` for `@hero` (kling-3.0).
        voices: at most 2, by the names that the prompt has, with `audio="native"` in 1080p (kling-2.6).
        resolution: `720p`, `1080p` or `4k` (kling-3.0); the service's default is `720p`.
        duration: whole seconds: 3 to 15 with kling-3.0 and kling-3.0-turbo, else 5 or 10. If omitted, the seconds of
            all shots, or 5.
        audio: `native` for sound or `off`, which is sent if omitted (kling-3.0; kling-2.6 in 1080p). kling-3.0-turbo
            always makes sound, kling-2.5-turbo never.
        multi_shot: several shots in one video (kling-3.0); if omitted, it follows from the prompt.
        watermark_info: whether a watermarked video is made as well.
        callback_url: address that the service posts status changes to.
        external_task_id: your own id, unique in the account; generated if omitted.
        path: the path to send it to, for a model whose path is not `/image-to-video/{model}`.
    """

    first_frame: Image | NamedImage | None = attrs.field(
        default=None, converter=materials.one_image, metadata=IN_CONTENTS
    )
    last_frame: Image | NamedImage | None = attrs.field(
        default=None, converter=materials.one_image, kw_only=True, metadata=IN_CONTENTS
    )
    middle_frames: tuple[Image, ...] | None = attrs.field(
        default=None, converter=materials.plain_images, kw_only=True, metadata=IN_CONTENTS
    )
    prompt: str | tuple[Shot, ...] | None = attrs.field(
        default=None, converter=materials.prompt, kw_only=True, metadata=IN_CONTENTS
    )
    elements: tuple[NamedElement, ...] | None = attrs.field(
        default=None, converter=materials.elements, kw_only=True, metadata=IN_CONTENTS
    )
    voices: tuple[NamedVoice, ...] | None = attrs.field(
        default=None, converter=materials.voices, kw_only=True, metadata=IN_CONTENTS
    )
    resolution: Literal["720p", "1080p", "4k"] | None = attrs.field(default=None, kw_only=True, metadata=IN_SETTINGS)
    duration: int | None = attrs.field(default=None, converter=whole_number, kw_only=True, metadata=IN_SETTINGS)
    audio: Literal["native", "off"] | None = attrs.field(default=None, kw_only=True, metadata=IN_SETTINGS)
    multi_shot: bool | None = attrs.field(default=None, kw_only=True, metadata=IN_SETTINGS)
    watermark_info: WatermarkInfo | None = attrs.field(default=None, converter=records.watermark_info, kw_only=True)
    callback_url: str | None = attrs.field(default=None, converter=none_if_empty, repr=False, kw_only=True)
    external_task_id: str | None = attrs.field(default=None, converter=none_if_empty, kw_only=True)
    path: str | None = attrs.field(default=None, kw_only=True)

    family = table.IMAGE_TO_VIDEO


@attrs.frozen
class ImageToVideo(ImageToVideoParameters):  # noqa: D101  (described above)
    __doc__ = ImageToVideoParameters.__doc__

    model: KnownModel | str = attrs.field(kw_only=True, metadata=IN_PATH)


ENDPOINT = families.endpoint(ImageToVideo)
