import io
from fractions import Fraction
from typing import Any

import av
import pytest
from av.container import InputContainer

from kling_async.emulator.results.placeholder import h264
from kling_async.emulator.results.placeholder.video import VideoSpec, render

LABEL = "867283741759110000"


def spec(**changes: Any) -> VideoSpec:
    """Returns the spec of a small video."""
    arguments: dict[str, Any] = {"width": 64, "height": 36, "fps": 24, "seconds": 5, "label": LABEL}
    return VideoSpec(**arguments | changes)


def opened(content: bytes) -> InputContainer:
    """Opens a file as a player does."""
    container = av.open(io.BytesIO(content), "r")
    assert isinstance(container, InputContainer)
    return container


def boxes(content: bytes) -> list[bytes]:
    """Returns the kinds of the file's outer boxes, which must cover it exactly."""
    kinds, position = [], 0
    while position < len(content):
        kinds.append(content[position + 4 : position + 8])
        position += int.from_bytes(content[position : position + 4], "big")
    assert position == len(content)
    return kinds


def gray(content: bytes) -> Any:
    """Returns the first frame in gray as a list of rows."""
    with opened(content) as container:
        frame = next(container.decode(video=0))
        plane = frame.planes[0]
        rows = bytes(plane)
        return [rows[start : start + frame.width] for start in range(0, len(rows), plane.line_size)][: frame.height]


@pytest.mark.parametrize(
    ("width", "height", "fps", "seconds"),
    [(1280, 720, 24, 5), (1082, 720, 30, 10), (720, 1800, 24, 3), (1920, 1080, 30, 5), (2, 2, 24, 5), (66, 34, 30, 15)],
)
def test_a_video_decodes_to_its_spec(width: int, height: int, fps: int, seconds: int) -> None:
    """A result is H.264 in 4:2:0 of the exact size, rate and length, and all its frames decode."""
    content = render(spec(width=width, height=height, fps=fps, seconds=seconds))

    with opened(content) as container:
        stream = container.streams.video[0]
        stream.codec_context.options = {"err_detect": "explode"}
        assert (stream.duration, stream.time_base) == (fps * seconds * 512, Fraction(1, fps * 512))
        frames = list(container.decode(stream))
        assert (stream.codec_context.name, stream.codec_context.profile) == ("h264", "Constrained Baseline")
        assert (stream.codec_context.width, stream.codec_context.height) == (width, height)
        assert stream.average_rate == fps
        assert container.duration == seconds * 1_000_000
    assert len(frames) == fps * seconds
    assert {(frame.width, frame.height, frame.format.name) for frame in frames} == {(width, height, "yuv420p")}
    assert bytes(frames[0].planes[0]) == bytes(frames[-1].planes[0])
    assert not any(frame.is_corrupt for frame in frames)


def test_the_largest_video_decodes() -> None:
    """4K at the widest ratio, the largest frame, has a level that allows it."""
    content = render(spec(width=5400, height=2160, seconds=3))

    with opened(content) as container:
        frame = next(container.decode(video=0))
        assert (frame.width, frame.height) == (5400, 2160)


def test_frames_are_numbered() -> None:
    """Each frame differs from the one before in its frame_num, which begins anew after 16."""
    form = h264.Format(width=1280, height=720, fps=24)
    frames = [h264.repeat_frame(form, number) for number in range(1, 33)]

    assert len(set(frames)) == 16
    assert frames[:16] == frames[16:]


@pytest.mark.parametrize("width", [2, 256, 1082, 4112])
@pytest.mark.parametrize("fps", [24, 30])
def test_no_unit_looks_like_a_start_code(width: int, fps: int) -> None:
    """No NAL unit contains the bytes of a start code."""
    form = h264.Format(width=width, height=64, fps=fps)
    content = render(spec(width=width, height=64, fps=fps, seconds=3))
    units = [h264.sequence_parameters(form), h264.picture_parameters()]
    position = content.index(b"mdat") + 4
    while position < len(content):
        end = position + 4 + int.from_bytes(content[position : position + 4], "big")
        units.append(content[position + 4 : end])
        position = end

    assert len(units) == 2 + 3 * fps
    assert not any(code in unit for unit in units for code in (b"\0\0\0", b"\0\0\1", b"\0\0\2"))


def test_the_index_precedes_the_data() -> None:
    """A player can start before it has the whole file."""
    assert boxes(render(spec())) == [b"ftyp", b"moov", b"mdat"]


@pytest.mark.parametrize(("size", "level"), [((1280, 720), 31), ((1920, 1080), 40), ((3840, 2160), 51), ((64, 36), 10)])
def test_the_level_suits_the_size(size: tuple[int, int], level: int) -> None:
    """The level is the lowest that allows the size and the rate, so that devices do not refuse the file."""
    content = render(spec(width=size[0], height=size[1], seconds=3))

    position = content.index(b"avcC") + 4

    assert content[position : position + 4] == bytes([1, 66, 0b1100_0000, level])


def test_a_video_depends_on_its_spec_only() -> None:
    """The same spec results in the same bytes, another task or the watermark in others."""
    plain, again = render(spec(width=1280, height=720)), render(spec(width=1280, height=720))
    other = render(spec(width=1280, height=720, label="867283741759110001"))
    marked = render(spec(width=1280, height=720, watermark=True))

    assert plain == again
    assert len({plain, other, marked}) == 3


def test_the_watermark_is_in_the_corner() -> None:
    """The stamp changes the bottom right corner and nothing else; both pictures have letters in the middle."""
    plain, marked = (gray(render(spec(width=1280, height=720, watermark=watermark))) for watermark in (False, True))

    changed = [(x, y) for y in range(720) for x in range(1280) if plain[y][x] != marked[y][x]]
    assert min(x for x, _ in changed) > 640
    assert min(y for _, y in changed) > 480
    assert len(changed) > 2000
    assert max(plain[360]) - min(plain[360]) > 80


def test_colours_are_bt709_in_limited_range() -> None:
    """The stream declares its colour space, and its values are within the declared range."""
    content = render(spec(width=1280, height=720))

    with opened(content) as container:
        frame = next(container.decode(video=0))
        assert (frame.color_range, frame.colorspace) == (1, 1)
    values = {value for row in gray(content) for value in row}
    assert min(values) >= 16
    assert max(values) <= 235
