from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kling_async.protocol.media.mp4 import Boxes, shape_of
from kling_async.protocol.media.shape import Shape


def box(kind: bytes, content: bytes = b"", *, long: bool = False) -> bytes:
    """A box with a length of 4 or 8 bytes."""
    if long:
        return b"\0\0\0\x01" + kind + (16 + len(content)).to_bytes(8) + content
    return (8 + len(content)).to_bytes(4) + kind + content


FTYP, MOOV, MDAT = box(b"ftyp", b"mp42"), box(b"moov", bytes(30)), box(b"mdat", b"\0\0\0\x07" * 9)
TO_THE_END = b"\0\0\0\0mdat" + bytes(40)
LONG = box(b"mdat", bytes(20), long=True)
WHOLE = [FTYP + MOOV + MDAT, FTYP + MDAT + MOOV, FTYP + box(b"free") + MOOV + LONG, FTYP + LONG + MOOV, MOOV + MDAT]


def reader(data: bytes) -> Callable[[int, int], bytes]:
    """A file reader over memory, as the shell has for disks."""
    return lambda offset, count: data[offset : offset + count]


@pytest.mark.parametrize("data", [*WHOLE, FTYP + MOOV + TO_THE_END])
def test_a_whole_file_is_whole(data: bytes) -> None:
    """A file filled by boxes with `moov` and `mdat` is whole: not all have `ftyp`, as QuickTime does not."""
    assert shape_of(len(data), reader(data)) is Shape.WHOLE


@given(st.sampled_from(WHOLE), st.data())
def test_no_beginning_of_a_file_is_whole(data: bytes, draw: st.DataObject) -> None:
    """A file that is cut off anywhere is not whole, even if its length is unknown."""
    part = data[: draw.draw(st.integers(0, len(data) - 1))]
    assert shape_of(len(part), reader(part)) is not Shape.WHOLE


@pytest.mark.parametrize("data", WHOLE)
def test_a_file_cut_between_two_boxes_is_not_whole(data: bytes) -> None:
    """A file that ends between two boxes is not whole if `moov` or `mdat` is missing."""
    part = data[: data.rindex(b"mdat") - 4] if data.endswith((MDAT, LONG)) else data[: -len(MOOV)]
    assert shape_of(len(part), reader(part)) is not Shape.WHOLE


@pytest.mark.parametrize(
    "data",
    [
        WHOLE[0] + b"\0",
        FTYP + b"\0\0\0\x07moov" + MDAT,
        FTYP + b"\0\0\0\x01mdat" + (7).to_bytes(8) + MOOV,
        FTYP + MOOV + b"\0\0\0\x01mdat" + b"\xff" * 8,
        FTYP + MOOV + b"\0\0\0\x01mdat",
        FTYP + MDAT,
        b"",
        FTYP + b"\0\0\0\x01mdat" + (15).to_bytes(8) + MOOV + MDAT,
    ],
)
def test_a_file_that_does_not_add_up_is_not_whole(data: bytes) -> None:
    """A file with additional bytes, a box of impossible size, or a missing box is not whole."""
    assert shape_of(len(data), reader(data)) is not Shape.WHOLE


@pytest.mark.parametrize(
    ("data", "shape"),
    [
        (WHOLE[0][:-1], Shape.CUT),
        (WHOLE[0] + b"\0\0", Shape.CUT),
        (FTYP + MOOV[:20], Shape.CUT),
        (FTYP + MOOV, Shape.ODD),
        (box(b"free") + MDAT, Shape.ODD),
        (FTYP + b"\0\0\0\x07moov", Shape.ODD),
        (b"GIF89a" + bytes(20), Shape.ODD),
        (b"\x1aE\xdf\xa3" + bytes(20), Shape.ODD),
        (b"\0\0", Shape.ODD),
    ],
)
def test_what_ends_within_a_box_is_cut(data: bytes, shape: Shape) -> None:
    """A file that ends within the last of its MP4 boxes is cut off; any other is odd."""
    assert shape_of(len(data), reader(data)) is shape


def test_a_file_that_became_shorter_is_not_whole() -> None:
    """A file shorter than its stated size is not whole."""
    assert shape_of(len(WHOLE[0]) + 1, reader(WHOLE[0])) is not Shape.WHOLE


@given(st.binary(max_size=80), st.sampled_from([b"", FTYP, FTYP + MOOV, FTYP + MOOV + MDAT]))
@example(bytes(8), FTYP + MOOV)
def test_any_bytes_are_judged(tail: bytes, head: bytes) -> None:
    """Reading the boxes of any bytes ends; a file without the two boxes is never whole."""
    data = head + tail
    whole = shape_of(len(data), reader(data)) is Shape.WHOLE
    assert not whole or all(kind in data for kind in (b"moov", b"mdat"))


def boxes_of(data: bytes, piece: int) -> Boxes:
    """The boxes of a file that is followed piece by piece."""
    boxes = Boxes()
    for begin in range(0, len(data), piece):
        boxes.take(data[begin : begin + piece])
    return boxes


@given(st.sampled_from([*WHOLE, FTYP + MOOV + TO_THE_END]), st.integers(1, 40), st.data())
def test_followed_bytes_are_judged_alike(data: bytes, piece: int, draw: st.DataObject) -> None:
    """A file received in pieces of any size has the same shape as the stored file."""
    part = data[: draw.draw(st.integers(0, len(data)))]
    assert boxes_of(data, piece).shape() is Shape.WHOLE
    assert boxes_of(part, piece).shape() is shape_of(len(part), reader(part))


@given(st.binary(max_size=80), st.sampled_from([b"", FTYP, FTYP + MOOV, FTYP + MOOV + MDAT]), st.integers(1, 40))
@example(b"\0\0\0\x07free", FTYP + MOOV + MDAT, 3)
@example(b"\0\0\0\x01free" + (7).to_bytes(8), FTYP + MOOV + MDAT, 3)
def test_any_followed_bytes_are_judged(tail: bytes, head: bytes, piece: int) -> None:
    """Any bytes received in pieces have the same shape as the stored file."""
    data = head + tail
    assert boxes_of(data, piece).shape() is shape_of(len(data), reader(data))
