"""`/text-to-video/{model}`: text becomes a video."""

from typing import Literal

import attrs

from kling_async.protocol import records
from kling_async.protocol.converters import none_if_empty, whole_number
from kling_async.protocol.endpoints.current import families, materials, table
from kling_async.protocol.endpoints.current.materials import Shot
from kling_async.protocol.endpoints.current.request import IN_PATH, IN_SETTINGS, CurrentRequest
from kling_async.protocol.records import WatermarkInfo

KnownModel = Literal["kling-3.0-turbo", "kling-3.0", "kling-2.6", "kling-2.5-turbo"]
"""Completions for editors; any other text is accepted, since models come and go."""


@attrs.frozen
class TextToVideoParameters(CurrentRequest):
    """A video from a prompt: `POST /text-to-video/{model}`.

    What a model can do is in `kling_async.capabilities(current.TextToVideo)`.

    Attributes:
        prompt: what happens, at most 2500 characters, 3072 with kling-3.0 and kling-3.0-turbo (2500 are recommended);
            or 1 to 6 shots, with these two. Required.
        model: `kling-3.0-turbo`, `kling-3.0`, `kling-2.6`, `kling-2.5-turbo`, or a newer one. Required.
        resolution: `720p`, `1080p` or `4k` (kling-3.0); the service's default is `720p`.
        duration: whole seconds: 3 to 15 with kling-3.0 and kling-3.0-turbo, else 5 or 10. If omitted, the seconds of
            all shots, or 5.
        aspect_ratio: `16:9` (the service's default), `9:16` or `1:1`.
        audio: `native` for sound or `off`, which is sent if omitted (kling-3.0; kling-2.6 in 1080p). kling-3.0-turbo
            always makes sound, kling-2.5-turbo never.
        multi_shot: several shots in one video (kling-3.0); if omitted, it follows from the prompt.
        watermark_info: whether a watermarked video is made as well.
        callback_url: address that the service posts status changes to.
        external_task_id: your own id, unique in the account; generated if omitted.
        path: the path to send it to, for a model whose path is not `/text-to-video/{model}`.
    """

    prompt: str | tuple[Shot, ...] | None = attrs.field(default=None, converter=materials.prompt)
    resolution: Literal["720p", "1080p", "4k"] | None = attrs.field(default=None, kw_only=True, metadata=IN_SETTINGS)
    duration: int | None = attrs.field(default=None, converter=whole_number, kw_only=True, metadata=IN_SETTINGS)
    aspect_ratio: Literal["16:9", "9:16", "1:1", "21:9", "4:3", "3:4"] | None = attrs.field(
        default=None, kw_only=True, metadata=IN_SETTINGS
    )
    audio: Literal["native", "off"] | None = attrs.field(default=None, kw_only=True, metadata=IN_SETTINGS)
    multi_shot: bool | None = attrs.field(default=None, kw_only=True, metadata=IN_SETTINGS)
    watermark_info: WatermarkInfo | None = attrs.field(default=None, converter=records.watermark_info, kw_only=True)
    callback_url: str | None = attrs.field(default=None, converter=none_if_empty, repr=False, kw_only=True)
    external_task_id: str | None = attrs.field(default=None, converter=none_if_empty, kw_only=True)
    path: str | None = attrs.field(default=None, kw_only=True)

    family = table.TEXT_TO_VIDEO


@attrs.frozen
class TextToVideo(TextToVideoParameters):  # noqa: D101  (described above)
    __doc__ = TextToVideoParameters.__doc__

    model: KnownModel | str = attrs.field(kw_only=True, metadata=IN_PATH)


ENDPOINT = families.endpoint(TextToVideo)
