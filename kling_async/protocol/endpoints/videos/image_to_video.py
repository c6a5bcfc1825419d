"""`/v1/videos/image2video`: a picture, or two, become a video."""

from collections.abc import Iterator
from typing import Literal

import attrs

from kling_async.protocol import records
from kling_async.protocol.capability import CapabilityMap, Feature
from kling_async.protocol.clips import typical_seconds_of, units_by
from kling_async.protocol.converters import AS_TEXT, ON_OFF, none_if_empty, switch, whole_number
from kling_async.protocol.converters import image as as_image
from kling_async.protocol.endpoint import Endpoint, Request
from kling_async.protocol.errors import Problem
from kling_async.protocol.media.image import Image
from kling_async.protocol.records import CameraControl, DynamicMask, Mode, ShotPrompt, ShotType, WatermarkInfo
from kling_async.protocol.results import Element, Voice
from kling_async.protocol.rules import camera, masks, models, pictures, settings, shots, task_options, text, voices
from kling_async.protocol.rules.values import in_words

KnownModel = Literal[
    "kling-v1",
    "kling-v1-5",
    "kling-v1-6",
    "kling-v2-master",
    "kling-v2-1",
    "kling-v2-1-master",
    "kling-v2-5-turbo",
    "kling-v2-6",
    "kling-v3",
]
"""Completions for editors; any other text is accepted, since models come and go."""


@attrs.frozen
class ImageToVideo(Request):
    """A video from a picture, from two, or from a picture and masks: `POST /v1/videos/image2video`.

    At least one of `image` and `image_tail` is needed. Only one of these three groups may be used: `image_tail` with an
    image; the masks; `camera_control`. What a model can do is in `kling_async.capabilities()`.

    Attributes:
        image: first frame: a path, an `http(s)://` address or bytes; JPEG or PNG, at most 10 MB (10 x 2**20 bytes),
            each side at least 300 px, ratio 1:2.5 to 2.5:1. The picture of an earlier task will do.
        model_name: always sent (the service's own default is the oldest model).
        image_tail: last frame, like `image`.
        prompt: what happens, at most 2500 characters.
        negative_prompt: what must not happen, at most 2500 characters.
        multi_shot: several shots in one video (kling-v3).
        shot_type: `customize` or `intelligence`; required with `multi_shot`.
        multi_prompt: 1 to 6 shots; required with `customize`.
        element_list: at most 3 elements or their ids (kling-v3); not with `voice_list`.
        voice_list: at most 2 voices or their ids (kling-v2-6 pro, with `sound=True`).
        sound: whether the video has sound; True and False, or the documented `"on"` and `"off"`.
        cfg_scale: 0 to 1, how closely the prompt is followed; probably without effect on kling-v2.x.
        mode: `std` (720p), `pro` (1080p) or `4k` (kling-v3); the service's default is `std`.
        static_mask: what stays still; of the image's ratio.
        dynamic_masks: at most 6 areas that move.
        camera_control: how the camera moves.
        duration: whole seconds: 5 or 10; 3 to 15 with kling-v3.
        watermark_info: whether a watermarked video is made as well.
        callback_url: address that the service posts status changes to.
        external_task_id: your own id, unique in the account; generated if omitted.
    """

    image: Image | None = attrs.field(default=None, converter=as_image)
    model_name: KnownModel | str = attrs.field(default="kling-v2-6", kw_only=True)
    image_tail: Image | None = attrs.field(default=None, converter=as_image, kw_only=True)
    prompt: str | None = attrs.field(default=None, kw_only=True)
    negative_prompt: str | None = attrs.field(default=None, kw_only=True)
    multi_shot: bool | None = attrs.field(default=None, kw_only=True)
    shot_type: ShotType | None = attrs.field(default=None, kw_only=True)
    multi_prompt: tuple[ShotPrompt, ...] | None = attrs.field(
        default=None, converter=records.multi_prompt, kw_only=True
    )
    element_list: tuple[Element, ...] | None = attrs.field(default=None, converter=records.element_list, kw_only=True)
    voice_list: tuple[Voice, ...] | None = attrs.field(default=None, converter=records.voice_list, kw_only=True)
    sound: bool | None = attrs.field(default=None, converter=switch, metadata=ON_OFF, kw_only=True)
    cfg_scale: float | None = attrs.field(default=None, kw_only=True)
    mode: Mode | None = attrs.field(default=None, kw_only=True)
    static_mask: Image | None = attrs.field(default=None, converter=as_image, kw_only=True)
    dynamic_masks: tuple[DynamicMask, ...] | None = attrs.field(
        default=None, converter=records.dynamic_masks, kw_only=True
    )
    camera_control: CameraControl | None = attrs.field(default=None, converter=records.camera_control, kw_only=True)
    duration: int = attrs.field(default=5, converter=whole_number, metadata=AS_TEXT, kw_only=True)
    watermark_info: WatermarkInfo | None = attrs.field(default=None, converter=records.watermark_info, kw_only=True)
    callback_url: str | None = attrs.field(default=None, converter=none_if_empty, repr=False, kw_only=True)
    external_task_id: str | None = attrs.field(default=None, converter=none_if_empty, kw_only=True)


