import io
import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import attrs
import av
import pytest

from kling_async.emulator.results.rendering import caption, frames, sampler, stills
from kling_async.emulator.results.rendering.camera import Camera, seen_at, views
from kling_async.emulator.results.rendering.frames import DamagedImageError
from kling_async.emulator.results.rendering.render import RenderingStoppedError, pictures, render
from kling_async.emulator.results.rendering.spec import BY_URL, TOO_LARGE, Brush, RenderSpec
from kling_async.emulator.service.checks.camera import CAMERA_AXES

from .cards import BLUE, GRAY, RED, SIZE, card, found, luma, mask, png_of, shot
from .test_images import exif, segment

WIDTH, HEIGHT = SIZE
MIDDLE = card((0.5, 0.5, RED))


def filmed(wanted: RenderSpec, images: bytes | Mapping[str, bytes] = MIDDLE) -> list[Any]:
    """Returns the frames of a shot."""
    kept = {"card": images} if isinstance(images, bytes) else images
    return list(pictures(wanted, kept.__getitem__))


def simple(axis: str, value: float) -> RenderSpec:
    """Returns a shot with a movement along one axis."""
    return shot(camera=Camera(kind="simple", axis=axis, value=value))


def travelled(wanted: RenderSpec, image: bytes = MIDDLE) -> tuple[float, float]:
    """Returns the movement of the red point of a card during a shot, in pixels to the right and down."""
    clip = filmed(wanted, image)
    (start_x, start_y), (end_x, end_y) = found(clip[0], RED), found(clip[-1], RED)
    return end_x - start_x, end_y - start_y


@pytest.mark.parametrize(
    ("axis", "value", "direction"),
    [
        ("horizontal", 5, (-1, 0)),
        ("horizontal", -5, (1, 0)),
        ("vertical", 5, (0, 1)),
        ("vertical", -5, (0, -1)),
        ("pan", 5, (-1, 0)),
        ("pan", -5, (1, 0)),
        ("tilt", 5, (0, 1)),
        ("tilt", -5, (0, -1)),
    ],
)
def test_the_picture_goes_against_the_camera(axis: str, value: float, direction: tuple[int, int]) -> None:
    """Where the camera moves or turns right or up, points go left or down, and nowhere else; strength is distance."""
    weak, strong = travelled(simple(axis, value / 2)), travelled(simple(axis, value))

    along = 0 if direction[0] else 1
    assert strong[along] * direction[along] > 12
    assert 1.6 < strong[along] / weak[along] < 3
    assert abs(strong[1 - along]) < 1


@pytest.mark.parametrize("value", [6, -6, 10])
def test_a_roll_turns_the_picture_against_the_camera(value: float) -> None:
    """When the camera rolls clockwise (+), a point at the right goes up; the middle stays."""
    right, middle = travelled(simple("roll", value), card((0.75, 0.5, RED))), travelled(simple("roll", value))

    assert right[1] * value < 0
    assert abs(right[1]) == pytest.approx(abs(value) * 1.7, rel=0.25)
    assert middle == pytest.approx((0, 0), abs=1)


@pytest.mark.parametrize("value", [4, -4, 9, -9])
def test_a_zoom_changes_the_distance_of_points(value: float) -> None:
    """The focal length as documented: + makes the view wider, so that points go inwards, - outwards, by strength."""
    clip = filmed(simple("zoom", value), card((0.4, 0.5, RED), (0.6, 0.5, BLUE)))

    apart = [found(frame, BLUE)[0] - found(frame, RED)[0] for frame in (clip[0], clip[-1])]
    assert apart[0] / apart[1] == pytest.approx(1.8 ** (value / 10), rel=0.05)


@pytest.mark.parametrize(
    ("kind", "direction", "grows"),
    [
        ("", (0, 0), True),
        ("brush", (0, 0), True),
        ("down_back", (0, -1), False),
        ("forward_up", (0, 1), True),
        ("right_turn_forward", (-1, 0), True),
        ("left_turn_forward", (1, 0), True),
    ],
)
def test_presets_move_as_named(kind: str, direction: tuple[int, int], *, grows: bool) -> None:
    """Down is down, forward is larger, a turn to the right moves points to the left; without any, a push-in."""
    clip = filmed(shot(camera=Camera(kind=kind)), card((0.42, 0.5, RED), (0.58, 0.5, BLUE)))
    (red, blue), (last_red, last_blue) = ((found(frame, RED), found(frame, BLUE)) for frame in (clip[0], clip[-1]))

    moved = [(last_red[axis] + last_blue[axis] - red[axis] - blue[axis]) / 2 for axis in (0, 1)]
    growth = (last_blue[0] - last_red[0]) / (blue[0] - red[0])
    for way, sign in zip(moved, direction, strict=True):
        assert (way * sign > 6) if sign else (abs(way) < 1)
    assert (growth > 1.02) if grows else (growth < 0.8)


