"""Records: what is asked for and what comes back. They know nothing of the wire.

Requests carry the parameter names of the official documentation. Their converters are total: what they cannot read
they leave as it was given, so that the rules can report every problem at once instead of the first.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Literal

import attrs

from kling_async.protocol.converters import as_record, each, none_if_empty, switch, whole_number
from kling_async.protocol.converters import image as as_image
from kling_async.protocol.media.image import Image
from kling_async.protocol.tasks import Element, Voice

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
# Editors offer the words; any other text passes, since models come and go.
ModelName = KnownModel | str
Mode = Literal["std", "pro", "4k"]
ShotType = Literal["customize", "intelligence"]


# --------------------------------------------------------------------------------------------- requests


@attrs.frozen(kw_only=True)
class CameraConfig:
    """Camera movement along one axis: exactly one value differs from zero.

    The documentation's versions disagree on which of `pan` and `tilt` turns left and right; values are passed on
    untouched.

    Attributes:
        horizontal: -10 (left) to 10 (right).
        vertical: -10 (down) to 10 (up).
        pan: -10 to 10.
        tilt: -10 to 10.
        roll: -10 (anticlockwise) to 10 (clockwise).
        zoom: -10 (longer focal length, narrower view) to 10 (wider view).
    """

    horizontal: float = 0.0
    vertical: float = 0.0
    pan: float = 0.0
    tilt: float = 0.0
    roll: float = 0.0
    zoom: float = 0.0


def _camera_config(value: CameraConfig | Mapping[str, Any] | None) -> Any:
    return as_record(CameraConfig, value)


@attrs.frozen(kw_only=True)
class CameraControl:
    """How the camera moves.

    Attributes:
        type: `simple`, `down_back`, `forward_up`, `right_turn_forward` or `left_turn_forward`.
        config: the movement; required with `simple`, left out otherwise.
    """

    type: str
    config: CameraConfig | None = attrs.field(default=None, converter=_camera_config)


@attrs.frozen
class Point:
    """A point of a trajectory.

    Attributes:
        x: pixels from the left edge of the image.
        y: pixels from the bottom edge of the image.
    """

    x: int = attrs.field(converter=whole_number)
    y: int = attrs.field(converter=whole_number)


def _points(values: Iterable[Point | Mapping[str, Any]]) -> Any:
    return each(lambda value: as_record(Point, value), values)


@attrs.frozen(kw_only=True)
class DynamicMask:
    """An area that moves, and the way it goes.

    Attributes:
        mask: a picture with the area painted, of the image's ratio.
        trajectories: 2 to 77 points for 5 seconds, origin bottom left.
    """

    mask: Image | None = attrs.field(converter=as_image)
    trajectories: tuple[Point, ...] = attrs.field(converter=_points)


@attrs.frozen(kw_only=True)
class ShotPrompt:
    """One shot of a multi-shot video (kling-v3).

    Attributes:
        index: place of the shot, from 1.
        prompt: what happens, at most 512 characters.
        duration: whole seconds, at least 1; all shots together make the video's duration.
    """

    index: int = attrs.field(converter=whole_number)
    prompt: str
    duration: int = attrs.field(converter=whole_number)


@attrs.frozen(kw_only=True)
class WatermarkInfo:
    """Whether a second, watermarked video is made as well.

    Attributes:
        enabled: True for yes.
    """

    enabled: bool


def _element(value: Any) -> Any:
    return Element(element_id=value) if isinstance(value, int | str) else as_record(Element, value)


def _voice(value: Any) -> Any:
    return Voice(voice_id=value) if isinstance(value, str) else as_record(Voice, value)


def _camera_control(value: CameraControl | Mapping[str, Any] | None) -> Any:
    return as_record(CameraControl, value)


def _masks(values: Iterable[DynamicMask | Mapping[str, Any]] | None) -> Any:
    return each(lambda value: as_record(DynamicMask, value), values)


def _shots(values: Iterable[ShotPrompt | Mapping[str, Any]] | None) -> Any:
    return each(lambda value: as_record(ShotPrompt, value), values)


def _elements(values: Iterable[Element | Mapping[str, Any] | int | str] | None) -> Any:
    return each(_element, values)


def _voices(values: Iterable[Voice | Mapping[str, Any] | str] | None) -> Any:
    return each(_voice, values)


def _watermark_info(value: WatermarkInfo | Mapping[str, Any] | None) -> Any:
    return as_record(WatermarkInfo, value)


@attrs.frozen(kw_only=True)
class ImageToVideo:
    """A request for `POST /v1/videos/image2video`; the names are the documentation's.

    At least one of `image` and `image_tail` is needed. Of these three groups only one may be used: `image_tail` with
    an image; the masks; `camera_control`. What a model can do is in `kling_async.capabilities()`.

    Attributes:
        image: first frame: a path, an `http(s)://` address or bytes; JPEG or PNG, at most 10 MB (10 x 2**20 bytes),
            each side at least 300 px, ratio 1:2.5 to 2.5:1.
        model_name: always sent (the service's own default is the oldest model).
        image_tail: last frame, like `image`.
        prompt: at most 2500 characters.
        negative_prompt: at most 2500 characters.
        multi_shot: several shots in one video (kling-v3).
        shot_type: `customize` or `intelligence`; required with `multi_shot`.
        multi_prompt: 1 to 6 shots; required with `customize`.
        element_list: at most 3 elements or their ids (kling-v3); not with `voice_list`.
        voice_list: at most 2 voices or their ids (kling-v2-6 pro, with `sound=True`).
        sound: whether the video has sound; True and False, or the documented `"on"` and `"off"`.
        cfg_scale: 0 to 1, how closely the prompt is followed; probably without effect on kling-v2.x.
        mode: `std` (720p), `pro` (1080p) or `4k` (kling-v3); the service takes `std` where it is left out.
        static_mask: what stays still; of the image's ratio.
        dynamic_masks: at most 6 areas that move.
        camera_control: how the camera moves.
        duration: whole seconds: 5 or 10; 3 to 15 with kling-v3.
        watermark_info: whether a watermarked video is made as well.
        callback_url: address that the service posts status changes to.
        external_task_id: your own id, unique in the account; one is made where it is left out.
    """

    image: Image | None = attrs.field(default=None, converter=as_image, kw_only=False)
    model_name: ModelName = "kling-v2-6"
    image_tail: Image | None = attrs.field(default=None, converter=as_image)
    prompt: str | None = None
    negative_prompt: str | None = None
    multi_shot: bool | None = None
    shot_type: ShotType | None = None
    multi_prompt: tuple[ShotPrompt, ...] | None = attrs.field(default=None, converter=_shots)
    element_list: tuple[Element, ...] | None = attrs.field(default=None, converter=_elements)
    voice_list: tuple[Voice, ...] | None = attrs.field(default=None, converter=_voices)
    sound: bool | None = attrs.field(default=None, converter=switch)
    cfg_scale: float | None = None
    mode: Mode | None = None
    static_mask: Image | None = attrs.field(default=None, converter=as_image)
    dynamic_masks: tuple[DynamicMask, ...] | None = attrs.field(default=None, converter=_masks)
    camera_control: CameraControl | None = attrs.field(default=None, converter=_camera_control)
    duration: int = attrs.field(default=5, converter=whole_number)
    watermark_info: WatermarkInfo | None = attrs.field(default=None, converter=_watermark_info)
    callback_url: str | None = attrs.field(default=None, converter=none_if_empty, repr=False)
    external_task_id: str | None = attrs.field(default=None, converter=none_if_empty)


@attrs.frozen(kw_only=True)
class Estimate:
    """What a clip costs by the price table, before it is made; what it did cost is in `Task`.

    Attributes:
        units: video units; None where no price is known.
        usd: dollars at list price; None where no price is known.
    """

    units: Decimal | None
    usd: Decimal | None


@attrs.frozen(kw_only=True)
class Intent:
    """A create that is about to be sent, for who keeps a journal: with it, nothing paid for is lost in a crash.

    Attributes:
        reference: finds the task by the external id, in any process.
        external_task_id: the user's, or the one made for the task.
        request: what is sent.
    """

    reference: str
    external_task_id: str
    request: ImageToVideo


# ---------------------------------------------------------------------------------------------- answers
