import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kling_async.protocol.errors import DownloadError
from kling_async.protocol.transfer import (
    FIRST_BOX_BYTES,
    Answer,
    Body,
    Boxes,
    Part,
    is_whole,
    judge,
    range_headers,
    refuse_kind,
    refuse_start,
)

KEPT = Part("v", length=200, etag='"a"')
REST = {"content-range": "bytes 100-199/200", "etag": '"a"', "content-length": "100"}

# --------------------------------------------------------------------------------------------------- asking


@pytest.mark.parametrize(
    ("part", "offset", "headers"),
    [
        (KEPT, 100, {"Range": "bytes=100-", "If-Range": '"a"'}),
        (KEPT, 0, {}),
        (None, 100, {}),
        (Part("v", length=200), 100, {}),
        (Part("v", etag='W/"a"'), 100, {}),
        (Part("v", etag='"a"\r\nX: y'), 100, {}),
        (Part("v", etag='"\udcff"'), 100, {}),
        (Part("v", etag='"ü"'), 100, {}),
    ],
)
def test_the_rest_is_asked_for_if_it_can_be_told_to_fit(
    part: Part | None, offset: int, headers: dict[str, str]
) -> None:
    """A range is asked for only with a strong ETag that a header can carry."""
    assert headers == range_headers(part, offset)


# ------------------------------------------------------------------------------------------------- answers


@pytest.mark.parametrize(
    ("status", "headers", "part", "offset", "meaning"),
    [
        (200, {}, None, 0, Body(0, None, None)),
        (200, {"content-length": "200", "etag": '"a"', "content-type": "video/mp4"}, None, 0, Body(0, 200, '"a"')),
        (200, {"content-length": "200", "etag": '"b"'}, KEPT, 100, Body(0, 200, '"b"')),
        (200, {"content-length": "200", "content-encoding": "gzip"}, None, 0, Body(0, None, None)),
        (200, {"content-length": "-1"}, None, 0, Body(0, None, None)),
        (200, {"content-length": "²"}, None, 0, Body(0, None, None)),
        (200, {"content-length": "9" * 30}, None, 0, Body(0, None, None)),
        (200, {"content-type": "application/octet-stream"}, None, 0, Body(0, None, None)),
        (206, REST, KEPT, 100, Body(100, 200, '"a"')),
        (206, {**REST, "content-range": " Bytes 100 - 199 / 200 "}, KEPT, 100, Body(100, 200, '"a"')),
        (206, REST, Part("v", etag='"a"'), 100, Body(100, 200, '"a"')),
        (206, {**REST, "content-range": "bytes 100-199/*"}, Part("v", etag='"a"'), 100, Body(100, None, '"a"')),
        (206, REST, KEPT, 99, Answer.RESTART),
        (206, REST, None, 100, Answer.RESTART),
        (206, {**REST, "etag": '"b"'}, KEPT, 100, Answer.RESTART),
        (206, {"content-range": "bytes 100-199/200"}, KEPT, 100, Answer.RESTART),
        (206, {**REST, "content-range": "bytes 100-299/300"}, KEPT, 100, Answer.RESTART),
        (206, {**REST, "content-range": "bytes 100-199/*"}, KEPT, 100, Answer.RESTART),
        (206, {**REST, "content-range": "bytes 0-199/200"}, KEPT, 100, Answer.RESTART),
        (206, {**REST, "content-range": "bytes */200"}, KEPT, 100, Answer.RESTART),
        (206, {**REST, "content-range": "pages 100-199/200"}, KEPT, 100, Answer.RESTART),
        (206, {"etag": '"a"'}, KEPT, 100, Answer.RESTART),
        (416, {}, KEPT, 200, Answer.WHOLE),
        (416, {}, KEPT, 100, Answer.RESTART),
        (416, {}, Part("v"), 200, Answer.RESTART),
        (416, {}, None, 0, Answer.RESTART),
        *((status, {"content-type": "text/xml"}, None, 0, Answer.EXPIRED) for status in (401, 403, 404, 410)),
        *(
            (status, {"content-type": "text/html"}, None, 0, Answer.BUSY)
            for status in (408, 425, 429, 500, 502, 503, 599)
        ),
    ],
)
def test_an_answer_of_the_file_host(
    status: int, headers: dict[str, str], part: Part | None, offset: int, meaning: Answer | Body
) -> None:
    """Each answer is a body with its place in the file, or says what to do instead."""
    assert meaning == judge(status, headers, part, offset)


