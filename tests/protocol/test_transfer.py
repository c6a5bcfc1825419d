import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async.protocol.errors import DownloadError
from kling_async.protocol.media.shape import Shape
from kling_async.protocol.transfer import (
    LEAST_BYTES,
    LEAST_SECONDS,
    Answer,
    Body,
    End,
    Part,
    Patience,
    announced,
    classify,
    judge_end,
    range_headers,
    span_headers,
)

KEPT = Part("v", length=200, etag='"a"')
MONDAY = "Mon, 23 Nov 2026 10:00:00 GMT"
A_SECOND_LATER = "Mon, 23 Nov 2026 10:00:01 GMT"
DATED = Part("v", length=200, modified=MONDAY)
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
        (DATED, 100, {"Range": "bytes=100-", "If-Range": MONDAY}),
        (DATED, 0, {}),
        (Part("v", etag='W/"a"', modified=MONDAY), 100, {"Range": "bytes=100-", "If-Range": MONDAY}),
        (Part("v", etag='"a"', modified=MONDAY), 100, {"Range": "bytes=100-", "If-Range": '"a"'}),
        (Part("v", modified="Mon\r\nX: y"), 100, {}),
    ],
)
def test_the_rest_is_requested_if_a_validator_is_known(part: Part | None, offset: int, headers: dict[str, str]) -> None:
    """A range is requested only with a strong ETag, or else a date, that fits into a header."""
    assert headers == range_headers(part, offset)


@pytest.mark.parametrize(
    ("part", "first", "place", "end", "headers", "offset"),
    [
        (KEPT, 0, 0, 200, {}, 0),
        (KEPT, 0, 0, 100, {"Range": "bytes=0-99", "If-Range": '"a"'}, 0),
        (KEPT, 0, 50, 200, {"Range": "bytes=50-199", "If-Range": '"a"'}, 50),
        (KEPT, 10, 50, 100, {"Range": "bytes=50-99", "If-Range": '"a"'}, 50),
        (DATED, 10, 50, 100, {"Range": "bytes=50-99", "If-Range": MONDAY}, 50),
        (Part("v", length=200), 10, 50, 100, {"Range": "bytes=10-99"}, 10),
        (Part("v", length=200, etag='W/"a"'), 0, 50, 200, {"Range": "bytes=0-199"}, 0),
    ],
)
def test_the_rest_of_a_span_is_requested_or_all_of_it(
    *, part: Part, first: int, place: int, end: int, headers: dict[str, str], offset: int
) -> None:
    """From the first missing byte, if there is a validator; else from its beginning. A whole file without a range."""
    assert span_headers(part, first, place, end) == (headers, offset)


# ------------------------------------------------------------------------------------------------- answers


@pytest.mark.parametrize(
    ("status", "headers", "part", "offset", "meaning"),
    [
        (200, {}, None, 0, Body(0, None, None)),
        (200, {"content-length": "200", "etag": '"a"', "content-type": "video/mp4"}, None, 0, Body(0, 200, '"a"')),
        (200, {"content-length": "200", "etag": '"b"'}, KEPT, 100, Body(0, 200, '"b"')),
        (203, {"content-length": "200"}, None, 0, Body(0, 200)),
        (226, {"content-length": "200"}, None, 0, Body(0, 200)),
        (200, {"content-length": "200", "content-type": "text/html"}, None, 0, Body(0, 200)),
        (200, {"content-length": "200", "transfer-encoding": "chunked"}, None, 0, Body(0)),
        (200, {"content-length": "200", "content-encoding": "gzip"}, None, 0, Body(0, 200, encoding="gzip")),
        (200, {"last-modified": MONDAY, "date": A_SECOND_LATER}, None, 0, Body(0, modified=MONDAY)),
        (200, {"last-modified": MONDAY, "date": MONDAY}, None, 0, Body(0)),
        (200, {"last-modified": MONDAY}, None, 0, Body(0)),
        (200, {"last-modified": "yesterday", "date": A_SECOND_LATER}, None, 0, Body(0)),
        (200, {"last-modified": MONDAY, "date": "Mon, 23 Nov 2026 10:00:01 -0000"}, None, 0, Body(0)),
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
        (206, {"content-range": "bytes 100-199/200"}, DATED, 100, Body(100, 200, modified=MONDAY)),
        (206, {**REST, "last-modified": MONDAY}, DATED, 100, Body(100, 200, '"a"', MONDAY)),
        (206, {**REST, "last-modified": A_SECOND_LATER}, DATED, 100, Answer.RESTART),
        (206, {**REST, "content-encoding": "gzip"}, KEPT, 100, Answer.RESTART),
        (206, {**REST, "content-range": "bytes 0-199/200"}, KEPT, 100, Body(0, 200, '"a"')),
        (206, {"content-range": "bytes 0-199/200", "content-length": "200"}, None, 0, Body(0, 200)),
        (206, {**REST, "content-range": "bytes */200"}, KEPT, 100, Answer.RESTART),
        (206, {**REST, "content-range": "pages 100-199/200"}, KEPT, 100, Answer.RESTART),
        (206, {"etag": '"a"'}, KEPT, 100, Answer.RESTART),
        (416, {}, KEPT, 200, Answer.WHOLE),
        (416, {}, KEPT, 100, Answer.RESTART),
        (416, {}, Part("v"), 200, Answer.RESTART),
        (416, {}, None, 0, Answer.RESTART),
        (416, {"content-range": "bytes */200"}, Part("v", etag='"a"'), 200, Answer.WHOLE),
        (416, {"content-range": "bytes */200"}, Part("v", length=300, etag='"a"'), 200, Answer.WHOLE),
        (416, {"content-range": "bytes */300"}, KEPT, 200, Answer.RESTART),
        *((status, {"content-type": "text/xml"}, None, 0, Answer.EXPIRED) for status in (400, 401, 403, 404, 410)),
        *(
            (status, {"content-type": "text/html"}, None, 0, Answer.BUSY)
            for status in (202, 204, 205, 408, 425, 429, 500, 502, 503, 599)
        ),
    ],
)
def test_an_answer_of_the_file_host(
    status: int, headers: dict[str, str], part: Part | None, offset: int, meaning: Answer | Body
) -> None:
    """Each answer is a body with its place in the file, or a decision what to do instead."""
    assert meaning == classify(status, headers, part, offset)