@pytest.mark.parametrize(
    "camera",
    [Camera(kind="simple", axis=axis, value=8) for axis in CAMERA_AXES]
    + [Camera(kind=kind) for kind in ("", "down_back", "forward_up", "left_turn_forward")],
)
def test_points_follow_the_geometry(camera: Camera) -> None:
    """In each frame each point of the card is within a pixel and a half of its place."""
    places = {RED: (0.42, 0.45), BLUE: (0.6, 0.6)}
    clip = filmed(shot(camera=camera), card(*((*place, colour) for colour, place in places.items()), radius=4))

    for frame, matrix in zip(clip, views(camera, HEIGHT / WIDTH, len(clip)), strict=True):
        for colour, (across, down) in places.items():
            x, y = found(frame, colour)
            seen = seen_at(matrix, x / WIDTH - 0.5, (y - HEIGHT / 2) / WIDTH)
            wanted = across - 0.5, (down - 0.5) * HEIGHT / WIDTH
            assert seen == pytest.approx(wanted, abs=1.5 / WIDTH)


def test_a_lone_tail_is_where_the_camera_arrives() -> None:
    """Without a first frame, the movement ends with the whole image."""
    clip = filmed(shot(backwards=True), card((0.2, 0.5, RED)))

    assert found(clip[-1], RED) == pytest.approx((0.2 * WIDTH, 0.5 * HEIGHT), abs=1.5)
    assert found(clip[0], RED)[0] < found(clip[-1], RED)[0] - 3


def test_the_image_blends_into_the_tail() -> None:
    """The first frame is the image, the last frame is the tail, and the share of the tail only grows."""
    dark, light = card(ground=(20, 20, 20)), card(ground=(220, 220, 220))
    clip = filmed(shot(tail="tail"), {"card": dark, "tail": light})

    levels = [luma(frame, WIDTH / 2, HEIGHT * 0.7) for frame in clip]
    assert levels == sorted(levels)
    assert (levels[0], levels[-1]) == pytest.approx((33, 205), abs=2)
    assert levels[2] == pytest.approx(119, abs=4)