@pytest.mark.parametrize("status", [100, 204, 302, 304, 400, 405, 451])
def test_other_answers_are_errors(status: int) -> None:
    """What no repetition cures is an error that tells the status."""
    with pytest.raises(DownloadError) as caught:
        judge(status, {}, None, 0)
    assert caught.value.http_status == status


@pytest.mark.parametrize(
    "kind",
    [
        "text/html",
        "TEXT/Plain; charset=utf-8",
        "application/json",
        "application/problem+json",
        "application/xml",
        "image/svg+xml",
        "application/javascript",
        " text/css",
    ],
)
def test_a_page_is_no_video(kind: str) -> None:
    """Text, JSON and XML are refused by their type, whether whole or in part."""
    with pytest.raises(DownloadError, match="instead of a video"):
        refuse_kind(kind)
    for status in (200, 206):
        with pytest.raises(DownloadError):
            judge(status, {**REST, "content-type": kind}, KEPT, 100)


@pytest.mark.parametrize("kind", ["", "video/mp4", "application/octet-stream", "binary/octet-stream", "x"])
def test_other_types_pass(kind: str) -> None:
    """Hosts call videos many things; their first bytes decide."""
    refuse_kind(kind)


@pytest.mark.parametrize("head", [b"\0\0\0\x18ftypmp42", b"\0\0\0\x18ftyp", b"\0\0\0\x18fty", b""])
def test_the_beginning_of_a_video_passes(head: bytes) -> None:
    """The first box is `ftyp`; too few bytes tell nothing yet."""
    refuse_start(head)


@pytest.mark.parametrize("head", [b"<!doctype html>", b'{"error": 1}', b"\0\0\0\x18moov", b"ftypftyp"[:4] + b"x" * 4])
def test_another_beginning_is_refused(head: bytes) -> None:
    """What begins otherwise is no MP4."""
    assert len(head) >= FIRST_BOX_BYTES
    with pytest.raises(DownloadError, match="does not begin with an 'ftyp' box"):
        refuse_start(head)


_HEADERS = st.dictionaries(
    st.sampled_from(["etag", "content-length", "content-range", "content-type", "content-encoding"]),
    st.text(max_size=12) | st.from_regex(r"bytes \d{0,3}-\d{0,3}/[\d*]{0,3}") | st.sampled_from(["200", '"a"']),
)


@given(st.integers(100, 599), _HEADERS, st.sampled_from([None, KEPT, Part("v")]), st.integers(0, 300))
def test_a_body_begins_at_0_or_where_we_stopped(
    status: int, headers: dict[str, str], part: Part | None, offset: int
) -> None:
    """Whatever the host answers, no body is taken that would leave a hole or be appended to another file."""
    try:
        meaning = judge(status, headers, part, offset)
    except DownloadError:
        return
    if isinstance(meaning, Body) and meaning.offset != 0:
        assert (status, meaning.offset) == (206, offset)
        assert part is not None
        assert part.etag in {None, meaning.etag}


# ---------------------------------------------------------------------------------------------------- notes


@given(st.builds(Part, st.text(), st.none() | st.integers(0, 2**60), st.none() | st.text()))
def test_a_note_reads_back(part: Part) -> None:
    """What is noted beside a part is read back the same."""
    assert part == Part.from_json(part.to_json())


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff",
        b"{",
        b"[]",
        b"null",
        b"5",
        b'"a"',
        b"{}",
        b'{"length": 5}',
        b'{"video_id": 5}',
        b'{"video_id": "v", "length": "5"}',
        b'{"video_id": "v", "length": 5.0}',
        b'{"video_id": "v", "etag": []}',
        b'{"video_id": "v", "more": 1}',
        b'{"video_id": "v", "length": ' + b"9" * 5000 + b"}",
        b"[" * 200_000,
    ],
)
def test_another_note_is_none(text: bytes) -> None:
    """A note that is garbled, foreign or of another version is as good as none."""
    assert Part.from_json(text) is None


_ODD: Any = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.none())


@given(
    st.binary(max_size=40) | st.dictionaries(st.sampled_from(["video_id", "length", "etag", "x"]), _ODD).map(json.dumps)
)
def test_no_note_raises(text: bytes | str) -> None:
    """Whatever stands in the note, it is a part with usable members, or none."""
    part = Part.from_json(text if isinstance(text, bytes) else text.encode())
    assert part is None or (isinstance(part.video_id, str) and isinstance(part.length, int | None))


# ------------------------------------------------------------------------------------------------ wholeness


def box(kind: bytes, content: bytes = b"", *, long: bool = False) -> bytes:
    """A box, with its length in 4 bytes or in 8."""
    if long:
        return b"\0\0\0\x01" + kind + (16 + len(content)).to_bytes(8) + content
    return (8 + len(content)).to_bytes(4) + kind + content


