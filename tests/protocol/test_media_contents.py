import gzip
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kling_async.protocol.media.contents import HEAD_BYTES, is_decided, text_in
from kling_async.protocol.media.mp4 import Boxes, shape_of
from kling_async.protocol.media.shape import Shape

PAGE = "<!DOCTYPE html><title>Anmelden für Gäste</title>"

# ----------------------------------------------------------------------------------------------------- text


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (PAGE.encode(), "a page"),
        (b"  \r\n\t" + PAGE.encode(), "a page"),
        (b"\xef\xbb\xbf" + PAGE.encode(), "a page"),
        (PAGE.encode("latin-1"), "a page"),
        ("<html><body>请登录</body></html>".encode("gbk"), "a page"),
        (PAGE.encode("utf-16"), "a page"),
        (b"\xfe\xff" + PAGE.encode("utf-16-be"), "a page"),
        (PAGE.encode("utf-16-le"), "a page"),
        (PAGE.encode("utf-16-be"), "a page"),
        (PAGE.encode("utf-32"), "a page"),
        (PAGE.encode("utf-16")[:-1], "a page"),
        ("<html>😀".encode("utf-16")[:-2], "a page"),
        (gzip.compress(PAGE.encode(), mtime=0), "a page"),
        (gzip.compress(PAGE.encode() * 1000, mtime=0)[:60], "a page"),
        (b"<!-- comment --><HTML>", "a page"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "XML"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "XML"),
        (b'{"error": 1}', "JSON"),
        (b'\n[{"error": 1}]', "JSON"),
        (b"Bad Gateway", "text"),
        (b"#EXTM3U\n#EXT-X-VERSION:3\n", "text"),
        (b"\x1b[31mred\x1b[0m", "text"),
        (b"abc", "text"),
        (b"\r\n\r\n", "text"),
        (b"x" * HEAD_BYTES, "text"),
    ],
)
def test_text_is_told_by_its_bytes(head: bytes, kind: str) -> None:
    """Pages, messages and listings, in any encoding, packed or not."""
    assert text_in(head) == kind


@pytest.mark.parametrize(
    "head",
    [
        b"\0\0\0\x18ftypmp42",
        b"\0\0\0\x08wide\0\0\0\x08mdat",
        b"\0\0\xfe\xffmoov" + b"<html>" * 20,
        b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01",
        b"GIF89a@\x01\xb4\0",
        b"GIF89a" + b"A" * 600,
        b"RIFFAAAAAVI LIST",
        b"G@\0\x10\0\0\xb0\r\0\x01\xc1\0\0\0\x01",
        b"\xff\xd8\xff\xe0\0\x10JFIF",
        b"\x89PNG\r\n\x1a\n",
        b"ID3\x04\0\0",
        b"\xff\xfb\x90\x64\0\x0f",
        b"\xff\xfe\x90\xc4" + bytes(40),
        b"\0\0\x01\xba\x44",
        bytes(HEAD_BYTES),
        b"\xff" * 9 + b"\x02",
        gzip.compress(bytes(100), mtime=0),
        b"\x1f\x8b\x08broken",
        b"<html>\0\x01\x02",
    ],
)
def test_what_is_no_text_passes(head: bytes) -> None:
    """Videos, pictures and sounds of any kind, and bytes that nobody can name."""
    assert text_in(head) is None


@given(st.binary(max_size=600))
def test_more_bytes_change_nothing_once_it_is_decided(data: bytes) -> None:
    """What a body is may be said as soon as its beginning decides, however few bytes came at once."""
    first = next((end for end in range(len(data)) if is_decided(data[:end])), None)
    if first is not None:
        assert text_in(data[:first]) == text_in(data[:HEAD_BYTES]) or first >= HEAD_BYTES


@pytest.mark.parametrize("head", [b"", b"abc", b"<\0h\0", b"\0\0\0", PAGE.encode(), PAGE.encode("utf-16")])
def test_a_beginning_that_may_be_text_decides_nothing_yet(head: bytes) -> None:
    """As long as it reads as text, more of it is looked at."""
    assert not is_decided(head)
    assert is_decided(head + b"\0\1\2\3" * HEAD_BYTES)


# ------------------------------------------------------------------------------------------------ wholeness


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
    """However much is missing at the end, a file is not whole, even if nobody knows its length."""
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
    """Where boxes of an MP4 are there, and the last one goes on, something is missing; else nobody can tell."""
    assert shape_of(len(data), reader(data)) is shape


def test_a_file_that_became_shorter_is_not_whole() -> None:
    """A file that gives fewer bytes than it is said to have ends the walk."""
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
    """Boxes that are followed as they come, in pieces of any size, tell the same as a file, whole or not."""
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
