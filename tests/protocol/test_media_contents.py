import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async.protocol.media.contents import HEAD_BYTES, is_decided, text_in

PAGE = "<!DOCTYPE html><title>Anmelden für Gäste</title>"


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
def test_text_is_recognized_by_its_bytes(head: bytes, kind: str) -> None:
    """Pages, messages and listings are recognized as text in any encoding, also compressed."""
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
def test_other_formats_are_not_text(head: bytes) -> None:
    """Videos, pictures, sounds and unknown formats are not text."""
    assert text_in(head) is None


@given(st.binary(max_size=600))
def test_more_bytes_change_nothing_once_it_is_decided(data: bytes) -> None:
    """The kind of a body is known as soon as its beginning decides, however few bytes arrive at once."""
    first = next((end for end in range(len(data)) if is_decided(data[:end])), None)
    if first is not None:
        assert text_in(data[:first]) == text_in(data[:HEAD_BYTES]) or first >= HEAD_BYTES


@pytest.mark.parametrize("head", [b"", b"abc", b"<\0h\0", b"\0\0\0", PAGE.encode(), PAGE.encode("utf-16")])
def test_a_beginning_that_may_be_text_is_undecided(head: bytes) -> None:
    """A beginning that may be text is undecided until more of it is received."""
    assert not is_decided(head)
    assert is_decided(head + b"\0\1\2\3" * HEAD_BYTES)