# ------------------------------------------------------------------------------------------------- rules


def frames(request: ImageToVideo) -> Iterator[Problem]:
    """A first frame, a last frame or both."""
    if request.image is None and request.image_tail is None:
        yield Problem("image", "give image (the first frame), image_tail (the last frame) or both")


def exclusions(request: ImageToVideo) -> Iterator[Problem]:
    """The last frame, the masks and the camera exclude each other, and so do voices and elements."""
    groups = {
        "image_tail": request.image_tail is not None,
        "static_mask": request.static_mask is not None,
        "dynamic_masks": bool(request.dynamic_masks),
        "camera_control": request.camera_control is not None,
    }
    used = [field for field, is_used in groups.items() if is_used]
    if len(used) > 1 and used != ["static_mask", "dynamic_masks"]:
        yield Problem(
            used[-1], f"{in_words(used, last='and')} exclude each other: use image_tail, masks or camera_control"
        )
    if request.voice_list and request.element_list:
        yield Problem("voice_list", "voice_list and element_list exclude each other; use one")


# --------------------------------------------------------------------------------------- map and prices

FEATURES: tuple[Feature[ImageToVideo], ...] = (
    Feature(name="image_only", field="image", used=lambda request: bool(request.image and not request.image_tail)),
    Feature(
        name="tail",
        field="image_tail",
        heading="tail",
        used=lambda request: bool(request.image and request.image_tail),
    ),
    Feature(
        name="tail_only",
        field="image_tail",
        phrase="image_tail alone",
        without="an image beside image_tail",
        heading="tail only",
        used=lambda request: bool(request.image_tail and not request.image),
    ),
    Feature(
        name="tail_with_sound",
        field="image_tail",
        parts=("tail", "sound"),
        used=lambda request: bool(request.image and request.image_tail and request.sound is True),
    ),
    Feature(
        name="brush",
        field=lambda request: "dynamic_masks" if request.dynamic_masks else "static_mask",
        phrase="static_mask or dynamic_masks",
        heading="masks",
        used=lambda request: bool(request.dynamic_masks or request.static_mask),
    ),
    Feature(
        name="camera",
        field="camera_control",
        heading="camera",
        used=lambda request: bool(request.camera_control) and not camera.is_preset(request.camera_control),
    ),
    Feature(
        name="camera_presets",
        field="camera_control",
        phrase="camera_control of another type than 'simple'",
        heading="presets",
        used=lambda request: camera.is_preset(request.camera_control),
    ),
    # The documentation itself says "v2-6 and later; v2-6 only with mode pro"; other refusals rest on the map alone.
    Feature(
        name="sound",
        without="sound off",
        heading="sound",
        documented=True,
        used=lambda request: request.sound is True,
    ),
    Feature(name="voice_list", heading="voices", needs="sound", used=lambda request: bool(request.voice_list)),
    # "Not for v2.x" in the documentation, where the service checks no more than its range.
    Feature(name="cfg_scale", heading="cfg", only_warns=True, used=lambda request: request.cfg_scale is not None),
    Feature(name="element_list", heading="elements", used=lambda request: bool(request.element_list)),
    Feature(name="multi_shot", heading="shots", used=lambda request: request.multi_shot is True),
)