FTYP, MOOV, MDAT = box(b"ftyp", b"mp42"), box(b"moov", bytes(30)), box(b"mdat", b"\0\0\0\x07" * 9)
TO_THE_END = b"\0\0\0\0mdat" + bytes(40)
LONG = box(b"mdat", bytes(20), long=True)
WHOLE = [FTYP + MOOV + MDAT, FTYP + MDAT + MOOV, FTYP + box(b"free") + MOOV + LONG, FTYP + LONG + MOOV]


def reader(data: bytes) -> Callable[[int, int], bytes]:
    """Reads a file from memory, as the shell does from disk."""
    return lambda offset, count: data[offset : offset + count]


@pytest.mark.parametrize("data", [*WHOLE, FTYP + MOOV + TO_THE_END])
def test_a_whole_file_is_whole(data: bytes) -> None:
    """Boxes that fill the file, `ftyp`, `moov` and `mdat` among them, and the length that the host said."""
    assert is_whole(len(data), len(data), reader(data))
    assert is_whole(len(data), None, reader(data))


@given(st.sampled_from(WHOLE), st.data())
def test_no_beginning_of_a_file_is_whole(data: bytes, draw: st.DataObject) -> None:
    """However much is missing at the end, a file is not whole, even if nobody knows its length."""
    part = data[: draw.draw(st.integers(0, len(data) - 1))]
    assert not is_whole(len(part), None, reader(part))
    assert not is_whole(len(part), len(data), reader(part))


@pytest.mark.parametrize("data", WHOLE)
def test_a_file_cut_between_two_boxes_is_not_whole(data: bytes) -> None:
    """A download that broke off exactly between two boxes lacks one of the three that make a video."""
    part = data[: data.rindex(b"mdat") - 4] if data.endswith((MDAT, LONG)) else data[: -len(MOOV)]
    assert not is_whole(len(part), None, reader(part))


@pytest.mark.parametrize(
    ("data", "length"),
    [
        (WHOLE[0] + b"\0", None),
        (WHOLE[0] + bytes(8), len(WHOLE[0])),
        (WHOLE[0], len(WHOLE[0]) - 1),
        (FTYP + b"\0\0\0\x07moov" + MDAT, None),
        (FTYP + b"\0\0\0\x01mdat" + (7).to_bytes(8) + MOOV, None),
        (FTYP + MOOV + b"\0\0\0\x01mdat" + b"\xff" * 8, None),
        (FTYP + MOOV + b"\0\0\0\x01mdat", None),
        (MOOV + MDAT, None),
        (b"", None),
        (b"", 0),
        (FTYP + b"\0\0\0\x01mdat" + (15).to_bytes(8) + MOOV + MDAT, None),
    ],
)
def test_a_file_that_does_not_add_up_is_not_whole(data: bytes, length: int | None) -> None:
    """Bytes too many, boxes of impossible size, a missing box, or another length than the host said."""
    assert not is_whole(len(data), length, reader(data))


def test_a_file_that_became_shorter_is_not_whole() -> None:
    """A file that gives fewer bytes than it is said to have ends the walk."""
    assert not is_whole(len(WHOLE[0]) + 1, None, reader(WHOLE[0]))


@given(st.binary(max_size=80), st.sampled_from([b"", FTYP, FTYP + MOOV, FTYP + MOOV + MDAT]))
@example(bytes(8), FTYP + MOOV)
def test_any_bytes_are_judged(tail: bytes, head: bytes) -> None:
    """Whatever a file holds, the walk through its boxes ends; without the three it is never whole."""
    data = head + tail
    whole = is_whole(len(data), None, reader(data))
    assert not whole or all(kind in data for kind in (b"ftyp", b"moov", b"mdat"))


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
    assert boxes_of(data, piece).whole()
    assert boxes_of(part, piece).whole() == is_whole(len(part), None, reader(part))


@given(st.binary(max_size=80), st.sampled_from([b"", FTYP, FTYP + MOOV, FTYP + MOOV + MDAT]), st.integers(1, 40))
@example(b"\0\0\0\x07free", FTYP + MOOV + MDAT, 3)
@example(b"\0\0\0\x01free" + (7).to_bytes(8), FTYP + MOOV + MDAT, 3)
def test_any_bytes_that_are_not_kept_are_judged(tail: bytes, head: bytes, piece: int) -> None:
    """Whatever comes, nothing is called whole that a file would not be."""
    data = head + tail
    assert is_whole(len(data), None, reader(data)) or not boxes_of(data, piece).whole()
