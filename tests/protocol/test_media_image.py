import base64
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async.protocol.media.given import MediaSource, host_of, without_query
from kling_async.protocol.media.image import Image
from tests.repeatable import pickled

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 8


@pytest.mark.parametrize("given_bytes", [PNG, bytearray(PNG), memoryview(PNG)])
def test_bytes_of_any_kind_are_the_picture_itself(given_bytes: object) -> None:
    """Bytes, bytearrays and memoryviews are the content of a picture."""
    assert Image(MediaSource.DATA, data=PNG) == Image.of(given_bytes)


def test_a_bytearray_is_copied() -> None:
    """A later change of a bytearray does not change the picture."""
    buffer = bytearray(b"abc")
    image = Image.of(buffer)
    buffer[0] = 0
    assert image.data == b"abc"


@pytest.mark.parametrize("path", ["cat.jpg", "a b/ü.png", "C:\\pictures\\cat.jpg", "~/cat", "/", "AAAA", "a" * 200])
def test_other_text_is_a_path(path: str) -> None:
    """A string that is not an address, base64 or empty is a path."""
    assert Image(MediaSource.PATH, path=path) == Image.of(path)


@pytest.mark.parametrize("path", [Path("a/cat.jpg"), PurePosixPath("a/cat.jpg")])
def test_path_objects_are_paths(path: object) -> None:
    """`pathlib` objects are paths."""
    assert Image(MediaSource.PATH, path="a/cat.jpg") == Image.of(path)


@pytest.mark.parametrize("url", ["https://example.com/a.png", "HTTP://example.com", "http://u:p@[::1]:8080/a?b#c"])
def test_addresses_are_left_to_the_service(url: str) -> None:
    """http and https addresses with a host are passed on unchanged."""
    assert Image(MediaSource.URL, url=url) == Image.of(url)


def test_an_image_stays_the_same_image() -> None:
    """An `Image` is returned unchanged."""
    image = Image.from_base64("AAAA")
    assert Image.of(image) is image


@pytest.mark.parametrize(
    ("unreadable", "named"),
    [
        ("", "empty string"),
        (" \n", "empty string"),
        ("data:image/png;base64,AAAA", "Image.from_base64"),
        ("DATA:,x", "Image.from_base64"),
        (base64.b64encode(PNG).decode(), "Image.from_base64"),
        (base64.b64encode(PNG).decode()[:66], "Image.from_base64"),
        (base64.b64encode(JPEG).decode(), "Image.from_base64"),
        (base64.encodebytes(JPEG).decode(), "Image.from_base64"),
        ("A" * 1100, "Image.from_base64"),
        ("A/" * 2100, "Image.from_base64"),
        ("ftp://example.com/a.png", "not ftp://"),
        (" https://example.com", "http:// and https:// only"),
        ("http://", "no host"),
        ("https:///a.png", "no host"),
        ("http://[", "no host"),
        ("a\0b", "NUL"),
        (5, "got int"),
        (None, "got NoneType"),
        (["a"], "got list"),
    ],
)
def test_an_invalid_picture_has_a_complaint(unreadable: object, named: str) -> None:
    """An invalid picture has a complaint with the remedy, and never raises."""
    image = Image.of(unreadable)
    assert image.source is MediaSource.UNREADABLE
    assert named in (image.complaint or "")


@pytest.mark.parametrize(
    "path",
    ["A" * 1024, "iVBORw0KGgo" + "A" * 53, "/".join(["A" * 200] * 15), "/9j/cat.jpg" + "x" * 100],
)
def test_long_paths_are_no_base64(path: str) -> None:
    """Text in base64's alphabet that is short enough for a path is a path."""
    assert Image.of(path).source is MediaSource.PATH


@given(st.one_of(st.text(max_size=60), st.from_regex(r"https?://.{0,20}"), st.binary(max_size=9), st.integers()))
def test_any_value_becomes_an_image(value: object) -> None:
    """Any value becomes an image whose repr can be printed, and which can be pickled."""
    image = Image.of(value)
    assert repr(image).encode()
    assert image == pickled(image)


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(PNG).decode(),
        "data:image/png;base64," + base64.b64encode(PNG).decode(),
        "DATA:;base64," + base64.b64encode(PNG).decode(),
        base64.encodebytes(PNG).decode(),
        base64.urlsafe_b64encode(PNG).decode(),
        base64.b64encode(PNG).decode().rstrip("="),
        "data:image/png;base64," + base64.urlsafe_b64encode(PNG).decode().rstrip("="),
        base64.b64encode(PNG),
        b"data:image/png;base64," + base64.encodebytes(PNG),
        bytearray(base64.b64encode(PNG)),
    ],
)
def test_base64_is_read(text: str | bytes) -> None:
    """`from_base64` takes text and bytes, with and without a prefix and padding, both alphabets, and line breaks."""
    assert {"+", "/", "="} & set(base64.b64encode(PNG).decode()) == {"+", "/", "="}
    assert Image(MediaSource.DATA, data=PNG) == Image.from_base64(text)


@pytest.mark.parametrize(
    "text", ["A", "AAAA*", "ÄÄÄÄ", "data:image/png;base64,A", "\ud800AAA", "AA=A", b"\xff", b"A*", 5, None, [65]]
)
def test_other_text_is_no_base64(text: Any) -> None:
    """`from_base64` refuses everything else, without repeating it."""
    with pytest.raises(ValueError, match=r"^Image\.from_base64: the text is not valid base64$"):
        Image.from_base64(text)


@pytest.mark.parametrize(
    ("image", "shown"),
    [
        (Image.of("private/cat.jpg"), "Image('cat.jpg')"),
        (Image.of(PureWindowsPath("cat.jpg")), "Image('cat.jpg')"),
        (Image.of("https://u:pw@example.com/a.png?sig=s#f"), "Image('https://example.com/a.png')"),
        (Image.of(b"12345"), "Image(<5 bytes>)"),
        (Image.of("data:image/png;base64,c2VjcmV0"), "Image(<unreadable>)"),
        (Image.of("\ud800.jpg"), r"Image('\ud800.jpg')"),
    ],
)
def test_a_repr_names_the_source_alone(image: Image, shown: str) -> None:
    """A repr contains no content, folders, or signature of an address."""
    assert shown == repr(image)


@pytest.mark.parametrize(
    ("url", "host"),
    [("https://EXAMPLE.com:80/a", "example.com"), ("http://:80", None), ("http://[", None), ("a", None)],
)
def test_the_host_of_an_address(url: str, host: str | None) -> None:
    """An address has its host, or none if it cannot be parsed."""
    assert host == host_of(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@h/a?X-Sig=1#f", "https://h/a"),
        ("https://h:8443/a", "https://h:8443/a"),
        ("http://[", "<unreadable address>"),
    ],
)
def test_an_address_without_its_secrets(url: str, shown: str) -> None:
    """User, password, query and fragment are left out; an unparsable address is hidden completely."""
    assert shown == without_query(url)
