"""The path of a virtual camera during a clip, and its view of a flat picture: pure geometry.

Lengths are in widths of the frame, origin in its centre, x to the right, y down. The picture fills the frame when the
camera is in its default pose: in front of the centre, level, at a distance of `_FOCAL`.

Interpretation of the documentation where its versions disagree or are unclear:

- `pan` turns the camera left (-) and right (+), around the y axis; `tilt` turns it down (-) and up (+), around the x
  axis, as on the current page of image to video and in film. (Older pages have the two names swapped.)
- All values describe the camera: `horizontal` +5 moves it to the right, so that the picture moves to the left;
  `roll` +5 rolls it clockwise, so that the picture turns counterclockwise.
- `zoom` is the focal length as documented: + makes the view wider, - narrower.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

import attrs

# A distance with a field of view of 71 degrees: wide, so that turning shows as perspective.
_FOCAL: Final = 0.7

# Effect of a strength of 10: lengths in widths (heights for `vertical`), angles in radians, zoom as a factor.
_TRAVEL: Final = 0.3
_PAN: Final = math.radians(26)
_TILT: Final = math.radians(20)
_ROLL: Final = math.radians(15)
_ZOOM: Final = 1.8

_PUSH: Final = 0.12
_SAMPLES: Final = 33
_MOST_CROP: Final = 8.0

Matrix = tuple[float, float, float, float, float, float, float, float, float]
"""Rows of a 3 x 3 matrix that maps a point of the frame to the point of the picture that is visible there."""


@attrs.frozen(kw_only=True)
class Camera:
    """A requested camera movement.

    Attributes:
        kind: A `type` of `camera_control`, or "" for the slow push-in of a request without one, or "brush" for a
            slower push-in of a clip with masks.
        axis: The one axis of `config` that is not 0, with kind "simple".
        value: Its value, -10 to 10.
    """

    kind: str = ""
    axis: str = ""
    value: float = 0.0


@attrs.frozen(kw_only=True)
class Pose:
    """A camera's position, direction and lens.

    Attributes:
        x: Widths to the right.
        y: Widths down.
        advance: Covered part of the distance to the picture.
        yaw: Radians to the right.
        pitch: Radians up.
        roll: Radians clockwise.
        focal: Focal length; 2 shows half as much.
    """

    x: float = 0.0
    y: float = 0.0
    advance: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    focal: float = 1.0


def ease(part: float) -> float:
    """Returns the part of the way for a part of the time (0 to 1), so that a movement starts and stops gently."""
    return part * part * (3 - 2 * part)


def path(camera: Camera, aspect: float) -> Callable[[float], Pose]:
    """Returns a camera's movement.

    Args:
        camera: The requested movement.
        aspect: The frame's height divided by its width.

    Returns:
        The pose after a part of the time, 0 to 1.
    """
    if camera.kind == "simple":
        strength = camera.value / 10
        return lambda part: _AXES[camera.axis](strength, ease(part), aspect)
    preset = _PRESETS[camera.kind]
    return lambda part: preset(ease(part), aspect)


# Sideways movements are centred, so that the least of the picture is cropped away.
_AXES: Final[dict[str, Callable[[float, float, float], Pose]]] = {
    "horizontal": lambda strength, way, _: Pose(x=_TRAVEL * strength * (way - 0.5)),
    "vertical": lambda strength, way, aspect: Pose(y=-_TRAVEL * aspect * strength * (way - 0.5)),
    "pan": lambda strength, way, _: Pose(yaw=_PAN * strength * (way - 0.5)),
    "tilt": lambda strength, way, _: Pose(pitch=_TILT * strength * (way - 0.5)),
    "roll": lambda strength, way, _: Pose(roll=_ROLL * strength * way),
    "zoom": lambda strength, way, _: Pose(focal=_ZOOM ** (strength * (1 - way) if strength > 0 else -strength * way)),
}

_PRESETS: Final[dict[str, Callable[[float, float], Pose]]] = {
    "": lambda way, _: Pose(advance=_PUSH * way),
    "brush": lambda way, _: Pose(advance=_PUSH / 3 * way),
    "down_back": lambda way, aspect: Pose(y=-0.17 * aspect * (1 - way), advance=0.36 * (1 - way)),
    "forward_up": lambda way, _: Pose(advance=0.3 * way, pitch=math.radians(9) * way),
    "right_turn_forward": lambda way, _: Pose(advance=0.3 * way, yaw=math.radians(10) * way),
    "left_turn_forward": lambda way, _: Pose(advance=0.3 * way, yaw=-math.radians(10) * way),
}


def view(pose: Pose, crop: float = 1.0) -> Matrix:
    """Computes the view of a camera.

    Args:
        pose: Its pose.
        crop: An additional factor of its focal length.
    """
    sin, cos = math.sin, math.cos
    across, down, deep = _FOCAL * (1 - pose.advance), _FOCAL * (1 - pose.advance), _FOCAL * pose.focal * crop
    # Columns: the camera's right, down and forward directions, after roll, then pitch, then yaw.
    axes = []
    for x, y, z in ((cos(pose.roll), sin(pose.roll), 0.0), (-sin(pose.roll), cos(pose.roll), 0.0), (0.0, 0.0, 1.0)):
        low, far = y * cos(pose.pitch) - z * sin(pose.pitch), y * sin(pose.pitch) + z * cos(pose.pitch)
        axes.append((x * cos(pose.yaw) + far * sin(pose.yaw), low, -x * sin(pose.yaw) + far * cos(pose.yaw)))
    right, below, ahead = axes[0], axes[1], tuple(deep * value for value in axes[2])
    rays = [(right[row], below[row], ahead[row]) for row in range(3)]
    first = [pose.x * last + across * ray for ray, last in zip(rays[0], rays[2], strict=True)]
    second = [pose.y * last + down * ray for ray, last in zip(rays[1], rays[2], strict=True)]
    return (*first, *second, *rays[2])  # type: ignore[return-value]  # nine: each of three rows has three


def seen_at(matrix: Matrix, x: float, y: float) -> tuple[float, float]:
    """Returns the point of the picture that is visible at a point of the frame."""
    depth = matrix[6] * x + matrix[7] * y + matrix[8]
    return (
        (matrix[0] * x + matrix[1] * y + matrix[2]) / depth,
        (matrix[3] * x + matrix[4] * y + matrix[5]) / depth,
    )


def views(camera: Camera, aspect: float, frames: int) -> list[Matrix]:
    """Returns the view of each frame of a clip, cropped as little as possible without showing the picture's edges.

    Args:
        camera: The movement.
        aspect: The frame's height divided by its width.
        frames: The number of frames.
    """
    pose_at = path(camera, aspect)
    poses = [pose_at(number / (_SAMPLES - 1)) for number in range(_SAMPLES)]
    low, high = 1.0, _MOST_CROP
    if all(_inside(view(pose), aspect) for pose in poses):
        high = 1.0
    while high - low > 1e-4:
        crop = (low + high) / 2
        if all(_inside(view(pose, crop), aspect) for pose in poses):
            high = crop
        else:
            low = crop
    return [view(pose_at(number / max(frames - 1, 1)), high) for number in range(frames)]


def _inside(matrix: Matrix, aspect: float) -> bool:
    half = aspect / 2
    corners = (seen_at(matrix, x, y) for x in (-0.5, 0.5) for y in (-half, half))
    return all(abs(x) <= 0.5 + 1e-9 and abs(y) <= half + 1e-9 for x, y in corners)


def offset(points: Sequence[tuple[float, float]], part: float) -> tuple[float, float]:
    """Returns the displacement along a trajectory, at constant speed.

    Args:
        points: The trajectory, at least two points with y upwards, as in the documentation.
        part: Part of the way, 0 to 1.

    Returns:
        The distance from the first point, to the right and down.
    """
    steps = list(pairwise(points))
    lengths = [math.dist(*step) for step in steps]
    left = part * sum(lengths)
    (first_x, first_y), (x, y) = points[0], points[0]
    for (start, end), length in zip(steps, lengths, strict=True):
        if length and left > 0:
            done = min(left / length, 1.0)
            x, y = start[0] + done * (end[0] - start[0]), start[1] + done * (end[1] - start[1])
        left -= length
    return x - first_x, first_y - y
