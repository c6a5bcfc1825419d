"""`/motion-control/{model}`: the person in a picture moves like the person in a video."""

from typing import Literal

import attrs

from kling_async.protocol import records
from kling_async.protocol.converters import image as as_image
from kling_async.protocol.converters import none_if_empty
from kling_async.protocol.endpoints.current import families, materials, table
from kling_async.protocol.endpoints.current.materials import NamedElement, NamedVideo
from kling_async.protocol.endpoints.current.request import IN_CONTENTS, IN_PATH, IN_SETTINGS, CurrentRequest
from kling_async.protocol.media.image import Image
from kling_async.protocol.records import WatermarkInfo

KnownModel = Literal["kling-3.0", "kling-2.6"]
"""Completions for editors; any other text is accepted, since models come and go."""


@attrs.frozen
class MotionControlParameters(CurrentRequest):
    """A video in which the person of a picture moves as in another video: `POST /motion-control/{model}`.

    The seconds of the result are billed. Its length depends on the video, so the price is not known in advance. What a
    model can do is in `kling_async.capabilities(current.MotionControl)`.

    Attributes:
        image: the person to animate: a path, an `http(s)://` address or bytes; JPEG or PNG, at most 50 MB (50 x 2**20
            bytes), each side at least 300 px, ratio 1:2.5 to 2.5:1. Prefer an address. Required.
        model: `kling-3.0`, `kling-2.6`, or a newer one. Required.
        video: the motion: an `http(s)://` address, which the service fetches, or a video of an earlier task; MP4 or
            MOV, at most 100 MB, sides of 340 to 3850 px, one take of one person. Required.
        character_orientation: whether the person looks where the one of the picture does (`image`: a video of 3 to 10
            seconds) or of the video (3 to 30 seconds); required.
        prompt: what else happens, at most 2500 characters.
        elements: at most 1, by the name that the prompt has: `{"hero": element}` for `@hero` (kling-3.0, with the
            orientation of the video).
        resolution: `720p` or `1080p`; the service's default is `720p`.
        audio: `original` for the sound of the video, which is sent if omitted, or `off`.
        watermark_info: whether a watermarked video is made as well.
        callback_url: address that the service posts status changes to.
        external_task_id: your own id, unique in the account; generated if omitted.
        path: the path to send it to, for a model whose path is not `/motion-control/{model}`.
    """

    image: Image | None = attrs.field(default=None, converter=as_image, metadata=IN_CONTENTS)
    video: NamedVideo | None = attrs.field(
        default=None, converter=materials.one_video, kw_only=True, metadata=IN_CONTENTS
    )
    character_orientation: Literal["image", "video"] | None = attrs.field(
        default=None, kw_only=True, metadata=IN_SETTINGS
    )
    prompt: str | None = attrs.field(default=None, kw_only=True, metadata=IN_CONTENTS)
    elements: tuple[NamedElement, ...] | None = attrs.field(
        default=None, converter=materials.elements, kw_only=True, metadata=IN_CONTENTS
    )
    resolution: Literal["720p", "1080p"] | None = attrs.field(default=None, kw_only=True, metadata=IN_SETTINGS)
    audio: Literal["original", "off"] | None = attrs.field(default=None, kw_only=True, metadata=IN_SETTINGS)
    watermark_info: WatermarkInfo | None = attrs.field(default=None, converter=records.watermark_info, kw_only=True)
    callback_url: str | None = attrs.field(default=None, converter=none_if_empty, repr=False, kw_only=True)
    external_task_id: str | None = attrs.field(default=None, converter=none_if_empty, kw_only=True)
    path: str | None = attrs.field(default=None, kw_only=True)

    family = table.MOTION_CONTROL


@attrs.frozen
class MotionControl(MotionControlParameters):  # noqa: D101  (described above)
    __doc__ = MotionControlParameters.__doc__

    model: KnownModel | str = attrs.field(kw_only=True, metadata=IN_PATH)


ENDPOINT = families.endpoint(MotionControl)
