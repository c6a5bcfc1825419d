"""Rules for camera movement."""

from collections.abc import Iterator
from typing import Any, Protocol

from kling_async.protocol.errors import Problem
from kling_async.protocol.records import CameraConfig, CameraControl
from kling_async.protocol.rules.values import in_words, number, one_of, unread

CAMERA_PRESETS = ("down_back", "forward_up", "right_turn_forward", "left_turn_forward")
AXES = ("horizontal", "vertical", "pan", "tilt", "roll", "zoom")


class HasCameraControl(Protocol):
    """A request that can move the camera."""

    @property
    def camera_control(self) -> CameraControl | None:
        """The camera's movement."""
        ...


def camera_control(request: HasCameraControl) -> Iterator[Problem]:
    """Requires a documented type, and a config with `simple` only."""
    control: Any = request.camera_control
    if control is None:
        return
    if not isinstance(control, CameraControl):
        yield Problem("camera_control", unread(control, CameraControl))
        return
    yield from one_of("camera_control.type", control.type, ("simple", *CAMERA_PRESETS))
    config: Any = control.config
    if control.type == "simple" and config is None:
        yield Problem("camera_control.config", "is required with type 'simple'")
    elif config is None:
        return
    elif control.type in CAMERA_PRESETS:
        yield Problem("camera_control.config", "goes with type 'simple' only; leave it out")
    elif isinstance(config, CameraConfig):
        yield from _camera_config(config)
    else:
        yield Problem("camera_control.config", unread(config, CameraConfig))


def _camera_config(config: CameraConfig) -> Iterator[Problem]:
    """Requires values from -10 to 10, exactly one of them not zero."""
    values = {axis: getattr(config, axis) for axis in AXES}
    problems = [
        problem for axis, value in values.items() for problem in number(f"camera_control.config.{axis}", value, -10, 10)
    ]
    yield from problems
    if problems:
        return
    moving = [axis for axis, value in values.items() if value != 0]
    if len(moving) != 1:
        found = in_words(moving, last="and") if moving else "none"
        yield Problem("camera_control.config", f"exactly one value must differ from zero; now {found} does")


def is_preset(control: object) -> bool:
    """Whether it is one of the named movements."""
    return isinstance(control, CameraControl) and control.type in CAMERA_PRESETS
