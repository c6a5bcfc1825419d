"""The check of `camera_control`, and the movement that a clip shows."""

from collections.abc import Mapping
from typing import Any, Final

from kling_async.emulator.results.rendering.camera import Camera
from kling_async.emulator.service.errors import invalid

from . import fields
from .capabilities import CAMERA, CAMERA_SIMPLE

CAMERA_TYPES: Final = ("simple", "down_back", "forward_up", "right_turn_forward", "left_turn_forward")
CAMERA_AXES: Final = ("horizontal", "vertical", "pan", "tilt", "roll", "zoom")


def camera_features(body: Mapping[str, Any]) -> set[str]:
    """Checks `camera_control`, and returns the features that it uses: two with type simple."""
    kind = _kind(body)
    return {"": set[str](), "simple": {CAMERA, CAMERA_SIMPLE}}.get(kind, {CAMERA})


def _kind(body: Mapping[str, Any]) -> str:
    control = fields.member(body, "camera_control", dict)
    if control is None:
        return ""
    kind = fields.choice(control, "type", CAMERA_TYPES, "")
    config = fields.member(control, "config", dict)
    if kind != "simple":
        if not kind:
            raise invalid("camera_control: type can not be null")
        if config is not None:
            raise invalid("camera_control: config is only supported with type simple")
        return kind
    if config is None:
        raise invalid("camera_control: config can not be null")
    if sum(1 for axis in CAMERA_AXES if fields.number(config, axis, -10, 10)) != 1:
        raise invalid("camera_control: exactly one value of config must be non-zero")
    return kind


def camera_movement(body: Mapping[str, Any]) -> Camera:
    """Returns the movement in a checked request; without one, a slow push-in."""
    control = body.get("camera_control") or {}
    config = control.get("config") or {}
    axis, value = next(((axis, float(value)) for axis, value in config.items() if value), ("", 0.0))
    return Camera(kind=control.get("type") or "", axis=axis, value=value)
