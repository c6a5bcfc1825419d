"""Nested records in the requests of several endpoints, and the fields that these requests share.

They use the parameter names of the official documentation. Their converters are total: they return a value that they
cannot convert unchanged, so that the rules can report all problems at once instead of the first.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import attrs

from kling_async.protocol.converters import AS_TEXT, as_record, each, whole_number
from kling_async.protocol.converters import image as as_image
from kling_async.protocol.media.image import Image
from kling_async.protocol.results import Element, Voice

Mode = Literal["std", "pro", "4k"]
AspectRatio = Literal["16:9", "9:16", "1:1"]
ImageRatio = Literal["16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "21:9"]
ShotType = Literal["customize", "intelligence"]


# --------------------------------------------------------------------------------------------- requests


@attrs.frozen(kw_only=True)
class CameraConfig:
    """Camera movement along one axis: exactly one value differs from zero.

    The documentation's versions disagree on which of `pan` and `tilt` turns left and right; values are sent unchanged.

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


def _camera_config(value: Any) -> Any:
    return as_record(CameraConfig, value)


@attrs.frozen(kw_only=True)
class CameraControl:
    """How the camera moves.

    Attributes:
        type: `simple`, `down_back`, `forward_up`, `right_turn_forward` or `left_turn_forward`.
        config: the movement; required with `simple`, omitted otherwise.
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


def _points(values: Any) -> Any:
    return each(lambda value: as_record(Point, value), values)


@attrs.frozen(kw_only=True)
class DynamicMask:
    """An area that moves, and its path.

    Attributes:
        mask: a picture with the area painted, in the image's aspect ratio.
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
    duration: int = attrs.field(converter=whole_number, metadata=AS_TEXT)


@attrs.frozen(kw_only=True)
class WatermarkInfo:
    """Whether a second, watermarked video is made as well.

    Attributes:
        enabled: True for yes.
    """

    enabled: bool


# ------------------------------------------------------------------------------- what these fields are given


def camera_control(value: CameraControl | Mapping[str, Any] | None) -> CameraControl | None:
    """Accepts the documented dict as well."""
    read: CameraControl | None = as_record(CameraControl, value)
    return read


def dynamic_masks(values: Iterable[DynamicMask | Mapping[str, Any]] | None) -> tuple[DynamicMask, ...] | None:
    """Accepts any iterable, and the documented dicts."""
    read: tuple[DynamicMask, ...] | None = each(lambda value: as_record(DynamicMask, value), values)
    return read


def multi_prompt(values: Iterable[ShotPrompt | Mapping[str, Any]] | None) -> tuple[ShotPrompt, ...] | None:
    """Accepts any iterable, and the documented dicts."""
    read: tuple[ShotPrompt, ...] | None = each(lambda value: as_record(ShotPrompt, value), values)
    return read


def element_list(values: Iterable[Element | Mapping[str, Any] | int] | None) -> tuple[Element, ...] | None:
    """Accepts any iterable, the documented dicts, and bare ids."""
    read: tuple[Element, ...] | None = each(_element, values)
    return read


def voice_list(values: Iterable[Voice | Mapping[str, Any] | str] | None) -> tuple[Voice, ...] | None:
    """Accepts any iterable, the documented dicts, and bare ids."""
    read: tuple[Voice, ...] | None = each(_voice, values)
    return read


def voice_id(value: Voice | str) -> str:
    """Accepts a voice in place of its id."""
    given: Any = value
    found: str = given.voice_id if issubclass(type(given), Voice) else given
    return found


def element_id(value: Element | int | str) -> int:
    """Accepts an element in place of its id, and an id as text."""
    given: Any = value
    number: int | str = given.element_id if issubclass(type(given), Element) else given
    return whole_number(number)


def watermark_info(value: WatermarkInfo | Mapping[str, Any] | None) -> WatermarkInfo | None:
    """Accepts the documented dict as well."""
    read: WatermarkInfo | None = as_record(WatermarkInfo, value)
    return read


def _element(value: Any) -> Any:
    return Element(element_id=value) if issubclass(type(value), int | str) else as_record(Element, value)


def _voice(value: Any) -> Any:
    return Voice(voice_id=value) if issubclass(type(value), str) else as_record(Voice, value)


# --------------------------------------------------------------------------------------- before it is sent


@attrs.frozen(kw_only=True)
class Intent:
    """A create that is about to be sent. A program that stores it loses no paid task in a crash.

    Attributes:
        reference: finds the task by the external id, in any process. None if the service cannot look up tasks of this
            kind by that id: until the create is answered, only the account's list of tasks shows such a task.
        external_task_id: the id that is sent: the user's, or one made for the task. None if none is sent, because the
            service would not find the task by it.
        request: the request that is sent.
    """

    reference: str | None
    external_task_id: str | None
    request: Any
