import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kling_async.protocol.errors import DownloadError
from kling_async.protocol.file_addresses import Target, redirected, split, usable

SIGNED = "https://cdn.example.com/a%2Fb/c.mp4?Expires=1&Signature=x~y-z_+/=%2f%2F&Key-Pair-Id=K"


@pytest.mark.parametrize(
    "address",
    [
        SIGNED,
        "http://h:8080/x;y=1,2!$'()*@:",
        'https://h/|"<>^`{}\\?a=[]',
        "https://h/a/../b//c/./d?x=a+b%zz%",
        "https://[::1]:8000/x",
        "https://user:p%40ss@h/x",
        "https://h/",
    ],
)
def test_a_valid_address_is_unchanged(address: str) -> None:
    """A valid request target is not requoted, as a signature holds for one spelling only."""
    assert usable(address, "https") == address


@pytest.mark.parametrize(
    ("address", "sent"),
    [
        ("\r\n https://h/x \r\n", "https://h/x"),
        ("//h/x?y", "http://h/x?y"),
        ("HTTPS://h/X", "https://h/X"),
        ("https://h", "https://h/"),
        ("https://h?x", "https://h/?x"),
        ("https://h/x#part?y", "https://h/x"),
        ("https://h/a b\tc?d e", "https://h/a%20b%09c?d%20e"),
        ("https://h/ü/猫?q=é", "https://h/%C3%BC/%E7%8C%AB?q=%C3%A9"),
        ("https://h/a\r\nHost: b", "https://h/a%0D%0AHost:%20b"),
        ("https://h/\x7f\x00x", "https://h/%7F%00x"),
        ("https://h/\udcff", "https://h/%FF"),
        ("https://h/\ud800", "https://h/%ED%A0%80"),
    ],
)
def test_invalid_characters_are_encoded(address: str, sent: str) -> None:
    """Blanks, controls and non-ASCII are percent-encoded; surrounding whitespace and fragments are removed."""
    assert usable(address, "http") == sent


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ftp://h/x",
        "file:///etc/passwd",
        "data:video/mp4;base64,AAAA",
        "s3://bucket/x",
        "/x",
        "h/x.mp4",
        "h:80/x",
        "https:/h/x",
        "https:h",
        "https://",
        "https:///x",
        "https://:80/x",
        "https://h:port/x",
        "https://h:99999/x",
        "https://h:0/x",
        "https://[::1/x",
        "https://h i/x",
        "https://user@/x",
    ],
)
def test_addresses_that_cannot_be_fetched_are_errors(address: str) -> None:
    """An unsupported scheme, or no host, is an error that hides the address: it may contain a signature."""
    with pytest.raises(DownloadError) as caught:
        usable(address, "https")
    assert "/x" not in caught.value.message


@pytest.mark.parametrize(
    ("address", "location", "there"),
    [
        ("https://h/a/b?q", "https://cdn/x?s=%2f+/=", "https://cdn/x?s=%2f+/="),
        ("https://h/a/b?q", "http://cdn/x", "http://cdn/x"),
        ("http://h/a/b?q", "//cdn/x", "http://cdn/x"),
        ("https://h/a/b?q", "/x?s=%2F", "https://h/x?s=%2F"),
        ("https://h/a/b?q", "c?s=%2F+", "https://h/a/c?s=%2F+"),
        ("https://h/a/b?q", "../c", "https://h/c"),
        ("https://h/a/b?q", "?s", "https://h/a/b?s"),
        ("https://h/a/b?q", "#s", "https://h/a/b?q"),
        ("https://h/a/b?q", " /x y ", "https://h/x%20y"),
        ("https://u:p@h:1/a", "/x", "https://h:1/x"),
        ("https://h/a", "https://u:p@i/x", "https://u:p@i/x"),
        ("https://h/a", "/\udce9", "https://h/%E9"),
    ],
)
def test_redirects(address: str, location: str, there: str) -> None:
    """A redirect is resolved without requoting; credentials of an address are not passed on."""
    assert redirected(address, location) == there


@pytest.mark.parametrize("location", ["ftp://h/x", "file:///x", "javascript:x", "https://"])
def test_a_redirect_to_another_scheme(location: str) -> None:
    """A redirect to an unsupported scheme, or without a host, is an error."""
    with pytest.raises(DownloadError):
        redirected("https://h/x", location)


def test_the_host_of_an_address() -> None:
    """The part before the `@` is not part of the host."""
    assert split("https://user:p@ss@h:1/x?y#z") == Target("https", "user:p@ss", "h:1", "/x?y")


@given(st.text())
@example("//")
def test_any_address_is_usable_or_refused(text: str) -> None:
    """Any valid address becomes printable ASCII without blanks, and is not changed by a second pass."""
    for address in (text, f"https://h/{text}", f"//{text}"):
        try:
            sent = usable(address, "https")
        except DownloadError:
            continue
        path = split(sent).path
        assert path.isascii()
        assert path.isprintable()
        assert " " not in path
        assert usable(sent, "http") == sent
