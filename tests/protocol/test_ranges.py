"""What requests for a file are answered, by table."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async.protocol.ranges import KnownFile, RangeAnswer, answer_for, known_file
from kling_async.protocol.transfer import Body
from tests.range_requests import DATE, ETAG, LENGTH, REQUESTS, Asked

FILE = KnownFile("video/mp4", LENGTH, ETAG, DATE, in_parts=True)
EMPTY = attrs.evolve(FILE, length=0)


def answer_to(file: KnownFile = FILE, method: str = "GET", **headers: str) -> RangeAnswer:
    """The answer to a request."""
    return answer_for(method, {name.replace("_", "-"): value for name, value in headers.items()}, file)


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
def test_a_request_is_answered_by_the_rfc(request_: Asked) -> None:
    """Status, bytes, length and range are those that RFC 9110 requires."""
    headers = {name.lower(): value for name, value in request_.headers.items()}
    answer = answer_for(request_.method, headers, FILE)
    assert answer.status == request_.status
    assert answer.span == (None if request_.span is None else (request_.span[0], request_.span[1] + 1))
    content_range = answer.headers.get("Content-Range")
    if request_.status == 206 and request_.span is not None:
        assert content_range == f"bytes {request_.span[0]}-{request_.span[1]}/{LENGTH}"
    else:
        assert content_range == (f"bytes */{LENGTH}" if request_.status == 416 else None)
    if request_.status == 304:
        assert answer.headers == {"ETag": ETAG, "Last-Modified": DATE}
        return
    size = request_.span[1] - request_.span[0] + 1 if request_.span else 0
    assert answer.headers["Content-Length"] == str(
        LENGTH if request_.method == "HEAD" and answer.status == 200 else size
    )
    assert answer.headers["ETag"] == ETAG
    assert answer.headers.get("Accept-Ranges") == (None if request_.status == 412 else "bytes")
    assert answer.headers.get("Content-Type") == (None if request_.status >= 400 else "video/mp4")


@pytest.mark.parametrize(
    ("text", "status"),
    [("bytes=0-", 200), ("bytes=0-99", 200), ("bytes=-5", 200), ("bytes=1-", 416), ("bytes=-0", 200)],
)
def test_an_empty_file_is_whole_from_its_beginning(text: str, status: int) -> None:
    """No range of an empty file is satisfiable; only ranges that begin after its end are refused."""
    answer = answer_to(EMPTY, range=text)
    assert (answer.status, answer.headers["Content-Length"]) == (status, "0")


def test_a_file_that_comes_whole_only_is_answered_whole() -> None:
    """If the host serves no ranges, they are neither offered nor accepted."""
    answer = answer_to(attrs.evolve(FILE, in_parts=False), range="bytes=5-9")
    assert (answer.status, answer.span) == (200, (0, LENGTH))
    assert "Accept-Ranges" not in answer.headers


def test_a_file_of_unknown_length_has_no_content_length() -> None:
    """Its end is not known: no length, no ranges, the whole file."""
    answer = answer_to(KnownFile("video/mp4"), range="bytes=5-9")
    assert answer == RangeAnswer(200, {"Content-Type": "video/mp4", "X-Content-Type-Options": "nosniff"}, (0, None))


@pytest.mark.parametrize(("method", "value", "status"), [("GET", ETAG, 200), ("GET", "*", 304), ("HEAD", "*", 304)])
def test_without_an_etag_only_the_star_matches(method: str, value: str, status: int) -> None:
    """An ETag that the file does not have is not had by anyone."""
    assert answer_to(KnownFile("video/mp4", 5), method, if_none_match=value).status == status


@pytest.mark.parametrize("name", ["if_modified_since", "if_unmodified_since"])
def test_without_a_date_conditions_on_it_do_not_count(name: str) -> None:
    """Whether such a file has changed is not known, nor if the host's date is malformed."""
    for modified in (None, "yesterday"):
        assert answer_to(attrs.evolve(FILE, modified=modified), **{name: DATE}).status == 200