# kling-v2-6 has sound and image_tail in pro, but not both at once.
_MAP = """
#                               image tail  tail  tail          camera camera                       multi
# model_name         mode  s    only        only  sound  brush         presets sound voice cfg elem shot   size  fps
kling-v1             std   5    y     y     ?     -      y      ?      ?       -     -     y   -    -      720p  30
kling-v1             std   10   y     -     -     -      -      -      -       -     -     y   -    -      720p  30
kling-v1             pro   5    y     ?     ?     -      y      ?      ?       -     -     y   -    -      720p  30
kling-v1             pro   10   y     -     -     -      -      -      -       -     -     y   -    -      720p  30
kling-v1-5           std   5,10 y     -     -     -      -      -      -       -     -     y   -    -      720p  30
kling-v1-5           pro   5    y     y     y     -      y      y      -       -     -     y   -    -      1080p 30
kling-v1-5           pro   10   y     y     ?     -      ?      -      -       -     -     y   -    -      1080p 30
kling-v1-6           std   5,10 y     -     -     -      -      -      -       -     -     y   -    -      720p  30
kling-v1-6           pro   5,10 y     y     y     -      -      -      -       -     -     y   -    -      1080p 30
kling-v2-master      any   5,10 y     -     -     -      -      -      -       -     -     -   -    -      720p  24
kling-v2-1           std   5,10 y     -     -     -      -      -      -       -     -     -   -    -      720p  ?
kling-v2-1           pro   5,10 y     y     ?     -      -      -      -       -     -     -   -    -      1080p ?
kling-v2-1-master    pro   5,10 y     -     -     -      -      -      -       -     -     -   -    -      1080p 24
kling-v2-5-turbo     std   5,10 y     -     -     -      -      -      -       -     -     -   -    -      720p  ?
kling-v2-5-turbo     pro   5    y     ?     -     -      -      -      -       -     -     -   -    -      1080p 24
kling-v2-5-turbo     pro   10   y     y     -     -      -      -      -       -     -     -   -    -      1080p 24
kling-v2-6           std   5,10 y     -     -     -      -      -      -       -     -     -   -    -      720p  ?
kling-v2-6           pro   5,10 y     y     -     -      -      -      -       y     y     -   -    -      1080p 24
kling-v3             std   3-15 y     y     -     ?      ?      -      -       y     -     ?   y    y      720p  ?
kling-v3             pro   3-15 y     y     -     ?      ?      ?      ?       y     -     ?   y    y      1080p ?
kling-v3             4k    3-15 y     y     -     ?      -      -      -       y     -     ?   y    y      4k    ?
"""

# The price table of 2026-09; the prices of kling-v2-1 and kling-v2-1-master were reported by a user.
_PRICES = """
# model_name         mode  silent sound voice
kling-v2-1           std   0.4    ?     ?
kling-v2-1           pro   0.7    ?     ?
kling-v2-1-master    pro   2.0    ?     ?
kling-v2-5-turbo     std   0.3    ?     ?
kling-v2-5-turbo     pro   0.5    ?     ?
kling-v2-6           std   0.3    ?     ?
kling-v2-6           pro   0.5    1.0   1.2
kling-v3             std   0.6    0.9   ?
kling-v3             pro   0.8    1.2   ?
kling-v3             4k    3      3     ?
"""

# Announced for all of them; users measured it for all but kling-v1-6 (2026-10-01).
_RETIRED = """
# model_name         since       instead
kling-v1             2026-09-15  kling-v2-6
kling-v1-5           2026-09-15  kling-v2-6
kling-v1-6           2026-09-15  kling-v2-6
kling-v2-master      2026-09-15  kling-v2-6
kling-v2-1           2026-09-15  kling-v2-6
kling-v2-1-master    2026-09-15  kling-v2-6
"""

CAPABILITIES = CapabilityMap(FEATURES, _MAP, _PRICES, retired=_RETIRED)
_BY_MODEL = models.ModelRules(CAPABILITIES)

ENDPOINT = Endpoint(
    path="/v1/videos/image2video",
    record=ImageToVideo,
    picture_rules=(pictures.pictures, masks.masks),
    rules=(
        frames,
        models.model_name,
        _BY_MODEL.mode,
        _BY_MODEL.duration,
        settings.sound,
        text.prompt,
        text.negative_prompt,
        settings.cfg_scale,
        shots.shots,
        voices.elements,
        voices.voices,
        camera.camera_control,
        task_options.watermark_info,
        task_options.callback_url,
        task_options.external_task_id,
        exclusions,
        _BY_MODEL.abilities,
    ),
    capabilities=CAPABILITIES,
    units=units_by(CAPABILITIES),
    typical_seconds=typical_seconds_of,
    finds_by_external_id=True,
)
