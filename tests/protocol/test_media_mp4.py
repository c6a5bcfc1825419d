from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kling_async.protocol.media.mp4 import Boxes, shape_of
from kling_async.protocol.media.shape import Shape


def box(kind: bytes, content: bytes = b"", *, long: bool = False) -> bytes:
    """A box, with its length in 4 bytes or in 8."""
    if long:
        return b"\0\0\0\x01" + kind + (16 + len(content)).to_bytes(8) + content
    return (8 + len(content)).to_bytes(4) + kind + content


FTYP, MOOV, MDAT = box(b"ftyp", b"mp42"), box(b"moov", bytes(30)), box(b"mdat", b"\0\0\0\x07" * 9)
TO_THE_END = b"\0\0\0\0mdat" + bytes(40)
LONG = box(b"mdat", bytes(20), long=True)
WHOLE = [FTYP + MOOV + MDAT, FTYP + MDAT + MOOV, FTYP + box(b"free") + MOOV + LONG, FTYP + LONG + MOOV, MOOV + MDAT]


def reader(data: bytes) -> Callable[[int, int], bytes]:
    """Reads a file from memory, as the shell does from disk."""
    return lambda offset, count: data[offset : offset + count]


@pytest.mark.parametrize("data", [*WHOLE, FTYP + MOOV + TO_THE_END])
def test_a_whole_file_is_whole(data: bytes) -> None:
    """Boxes that fill the file, `moov` and `mdat` among them: QuickTime has no `ftyp`, others begin otherwise."""
    assert shape_of(len(data), reader(data)) is Shape.WHOLE


@given(st.sampled_from(WHOLE), st.data())
def test_no_beginning_of_a_file_is_whole(data: bytes, draw: st.DataObject) -> None:
    """However much is missing at the end, a file is not whole, even if its length is not known."""
    part = data[: draw.draw(st.integers(0, len(data) - 1))]
    assert shape_of(len(part), reader(part)) is not Shape.WHOLE


@pytest.mark.parametrize("data", WHOLE)
def test_a_file_cut_between_two_boxes_is_not_whole(data: bytes) -> None:
    """A download that broke off exactly between two boxes lacks one of the two that make a video."""
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
    """Bytes too many, boxes of impossible size, or a missing box."""
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
    """A file with boxes of an MP4, of which the last continues, is cut off; anything else is odd."""
    assert shape_of(len(data), reader(data)) is shape


def test_a_file_that_became_shorter_is_not_whole() -> None:
    """A file with fewer bytes than its stated size ends the walk."""
    assert shape_of(len(WHOLE[0]) + 1, reader(WHOLE[0])) is not Shape.WHOLE


@given(st.binary(max_size=80), st.sampled_from([b"", FTYP, FTYP + MOOV, FTYP + MOOV + MDAT]))
@example(bytes(8), FTYP + MOOV)
def test_any_bytes_are_judged(tail: bytes, head: bytes) -> None:
    """Whatever a file holds, the walk through its boxes ends; without the two it is never whole."""
    data = head + tail
    whole = shape_of(len(data), reader(data)) is Shape.WHOLE
    assert not whole or all(kind in data for kind in (b"moov", b"mdat"))


def boxes_of(data: bytes, piece: int) -> Boxes:
    """Boxes that were followed piece by piece."""
    boxes = Boxes()
    for begin in range(0, len(data), piece):
        boxes.take(data[begin : begin + piece])
    return boxes


@given(st.sampled_from([*WHOLE, FTYP + MOOV + TO_THE_END]), st.integers(1, 40), st.data())
def test_bytes_that_are_not_kept_are_judged_alike(data: bytes, piece: int, draw: st.DataObject) -> None:
    """Boxes received in pieces of any size have the same shape as the stored file, whole or not."""
    part = data[: draw.draw(st.integers(0, len(data)))]
    assert boxes_of(data, piece).shape() is Shape.WHOLE
    assert boxes_of(part, piece).shape() is shape_of(len(part), reader(part))


@given(st.binary(max_size=80), st.sampled_from([b"", FTYP, FTYP + MOOV, FTYP + MOOV + MDAT]), st.integers(1, 40))
@example(b"\0\0\0\x07free", FTYP + MOOV + MDAT, 3)
@example(b"\0\0\0\x01free" + (7).to_bytes(8), FTYP + MOOV + MDAT, 3)
def test_any_bytes_that_are_not_kept_are_judged(tail: bytes, head: bytes, piece: int) -> None:
    """Whatever comes, it is called what a file would be."""
    data = head + tail
    assert boxes_of(data, piece).shape() is shape_of(len(data), reader(data))