@pytest.mark.parametrize("date", ["Monday, 23-Nov-26 10:00:00 GMT", "Mon Nov 23 10:00:00 2026"])
def test_old_forms_of_dates_are_read(date: str) -> None:
    """RFC 9110, 5.6.7: there are three of them."""
    assert answer_to(if_modified_since=date).status == 304


@given(st.text(alphabet="Mon, 23Nv6:GT+-"))
def test_any_date_is_read_or_ignored(text: str) -> None:
    """No value of the header raises an error."""
    assert answer_to(if_modified_since=text).status in {200, 304}
    assert answer_to(if_unmodified_since=text).status in {200, 412}


@given(st.text(alphabet="bytes=0123456789-, \tx"), st.integers(0, 12))
def test_any_range_gives_a_part_of_the_file_or_none(text: str, length: int) -> None:
    """Whatever the requested ranges, the span is within the file and matches the headers."""
    answer = answer_to(attrs.evolve(FILE, length=length), range=f"bytes={text}")
    assert answer.status in {200, 206, 416}
    if answer.span is not None:
        first, end = answer.span
        assert end is not None
        assert 0 <= first <= end <= length
        assert answer.headers["Content-Length"] == str(end - first)


# ---------------------------------------------------------------------------------------------- the host's answer


def known(status: int = 206, suffix: str = ".mp4", body: Body | None = None, **headers: str) -> KnownFile:
    """What an answer of the host reveals about the file."""
    lower = {name.replace("_", "-"): value for name, value in headers.items()}
    return known_file(status, lower, body or Body(0, LENGTH, ETAG, DATE), suffix)


@pytest.mark.parametrize(
    ("given_type", "suffix", "media_type"),
    [
        ("video/mp4", ".mp4", "video/mp4"),
        ("Video/MP4; codecs=avc1", ".mp4", "video/mp4"),
        ("", ".mp4", "video/mp4"),
        ("application/octet-stream", ".PNG", "image/png"),
        ("binary/octet-stream", ".wav", "audio/wav"),
        ("text/html", ".mp4", "video/mp4"),
        ("text/html", "", "application/octet-stream"),
        ("image/svg+xml", "", "application/octet-stream"),
        ("image/webp", ".png", "image/webp"),
        ("video/mp4\r\nX: y", ".mp4", "video/mp4"),
        ("video/", ".glb", "application/octet-stream"),
    ],
)
def test_the_type_is_one_that_a_browser_may_be_given(given_type: str, suffix: str, media_type: str) -> None:
    """The host's type counts if it is a picture, sound or a video, and nothing in which scripts run."""
    assert known(suffix=suffix, content_type=given_type).type == media_type


@pytest.mark.parametrize(
    ("etag", "kept"), [('"a"', '"a"'), ('W/"a"', None), ("a", None), ('"a"\r\nX: y', None), ('"ü"', None), (None, None)]
)
def test_an_etag_is_strong_or_not_passed_on(etag: str | None, kept: str | None) -> None:
    """A weak ETag, or one that a header cannot hold, is none."""
    assert known(body=Body(0, 5, etag)).etag == kept


@pytest.mark.parametrize(
    ("status", "length", "in_parts"),
    [
        (206, 5, True),
        (206, None, False),
        (200, 5, False),
        (200, None, False),
    ],
)
def test_parts_are_offered_where_the_host_gives_them(status: int, length: int | None, *, in_parts: bool) -> None:
    """A host that gave a part gives parts, if the length of the whole is known; its word for it does not count."""
    assert known(status, body=Body(0, length), accept_ranges="bytes").in_parts is in_parts


def test_of_a_packed_file_nothing_is_known() -> None:
    """Length, ETag and parts are those of the packed file."""
    assert known(body=Body(0, 5, ETAG, DATE, "gzip"), content_type="video/mp4") == KnownFile("video/mp4")


def test_a_date_that_no_header_can_hold_is_none() -> None:
    """It would split the answer."""
    assert known(body=Body(0, 5, None, f"{DATE}\r\nX: y")).modified is None
