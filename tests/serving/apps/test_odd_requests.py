"""Requests that no browser sends are refused by both example backends, and are not logged as errors."""

import logging

import pytest

from examples.web_service.settings import Settings
from tests.serving.apps.conftest import CAT, Visitor
from tests.serving.apps.test_refusals import host_of, nothing_is_kept, raw

FORM = "multipart/form-data; boundary=x"


def part(name: str, content: bytes = b"text", more: str = "") -> bytes:
    """Returns a part of a form."""
    return f'--x\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + content + b"\r\n"


PICTURE = part("picture", CAT.read_bytes(), '; filename="a.png"')
END = b"--x--\r\n"


async def test_invalid_addresses(ann: Visitor, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """Host and Origin with brackets that are no address are refused like those of another site."""
    own = {"Host": host_of(ann), "Content-Type": FORM, "Content-Length": "0"}
    for odd in ({"Origin": "http://["}, {"Host": "["}, {"Host": "a]b"}, {"Host": "[::1"}):
        lines = "".join(f"{name}: {value}\r\n" for name, value in (own | odd).items())
        assert b" 403 " in await raw(ann, f"POST /api/clips HTTP/1.1\r\n{lines}")
        assert b" 500 " not in await raw(ann, f"GET / HTTP/1.1\r\nHost: {odd.get('Host', 'a')}\r\n")
    assert await nothing_is_kept(ann, settings)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_what_the_page_does_not_send(ann: Visitor, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """Both refuse forms that the page does not send: files as texts, repeated parts, no form at all."""
    for kind, body in (
        ("application/json", b"{}"),
        ("application/x-www-form-urlencoded", b"prompt=a"),
        ("", b""),
        (FORM, END),
        (FORM, PICTURE + PICTURE + END),
        (FORM, PICTURE + part("prompt") + part("prompt") + END),
        (FORM, PICTURE + part("prompt", more='; filename="a.txt"') + END),
        (FORM, part("prompt", more='; filename="a.txt"') + END),
        (FORM, part("prompt") + part("picture", CAT.read_bytes()) + END),
    ):
        async with ann.http.post(f"{ann.url}/api/clips", data=body, headers={"Content-Type": kind}) as answer:
            assert (answer.status, list(await answer.json())) == (400, ["message"]), body[:100]
    assert await nothing_is_kept(ann, settings)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_what_cannot_be_read(ann: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    """An unreadable body is the sender's mistake: its encoding, a part's long header, an unknown character set."""
    for body, headers in (
        (b"garbage", {"Content-Encoding": "gzip"}),
        (b"--x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n\r\n" + END, {}),
        (part("_charset_", b"nope") + part("_charset_", b"nope" * 20) + END, {}),
        (part("_charset_", b"nope" * 20) + END, {}),
    ):
        async with ann.http.post(f"{ann.url}/api/clips", data=body, headers={"Content-Type": FORM} | headers) as answer:
            assert answer.status in {400, 422}, body[:100]
            assert (await answer.json())["message"]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_long_name(ann: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    """A file name that is too long for the disk is a 404."""
    assert (await ann.get(f"/static/{'a' * 300}"))[0] == 404
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