@pytest.mark.parametrize("status", [100, 302, 304, 405, 451])
def test_other_answers_are_errors(status: int) -> None:
    """A status that no repetition changes is an error that contains it."""
    with pytest.raises(DownloadError) as caught:
        classify(status, {}, None, 0)
    assert caught.value.http_status == status


_HEADERS = st.dictionaries(
    st.sampled_from(["etag", "content-length", "content-range", "content-type", "content-encoding", "last-modified"]),
    st.text(max_size=12) | st.from_regex(r"bytes \d{0,3}-\d{0,3}/[\d*]{0,3}") | st.sampled_from(["200", '"a"']),
)


@given(st.integers(100, 599), _HEADERS, st.sampled_from([None, KEPT, Part("v")]), st.integers(0, 300))
def test_a_body_begins_at_0_or_where_we_stopped(
    status: int, headers: dict[str, str], part: Part | None, offset: int
) -> None:
    """Whatever the host answers, no body is taken that would leave a hole or be appended to another file."""
    try:
        meaning = classify(status, headers, part, offset)
    except DownloadError:
        return
    if isinstance(meaning, Body) and meaning.offset != 0:
        assert (status, meaning.offset) == (206, offset)
        assert part is not None
        assert part.etag in {None, meaning.etag}
        assert meaning.encoding is None


# ---------------------------------------------------------------------------------------------------- notes


@given(st.builds(Part, st.text(), st.none() | st.integers(0, 2**60), st.none() | st.text(), st.none() | st.text()))
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
        b'{"video_id": "v", "modified": 5}',
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
    """Whatever the contents of `NAME.part.json`, it is a part with usable members, or None."""
    part = Part.from_json(text if isinstance(text, bytes) else text.encode())
    assert part is None or (isinstance(part.video_id, str) and isinstance(part.length, int | None))


def test_a_note_of_an_older_version_reads() -> None:
    """A part that was begun before dates were noted goes on."""
    assert Part.from_json(b'{"video_id": "v", "length": 200, "etag": "\\"a\\""}') == KEPT


# ------------------------------------------------------------------------------------------------- the end


@pytest.mark.parametrize(
    ("size", "length", "shape", "again", "end"),
    [
        (200, 200, Shape.WHOLE, False, End.WHOLE),
        (200, 200, Shape.ODD, False, End.ODD),
        (200, 200, Shape.CUT, False, End.SHORT),
        (200, 200, Shape.CUT, True, End.ODD),
        (200, None, Shape.WHOLE, False, End.WHOLE),
        (200, None, Shape.ODD, False, End.CUT),
        (200, None, Shape.CUT, False, End.CUT),
        (200, None, Shape.CUT, True, End.ODD),
        (200, None, Shape.ODD, True, End.ODD),
        (199, 200, Shape.WHOLE, True, End.CUT),
        (201, 200, Shape.WHOLE, True, End.CUT),
        (0, 0, Shape.ODD, False, End.CUT),
        (0, None, Shape.ODD, True, End.CUT),
        (200, 200, Shape.OPEN, False, End.WHOLE),
        (200, None, Shape.OPEN, False, End.CUT),
        (200, None, Shape.OPEN, True, End.WHOLE),
        (199, 200, Shape.OPEN, True, End.CUT),
    ],
)
def test_the_length_counts_for_more_than_the_boxes(
    size: int, length: int | None, shape: Shape, end: End, *, again: bool
) -> None:
    """A file of the reported length is complete; without a length its structure decides, or a second download."""
    assert judge_end(size, length, shape, again=again) is end