def test_a_tail_of_another_ratio_fills_the_frame() -> None:
    """A tail of another ratio is cropped, not stretched: a circle remains a circle."""
    clip = filmed(shot(tail="tail"), {"card": card(), "tail": card((0.5, 0.5, RED), radius=20, size=(100, 100))})

    plane = clip[-1].planes[2]
    data = bytes(plane)
    spots = [(i % plane.line_size, i // plane.line_size) for i, value in enumerate(data) if value > 170]
    wide, high = (max(spot[axis] for spot in spots) - min(spot[axis] for spot in spots) for axis in (0, 1))
    assert wide == pytest.approx(high, abs=2)
    assert wide * 2 == pytest.approx(2 * 20 * 1.92, abs=6)


def test_what_a_dynamic_mask_covers_follows_its_trajectory() -> None:
    """The covered point passes the corner of its trajectory and ends at its end; y points up; the other one stays."""
    images = {"card": card((0.3, 0.6, RED), (0.8, 0.4, BLUE)), "mask": mask(0.3, 0.6)}
    points = ((0.3, 0.2), (0.5, 0.2), (0.5, 0.4))
    clip = filmed(shot(brushes=(Brush(mask="mask", points=points),), camera=Camera(kind="brush")), images)

    places = [found(frame, RED) for frame in clip]
    assert places[0] == pytest.approx((0.3 * WIDTH, 0.6 * HEIGHT), abs=1.5)
    assert places[-1] == pytest.approx((0.5 * WIDTH, (0.6 * HEIGHT) - 0.2 * WIDTH), abs=1.5)
    assert places[2] == pytest.approx((0.5 * WIDTH, 0.6 * HEIGHT), abs=2)
    assert found(clip[-1], BLUE) == pytest.approx((0.8 * WIDTH, 0.4 * HEIGHT), abs=4)


@pytest.mark.parametrize(("width", "height"), [SIZE, (1080, 608)])
def test_what_moves_away_leaves_no_copy(width: int, height: int) -> None:
    """The place of a covered point is filled with its surroundings, not with those of the edge of the image."""

    def paint(x: int, y: int) -> bytes:
        red = (x - 0.3 * WIDTH) ** 2 + (y - 0.6 * HEIGHT) ** 2 < 50
        return bytes(RED) if red else bytes([40 if y < 0.85 * HEIGHT else 220] * 3)

    images = {"card": png_of(WIDTH, HEIGHT, paint), "mask": mask(0.3, 0.6)}
    brush = Brush(mask="mask", points=((0.3, 0.4), (0.8, 0.4)))
    wanted = shot(width=width, height=height, brushes=(brush,), camera=Camera(kind="brush"))
    last = filmed(wanted, images)[-1]

    assert luma(last, 0.3 * width, 0.6 * height) == pytest.approx(luma(last, 0.1 * width, 0.6 * height), abs=4)
    assert found(last, RED)[0] == pytest.approx(0.8 * width, abs=width / 90)


def test_what_the_static_mask_covers_stays() -> None:
    """While the camera pushes in, the covered point does not move, and is above everything that moves past."""
    images = {
        "card": card((0.15, 0.7, RED), (0.8, 0.7, BLUE)),
        "still": mask(0.15, 0.7),
        "mask": mask(0.8, 0.7),
    }
    brush = Brush(mask="mask", points=((0.8, 0.3), (0.15, 0.3)))
    clip = filmed(shot(static_mask="still", brushes=(brush,), camera=Camera()), images)

    assert {found(frame, RED) for frame in clip[1:]} == {found(clip[0], RED)}
    assert found(clip[0], RED) == pytest.approx((0.15 * WIDTH, 0.7 * HEIGHT), abs=1.5)
    with pytest.raises(AssertionError, match="no such colour"):
        found(clip[-1], BLUE)


@pytest.mark.parametrize("empty", ["mask", BY_URL])
def test_a_mask_may_cover_nothing(empty: str) -> None:
    """An empty mask, and one that is not fetched, have no effect."""
    images = {"card": MIDDLE, "mask": card(ground=(0, 0, 0))}
    brush = Brush(mask=empty, points=((0.1, 0.1), (0.9, 0.9)))
    clip = filmed(shot(brushes=(brush,)), images)

    assert found(clip[-1], RED) == pytest.approx((WIDTH / 2, HEIGHT / 2), abs=1.5)


def test_a_transparent_mask_covers_where_it_is_opaque() -> None:
    """In a mask with transparent pixels the opaque ones count, black ones too."""

    def paint(x: int, _y: int) -> bytes:
        return b"\0\0\0\xff" if x < WIDTH / 2 else b"\xff\xff\xff\0"

    covered = stills.mask("mask", {"mask": png_of(WIDTH, HEIGHT, paint, 6)}.__getitem__, WIDTH, HEIGHT)

    rows = frames.rows(covered)
    assert (rows[50][10], rows[50][WIDTH - 10]) == (255, 0)


@pytest.mark.parametrize("covered", [0.0, 1.0])
def test_a_mask_may_cover_everything(covered: float) -> None:
    """A mask over the whole image moves all of it."""
    level = round(255 * covered)
    images = {"card": MIDDLE, "mask": card(ground=(level, level, level))}
    clip = filmed(shot(brushes=(Brush(mask="mask", points=((0.2, 0.2), (0.4, 0.2))),)), images)

    assert found(clip[-1], RED)[0] == pytest.approx(WIDTH * (0.5 + 0.2 * covered), abs=2)


@pytest.mark.parametrize("size", [(16, 40), (40, 16), (300, 120)])
@pytest.mark.parametrize("axis", ["pan", "tilt"])
def test_odd_sizes_are_rendered(size: tuple[int, int], axis: str) -> None:
    """Frames narrower than a cell of the grid, or not divisible by it, are rendered correctly."""
    width, height = size
    camera = Camera(kind="simple", axis=axis, value=10)

    assert {(frame.width, frame.height) for frame in filmed(shot(width=width, height=height, camera=camera))} == {size}


def test_points_far_beyond_the_picture_are_kept_in_range() -> None:
    """A point of the grid out of the range of a map is clamped."""
    assert sampler._packed([-5, 7, 70_000]) == b"\0\0\7\0\xff\xff"


def test_every_frame_has_a_caption() -> None:
    """Each frame has the caption; another model, prompt or image shows."""
    plain = filmed(shot(title="kling-v2-6 std", prompt="a cat"))
    other = filmed(shot(title="kling-v2-6 std", prompt="a dog"))
    text = [[luma(frame, x, y) for y in range(2, 22) for x in range(2, 100)] for frame in plain]

    assert all(max(levels) > 180 and min(levels) < 90 for levels in text)
    assert [luma(other[0], x, y) for y in range(2, 22) for x in range(2, 100)] != text[0]


def test_a_long_prompt_and_a_narrow_frame_fit() -> None:
    """Labels are cut to the frame, which may be a few pixels wide."""
    clip = filmed(shot(width=48, height=100, title="kling-v2-5-turbo pro", prompt="word " * 20, watermark=True))

    assert {(frame.width, frame.height) for frame in clip} == {(48, 100)}


def test_the_watermark_shows() -> None:
    """The stamped variant differs in the bottom right corner and nowhere else."""
    plain, marked = (filmed(shot(watermark=watermark))[2] for watermark in (False, True))

    changed = [(x, y) for y in range(HEIGHT) for x in range(WIDTH) if luma_differs(plain, marked, x, y)]
    assert len(changed) > 100
    assert min(x for x, _ in changed) > WIDTH / 2
    assert min(y for _, y in changed) > HEIGHT / 2


def luma_differs(one: Any, other: Any, x: int, y: int) -> bool:
    """Whether a pixel has another brightness in another frame."""
    return luma(one, x, y) != luma(other, x, y)


@pytest.mark.parametrize("name", [BY_URL, TOO_LARGE])
def test_a_missing_image_is_replaced(name: str) -> None:
    """A missing image is replaced by a picture with a notice, which moves."""
    clip = filmed(shot(image=name), {})

    assert bytes(clip[0].planes[0]) != bytes(clip[-1].planes[0])


def bright(frame: Any) -> list[tuple[int, int]]:
    """Returns the letters of the card: bright spots below the caption."""
    plane = frame.planes[0]
    data, length = bytes(plane), plane.line_size
    return [(x, y) for y in range(25, frame.height) for x in range(frame.width) if data[y * length + x] > 180]


def test_a_prompt_without_an_image_is_on_a_card() -> None:
    """Without an image the prompt is in the middle, another prompt looks different, and the camera moves it."""
    still = shot(image="", card="a cat", camera=Camera(kind="simple", axis="horizontal", value=10))
    clip, other = filmed(still, {}), filmed(attrs.evolve(still, card="a dog"), {})
    first, last = bright(clip[0]), bright(clip[-1])

    middle = [sum(spot[axis] for spot in first + last) / len(first + last) for axis in (0, 1)]
    assert middle == pytest.approx((WIDTH / 2, HEIGHT / 2), abs=8)
    assert min(x for x, _ in first) - min(x for x, _ in last) > 20
    assert bright(other[0]) != first


@pytest.mark.parametrize("size", [(192, 108), (108, 192), (48, 100)])
@pytest.mark.parametrize(
    "text", ["x", "a few words", "a much longer text that takes several lines " * 3, "w" * 200, "\u0301"]
)
def test_a_card_has_room_for_its_words(size: tuple[int, int], text: str) -> None:
    """The prompt is wrapped and scaled down until it fits; the label is inside the card for any prompt."""
    width, height = size
    label = caption.title(text, width, height)

    assert 0 <= label.left <= label.left + label.width <= width
    assert 0 <= label.top <= label.top + label.height <= height
    assert len(label.rgba) == 4 * label.width * label.height


def test_long_words_are_smaller() -> None:
    """A short prompt is written larger than a long one."""
    few, many = (caption.title("word " * count, 1280, 720) for count in (1, 100))

    strokes = [max(map(len, re.findall(rb"(?:\xff\xff\xff\xeb)+", label.rgba))) for label in (few, many)]
    assert strokes[0] > 2 * strokes[1]


@pytest.mark.parametrize(
    ("orientation", "place"),
    [(1, (0, 0)), (2, (1, 0)), (3, (1, 1)), (4, (0, 1)), (5, (0, 0)), (6, (1, 0)), (7, (1, 1)), (8, (0, 1))],
)
def test_exif_rotation_is_honoured(orientation: int, place: tuple[int, int]) -> None:
    """The orientation determines the place of the stored top left corner; 5 to 8 swap the sides."""
    source = frames.filtered(frames.decode(card((0.25, 0.25, RED), radius=10)), "format=yuvj444p")
    codec = av.CodecContext.create("mjpeg", "w")
    assert isinstance(codec, av.VideoCodecContext)
    codec.width, codec.height, codec.pix_fmt, codec.time_base = WIDTH, HEIGHT, "yuvj444p", Fraction(1, 1000)
    stored = b"".join(bytes(packet) for packet in [*codec.encode(source), *codec.encode(None)])
    shown = frames.decode(stored[:2] + exif(orientation) + segment(0xFE, b"comment") + stored[2:])

    turned = orientation >= 5
    assert (shown.width, shown.height) == ((HEIGHT, WIDTH) if turned else (WIDTH, HEIGHT))
    corners = [
        bytes(shown.planes[2])[
            int(shown.height * (0.25 + 0.5 * y)) * shown.planes[2].line_size + int(shown.width * (0.25 + 0.5 * x))
        ]
        for x, y in ((0, 0), (1, 0), (0, 1), (1, 1))
    ]
    assert ((0, 0), (1, 0), (0, 1), (1, 1))[corners.index(max(corners))] == place


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_broken_image_raises(kept: float) -> None:
    """A truncated or corrupt image raises an error that callers can catch."""
    whole = card((0.5, 0.5, RED))

    with pytest.raises(DamagedImageError):
        frames.decode(whole[: int(len(whole) * kept)])
    for garbage in (b"\xff\xd8\xff" + bytes(50), whole[:33], b"\xff\xd8\xff\xd9", b""):
        with pytest.raises(DamagedImageError):
            frames.decode(garbage)


def opened(path: Path) -> Any:
    """Opens a file as a player does."""
    return av.open(io.BytesIO(path.read_bytes()))


@pytest.mark.parametrize("sound", [False, True])
@pytest.mark.parametrize(("fps", "seconds"), [(24, 5), (30, 3)])
def test_the_file_follows_the_request(tmp_path: Path, fps: int, seconds: int, *, sound: bool) -> None:
    """A clip is H.264 in 4:2:0 of exact size, rate and length, its index first; a quiet AAC track only with sound."""
    target = tmp_path / "clip.mp4"
    render(shot(width=64, height=36, fps=fps, seconds=seconds, sound=sound), {"card": MIDDLE}.__getitem__, target, bool)

    content = target.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    with opened(target) as container:
        video = container.streams.video[0]
        assert container.duration == seconds * 1_000_000
        assert [stream.codec_context.name for stream in container.streams] == ["h264", "aac"][: 1 + sound]
        assert (video.codec_context.width, video.codec_context.height) == (64, 36)
        assert (video.average_rate, video.codec_context.pix_fmt) == (fps, "yuv420p")
        assert len(list(container.decode(video))) == fps * seconds
    if sound:
        with opened(target) as container:
            parts = list(container.decode(audio=0))
        samples = [value for part in parts for value in memoryview(part.planes[0]).cast("f")[: part.samples]]
        length = sum(part.samples for part in parts)
        assert 0.005 < max(samples) < 0.05
        assert length == pytest.approx(seconds * 48_000, abs=2048)


def test_the_same_shot_gives_the_same_bytes(tmp_path: Path) -> None:
    """Rendering twice results in the same bytes, so that a part of one file continues the other."""
    contents = []
    for name in ("one", "two"):
        render(shot(sound=True), {"card": MIDDLE}.__getitem__, tmp_path / name, bool)
        contents.append((tmp_path / name).read_bytes())

    assert contents[0] == contents[1]


def test_rendering_can_be_stopped(tmp_path: Path) -> None:
    """A stopped rendering ends after the current frame."""
    calls = []

    def stopped() -> bool:
        calls.append(True)
        return len(calls) > 2

    with pytest.raises(RenderingStoppedError):
        render(shot(seconds=9), {"card": MIDDLE}.__getitem__, tmp_path / "clip.mp4", stopped)

    assert len(calls) == 3


def test_colours_are_kept() -> None:
    """Black, white and a pure colour from a PNG have their values of BT.709 in limited range."""
    clip = filmed(shot(), card((0.5, 0.5, (255, 255, 255)), ground=(0, 0, 0), radius=15))
    red = filmed(shot(), card(ground=RED))[0]

    assert luma(clip[0], WIDTH / 2, HEIGHT / 2) == pytest.approx(235, abs=1)
    assert luma(clip[0], WIDTH * 0.8, HEIGHT * 0.8) == pytest.approx(16, abs=1)
    assert luma(red, WIDTH * 0.8, HEIGHT * 0.8) == pytest.approx(63, abs=1)
    assert GRAY == (90, 90, 90)
