import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async.emulator.results.rendering.camera import Camera, ease, offset, seen_at, views
from kling_async.emulator.service.checks.camera import CAMERA_AXES, CAMERA_TYPES, camera_movement

ASPECT = 9 / 16
PRESETS = [kind for kind in CAMERA_TYPES if kind != "simple"]


def simple(axis: str, value: float) -> Camera:
    """Returns a movement along one axis."""
    return Camera(kind="simple", axis=axis, value=value)


@given(
    camera=st.builds(simple, st.sampled_from(CAMERA_AXES), st.floats(-10, 10).filter(lambda value: abs(value) > 0.01))
    | st.builds(Camera, kind=st.sampled_from([*PRESETS, "", "brush"])),
    aspect=st.floats(0.4, 2.5),
)
def test_nothing_past_the_picture_is_seen(camera: Camera, aspect: float) -> None:
    """For every movement and ratio of the frame, everything visible is part of the picture."""
    for matrix in views(camera, aspect, 9):
        for x in (-0.5, 0.5):
            for y in (-aspect / 2, aspect / 2):
                seen_x, seen_y = seen_at(matrix, x, y)
                assert abs(seen_x) <= 0.5 + 1e-6
                assert abs(seen_y) <= aspect / 2 + 1e-6


@pytest.mark.parametrize("kind", ["", "forward_up", "right_turn_forward", "left_turn_forward"])
def test_a_movement_forward_begins_with_the_image(kind: str) -> None:
    """Forward movements show the whole image in their first frame, except for a narrow edge."""
    matrix = views(Camera(kind=kind), ASPECT, 5)[0]

    assert seen_at(matrix, 0, 0) == pytest.approx((0, 0), abs=1e-9)
    assert seen_at(matrix, 0.5, 0)[0] == pytest.approx(0.5, abs=0.05)


def test_zooming_out_ends_with_the_image() -> None:
    """A widening view ends as wide as the image, a narrowing one begins so."""
    wider, narrower = (views(simple("zoom", value), ASPECT, 5) for value in (7, -7))

    assert seen_at(wider[-1], 0.5, 0) == pytest.approx((0.5, 0))
    assert seen_at(narrower[0], 0.5, 0) == pytest.approx((0.5, 0))
    assert [seen_at(matrix, 0.5, 0.1) for matrix in wider] == [
        pytest.approx(seen_at(matrix, 0.5, 0.1)) for matrix in reversed(narrower)
    ]


@pytest.mark.parametrize("axis", CAMERA_AXES)
def test_the_other_sign_is_the_other_direction(axis: str) -> None:
    """The view at + is the view at -, mirrored or played backwards."""
    there, back = (views(simple(axis, value), ASPECT, 9) for value in (6, -6))

    for number in range(9):
        x, y = seen_at(there[number], 0.2, 0.1)
        mirrored = {
            "horizontal": (-1, 1),
            "pan": (-1, 1),
            "vertical": (1, -1),
            "tilt": (1, -1),
            "roll": (-1, 1),
        }.get(axis)
        if mirrored is None:
            assert seen_at(back[8 - number], 0.2, 0.1) == pytest.approx((x, y))
        else:
            right, down = mirrored
            seen_x, seen_y = seen_at(back[number], 0.2 * right, 0.1 * down)
            assert (seen_x * right, seen_y * down) == pytest.approx((x, y))


def test_only_turning_shows_perspective() -> None:
    """Panning makes one side of the picture larger than the other, moving sideways does not."""

    def sides(axis: str) -> tuple[float, float]:
        matrix = views(simple(axis, 10), ASPECT, 5)[-1]
        left, right = (seen_at(matrix, x, 0.2)[1] - seen_at(matrix, x, -0.2)[1] for x in (-0.5, 0.5))
        return left, right

    turned, moved = sides("pan"), sides("horizontal")

    assert turned[1] > 1.15 * turned[0]
    assert moved[0] == pytest.approx(moved[1])


def test_the_camera_is_read_from_the_parameters() -> None:
    """The one axis that is not 0 is used; without a camera there is a slow push-in."""
    config = {"horizontal": 0, "vertical": None, "pan": -3.5, "roll": 0.0}

    assert camera_movement({"camera_control": {"type": "simple", "config": config}}) == simple("pan", -3.5)
    assert camera_movement({"camera_control": {"type": "down_back"}}) == Camera(kind="down_back")
    assert camera_movement({"camera_control": None}) == camera_movement({}) == Camera()


def test_a_movement_starts_and_stops_gently() -> None:
    """The way begins at 0, ends at 1, only grows, and is fastest in the middle."""
    ways = [ease(part / 10) for part in range(11)]
    steps = [later - earlier for earlier, later in pairwise(ways)]

    assert (ways[0], ways[5], ways[-1]) == pytest.approx((0, 0.5, 1))
    assert min(steps) > 0
    assert max(steps) in (pytest.approx(steps[4]), pytest.approx(steps[5]))


def test_a_trajectory_has_its_origin_at_the_bottom() -> None:
    """Up in a trajectory is up in the frame, where y points down."""
    assert offset([(0.1, 0.2), (0.4, 0.8)], 1.0) == pytest.approx((0.3, -0.6))


def test_a_trajectory_is_followed_at_an_even_pace() -> None:
    """Equal parts of the way have equal lengths, for any distribution of the points, and the corners are passed."""
    points = [(0.0, 0.0), (0.1, 0.0), (0.1, 0.0), (0.4, 0.0), (0.4, 0.4)]
    places = [offset(points, part / 8) for part in range(9)]

    assert places[0] == (0, 0)
    assert places[4] == pytest.approx((0.4, 0))
    assert places[-1] == pytest.approx((0.4, -0.4))
    assert all(math.dist(*step) == pytest.approx(0.1) for step in pairwise(places))


def test_a_trajectory_may_stay() -> None:
    """Identical points cause no movement."""
    assert offset([(0.3, 0.3), (0.3, 0.3)], 0.7) == (0, 0)