@pytest.mark.parametrize(
    ("status", "headers", "length"),
    [
        (206, {"content-range": "bytes 200-299/300", "content-length": "100"}, 300),
        (416, {"content-range": "bytes */200"}, 200),
        (416, {}, None),
        (200, {"content-length": "300"}, 300),
        (200, {"content-length": "300", "transfer-encoding": "chunked"}, None),
        (200, {"content-length": "300", "content-encoding": "gzip"}, None),
        (404, {"content-length": "300"}, None),
        (302, {"content-length": "300"}, None),
    ],
)
def test_an_answer_beyond_the_end_contains_the_length(status: int, headers: dict[str, str], length: int | None) -> None:
    """The answer to a request beyond the end contains the file's length, in one way or another."""
    assert announced(status, headers) == length


# ------------------------------------------------------------------------------------------------ patience

BUDGET = 300.0


def patience_after(*breaks: tuple[float, int], length: int | None = 100_000, size: int = 0) -> Patience:
    """A download that broke off at these times and places."""
    patience = Patience(BUDGET, 0.0, size)
    for now, place in breaks:
        patience.broke(now, place, length)
    return patience


@pytest.mark.parametrize(
    ("patience", "ends_at"),
    [
        (patience_after(), BUDGET),
        (patience_after((100, 0)), BUDGET),
        (patience_after((100, 1000)), 400),
        (patience_after((100, 999)), BUDGET),
        (patience_after((100, 500), (200, 1000)), 500),
        (patience_after((100, 50_000), (200, 40_000), (250, 50_999)), 400),
        (patience_after((100, 50_000), (200, 0), (250, 51_000)), 550),
        (patience_after((100, 50_500), size=50_000), BUDGET),
        (patience_after((100, 51_000), size=50_000), 400),
        (patience_after((100, 1), length=5), 400),
        (patience_after((100, LEAST_BYTES - 1), length=None), BUDGET),
        (patience_after((100, LEAST_BYTES), length=None), 400),
        (patience_after((100, LEAST_BYTES), length=2**40), 400),
    ],
)
def test_patience_begins_anew_with_real_progress(patience: Patience, ends_at: float) -> None:
    """Real is a hundredth of the file, or a minute at the least rate, beyond the best place that was ever reached."""
    assert patience.ends_at == ends_at


@given(st.integers(1, 10**6), st.none() | st.just(0), st.data())
def test_patience_ends(length: int, unknown: int | None, draw: st.DataObject) -> None:
    """Wherever a host cuts, its patience is renewed a hundred times at most, or once for each minute's worth."""
    patience, now, renewed = Patience(BUDGET, 0.0, 0), 0.0, 0
    for place in draw.draw(st.lists(st.integers(0, length), max_size=300)):
        before, now = patience.ends_at, now + 1
        patience.broke(now, place, None if unknown is None else length)
        renewed += patience.ends_at > before
    assert renewed <= max(100, length // LEAST_BYTES)


def test_a_connection_that_crawls_is_given_up() -> None:
    """Less than the least rate over a minute ends a connection; what it brought renews no patience."""
    patience = Patience(BUDGET, 0.0, 0)
    patience.connected()
    assert patience.came(LEAST_SECONDS - 1, LEAST_BYTES - 2)
    assert not patience.came(1, 1)
    patience.broke(100, LEAST_BYTES - 1, LEAST_BYTES)
    assert patience.ends_at == BUDGET
    patience.connected()
    assert patience.came(LEAST_SECONDS - 1, LEAST_BYTES)  # it has come to its senses
    patience.broke(200, LEAST_BYTES, LEAST_BYTES)
    assert patience.ends_at == 200 + BUDGET


def test_a_minute_begins_anew_once_enough_came() -> None:
    """A connection that goes on at the least rate goes on for ever; each new one has a minute of its own."""
    patience = Patience(BUDGET, 0.0, 0)
    for _ in range(3):
        patience.connected()
        for _ in range(5):
            assert patience.came(LEAST_SECONDS - 1, LEAST_BYTES)
        assert patience.came(LEAST_SECONDS - 1, 1)
